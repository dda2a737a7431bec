"""What a training would take, before it begins: networks, steps, time and disk."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import xarray as xr
from torch import nn

from ..ensemble import open_ensemble, part_of
from ..memory import keep_freed_memory
from ..wording import bytes_in_words, duration
from .batches import Batches, FakeConditions
from .beginning import plan_run
from .config import ConfigError, TrainingConfig
from .distributed import Ranks, join_ranks
from .loop import discriminator_step, generator_step
from .run import KEPT, Run
from .state import TrainingState
from .verdict import images_of_preset, on_length

_TIMED = 4  # images of a timed step, at most: those of the paper's batch take minutes on a CPU


@dataclass(frozen=True)
class TrainingEstimate:
    """What `estimate_training` found.

    Attributes:
        micrographs, conditions: that would be trained on.
        resolution: side of a crop, px, and ``reduction``, source pixels a pixel of it.
        parameters_generator, parameters_discriminator: weights of the networks.
        images: real images still to be shown, and ``steps`` that show them, of ``batch`` each time.
        precision: of products, ``float32`` or ``bfloat16``.
        images_per_s: measured here on ``device``, without samples and checkpoints.
        seconds: of all steps at that rate; what is left of ``minutes`` where these end it before.
        minutes: of training in all, or None.
        bytes_checkpoint: of one; ``bytes_on_disk`` of all that the run keeps.
        images_shown, seconds_spent: up to the checkpoint that a resumed run goes on from; else 0.
        images_of_preset: how many the preset shows; None where the package has it no longer.
    """

    micrographs: int
    conditions: int
    resolution: int
    reduction: int
    parameters_generator: int
    parameters_discriminator: int
    images: int
    steps: int
    batch: int
    precision: str
    images_per_s: float
    seconds: float
    minutes: float | None
    device: str
    bytes_checkpoint: int
    bytes_on_disk: int
    images_shown: int
    seconds_spent: float
    images_of_preset: int | None

    def summary(self) -> str:
        """The same in a few lines."""
        needed, shown = duration(self.seconds), self.images_per_s * self.seconds
        remarks: list[str] = []
        if self.minutes is not None and shown < self.images * (1 - 1e-9):  # by more than rounding
            left = f"{needed} left of " if self.seconds_spent else ""
            needed = f"{left}{self.minutes:g} min, in which {shown:,.0f} of them are shown,"
            remarks = on_length(self.images_shown + shown, self.images_of_preset)
        lines = [
            f"{self.micrographs} micrographs of {self.conditions} combinations",
            f"crops of {self.resolution} x {self.resolution} px"
            + (f", reduced {self.reduction} times" if self.reduction > 1 else ""),
            f"generator {self.parameters_generator:,} weights",
            f"discriminator {self.parameters_discriminator:,} weights",
            f"{self.images:,} images to show"
            + (f" after {self.images_shown:,}" if self.images_shown else "")
            + f", {self.steps:,} steps, batch {self.batch}",
            f"{needed} on {self.device} at {self.images_per_s:.3g} images/s in {self.precision}, as measured "
            "now; samples and checkpoints come on top",
            *remarks,
            f"{bytes_in_words(self.bytes_on_disk)} on disk, checkpoints of "
            f"{bytes_in_words(self.bytes_checkpoint)} among them",
            "nothing was written",
        ]
        return "\n".join(lines)


def estimate_training(
    data: str | os.PathLike[str] | xr.Dataset,
    preset: str = "uhcs-64",
    out: str | os.PathLike[str] = "run",
    *,
    start_from: str | os.PathLike[str] | Run | None = None,
    resume: bool = False,
    overwrite: bool = False,
    device: str | torch.device | None = None,
    **settings: Any,
) -> TrainingEstimate:
    """What the same call of `train` would do, from one timed step of each kind; nothing is written.

    Arguments and errors are those of `train`, so that a mistake shows before hours are spent. It takes
    seconds, at the paper's size half a minute on a CPU.

    Raises:
        ConfigError: also in processes that torchrun started.
    """
    run = Run(Path(out))
    with join_ranks(device) as ranks:
        if ranks.world > 1:
            raise ConfigError("a dry run is of one process; its rate is that of one of them")
        plan = plan_run(run, preset, start_from, resume, overwrite, settings, ranks.device)
        config = plan.config
        dataset = part_of(data if isinstance(data, xr.Dataset) else open_ensemble(data), config.split)
        batches = Batches(dataset, config)
        state = TrainingState.start(batches.space, config, ranks.device)
        rate = _images_per_s(config, batches, state, ranks)
    shown, spent = run.reached() if plan.goes_on else (0, 0.0)
    per_step = config.batch * config.d_steps
    steps = -(-max(config.total_images(len(batches)) - shown, 0) // per_step)
    seconds = steps * per_step / rate
    one = sum(tensor.nbytes for tensor in state.tensors().values())
    exported = sum(tensor.nbytes for tensor in state.averaged.state_dict().values())
    return TrainingEstimate(
        len(batches),
        len(batches.space.observed),
        config.resolution,
        config.reduction // batches.reduction,
        _weights(state.generator),
        _weights(state.discriminator),
        steps * per_step,
        steps,
        config.batch,
        config.precision,
        rate,
        seconds if config.minutes is None else min(seconds, max(60 * config.minutes - spent, 0.0)),
        config.minutes,
        str(ranks.device),
        one,
        sum(KEPT.values()) * one + exported,
        shown,
        spent,
        images_of_preset(plan.preset, len(batches)),
    )


def _images_per_s(config: TrainingConfig, batches: Batches, state: TrainingState, ranks: Ranks) -> float:
    """Real images a second of the second step of each kind: the first one prepares memory and kernels."""
    part = min(config.batch // config.accumulation, _TIMED)
    small = config.model_copy(update={"batch": part, "accumulation": 1})
    fakes = FakeConditions(batches.space, small.fake_conditions, small.seed)
    draws = torch.Generator(ranks.device).manual_seed(0)

    def synchronised() -> float:
        if ranks.device.type == "cuda":
            torch.cuda.synchronize(ranks.device)
        return time.perf_counter()

    with keep_freed_memory():
        for _ in range(2):
            began = synchronised()
            discriminator_step(small, batches, fakes, state, 0, draws, ranks)
            between = synchronised()
            generator_step(small, fakes, state, draws, ranks)
            ended = synchronised()
    seconds = config.d_steps * (between - began) + (ended - between)
    return part * config.d_steps / seconds


def _weights(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
