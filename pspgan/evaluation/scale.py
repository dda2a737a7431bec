"""Whether generated micrographs look like real ones at another magnification: one factor of length.

A wrong pixel size leaves everything alike but stretches every length by the same factor. The factor at which
the autocovariance of the phases fits best says so in one number, where distances only say that something is
different. Structure that is truly finer or coarser gives a factor as well: the number says by how much
lengths differ, not why.
"""

from __future__ import annotations

import math

import numpy as np

from ..statistics.profiles import radial_average
from .report import ALL, RESAMPLES, Line, line
from .samples import Sample, halves

_SHORTEST = 3  # px that vectors must reach for lengths to be seen
_FACTORS = np.exp(np.linspace(-math.log(4), math.log(4), 281))  # one per cent apart


def best_factor(distance: np.ndarray, gen: np.ndarray, real: np.ndarray) -> float:
    """Factor of length at which a covariance fits another best: lengths of ``gen`` over those of ``real``.

    Args:
        distance: of each value, px, (distance,), from 0 on.
        gen, real: covariance by distance, 1 at 0, (distance,) each.

    >>> r = np.arange(30.0)
    >>> round(best_factor(r, np.exp(-r / 6), np.exp(-r / 3)), 1)
    2.0
    """
    stretch = np.maximum(_FACTORS, 1 / _FACTORS)[:, None]
    stretched = [np.interp(distance / stretch, distance, one) for one in (real, gen)]
    # Either is stretched, never shrunk: the longest distance stays within both.
    difference = np.where(_FACTORS[:, None] >= 1, gen - stretched[0], real - stretched[1])
    return float(_FACTORS[int(np.argmin((difference**2).mean(axis=1)))])


def scale(real: Sample, gen: Sample, splits: int, rng: np.random.Generator) -> list[Line]:
    """Lines ``scale``: factor of length of generated over real, and of real over real.

    Real halves are as those of distances. ``generated`` is of generated tiles over one half, ``real`` of the
    other half over it. Of all conditions it is the median: where structure is finer than pixels, or a network
    larger than the field, lengths do not follow the pixel size.
    """
    if real.reach < _SHORTEST:
        return []
    lines = []
    (distance, real_curves), (_, gen_curves) = _covariances(real), _covariances(gen)
    for condition in np.unique(real.condition).tolist():
        own, of_gen = real_curves[real.condition == condition], gen_curves[gen.condition == condition]
        split, groups = real.of(condition).groups()
        if groups.max() < 1:
            continue
        factors = []
        for _ in range(splits):
            half, other = (own[rows] for rows in halves(groups, rng))
            drawn = of_gen[rng.integers(len(of_gen), size=len(of_gen))]
            means = [one.mean(axis=0) for one in (half, drawn, other)]
            if min(one[0] for one in means) < 1e-9:
                continue  # one phase alone has no lengths
            first, *others = (one / one[0] for one in means)
            factors.append([best_factor(distance, one, first) for one in others])
        if factors:
            to_gen, to_real = np.array(factors).T
            found = line("scale", "two_point", "1", to_gen, to_real)
            found |= {"n": min(len(of_gen), len(own)), "split": split}
            lines.append({"condition": condition} | found)
    return [_median(lines, rng), *lines] if lines else []


def _covariances(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Distances, px, and autocovariance of the phases there, summed over phases, (tile, distance)."""
    component = np.arange(-sample.reach, sample.reach + 1)
    n, side = len(sample), len(component)
    total = 0
    for two_point in np.moveaxis(sample.quantities["two_point"].reshape(n, side, side, -1), -1, 0):
        distance, average = radial_average(two_point, component, component)
        total = total + average - average[:, :1] ** 2  # at 0 stands the area fraction
    return distance, total


def _median(lines: list[Line], rng: np.random.Generator) -> Line:
    """The line of all conditions, with the interval of resampled ones."""
    factors = np.array([[one["generated"], one["real"]] for one in lines])
    drawn = np.median(factors[rng.integers(len(factors), size=(RESAMPLES, len(factors)))], axis=1)
    if len(factors) < 2:
        drawn = np.full((1, 2), np.nan)
    found = line("scale", "two_point", "1", drawn[:, 0], drawn[:, 1], tuple(np.median(factors, axis=0)))
    return {"condition": ALL} | found | {"n": len(factors), "split": "condition"}
