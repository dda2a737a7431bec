"""Numbers of the explorer: two-point statistics by distance, descriptors with intervals, and their axes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from ...figures.descriptors import descriptor_label
from ...figures.linkage import target_label
from ...figures.spatial import autocorrelation, is_generated, two_point_of
from ...linkage.means import by_specimen, interval_by_condition
from ...statistics import radial_average

if TYPE_CHECKING:
    from ...linkage import Linkage

LEVEL = 0.9  # of all intervals
_MARGIN = 0.06  # of an axis, left free at both ends

# Mean, interval of it, what it counts, and the values of single specimens.
Measured = list[Any]


def short(values: np.ndarray | float) -> Any:
    """Numbers as the page carries them: four digits, None where there is none."""
    array = np.asarray(values, dtype=float)
    if array.ndim:
        return [short(value) for value in array]
    return float(f"{array:.4g}") if np.isfinite(array) else None


def profile(statistics: xr.Dataset, condition: str, um_per_px: float | None) -> dict[str, Any] | None:
    """Two-point statistics of a condition averaged over directions, and over its micrographs.

    Args:
        statistics: of an ensemble.
        condition: in canonical notation.
        um_per_px: size of the measured pixels, where lengths are wanted in µm.

    Returns:
        ``length`` of the vectors, ``mean``, the standard deviation ``spread`` over micrographs, and how many
        these are, ``n``; None where there is no micrograph.
    """
    maps = two_point_of(statistics, condition)
    if not len(maps):
        return None
    length, average = radial_average(maps, statistics["dy"].values, statistics["dx"].values)
    return {
        "length": short(length * (um_per_px or 1.0)),
        "mean": short(average.mean(axis=0)),
        "spread": short(average.std(axis=0)),
        "n": len(maps),
    }


def described(statistics: xr.Dataset, names: Sequence[str]) -> dict[str, list[Measured | None]]:
    """Descriptors of every condition, in the order of ``names``; None where a condition has no value.

    A mean stands with its interval of 90 %, by Student's t over specimens (over seeds, where they were
    generated), and with the means of single specimens.
    """
    columns = [_described(statistics, name) for name in names]
    conditions = sorted(set().union(*columns)) if columns else []
    return {condition: [column.get(condition) for column in columns] for condition in conditions}


def _described(statistics: xr.Dataset, name: str) -> dict[str, Measured]:
    table = interval_by_condition(statistics, name, LEVEL)
    singles: Mapping[Any, pd.Series] = {}
    if not is_generated(statistics):
        singles = dict(iter(by_specimen(statistics, name).groupby("condition")["value"]))
    return {
        str(condition): [
            short(row["mean"]),
            short(row["low"]),
            short(row["high"]),
            int(row["count"]),
            short(singles[condition].to_numpy()) if condition in singles else [],
        ]
        for condition, row in table.iterrows()
    }


def labels(statistics: xr.Dataset | None, fitted: Linkage | None, names: Sequence[str]) -> list[str]:
    """What descriptors are called, with their units."""
    if statistics is not None:
        return [descriptor_label(statistics, name) for name in names]
    units = dict(zip(fitted.targets_, fitted.units_, strict=True)) if fitted is not None else {}
    return [target_label(name, units[name]) for name in names]


def common_pixel(every: Sequence[xr.Dataset]) -> float | None:
    """Size of the measured pixels, um, where it is known and the same in all of these statistics."""
    sizes = np.concatenate([one["um_per_px"].values for one in every])
    alike = np.isfinite(sizes).all() and np.allclose(sizes, sizes[:1], rtol=1e-3)
    return float(sizes[0]) if alike else None


def correlation(statistics: xr.Dataset) -> str | None:
    """The correlation whose profile is shown; None where statistics have none of a phase with itself."""
    try:
        return autocorrelation(statistics)
    except ValueError:
        return None


def axes(
    names: Sequence[str],
    sides: Sequence[Mapping[str, list[Measured | None]]],
    predicted: Sequence[Sequence[Sequence[float | None] | None]],
) -> list[list[float] | None]:
    """Ends of an axis for every descriptor, alike for all conditions, that holds all means and specimens.

    Intervals may reach beyond them: of two specimens they are too wide to draw anything else.
    """

    def values(k: int) -> Iterator[float | None]:
        for side in sides:
            for row in side.values():
                if row[k] is not None:
                    yield from (row[k][0], *row[k][4])
        for one in predicted:
            if one[k] is not None:
                yield one[k][0]

    ends: list[list[float] | None] = []
    for k in range(len(names)):
        found = [value for value in values(k) if value is not None]
        if not found:
            ends.append(None)
            continue
        low, high = min(found), max(found)
        margin = _MARGIN * (high - low) or abs(high) or 1.0
        bottom = low - margin if low < 0 else max(low - margin, 0.0)
        ends.append(short(np.array([bottom, high + margin])))
    return ends
