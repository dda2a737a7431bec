"""Training batches: micrographs in memory, and for every step the same draws whenever it is repeated."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from ..ensemble import space_of
from ..process import ProcessCondition, ProcessSpace
from ..sources.imaging import area_average
from .config import TrainingConfig


class TrainingDataError(ValueError):
    """An ensemble that a training cannot use; the message says why and what to change."""


@dataclass(frozen=True)
class Batch:
    """One batch of real micrographs.

    Attributes:
        image: (batch, 1, y, x) float32 in [-1, 1].
        target: (batch, n_targets) int8, Eq. 2 of the paper.
    """

    image: Tensor
    target: Tensor


class Batches:
    """Real micrographs, decoded once, and random crops of them.

    ``sha256`` is of the micrographs, their conditions and, where they are balanced by microconstituent, of
    these labels, which decide what is drawn; ``seconds`` were spent on batches so far.

    Step ``k`` of a run draws from a generator seeded by (seed, stream, k), so a resumed run repeats it.

    Args:
        dataset: an ensemble of real or simulated micrographs.
        config: the run's settings; uses ``resolution``, ``reduction``, ``balance``, ``seed``.

    Raises:
        TrainingDataError: micrographs smaller than a crop, a reduction below the ensemble's own, or another
            where the pixel size is a factor, or no labels to balance by; or grey levels that are not uint8.
    """

    resolution: int
    seed: int
    seconds: float
    reduction: int
    space: ProcessSpace
    conditions: list[ProcessCondition]
    targets: Tensor
    micrographs: np.ndarray
    sha256: str

    def __init__(self, dataset: xr.Dataset, config: TrainingConfig) -> None:
        self.resolution, self.seed = config.resolution, config.seed
        self.seconds = 0.0
        self.reduction = int(dataset.attrs["reduction"])
        if config.reduction % self.reduction:
            raise TrainingDataError(
                f"reduction {config.reduction} is no multiple of the ensemble's own, {self.reduction}"
            )
        if dataset["micrograph"].dtype != np.uint8:
            raise TrainingDataError(
                f"micrograph holds {dataset['micrograph'].dtype}; grey levels of an ensemble are uint8"
            )
        if config.reduction != self.reduction and space_of(dataset).has_pixel_size:
            raise TrainingDataError(
                f"the pixel size is a factor of these data, and reduction {config.reduction} makes pixels "
                f"{config.reduction // self.reduction} times as large as their conditions say; train with "
                f"--set reduction={self.reduction}, on tiles of larger pixels where a larger field is wanted"
            )
        factor = config.reduction // self.reduction
        self._um_per_px = dataset["um_per_px"].values * factor
        n, height, width = dataset["micrograph"].shape
        if n == 0:
            raise TrainingDataError("the ensemble holds no micrograph")
        if min(height, width) // factor < config.resolution:
            raise TrainingDataError(
                f"micrographs of {height} x {width} px, reduced {factor} times, are smaller than a crop of "
                f"{config.resolution} px; lower reduction or resolution"
            )
        conditions = dataset["condition"].values
        self.space = space_of(dataset).observing(dict.fromkeys(conditions.tolist()))
        self.conditions = [self.space.condition(text) for text in conditions.tolist()]
        self.targets = torch.from_numpy(np.stack([self.space.target(c) for c in self.conditions]))
        blocks = [dataset["micrograph"][i : i + 64].values for i in range(0, n, 64)]
        self.micrographs = np.concatenate([area_average(block, factor) for block in blocks])
        # Names what a run was trained on, so that it is not resumed on something else.
        digest = hashlib.sha256(self.micrographs.tobytes())
        digest.update("\n".join(map(str, self.conditions)).encode())
        self._groups = _groups(dataset, conditions, config.balance)
        if config.balance == "microconstituent":
            digest.update(str([group.tolist() for group in self._groups]).encode())
        self.sha256 = digest.hexdigest()

    def __len__(self) -> int:
        return len(self.micrographs)

    def real(self, step: int, size: int, mine: slice = slice(None)) -> Batch:
        """Random crops, flipped at random along both axes, balanced as the config says.

        Args:
            step: number of the batch.
            size: of the whole batch.
            mine: the images of it that are wanted; only these are cut out.
        """
        began = time.perf_counter()
        rng = np.random.default_rng([self.seed, 0, step])
        if self._groups is None:
            index = rng.integers(len(self), size=size)
        else:
            chosen = rng.integers(len(self._groups), size=size)
            index = np.array([rng.choice(self._groups[group]) for group in chosen])
        batch = Batch(self._crops(index, rng, mine), self.targets[torch.from_numpy(index[mine])])
        self.seconds += time.perf_counter() - began
        return batch

    def crops_of(self, condition: ProcessCondition, size: int, rng: np.random.Generator) -> Tensor:
        """Random crops of one condition's micrographs, (size, 1, y, x) float32 in [-1, 1]."""
        mine = [i for i, c in enumerate(self.conditions) if c == condition]
        return self._crops(rng.choice(mine, size=size), rng)

    def um_per_px_of(self, condition: ProcessCondition) -> float:
        """Pixel size of one condition's micrographs as they are drawn; NaN where it is unknown or not one."""
        mine = [c == condition for c in self.conditions]
        sizes = np.unique(self._um_per_px[mine])
        return float(sizes[0]) if len(sizes) == 1 else np.nan

    def _crops(self, index: np.ndarray, rng: np.random.Generator, mine: slice = slice(None)) -> Tensor:
        side, (height, width) = self.resolution, self.micrographs.shape[1:]
        rows = rng.integers(height - side + 1, size=len(index))
        columns = rng.integers(width - side + 1, size=len(index))
        flips = rng.integers(2, size=(len(index), 2)) * 2 - 1
        crops = np.stack(
            [
                self.micrographs[i, r : r + side, c : c + side][::up, ::left]
                for i, r, c, (up, left) in zip(
                    index[mine], rows[mine], columns[mine], flips[mine], strict=True
                )
            ]
        )
        return from_grey(torch.from_numpy(crops)).unsqueeze_(1)


def from_grey(levels: Tensor) -> Tensor:
    """Grey levels 0 to 255 -> float32 in [-1, 1]."""
    return levels.float().div_(127.5).sub_(1)


def to_grey(image: Tensor) -> Tensor:
    """[-1, 1] -> uint8 grey levels, rounded."""
    return image.clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)


class FakeConditions:
    """Conditions asked of the generator in training.

    ``observed`` draws whole combinations that occur in the data; ``independent`` draws each factor's level by
    itself, so that most combinations have no real counterpart (as the published code does).
    """

    weights: Tensor
    targets: Tensor

    def __init__(self, space: ProcessSpace, kind: Literal["observed", "independent"], seed: int) -> None:
        conditions = space.observed_conditions if kind == "observed" else space.all_conditions
        self.weights = torch.from_numpy(space.encode(conditions))
        self.targets = torch.from_numpy(np.stack([space.target(c) for c in conditions]))
        self.seed = seed

    def draw(self, step: int, size: int, stream: int) -> tuple[Tensor, Tensor]:
        """Weights (size, n_levels) and targets (size, n_targets) of one batch of fakes (Eq. 5)."""
        rng = np.random.default_rng([self.seed, stream, step])
        index = torch.from_numpy(rng.integers(len(self.weights), size=size))
        return self.weights[index], self.targets[index]


def _groups(dataset: xr.Dataset, conditions: np.ndarray, balance: str) -> list[np.ndarray] | None:
    if balance == "none":
        return None
    labels = conditions
    if balance == "microconstituent":
        if "microconstituent" not in dataset.variables or np.any(dataset["microconstituent"].values == ""):
            raise TrainingDataError(
                "balance=microconstituent needs a label for every micrograph; "
                "set balance=condition or balance=none"
            )
        labels = dataset["microconstituent"].values
    return [np.flatnonzero(labels == label) for label in np.unique(labels)]
