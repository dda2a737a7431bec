"""What a training is at one moment, and the run folder that keeps it."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from .. import __version__
from ..networks import CheckpointError, Discriminator, Generator, load_tensors, load_weights, save_weights
from ..process import ProcessSpace
from .config import TrainingConfig

# How many checkpoints of a kind a run keeps: the newest, and those of the best samples.
_KEPT = {"state": 2, "best": 1}


@dataclass
class TrainingState:
    """Both networks, the averaged generator, both optimizers and the clock.

    One ``step`` is ``d_steps`` updates of the discriminator and one of the generator; checkpoints lie between
    steps, and every random draw of a step follows from (seed, step), so nothing else needs keeping.
    """

    generator: Generator
    discriminator: Discriminator
    averaged: Generator
    optimizer_g: torch.optim.Adam
    optimizer_d: torch.optim.Adam
    step: int = 0
    images: int = 0
    seconds: float = 0.0

    @classmethod
    def start(cls, space: ProcessSpace, config: TrainingConfig, device: torch.device) -> TrainingState:
        """Networks freshly drawn from the config's seed; the caller's random state is left alone."""
        shape = {key: getattr(config, key) for key in ("resolution", "ch", "attention", "init", "init_bias")}
        draws = torch.Generator().manual_seed(config.seed)
        with torch.random.fork_rng(devices=[]):
            generator, averaged = (
                Generator(
                    space,
                    latent=config.latent,
                    embedding=config.embedding,
                    init_embedding=config.init_embedding,
                    generator=draws,
                    **shape,
                )
                for _ in range(2)
            )
            discriminator = Discriminator(space, generator=draws, **shape)
        averaged.load_state_dict(generator.state_dict())
        averaged.requires_grad_(False)
        for network in (generator, averaged, discriminator):
            network.to(device)
        betas = (config.beta1, config.beta2)
        return cls(
            generator,
            discriminator,
            averaged,
            torch.optim.Adam(generator.parameters(), config.lr_g, betas, weight_decay=config.decay_g),
            torch.optim.Adam(discriminator.parameters(), config.lr_d, betas, weight_decay=config.decay_d),
        )

    def _networks(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "discriminator": self.discriminator, "averaged": self.averaged}

    def _optimizers(self) -> dict[str, torch.optim.Adam]:
        return {"optimizer_g": self.optimizer_g, "optimizer_d": self.optimizer_d}

    def tensors(self) -> dict[str, torch.Tensor]:
        """All that a training is, by names that begin with the network or optimizer."""
        tensors = {
            f"{n}.{k}": t for n, network in self._networks().items() for k, t in network.state_dict().items()
        }
        for name, optimizer in self._optimizers().items():
            for index, slots in optimizer.state_dict()["state"].items():
                tensors |= {f"{name}.{index}.{slot}": tensor for slot, tensor in slots.items()}
        return tensors

    @property
    def clock(self) -> dict[str, float]:
        """How far the training is."""
        return {"step": self.step, "images": self.images, "seconds": self.seconds}

    def save(self, path: Path, meta: dict[str, Any]) -> None:
        """Write everything to one file, atomically."""
        save_weights(path, self.tensors(), meta | self.clock)

    def restore(self, tensors: dict[str, torch.Tensor], meta: dict[str, Any], source: Path | str) -> None:
        """Continue from another state's `tensors`, on the CPU, and from its `clock`, part of ``meta``.

        Args:
            tensors: what `save` wrote and `load_weights` read.
            meta: as `load_weights` read it.
            source: where they are from, for messages.

        Raises:
            CheckpointError: the file is damaged or belongs to other networks.
        """
        for name, network in self._networks().items():
            prefix = f"{name}."
            own = {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}
            load_tensors(network, own, source)
        for name, optimizer in self._optimizers().items():
            slots: dict[int, dict[str, torch.Tensor]] = {}
            for key, tensor in tensors.items():
                match = re.fullmatch(rf"{name}\.(\d+)\.(\w+)", key)
                if match:
                    slots.setdefault(int(match[1]), {})[match[2]] = tensor
            groups = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict({"state": slots, "param_groups": groups})
        self.step, self.images, self.seconds = meta["step"], meta["images"], meta["seconds"]


@dataclass(frozen=True)
class Run:
    """A training's folder.

    | file | what |
    |---|---|
    | ``config.json`` | settings, process space, data set, what it started from, and package version |
    | ``log.jsonl``, ``tensorboard/`` | losses, throughput, figures of the samples, warnings |
    | ``metrics.jsonl`` | figures of the samples condition by condition |
    | ``samples/`` | grids of real and generated micrographs as training went on |
    | ``checkpoints/`` | the newest two states, to resume from, and that of the best samples |
    | ``generator.safetensors`` | the averaged generator, for `pspgan.load` |
    """

    folder: Path

    @property
    def generator_file(self) -> Path:
        return self.folder / "generator.safetensors"

    @property
    def exists(self) -> bool:
        """Whether the folder holds a run.

        Raises:
            FileExistsError: it holds somebody else's ``config.json``.
        """
        if not (self.folder / "config.json").exists():
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
        """
        path = self.folder / "config.json"
        if not path.exists():
            raise FileNotFoundError(f"{self.folder} is no training run: it has no config.json")
        return json.loads(path.read_text())

    @property
    def config(self) -> TrainingConfig:
        return TrainingConfig(**self.description["config"])

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
        partial = self.folder / ".config.json.partial"
        partial.write_text(json.dumps(text, indent=2))
        partial.replace(self.folder / "config.json")

    def checkpoints(self) -> list[Path]:
        """States on disk, oldest first: the newest two, ``state-*``, and the best, ``best-*``."""
        files = (self.folder / "checkpoints").glob("*-*.safetensors")
        return sorted(files, key=lambda file: (file.stem.rpartition("-")[2], file.name))

    def save(self, state: TrainingState, kind: Literal["state", "best"] = "state") -> None:
        """Write a state and drop the older ones of its kind."""
        description = self.description
        keys = ("process_space", "config", "preset", "data", "start_from", "pspgan")
        folder = self.folder / "checkpoints"
        state.save(folder / f"{kind}-{state.step:09d}.safetensors", {key: description[key] for key in keys})
        for old in sorted(folder.glob(f"{kind}-*.safetensors"))[: -_KEPT[kind]]:
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
        damaged: dict[Path, str] = {}
        for folder in (self.folder, self.folder / "checkpoints"):
            for abandoned in folder.glob(".*.partial"):
                abandoned.unlink()
        for path in reversed(self.checkpoints()):
            try:
                tensors, meta = load_weights(path)
            except CheckpointError as error:
                damaged[path] = str(error)
                continue
            difference = ProcessSpace.from_json(meta["process_space"]).difference(space)
            if difference:
                raise CheckpointError(f"{path} is of another process space than the data: {difference}")
            data = self.description["data"]
            if data["sha256"] != sha256:
                raise CheckpointError(
                    f"{self.folder} was trained on other micrographs ({data['micrographs']} of "
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
        raise CheckpointError(
            f"{self.folder} has no checkpoint to resume from"
            + (f" ({'; '.join(damaged.values())})" if damaged else "")
        )


def _lines(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text().splitlines() if path.exists() else []
    if lines and not lines[-1].endswith("}"):
        lines.pop()
    return [json.loads(line) for line in lines]


def _write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text("".join(json.dumps(line) + os.linesep for line in lines))
    partial.replace(path)


def _set_aside(file: Path) -> Path:
    return file.rename(file.with_name(f"{file.name}.damaged"))
