"""What an ensemble to be generated consists of: which sample has which condition and latent seed."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
import xarray as xr

from .. import __version__, ensemble
from ..memory import keep_freed_memory
from ..process import ProcessCondition
from ..statistics import Phases
from ..training.batches import to_grey
from .model import Model, latents


@dataclass(frozen=True)
class Job:
    """Samples to be generated: those of the first condition, of the second, and so on.

    A sample is what its seed and its condition make it; how the job is cut into parts does not matter.

    Attributes:
        points: the conditions.
        counts: micrographs of each, with latent seeds from ``seed`` on.
        seed: first latent seed of every condition.
        psi: truncation, see `latents`.
        batch: micrographs a forward pass.
        phases: what tells the phases of a micrograph apart; None leaves them out.
    """

    points: tuple[ProcessCondition, ...]
    counts: tuple[int, ...]
    seed: int
    psi: float
    batch: int
    phases: Phases | None

    @cached_property
    def _begins(self) -> np.ndarray:
        """Where the samples of each condition begin."""
        return np.array([0, *itertools.accumulate(self.counts)])

    @property
    def size(self) -> int:
        """Samples in all."""
        return sum(self.counts)

    def of(self, samples: slice) -> tuple[np.ndarray, np.ndarray]:
        """For every sample, the index of its condition and its latent seed."""
        numbers = np.arange(samples.start, samples.stop)
        which = np.searchsorted(self._begins, numbers, side="right") - 1
        return which, self.seed + numbers - self._begins[which]

    def sample(self, model: Model, samples: slice, after_batch: Callable[[int], object]) -> np.ndarray:
        """Their micrographs, (sample, y, x) uint8; a function is told how many each batch has added."""
        encoded = torch.from_numpy(model.space.encode(self.points))
        side = model.generator.resolution
        images = np.empty((samples.stop - samples.start, side, side), np.uint8)
        with keep_freed_memory():
            for begin in range(samples.start, samples.stop, self.batch):
                rows = slice(begin, min(begin + self.batch, samples.stop))
                which, seeds = self.of(rows)
                z = latents(seeds.tolist(), model.generator.latent, self.psi)
                made = model.generator(z.to(model.device), encoded[which].to(model.device))[:, 0]
                images[begin - samples.start : rows.stop - samples.start] = to_grey(made).cpu().numpy()
                after_batch(len(z))
        return images

    def variables(self, micrograph: np.ndarray) -> dict[str, np.ndarray]:
        """The micrographs, and their phases where they are asked for."""
        if self.phases is None:
            return {"micrograph": micrograph}
        return {"micrograph": micrograph, "phase": self.phases.segment(micrograph)}

    def settings(self, model: Model) -> dict[str, Any]:
        """What the micrographs depend on besides the checkpoint, for the provenance."""
        alike = len(set(self.counts)) == 1
        return {
            "conditions": [str(point) for point in self.points],
            "n": self.counts[0] if alike else list(self.counts),
            "seed": self.seed,
            "psi": self.psi,
            "precision": model.generator.precision,
            "phases": None if self.phases is None else self.phases.settings(),
        }

    def layout(self, model: Model) -> xr.Dataset:
        """The ensemble to be, with zeros for images that take no memory.

        Raises:
            ValueError: the generator makes something else than grey micrographs.
        """
        if model.generator.channels != 1:
            raise ValueError(
                "an ensemble holds grey micrographs; this generator makes "
                f"{model.generator.channels} channels"
            )
        side = model.generator.resolution
        which, seeds = self.of(slice(0, self.size))
        each = [self.points[i] for i in which]
        blank = np.broadcast_to(np.uint8(0), (len(each), side, side))
        return ensemble.build(
            blank,
            each,
            model.space,
            origin="generated",
            specimen=[f"{model.name}:{point}" for point in each],
            seed=seeds,
            um_per_px=[point.pixel_size for point in each] if model.space.has_pixel_size else model.um_per_px,
            reduction=model.reduction,
            phase=None if self.phases is None else blank,
            phases=None if self.phases is None else self.phases.names,
            provenance=model.provenance | {"pspgan": __version__, "generate": self.settings(model)},
            licence=model.licence,
            attribution=model.attribution,
        )
