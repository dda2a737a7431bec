"""The folder of a run: what a training writes, and reads again to go on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Literal

import torch

from .. import __version__
from ..networks import CheckpointError, load_weights
from ..process import ProcessSpace
from ..writing import write_text
from .config import ConfigError, TrainingConfig, validated
from .state import TrainingState

# How many checkpoints of a kind a run keeps: the newest, and those of the best samples.
KEPT = {"state": 2, "best": 1}

# Every file that a run writes. By config.json a run is known, so it is the first to come and the last to go.
_FILES = (
    "checkpoints/state-*.safetensors",
    "checkpoints/best-*.safetensors",
    "checkpoints/*-*.safetensors.damaged",
    f"samples/{'[0-9]' * 9}*.png",
    "tensorboard/events.out.tfevents.*",
    "generator.safetensors",
    "metrics.jsonl",
    "log.jsonl",
    "config.json",
)


@dataclass(frozen=True)
class Run:
    """A training's folder.

    - ``config.json``: settings, process space, data set, what it started from, and package version
    - ``log.jsonl``, ``tensorboard/``: losses, throughput, figures of the samples, warnings
    - ``metrics.jsonl``: figures of the samples condition by condition
    - ``samples/``: grids of real and generated micrographs as training went on
    - ``checkpoints/``: the newest two states, to resume from, and that of the best samples
    - ``generator.safetensors``: the averaged generator, for `pspgan.load`
    """

    folder: Path

    def __repr__(self) -> str:
        return f"<Run {self.folder}: {', '.join(f'{name} {value}' for name, value in self._facts().items())}>"

    def _repr_html_(self) -> str:
        from ..notebook import facts, picture, titled

        pictures = sorted((self.folder / "samples").glob(f"{'[0-9]' * 9}.png"))
        shown = [picture(pictures[-1], "real and generated micrographs")] if pictures else []
        return titled(f"Run {self.folder}", facts(self._facts()), *shown)

    def _facts(self) -> dict[str, Any]:
        """What a glance should tell; of a folder that is no run, that."""
        try:
            description, log = self.description, self.log
        except (FileNotFoundError, CheckpointError):
            return {"state": "no run"}
        config, data = description["config"], description["data"]
        last = log[-1] if log else {"images": 0, "seconds": 0.0}
        return {
            "preset": description["preset"],
            "micrographs": data["micrographs"],
            "resolution": f"{config['resolution']} px",
            "images shown": f"{last['images']:,}",
            "minutes": f"{last['seconds'] / 60:.1f}",
        }

    @property
    def generator_file(self) -> Path:
        """The exported, averaged generator."""
        return self.folder / "generator.safetensors"

    @property
    def exists(self) -> bool:
        """Whether the folder holds a run.

        Raises:
            FileExistsError: it holds somebody else's ``config.json``, or files of a run without one.
            CheckpointError: ``config.json`` cannot be read.
        """
        if not (self.folder / "config.json").exists():
            strays = self.files()
            if strays:
                raise FileExistsError(
                    f"{strays[0]} would pass for a part of the run, but {self.folder} has no config.json; "
                    "move it away, or choose another folder"
                )
            return False
        if not {"preset", "config", "process_space"} <= self.description.keys():
            raise FileExistsError(
                f"{self.folder} holds the config.json of something else; choose another folder"
            )
        return True

    @property
    def description(self) -> dict[str, Any]:
        """What ``config.json`` holds.

        Raises:
            FileNotFoundError: the folder is no run.
            CheckpointError: it is damaged, or something else's.
        """
        path = self.folder / "config.json"
        if not path.exists():
            raise FileNotFoundError(f"{self.folder} is no training run: it has no config.json")
        try:
            description = json.loads(path.read_text())
            if not isinstance(description, dict):
                raise ValueError("it holds no object")
        except ValueError as error:
            raise CheckpointError(
                f"{path} cannot be read as the description of a run ({error}); put a copy of it back, or "
                "train in another folder, from the generator.safetensors that is here (--from) or anew"
            ) from None
        return description

    @property
    def config(self) -> TrainingConfig:
        """Its settings; those that did not exist yet when it began have their class defaults.

        Raises:
            ConfigError: it has a setting, or a value of one, that there is no longer.
        """
        description = self.description
        try:
            return validated(description["config"])
        except ConfigError as error:
            raise ConfigError(
                f"{self.folder / 'config.json'}: {error}; it was written by version "
                f"{description.get('pspgan')} of pspgan"
            ) from None

    @property
    def space(self) -> ProcessSpace:
        return ProcessSpace.from_json(self.description["process_space"])

    @property
    def log(self) -> list[dict[str, Any]]:
        """The lines of ``log.jsonl``; a last one that was cut off by a crash is left out."""
        return _lines(self.folder / "log.jsonl")

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The lines of ``metrics.jsonl``, see `pspgan.training.metrics.Metrics.measure`."""
        return _lines(self.folder / "metrics.jsonl")

    @property
    def warnings(self) -> list[str]:
        """What went wrong so far without stopping the training, each with the images shown by then."""
        return [f"at {line['images']} images: {line['warning']}" for line in self.log if "warning" in line]

    def files(self) -> list[Path]:
        """What a run has written here, ``config.json`` last."""
        return [file for pattern in _FILES for file in sorted(self.folder.glob(pattern))]

    def clear(self) -> None:
        """Remove what a run has written here, and nothing else.

        What is left when this is cut short still has its ``config.json``, and can be cleared again.
        """
        for file in (*self._partials(), *self.files()):
            file.unlink()

    def _partials(self) -> list[Path]:
        """What was being written when a process was killed."""
        hidden = [path.with_name(f".{path.name}.*partial") for path in map(PurePath, _FILES)]
        return [file for pattern in hidden for file in self.folder.glob(str(pattern))]

    def create(
        self,
        config: TrainingConfig,
        preset: str,
        space: ProcessSpace,
        data: dict[str, Any],
        start_from: dict[str, Any] | None = None,
    ) -> None:
        """Lay out the folder of a new run."""
        for name in ("samples", "checkpoints"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.describe(config, preset, space, data, start_from)

    def describe(
        self,
        config: TrainingConfig,
        preset: str,
        space: ProcessSpace,
        data: dict[str, Any],
        start_from: dict[str, Any] | None,
    ) -> None:
        """Write ``config.json``."""
        text = {
            "preset": preset,
            "config": config.model_dump(),
            "process_space": space.to_json(),
            "data": data,
            "start_from": start_from,
            "pspgan": __version__,
            "torch": torch.__version__,
        }
        write_text(self.folder / "config.json", json.dumps(text, indent=2))

    def checkpoints(self) -> list[Path]:
        """States on disk, oldest first: the newest two, ``state-*``, and the best, ``best-*``."""
        files = (self.folder / "checkpoints").glob(f"*-{'[0-9]' * 9}.safetensors")
        return sorted(files, key=lambda file: (step_of(file), file.name))

    def save(self, state: TrainingState, kind: Literal["state", "best"] = "state") -> None:
        """Write a state and drop the older ones of its kind."""
        description = self.description
        keys = ("process_space", "config", "preset", "data", "start_from", "pspgan")
        folder = self.folder / "checkpoints"
        state.save(folder / f"{kind}-{state.step:09d}.safetensors", {key: description[key] for key in keys})
        for old in sorted(folder.glob(f"{kind}-*.safetensors"))[: -KEPT[kind]]:
            old.unlink()

    def resume(self, state: TrainingState, space: ProcessSpace, sha256: str) -> list[str]:
        """Load the newest readable state, and forget what was logged after it.

        Newer ones that cannot be read are set aside, as ``*.damaged``, and the log says so.

        Args:
            state: takes the weights.
            space: process space of the data.
            sha256: of the data, see `Batches`.

        Returns:
            Warnings: what was set aside.

        Raises:
            CheckpointError: no state can be read, or it is of another process space or of other micrographs.
        """
        for abandoned in self._partials():
            abandoned.unlink()
        path, tensors, meta, damaged = self._newest_readable()
        difference = ProcessSpace.from_json(meta["process_space"]).difference(space)
        if difference:
            raise CheckpointError(f"{path} is of another process space than the data: {difference}")
        data = self.description["data"]
        if data["sha256"] != sha256:
            raise CheckpointError(
                f"{self.folder} was trained on other micrographs or labels ({data['micrographs']} of "
                f"{data['source']}); resume it with those, or start a new run"
            )
        state.restore(tensors, meta, path)
        warnings = [
            f"{error}; it is now {_set_aside(file).name}, and the run goes on from {path.name}"
            for file, error in damaged.items()
        ]
        kept = [line for line in self.log if line["images"] <= state.images]
        kept += [state.clock | {"warning": text} for text in warnings]
        _write_lines(self.folder / "log.jsonl", kept)
        measured = [line for line in self.metrics if line["images"] <= state.images]
        _write_lines(self.folder / "metrics.jsonl", measured)
        return warnings

    def reached(self) -> tuple[int, float]:
        """Images shown and seconds spent up to the newest readable state, from where the run can go on.

        Raises:
            CheckpointError: no state can be read.
        """
        meta = self._newest_readable()[2]
        return meta["images"], meta["seconds"]

    def _newest_readable(self) -> tuple[Path, dict[str, torch.Tensor], dict[str, Any], dict[Path, str]]:
        """A state, its tensors and description; and newer ones that cannot be read, each with the error."""
        damaged: dict[Path, str] = {}
        for path in reversed(self.checkpoints()):
            try:
                return path, *load_weights(path), damaged
            except CheckpointError as error:
                damaged[path] = str(error)
        raise CheckpointError(
            f"{self.folder} has no checkpoint to resume from"
            + (f" ({'; '.join(damaged.values())})" if damaged else "")
        )


def step_of(checkpoint: Path) -> int:
    """The step after which a checkpoint was kept, by its name."""
    return int(checkpoint.stem.rpartition("-")[2])


def _lines(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text().splitlines() if path.exists() else []
    if lines and not lines[-1].endswith("}"):
        lines.pop()
    return [json.loads(line) for line in lines]


def _write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    write_text(path, "".join(json.dumps(line) + "\n" for line in lines))


def _set_aside(file: Path) -> Path:
    return file.rename(file.with_name(f"{file.name}.damaged"))
