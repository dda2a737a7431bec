"""What a generation would take, before it begins: micrographs, time and disk."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import torch

from ..statistics import Phases
from ..statistics.phases import phases_of
from ..training import Run
from ..wording import bytes_in_words, duration
from .conditions import Conditions
from .generating import job_of
from .loading import Precision, load
from .model import Model


@dataclass(frozen=True)
class GenerationEstimate:
    """What `estimate_generation` found.

    Attributes:
        micrographs: in all, of ``resolution`` px a side, for ``conditions``.
        unseen: conditions of which training saw no micrograph.
        images_per_s: measured here on ``device``, by one process, without writing.
        seconds: of all micrographs at that rate.
        bytes_on_disk: at most: stores are compressed, by which noise shrinks little.
    """

    micrographs: int
    resolution: int
    conditions: int
    unseen: tuple[str, ...]
    images_per_s: float
    seconds: float
    device: str
    bytes_on_disk: int

    def summary(self) -> str:
        """The same in a few lines."""
        unseen = f", {len(self.unseen)} of which training never saw" if self.unseen else ""
        return "\n".join(
            [
                f"{self.micrographs:,} micrographs of {self.resolution} x {self.resolution} px for "
                f"{self.conditions} conditions{unseen}",
                f"{duration(self.seconds)} on {self.device} at {self.images_per_s:.3g} images/s, as measured "
                "now; writing comes on top",
                f"at most {bytes_in_words(self.bytes_on_disk)} on disk",
                "nothing was written",
            ]
        )


def estimate_generation(
    model: Model | Run | str | os.PathLike[str],
    conditions: Conditions = "observed",
    n: int = 64,
    *,
    seed: int = 0,
    psi: float = 1.0,
    phases: Phases | str | os.PathLike[str] | None = None,
    batch: int = 64,
    device: str | torch.device | None = None,
    precision: Precision | None = None,
) -> GenerationEstimate:
    """What the same call of `generate` would do, from one timed batch; nothing is written.

    Arguments and errors are those of `generate`.
    """
    if not isinstance(model, Model):
        model = load(model, device, precision="float32" if precision is None else precision)
    job = job_of(model, conditions, n, seed, psi, batch, None if phases is None else phases_of(phases))
    part = slice(0, min(job.batch, job.size))
    for _ in range(2):  # the first one prepares memory and kernels
        began = time.perf_counter()
        job.variables(job.sample(model, part, lambda count: None))
        rate = part.stop / (time.perf_counter() - began)
    side = model.generator.resolution
    return GenerationEstimate(
        job.size,
        side,
        len(job.points),
        tuple(str(point) for point in job.points if not point.observed),
        rate,
        job.size / rate,
        str(model.device),
        job.size * side**2 * (1 if phases is None else 2),
    )
