"""Where structure varies: between fields, specimens, conditions; and what a generator adds.

One-way random effects within each condition, by the method of moments for groups of unequal size (Searle,
Casella and McCulloch, *Variance Components*, 1992, section 3.6).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from .structure import SpecimenTable

COMPONENTS = ("field", "specimen", "condition", "generator")
LEVEL = 0.9  # of the intervals
RESAMPLES = 500  # of the conditions
_FEWEST = 3  # conditions that can be resampled
_TINY = 1e-30


def components_of(
    table: SpecimenTable, targets: Sequence[str], units: Sequence[str], seed: int
) -> pd.DataFrame:
    """Variance components of every target, for each origin.

    - ``field``: between micrographs of one specimen. Of a generator: between its micrographs of a condition,
      all of which are independent draws.
    - ``specimen``: between specimens of one condition, what the fields of each leave uncertain taken off
      (nothing, where every specimen has one field). A generator has no specimens.
    - ``condition``: between the means of conditions, what specimens and fields leave uncertain taken off.
      This is what process may explain.
    - ``generator``: mean square of what separates the generated mean of a condition from the measured one,
      both sampling errors taken off; over the conditions that both have.

    A component that sampling alone would explain comes out at or below zero, and is given as 0.

    Args:
        table: the rows of a linkage.
        targets, units: of the columns of ``table.values``.
        seed: of the resampling.

    Returns:
        A line an origin, component and target: ``variance`` with ``low`` and ``high``, 5 and 95 % over
        resampled conditions, each with all its specimens (NaN with fewer than three conditions), ``std``, its
        root in ``unit``, ``conditions`` and ``specimens`` that it rests on. ``variance`` is NaN where it
        cannot be told: no specimen with two fields, no condition with two specimens.
    """
    sums = {origin: _Sums.of(table, table.origin == origin) for origin in pd.unique(table.origin)}
    lines = []
    for origin, one in sums.items():
        every = ("field", "condition") if origin == "generated" else ("field", "specimen", "condition")
        for name in every:
            lines += _lines(one.resampled(seed), one, name, origin, targets, units)
    measured = next((origin for origin in ("real", "simulated") if origin in sums), None)
    if measured is not None and "generated" in sums:
        both = np.intersect1d(sums[measured].names, sums["generated"].names)
        if len(both):
            left, right = (sums[origin].only(both) for origin in (measured, "generated"))
            lines += _lines(left.resampled(seed), left, "generator", "generated", targets, units, other=right)
    return pd.DataFrame(lines)


def _lines(
    weights: np.ndarray,
    sums: _Sums,
    name: str,
    origin: str,
    targets: Sequence[str],
    units: Sequence[str],
    other: _Sums | None = None,
) -> list[dict[str, str | float]]:
    def estimate(weight: np.ndarray) -> np.ndarray:
        return sums.generator(other, weight) if other is not None else getattr(sums, name)(weight)

    value = estimate(np.ones((1, len(sums.names))))[0]
    low = high = np.full(len(targets), np.nan)
    if len(sums.names) >= _FEWEST:
        drawn = estimate(weights)
        low, high = np.full((2, len(targets)), np.nan)
        for k in np.flatnonzero(np.isfinite(drawn).any(axis=0)):
            bounds = np.nanquantile(drawn[:, k], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
            low[k], high[k] = np.maximum(bounds, 0.0)
    value = np.where(np.isnan(value), np.nan, np.maximum(value, 0.0))
    return [
        {
            "origin": origin,
            "component": name,
            "target": target,
            "unit": unit,
            "variance": float(value[k]),
            "low": float(low[k]),
            "high": float(high[k]),
            "std": float(np.sqrt(value[k])),
            "conditions": int((sums.specimens[:, k] > 0).sum()),
            "specimens": int(sums.specimens[:, k].sum()),
        }
        for k, (target, unit) in enumerate(zip(targets, units, strict=True))
    ]


class _Sums:
    """Sums of squares and counts of each condition, (condition, target); estimates are ratios of their sums.

    Estimates take weights (resample, condition), how often each condition counts, and give
    (resample, target).
    """

    def __init__(self, names: np.ndarray, arrays: dict[str, np.ndarray]):
        self.names = names
        self._arrays = arrays
        self.specimens = arrays["specimens"]

    @classmethod
    def of(cls, table: SpecimenTable, rows: np.ndarray) -> _Sums:
        names, member = np.unique(table.condition[rows], return_inverse=True)
        count, values = table.counts[rows].astype(float), table.values[rows]
        inside = np.where(count > 1, (count - 1) * np.nan_to_num(table.within[rows]), 0.0)
        has = (count > 0).astype(float)
        known = np.nan_to_num(values)

        def total(of_rows: np.ndarray) -> np.ndarray:
            out = np.zeros((len(names), of_rows.shape[1]))
            np.add.at(out, member, of_rows)
            return out

        n, specimens = total(count), total(has)
        with np.errstate(invalid="ignore", divide="ignore"):
            weighted = total(count * known) / n
            # Means of specimen means: a specimen counts once, as in the linkage.
            mean = total(known) / specimens
            between = total(count * np.where(has > 0, (known - weighted[member]) ** 2, 0.0))
            inverse = total(np.where(has > 0, 1 / np.maximum(count, 1), 0.0)) / specimens
            n0 = np.nan_to_num(n - total(count**2) / n)
        arrays = {
            "n": n,
            "specimens": specimens,
            "mean": mean,
            "within": total(inside),
            "within_dof": total(np.maximum(count - 1, 0.0)),
            "between": np.nan_to_num(between),
            "between_dof": np.maximum(specimens - 1, 0.0),
            "n0": n0,
            "inverse": inverse,
        }
        return cls(names, arrays)

    def only(self, names: np.ndarray) -> _Sums:
        """These conditions, in this order."""
        chosen = np.searchsorted(self.names, names)
        return _Sums(names, {key: array[chosen] for key, array in self._arrays.items()})

    def resampled(self, seed: int) -> np.ndarray:
        """How often each condition is drawn in each resample, (resample, condition)."""
        n = len(self.names)
        return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), RESAMPLES).astype(float)

    def field(self, weight: np.ndarray) -> np.ndarray:
        """Pooled mean square within specimens."""
        return _ratio(weight @ self._arrays["within"], weight @ self._arrays["within_dof"])

    def specimen(self, weight: np.ndarray) -> np.ndarray:
        """(MS between specimens - MS within) / n0, all pooled over conditions."""
        dof = weight @ self._arrays["between_dof"]
        mean_square = _ratio(weight @ self._arrays["between"], dof)
        n0 = _ratio(weight @ self._arrays["n0"], dof)
        # With one field a specimen the two cannot be told apart: all of it is the specimens'.
        inside = self.field(weight)
        single = np.isclose(n0, 1.0) & ~np.isfinite(inside)
        return _ratio(mean_square - np.where(single, 0.0, inside), n0)

    def sampling(self, weight: np.ndarray) -> np.ndarray:
        """Variance of each condition's mean, (resample, condition, target)."""
        inside, between = np.nan_to_num(self.field(weight)), np.nan_to_num(self.specimen(weight))
        inside, between = inside[:, None], np.maximum(between, 0.0)[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            return (between + inside * self._arrays["inverse"]) / self._arrays["specimens"]

    def condition(self, weight: np.ndarray) -> np.ndarray:
        """Variance of condition means, less that of their sampling."""
        mean = self._arrays["mean"]
        known = np.isfinite(mean)
        n = weight @ known
        centre = _ratio(weight @ np.nan_to_num(mean), n)
        squares = np.nan_to_num((mean[None] - centre[:, None]) ** 2)
        variance = _ratio(np.einsum("rc,rct->rt", weight, squares), n - 1)
        noise = _ratio(np.einsum("rc,rct->rt", weight, np.nan_to_num(self.sampling(weight))), n)
        return variance - noise

    def generator(self, other: _Sums, weight: np.ndarray) -> np.ndarray:
        """Mean square difference of condition means, less both sampling variances."""
        difference = (other._arrays["mean"] - self._arrays["mean"])[None] ** 2
        excess = difference - self.sampling(weight) - other.sampling(weight)
        known = np.isfinite(excess)
        total = np.einsum("rc,rct->rt", weight, np.where(known, excess, 0.0))
        return _ratio(total, np.einsum("rc,rct->rt", weight, known.astype(float)))


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    return np.where(bottom > _TINY, top / np.maximum(bottom, _TINY), np.nan)
