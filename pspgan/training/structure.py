"""Structure of micrographs as vectors, and how far samples of vectors are apart when chance is taken off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ..statistics import segment, two_point_statistics


@dataclass(frozen=True)
class Moments:
    """Mean of n vectors (d,), and the sum of the variances of their components."""

    mean: np.ndarray
    variance: float
    n: int

    @classmethod
    def of(cls, vectors: np.ndarray) -> Moments:
        """Moments of vectors (n, d), n > 1."""
        return cls(vectors.mean(axis=0), float(vectors.var(axis=0, ddof=1).sum()), len(vectors))

    def squared_norm(self) -> float:
        """Unbiased estimate of the squared norm of the true mean."""
        return float(self.mean @ self.mean) - self.variance / self.n

    def squared_distance(self, other: Moments) -> float:
        """Unbiased estimate of the squared distance of the true means; if they are equal, often below 0."""
        apart = self.mean - other.mean
        return float(apart @ apart) - self.variance / self.n - other.variance / other.n


@dataclass(frozen=True)
class Structure:
    """Structure of micrographs, a row each.

    Attributes:
        area_fraction: (n, 1), of the bright phase as `pspgan.statistics.segment` finds it.
        phase: (n, vector), two-point statistics of that phase.
        grey: (n, vector), two-point statistics of grey levels.
    """

    area_fraction: np.ndarray
    phase: np.ndarray
    grey: np.ndarray

    @classmethod
    def of(cls, micrographs: Tensor, mean: float, deviation: float) -> Structure:
        """Measure micrographs, up to vectors of a quarter of the side.

        Args:
            micrographs: (n, y, x) uint8.
            mean, deviation: of grey levels, which enter their statistics as deviations from the mean.
        """
        levels = micrographs.numpy()
        phase = segment(levels)
        # PyMKS's definition holds for any field, not for indicators of phases alone.
        fields = np.stack([phase, (levels - mean) / deviation], axis=-1)
        cutoff = levels.shape[-1] // 4
        statistics = two_point_statistics(fields, [(0, 0), (1, 1)], periodic=False, cutoff=cutoff)
        flat = statistics.reshape(len(levels), -1, 2)
        return cls(phase.mean(axis=(1, 2))[:, None], flat[..., 0], flat[..., 1])


def scatter_of_means(moments: Sequence[Moments], counts: np.ndarray) -> np.ndarray:
    """Mean squared distance of true means from their mean, estimated without what finite samples add.

    Args:
        moments: of several samples.
        counts: how often each sample counts, (draw, sample).

    Returns:
        (draw,); where the true means are equal, often below 0.
    """
    share = counts / counts.sum(axis=1, keepdims=True)
    means = np.stack([one.mean for one in moments])
    errors = np.array([one.variance / one.n for one in moments])
    squares = (means**2).sum(axis=1)
    # The mean of all has an error of its own, which their distances from it lack.
    return share @ (squares - errors) - ((share @ means) ** 2).sum(axis=1) + share**2 @ errors


def chance_distances(vectors: np.ndarray, size: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """`Moments.squared_distance` of random parts of one sample from what remains of it.

    Args:
        vectors: (n, d).
        size: of a part; at least 2, and 2 fewer than n.
        draws: how many parts.
        rng: draws them.

    Returns:
        (draws,).
    """
    n = len(vectors)
    part = (rng.random((draws, n)).argsort(axis=1) < size).astype(float)
    squares = (vectors**2).sum(axis=1)
    sides = []
    for chosen, count in ((part, size), (1 - part, n - size)):
        mean = chosen @ vectors / count
        variance = (chosen @ squares / count - (mean**2).sum(axis=1)) * count / (count - 1)
        sides.append((mean, variance / count))
    (first, error), (second, other) = sides
    return ((first - second) ** 2).sum(axis=1) - error - other
