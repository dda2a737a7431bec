"""Standing guard: numbers that are no longer finite stop a training, signs of a collapse are reported."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from .batches import Batches
from .config import TrainingConfig
from .run import Run, step_of
from .state import TrainingState

# Of the real micrographs' variation. Of trial runs on simulated steel and UHCSDB three had conditions at
# 0.24 to 0.31, all others none below 0.38; few of them were looked at.
_ALIKE = 0.35
_SURE = 0.99  # share of micrographs, real and generated, that a saturated discriminator gets right
_LONG = 200  # steps for which it has to be that sure


class TrainingError(RuntimeError):
    """A training that cannot go on; the last good checkpoint stays."""


def gradient_norm(network: nn.Module) -> Tensor:
    """Euclidean norm of all gradients, a scalar on the device; not finite where any of them is not.

    Where the squares overflow, those in Adam's second moment do, too.
    """
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    return torch.stack(torch._foreach_norm(gradients)).norm()


@torch.no_grad()
def require_finite_step(
    figures: list[dict[str, Tensor]],
    run: Run,
    config: TrainingConfig,
    state: TrainingState,
    batches: Batches,
) -> None:
    """Stop if a loss or gradient of the step just taken is not finite.

    The device is asked once; what went wrong is looked for only when something has.

    Args:
        figures: of the discriminator's updates, in order, and of the generator's.
        run, config, state, batches: of the training; the step is counted already.

    Raises:
        TrainingError: names the first such number, the network, the step and the learning rate.
    """
    if torch.stack([value for update in figures for value in update.values()]).isfinite().all():
        return
    for index, update in enumerate(figures):
        bad = [name for name, value in update.items() if not value.isfinite()]
        if bad:
            what = f"{bad[0]} is {update[bad[0]].item()}"
            raise _stop(what, _culprit(index, bad, config, state, batches), run, state)


def require_finite_state(run: Run, state: TrainingState) -> None:
    """Stop if a weight, a buffer or a moment is not finite, so that no file ever holds it.

    Raises:
        TrainingError: names the network, the step and the learning rate.
    """
    finite = {
        name: tensor.isfinite().all()
        for name, tensor in state.tensors().items()
        if tensor.is_floating_point() and not name.endswith(".step")  # Adam counts its steps on the CPU
    }
    if torch.stack(list(finite.values())).all():
        return
    name = next(name for name, good in finite.items() if not good)
    culprit = "discriminator" if name.startswith(("discriminator.", "optimizer_d.")) else "generator"
    raise _stop(f"{name} holds values that are not finite", culprit, run, state)


def _culprit(
    index: int, bad: list[str], config: TrainingConfig, state: TrainingState, batches: Batches
) -> str:
    """What made the ``index``-th update of a step go wrong: ``data``, ``discriminator`` or ``generator``."""
    update_d = (state.step - 1) * config.d_steps + min(index, config.d_steps - 1)
    real = batches.real(update_d, config.batch).image
    # `Batches` takes uint8 alone, so here a decoder, the memory or an operator is at fault.
    if "loss_d_real" in bad and not real.isfinite().all():
        return "data"
    if bad[0] == "loss_d_fake":
        return "generator"  # on real micrographs the same discriminator gave a finite loss
    if bad[0] == "loss_g":
        # No update has touched the discriminator since: does it still judge real micrographs?
        device = next(state.discriminator.parameters()).device
        parts = real.split(config.batch // config.accumulation)  # more at once might not fit the device
        judges = all(state.discriminator(part.to(device)).isfinite().all() for part in parts)
        return "generator" if judges else "discriminator"
    return "generator" if bad[0] == "gradient_g" else "discriminator"


def _stop(what: str, culprit: str, run: Run, state: TrainingState) -> TrainingError:
    where = f"{what} at step {state.step} ({state.images} images)"
    rates = {"discriminator": state.optimizer_d, "generator": state.optimizer_g}
    if culprit == "data":
        return TrainingError(
            f"{where}: the real micrographs of this step hold values that are not finite. Check the data; no "
            "network and no learning rate is to blame"
        )
    rate, key = rates[culprit].param_groups[0]["lr"], f"lr_{culprit[0]}"
    kept = [path for path in run.checkpoints() if step_of(path) > 0]
    # A resumed run repeats its steps, so that it would end here again.
    way_out = (
        f"{kept[-1]} is from before; start a new run from it with a lower rate (--from {run.folder}, {key})"
        if kept
        else f"no checkpoint was due yet; start again with a lower {key}"
    )
    return TrainingError(f"{where}: the {culprit} diverged at learning rate {rate:g}. {way_out}")


class Watch:
    """Reads the lines of a run's log as they are written and tells what a user should know.

    It knows nothing but these lines, so a resumed run shows it the old ones and goes on where it was.

    Args:
        lines: already in the log.

    Attributes:
        best: whether the last line was of the best samples so far: the nearest to the data in ``distance``,
            with seeds that differ.
    """

    def __init__(self, lines: Iterable[dict[str, Any]] = ()) -> None:
        self.best: bool = False
        self._distance = math.inf
        self._alike = False
        self._step = 0  # of the last line with losses
        self._sure_since: int | None = None
        self._told_sure = False
        for line in lines:
            self.observe(line)

    def observe(self, line: dict[str, Any]) -> list[str]:
        """Take in a line and return what begins to be wrong with it; what goes on is told only once."""
        self.best = False
        found = []
        if "diversity_least" in line:
            found += self._look_at_samples(line)
        if "real_taken_for_real" in line:
            found += self._look_at_discriminator(line)
        return found

    def _look_at_samples(self, line: dict[str, Any]) -> list[str]:
        alike, told = line["diversity_least"] < _ALIKE, self._alike
        self._alike = alike
        if not alike and line["distance"] < self._distance:
            self._distance, self.best = line["distance"], True
        if not alike or told:
            return []
        return [
            f"the generator collapses: seeds of {line['least_diverse']} differ "
            f"{line['diversity_least']:.2f} times as much as its real micrographs "
            f"(all conditions: {line['diversity']:.2f}); lower lr_g, or raise latent or batch"
        ]

    def _look_at_discriminator(self, line: dict[str, Any]) -> list[str]:
        before, self._step = self._step, line["step"]
        if min(line["real_taken_for_real"], line["fake_taken_for_fake"]) < _SURE:
            self._sure_since, self._told_sure = None, False
            return []
        if self._sure_since is None:
            self._sure_since = before
        lasted = self._step - self._sure_since
        if self._told_sure or lasted < _LONG:
            return []
        self._told_sure = True
        return [
            f"the discriminator is saturated: for {lasted} steps it has been right about {_SURE:.0%} of real "
            "and generated micrographs, and the generator learns little from it; lower lr_d or d_steps, or "
            "augment"
        ]
