"""A trained generator from its file: a run's, a checkpoint's, or the paper's."""

from __future__ import annotations

import hashlib
import os
import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from ..device import usable_device
from ..networks import FrozenGenerator, Generator, load_published, load_tensors, load_weights
from ..process import ProcessSpace
from ..training import Run, TrainingConfig
from ..training.averaging import make_ready
from ..training.run import step_of
from .model import Model

Precision = Literal["float32", "bfloat16"]


def load(
    path: str | os.PathLike[str] | Run,
    device: str | torch.device | None = None,
    *,
    precision: Precision = "float32",
) -> Model:
    """Open a trained generator.

    Args:
        path: a run (or its folder), its ``generator.safetensors``, one of its checkpoints (whose averaged
            generator is taken; opening one takes some forward passes of training batches, see `make_ready`),
            or the paper's published ``.pth``. Of a run that was stopped before its first sample, and has
            exported nothing, the newest checkpoint is taken, with a warning.
        device: where it runs; by default the GPU if there is one, of several ranks that torchrun started on
            a machine each that of its number.
        precision: ``"float32"``; or ``"bfloat16"``, which is faster above 64 px, and changes few pixels by
            more than two grey levels; see `FrozenGenerator`.

    Raises:
        FileNotFoundError: nothing there, or a run that has learned nothing yet.
        CheckpointError: a damaged file or one of another layout.
        ValueError: no such precision, or a device that is not there.
    """
    path = path.folder if isinstance(path, Run) else Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such run or checkpoint")
    file = _newest_of(Run(path)) if path.is_dir() else path
    device = usable_device(_own_gpu() if device is None else device)
    if file.suffix in (".pth", ".pt"):
        generator = FrozenGenerator(load_published(file), precision)
        provenance = {"checkpoint": str(file), "checkpoint_sha256": _sha256(file)}
        return Model(generator.to(device), file.name, 1, np.nan, provenance, path=file)
    if not file.exists():
        raise FileNotFoundError(
            f"{path} holds no generator.safetensors: has its training reached a first sample?"
        )
    tensors, meta = load_weights(file)
    if path.is_dir() and file.parent != path:
        warnings.warn(
            f"{path} holds no generator.safetensors, as its training reached no sample; what its checkpoint "
            f"{file.name} had learned after {meta['images']:,} images is used",
            stacklevel=2,
        )
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
        "specimens": _specimens(meta),
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
        file,
    )


def _newest_of(run: Run) -> Path:
    """What a run has exported; before that, its newest checkpoint after the start, if there is one."""
    trained = [path for path in run.checkpoints() if step_of(path)]
    return run.generator_file if run.generator_file.exists() or not trained else trained[-1]


def _own_gpu() -> str | None:
    """The GPU of this rank, where torchrun started several and there are any."""
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1 and torch.cuda.is_available()
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if several else None


def _of_all_data(meta: dict[str, Any] | None, key: str) -> str:
    """What is said of the micrographs that the weights were trained on, in fine-tuning and before."""
    said = []
    while meta is not None:
        said.append((meta["data"] or {}).get(key))
        meta = meta.get("start_from")
    return "; ".join(dict.fromkeys(filter(None, said)))


def _specimens(meta: dict[str, Any] | None) -> list[str] | None:
    """Specimens that the weights have seen, in fine-tuning and before; None where not all are known."""
    seen: set[str] = set()
    while meta is not None:
        own = (meta["data"] or {}).get("specimens")
        if own is None:
            return None
        seen.update(own)
        meta = meta.get("start_from")
    return sorted(seen)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
