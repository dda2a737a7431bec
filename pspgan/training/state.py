"""What a training is at one moment: networks, optimizers and the clock, and their file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..networks import Discriminator, Generator, load_tensors, save_weights
from ..process import ProcessSpace
from .config import TrainingConfig


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
