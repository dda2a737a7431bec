"""Shares of micrographs that are beyond what real ones show: counted, and with an interval."""

from __future__ import annotations

import numpy as np
from scipy.stats import binomtest

from .samples import halves

RARE = 0.01  # share of real micrographs beyond the limit that generated ones are held against
_LEVEL = 0.9  # of intervals


def beyond_real(
    gen: np.ndarray, real: np.ndarray, groups: np.ndarray, splits: int, rng: np.random.Generator
) -> dict[str, float]:
    """Share of generated micrographs above what one in a hundred real ones exceeds, and of real ones.

    The real share is that of one half, by groups, beyond the limit of the other half: with few micrographs,
    or groups that differ, it is more than one in a hundred.

    Args:
        gen, real: a figure a micrograph, (n,) each.
        groups: what real micrographs must not be split across, (n,) labels.
        splits: random halves.
        rng: draws them.

    Returns:
        ``generated`` with a Wilson interval, ``real`` with the 5 and 95 % quantiles over halves, their
        ``ratio``, and ``n``, generated micrographs counted.
    """
    limit = np.quantile(real, 1 - RARE, method="higher")
    shares = []
    for _ in range(splits if len(np.unique(groups)) > 1 else 0):
        half, other = halves(groups, rng)
        shares.append(np.mean(real[other] > np.quantile(real[half], 1 - RARE, method="higher")))
    row = of_share("generated", gen > limit)
    row |= dict(zip(("real", "real_low", "real_high"), _summary(np.array(shares)), strict=True))
    return row | ratio(row) | {"n": len(gen)}


def of_share(name: str, hit: np.ndarray) -> dict[str, float]:
    """The share of a mask and its 90 % Wilson interval, as ``name``, ``name_low`` and ``name_high``."""
    test = binomtest(int(hit.sum()), len(hit))
    low, high = test.proportion_ci(_LEVEL, method="wilson")
    return {name: float(test.statistic), f"{name}_low": float(low), f"{name}_high": float(high)}


def ratio(row: dict[str, float]) -> dict[str, float]:
    """Columns ``ratio*`` of a line; shares are small counts, whose ratio has no useful interval."""
    value = row["generated"] / row["real"] if row["real"] > 0 else np.nan
    return {"ratio": value, "ratio_low": np.nan, "ratio_high": np.nan}


def _summary(draws: np.ndarray) -> tuple[float, float, float]:
    if not len(draws):
        return np.nan, np.nan, np.nan
    low, high = np.quantile(draws, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return float(draws.mean()), float(low), float(high)
