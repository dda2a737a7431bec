"""Fine-tuning: what a new run takes from a trained one, which may know another process space."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ..networks import (
    CheckpointError,
    load_published,
    load_weights,
    shared_levels,
    transfer_tensors,
)
from ..networks.biggan_deep import GENERATOR_STAGES
from ..process import ProcessSpace, Value
from .config import ConfigError
from .run import Run
from .state import TrainingState

_ARCHITECTURE = ("resolution", "ch", "latent", "embedding", "attention")


@dataclass(frozen=True)
class Trained:
    """Networks that a new run can start from. Made by `read_trained`.

    Attributes:
        path: the run's folder, or the file.
        file: the file of weights.
        space: process space of the networks.
        architecture: their settings, fields of `TrainingConfig`.
        networks: network of a `TrainingState` -> its tensors.
        provenance: ``images`` shown so far, and ``data`` and ``start_from`` of the run; None where unknown.
    """

    path: Path
    file: Path
    space: ProcessSpace
    architecture: dict[str, Any]
    networks: dict[str, dict[str, Tensor]]
    provenance: dict[str, Any]

    def settings(self, given: dict[str, Any]) -> dict[str, Any]:
        """The settings of a new run: those given, and the architecture.

        Raises:
            ConfigError: a given setting contradicts the architecture.
        """
        for key, value in self.architecture.items():
            if key in given and given[key] != value:
                raise ConfigError(
                    f"{key} is {value} in {self.path}, where the run starts from, and cannot become "
                    f"{given[key]}; leave {key} out, or start without --from"
                )
        return given | self.architecture

    def into(self, state: TrainingState) -> dict[str, Any]:
        """Put what fits into a fresh state.

        Returns:
            The record of it for the run's ``config.json``.

        Raises:
            CheckpointError: the file does not hold what its description says.
        """
        for name, tensors in self.networks.items():
            transfer_tensors(getattr(state, name), tensors, self.space, self.file)
        space = state.generator.space
        return {
            "path": str(self.path),
            "weights": self.file.name,
            "networks": list(self.networks),
            "taken": shared_levels(space, self.space),
            "fresh": shared_levels(space, self.space, shared=False),
            "left": shared_levels(self.space, space, shared=False),
        } | self.provenance


def read_trained(path: str | os.PathLike[str] | Run) -> Trained:
    """Read what a new run starts from.

    Args:
        path: a run (or its folder): its newest readable checkpoint, or its exported generator where there is
            no checkpoint; an exported ``generator.safetensors``; or the paper's published ``.pth``.

    Raises:
        FileNotFoundError: nothing there, or a folder that is no run.
        CheckpointError: nothing readable there.
    """
    path = located(path)
    if path.is_dir():
        return _read_run(Run(path))
    if path.suffix in (".pth", ".pt"):
        return _read_published(path)
    return _read_exported(path, path)


def located(path: str | os.PathLike[str] | Run) -> Path:
    """The absolute path of a run or file."""
    return Path(path.folder if isinstance(path, Run) else path).resolve()


def origin_of(run: Run, start_from: str | os.PathLike[str] | Run | None) -> str | None:
    """Path of what a run that is resumed started from; None where it started fresh.

    Raises:
        ConfigError: ``start_from`` names something else.
    """
    record = run.description.get("start_from")
    origin = record and record["path"]
    if start_from and str(located(start_from)) != origin:
        raise ConfigError(
            f"start_from is {origin or 'nothing'} in the run that is resumed and cannot become "
            f"{located(start_from)}; leave it out (--from), or start a new run"
        )
    return origin


def summary(record: dict[str, Any]) -> str:
    """What `Trained.into` recorded, in words."""
    fresh = "" if "discriminator" in record["networks"] else "; the discriminator starts fresh"
    lines = [f"starts from {record['path']}, {record['weights']}{fresh}"]
    for key, words in (("taken", "taken"), ("fresh", "starts fresh"), ("left", "left behind")):
        factors = [f"{name} {', '.join(map(_plain, levels))}" for name, levels in record[key].items()]
        if factors:
            lines.append(f"  {words}: {'; '.join(factors)}")
    return "\n".join(lines)


def _plain(level: Value) -> str:
    return level if isinstance(level, str) else f"{level:g}"


def _read_run(run: Run) -> Trained:
    description = run.description
    failures = []
    for file in [*reversed(run.checkpoints()), *filter(Path.exists, [run.generator_file])]:
        try:
            if file == run.generator_file:
                trained = _read_exported(run.folder, file)
            else:
                trained = _read_state(run.folder, file, description)
        except CheckpointError as error:
            failures.append(str(error))
            continue
        if failures:
            warnings.warn(f"{'; '.join(failures)}; {file.name} is taken instead", stacklevel=4)
        return trained
    raise CheckpointError(
        f"{run.folder} has neither a checkpoint nor an exported generator to start from"
        + (f" ({'; '.join(failures)})" if failures else "")
    )


def _read_state(path: Path, file: Path, description: dict[str, Any]) -> Trained:
    tensors, meta = load_weights(file)
    networks = {
        name: {k.removeprefix(f"{name}."): t for k, t in tensors.items() if k.startswith(f"{name}.")}
        for name in ("generator", "discriminator", "averaged")
    }
    return _of_meta(
        path, file, meta | {key: description.get(key) for key in ("data", "start_from")}, networks
    )


def _read_exported(path: Path, file: Path) -> Trained:
    tensors, meta = load_weights(file)
    if any(name.startswith("generator.") for name in tensors):
        raise CheckpointError(f"{file} is a checkpoint inside a run; give the run's folder")
    # Only the averaged generator was kept; the raw one goes on from there, too.
    return _of_meta(path, file, meta, {"generator": tensors, "averaged": tensors})


def _of_meta(path: Path, file: Path, meta: dict[str, Any], networks: dict[str, dict[str, Tensor]]) -> Trained:
    return Trained(
        path,
        file,
        ProcessSpace.from_json(meta["process_space"]),
        {key: meta["config"][key] for key in _ARCHITECTURE},
        networks,
        {key: meta.get(key) for key in ("images", "data", "start_from")},
    )


def _read_published(path: Path) -> Trained:
    generator = load_published(path)
    first = GENERATOR_STAGES[generator.resolution][0][0]
    architecture = {
        "resolution": generator.resolution,
        "ch": generator.linear.out_features // (4 * 4 * first),
        "latent": generator.latent,
        "embedding": generator.embeddings[0].embedding_dim,
        "attention": "sagan",
    }
    tensors = generator.state_dict()
    networks = {"generator": tensors, "averaged": tensors}
    provenance = dict.fromkeys(("images", "data", "start_from"))
    return Trained(path, path, generator.space, architecture, networks, provenance)
