"""A trained run becomes ensembles: load its generator, ask it for micrographs, write them to a store."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import xarray as xr
from torch import Tensor
from tqdm import tqdm

from . import __version__, ensemble
from .device import usable_device
from .memory import keep_freed_memory
from .networks import CheckpointError, FrozenGenerator, Generator, load_published, load_tensors, load_weights
from .process import ConditionLike, ProcessCondition, ProcessSpace
from .training import Run, TrainingConfig
from .training.averaging import make_ready
from .training.batches import to_grey

_MOST = 100_000_000  # micrographs a condition: 6.5 TB at 256 px


@dataclass(frozen=True, eq=False)
class Model:
    """A generator that answers in conditions. Made by `load`.

    Attributes:
        generator: the network, frozen for sampling.
        name: of the run or file.
        reduction: source pixels, along each axis, in one of its pixels.
        um_per_px: size of its pixels; NaN where those of its training data differ or are unknown. Where the
            pixel size is a factor, conditions say it.
        provenance: where it comes from, for the stores it writes.
        licence, attribution: of the micrographs it was trained on.
    """

    generator: FrozenGenerator
    name: str
    reduction: int
    um_per_px: float
    provenance: dict[str, Any]
    licence: str = ""
    attribution: str = ""

    @property
    def space(self) -> ProcessSpace:
        """The process space, with the combinations that training saw."""
        return self.generator.space

    def __repr__(self) -> str:
        n, side = len(self.space.observed), self.generator.resolution
        names = ", ".join(self.space.names)
        return f"<Model {self.name}: {side} x {side} px, {names}; {n} combinations observed>"

    def sample(
        self,
        conditions: Iterable[ConditionLike] | ConditionLike,
        seeds: Sequence[int] | None = None,
        *,
        z: Tensor | np.ndarray | None = None,
    ) -> Tensor:
        """Generate one micrograph a condition.

        Args:
            conditions: n of them, in any form; values between levels and unseen combinations work, the latter
                with a warning.
            seeds: n latent seeds; default 0 to n - 1. A seed and a condition always give the same micrograph.
            z: (n, latent) latent vectors instead of seeds.

        Returns:
            (n, channel, y, x) float32 in [-1, 1].

        Raises:
            ConditionError: a condition outside the process space.
            ValueError: numbers of conditions, seeds and latents differ.
        """
        points = self.space.conditions(conditions)
        if z is None:
            z = latents(range(len(points)) if seeds is None else seeds, self.generator.latent)
        elif seeds is not None:
            raise ValueError("give seeds or z, not both")
        z = torch.as_tensor(z, dtype=torch.float32)
        if len(z) != len(points):
            raise ValueError(f"{len(points)} conditions, but {len(z)} latent vectors")
        _warn_unobserved(self, points)
        return self._forward(z, points)

    def _forward(self, z: Tensor, points: list[ProcessCondition]) -> Tensor:
        device = next(self.generator.parameters()).device
        weights = torch.from_numpy(self.space.encode(points))
        return self.generator(z.to(device), weights.to(device)).cpu()

    def describe(self, conditions: Iterable[ConditionLike] | ConditionLike) -> list[str]:
        """One line a condition: its notation, and whether training saw it."""
        points = self.space.conditions(conditions)
        if not self.space.observed:
            return [f"{c.label}: this model does not say what its training saw" for c in points]
        return [f"{c.label}: {'observed' if c.observed else 'never observed in training'}" for c in points]


def latents(seeds: Iterable[int], length: int) -> Tensor:
    """Latent vectors, (seed, length) float32, standard normal; each depends on its own seed alone."""
    rows = [
        np.random.Generator(np.random.Philox(key=seed)).standard_normal(length, dtype=np.float32)
        for seed in seeds
    ]
    return torch.from_numpy(np.stack(rows)) if rows else torch.empty(0, length)


def load(
    path: str | os.PathLike | Run,
    device: str | torch.device | None = None,
    *,
    precision: Literal["float32", "bfloat16"] = "float32",
) -> Model:
    """Open a trained generator.

    Args:
        path: a run (or its folder), its ``generator.safetensors``, one of its checkpoints (whose averaged
            generator is taken; opening one takes some forward passes of training batches, see `make_ready`),
            or the paper's published ``.pth``.
        device: where it runs; by default the GPU if there is one.
        precision: ``"float32"``; or ``"bfloat16"``, which is faster above 64 px, and changes few pixels by
            more than two grey levels; see `FrozenGenerator`.

    Raises:
        FileNotFoundError: nothing there, or a run that has not written a generator yet.
        CheckpointError: a damaged file or one of another layout.
        ValueError: no such precision, or a device that is not there.
    """
    path = path.folder if isinstance(path, Run) else Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such run or checkpoint")
    file = path / "generator.safetensors" if path.is_dir() else path
    device = usable_device(device)
    if file.suffix in (".pth", ".pt"):
        generator = FrozenGenerator(load_published(file), precision)
        provenance = {"checkpoint": str(file), "checkpoint_sha256": _sha256(file)}
        return Model(generator.to(device), file.name, 1, np.nan, provenance)
    if not file.exists():
        raise FileNotFoundError(
            f"{path} holds no generator.safetensors: has its training reached a first sample?"
        )
    tensors, meta = load_weights(file)
    folder = file.resolve().parent
    raw = None
    if "step" in meta:  # a checkpoint, which holds all that the training is
        raw, tensors = (
            {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}
            for prefix in ("generator.", "averaged.")
        )
        folder = folder.parent
    config = TrainingConfig(**meta["config"])
    space = ProcessSpace.from_json(meta["process_space"])
    with torch.device("meta"):
        generator = Generator(
            space, config.resolution, config.ch, config.latent, config.attention, embedding=config.embedding
        )
    load_tensors(generator, tensors, file)
    generator.eval().requires_grad_(False).to(device)
    if raw is not None:
        make_ready(generator, raw, config)
    provenance = {
        "checkpoint": str(file),
        "checkpoint_sha256": _sha256(file),
        "images": meta["images"],
        "preset": meta["preset"],
        "config": meta["config"],
        "start_from": meta.get("start_from"),
        "pspgan_training": meta["pspgan"],
    }
    data = meta["data"]
    known = data["um_per_px"] is not None
    return Model(
        FrozenGenerator(generator, precision).to(device),
        folder.name,
        config.reduction,
        data["um_per_px"] * config.reduction / data["reduction"] if known else np.nan,
        provenance,
        _of_all_data(meta, "licence"),
        _of_all_data(meta, "attribution"),
    )


def _of_all_data(meta: dict[str, Any], key: str) -> str:
    """What is said of the micrographs that the weights were trained on, in fine-tuning and before."""
    said = []
    while meta is not None:
        said.append((meta["data"] or {}).get(key))
        meta = meta.get("start_from")
    return "; ".join(dict.fromkeys(filter(None, said)))


def generate(
    model: Model | Run | str | os.PathLike,
    conditions: Literal["observed", "all"] | Iterable[ConditionLike] | ConditionLike = "observed",
    n: int = 64,
    out: str | os.PathLike | None = None,
    *,
    seed: int = 0,
    batch: int = 64,
    overwrite: bool = False,
    progress: bool = True,
) -> xr.Dataset:
    """Generate an ensemble: ``n`` micrographs a condition, seeds ``seed`` to ``seed + n - 1`` for each.

    A store that an interrupted call left half-written is finished by the same call.

    Args:
        model: what `load` gives or takes.
        conditions: ``"observed"`` (the combinations that training saw), ``"all"`` combinations of levels, or
            conditions in any form, between levels too.
        n: micrographs a condition.
        out: zarr store to write; None keeps the ensemble in memory.
        seed: first latent seed.
        batch: micrographs a forward pass; has no influence on the result beyond floating-point noise.
        overwrite: replace an existing store.
        progress: show a bar on a terminal.

    Returns:
        The ensemble, lazy where it was written to ``out``.

    Raises:
        ConditionError: a condition outside the process space.
        FileExistsError: ``out`` holds something else and ``overwrite`` is off.
        ValueError: nothing to generate.
    """
    model = model if isinstance(model, Model) else load(model)
    points = _resolve(model.space, conditions)
    if seed < 0:
        raise ValueError(f"seed {seed} is negative; latent seeds count from 0")
    if n < 1 or not points:
        raise ValueError(f"nothing to generate: {len(points)} conditions, n = {n}")
    if n > _MOST:
        raise ValueError(f"n = {n} are more micrographs a condition than an ensemble holds, {_MOST}")
    if seed + n > 2**63:
        raise ValueError(f"seed {seed} is too large; latent seeds end at {2**63 - 1}")
    if batch < 1:
        raise ValueError(f"batch {batch} is no number of micrographs")
    _warn_unobserved(model, points)
    layout = _layout(model, points, n, seed)
    if out is None:
        parts = [slice(0, layout.sizes["sample"])]
    else:
        if not _half_written(out, layout):
            ensemble.create(layout, out, overwrite=overwrite)
        parts = ensemble.pending(out)
    count = sum(part.stop - part.start for part in parts)
    title, silent = f"generate {model.name}", None if progress else True
    with tqdm(total=count, unit="image", desc=title, disable=silent) as bar, keep_freed_memory():
        for part in parts:
            images = np.empty((part.stop - part.start, *layout["micrograph"].shape[1:]), np.uint8)
            for begin in range(part.start, part.stop, batch):
                rows = range(begin, min(begin + batch, part.stop))
                z = latents([seed + i % n for i in rows], model.generator.latent)
                made = model._forward(z, [points[i // n] for i in rows])[:, 0]
                images[begin - part.start : begin - part.start + len(rows)] = to_grey(made).numpy()
                bar.update(len(rows))
            if out is None:
                return layout.assign(micrograph=(("sample", "y", "x"), images))
            ensemble.write_region(out, part.start, micrograph=images)
    ensemble.finish(out)
    return ensemble.open_ensemble(out)


def _resolve(space: ProcessSpace, conditions: Any) -> list[ProcessCondition]:
    if isinstance(conditions, str) and conditions in ("observed", "all"):
        points = space.observed_conditions if conditions == "observed" else space.all_conditions
        if not points:
            raise ValueError(
                "this model does not say which combinations its training saw (a published checkpoint); "
                "name the conditions"
            )
        return points
    return list(dict.fromkeys(space.conditions(conditions)))


def _layout(model: Model, points: list[ProcessCondition], n: int, seed: int) -> xr.Dataset:
    """The ensemble to be, with zeros for micrographs that take no memory."""
    if model.generator.channels != 1:
        raise ValueError(
            f"an ensemble holds grey micrographs; this generator makes {model.generator.channels} channels"
        )
    side = model.generator.resolution
    each = [point for point in points for _ in range(n)]
    settings = {
        "conditions": [str(point) for point in points],
        "n": n,
        "seed": seed,
        "precision": model.generator.precision,
    }
    return ensemble.build(
        np.broadcast_to(np.uint8(0), (len(each), side, side)),
        each,
        model.space,
        origin="generated",
        specimen=[f"{model.name}:{point}" for point in each],
        seed=[seed + i % n for i in range(len(each))],
        um_per_px=[point.pixel_size for point in each] if model.space.has_pixel_size else model.um_per_px,
        reduction=model.reduction,
        provenance=model.provenance | {"pspgan": __version__, "generate": settings},
        licence=model.licence,
        attribution=model.attribution,
    )


def _half_written(out: str | os.PathLike, layout: xr.Dataset) -> bool:
    """Whether ``out`` is what an interrupted call with the same arguments left behind."""
    if not Path(out).exists():
        return False
    try:
        found = ensemble.open_ensemble(out, allow_incomplete=True)
    except ensemble.EnsembleError:
        return False
    asked, there = json.loads(layout.attrs["provenance"]), json.loads(found.attrs["provenance"])
    same = all(asked.get(key) == there.get(key) for key in ("checkpoint_sha256", "generate"))
    return same and not found.attrs["complete"]


def _warn_unobserved(model: Model, points: list[ProcessCondition]) -> None:
    unseen = list(dict.fromkeys(point.label for point in points if not point.observed))
    if unseen and model.space.observed:
        shown = ", ".join(unseen[:5]) + (f" and {len(unseen) - 5} more" if len(unseen) > 5 else "")
        warnings.warn(
            f"training of {model.name} never saw {shown}; what is generated there is extrapolation",
            stacklevel=3,
        )


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


__all__ = ["CheckpointError", "Model", "generate", "latents", "load"]
