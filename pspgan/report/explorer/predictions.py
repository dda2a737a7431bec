"""What a linkage predicts of combinations, as the explorer shows it beside what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from ...process import ConditionError
from ...statistics import radial_average, settings_of
from .measures import LEVEL, correlation, short

if TYPE_CHECKING:
    from ...linkage import Linkage
    from ...process import ProcessCondition


def predictable(fitted: Linkage | None) -> list[str]:
    """Descriptors that a linkage predicts."""
    return list(fitted.basis_.descriptors) if fitted is not None else []


def predictions(
    fitted: Linkage,
    points: Sequence[ProcessCondition],
    names: Sequence[str],
    statistics: Mapping[str, xr.Dataset],
    um_per_px: float | None,
) -> list[dict[str, Any] | None]:
    """What a linkage predicts of combinations; None beyond the levels that it was fitted on.

    Args:
        fitted: the linkage.
        points: the combinations.
        names: descriptors.
        statistics: what its two-point statistics are set beside.
        um_per_px: size of the measured pixels, where lengths are wanted in µm.

    Returns:
        A combination's ``descriptors``: mean, low and high of each, the interval in which the mean of a new
        specimen lies with a probability of 90 %, None of one that is no target; and its ``profile``: see
        `_profiles`, None where it cannot be set beside ``statistics``.
    """
    theirs = [_in(fitted, point) for point in points]
    within = [point for point in theirs if point is not None]
    if not within:
        return [None] * len(points)
    described = _descriptors(fitted, within, names)
    pair = correlation(fitted.basis_.mean.to_dataset())
    alike = all(settings_of(one) == fitted.settings_ for one in statistics.values())
    profiles: list[dict[str, Any] | None] = [None] * len(within)
    if pair is not None and alike:
        profiles = _profiles(fitted, within, pair, um_per_px)
    found = iter(
        {"descriptors": one, "profile": curve} for one, curve in zip(described, profiles, strict=True)
    )
    return [None if point is None else next(found) for point in theirs]


def _in(fitted: Linkage, point: ProcessCondition) -> ProcessCondition | None:
    """A condition in the process space of a linkage; None where it lies outside."""
    try:
        return fitted.space_.condition(point.as_dict())
    except ConditionError:
        return None


def _descriptors(
    fitted: Linkage, points: Sequence[ProcessCondition], names: Sequence[str]
) -> list[list[list[float | None] | None]]:
    low, high = fitted.interval_arrays(points, LEVEL)
    values = np.stack([fitted.predict_arrays(points)[0], low, high], axis=-1)
    targets = list(fitted.targets_)
    return [
        [short(one[targets.index(name)]) if name in targets else None for name in names] for one in values
    ]


def _profiles(
    fitted: Linkage, points: Sequence[ProcessCondition], pair: str, um_per_px: float | None
) -> list[dict[str, Any] | None]:
    """Predicted two-point statistics averaged over directions: ``length``, ``mean`` and ``spread``.

    The spread is the standard deviation of a new specimen's mean, from those of its scores on the principal
    components, whose errors are taken as independent.
    """
    basis = fitted.basis_
    k = basis.mean["correlation"].values.astype(str).tolist().index(pair)
    n = len(basis.components)
    directions = basis.components.reshape(n, *basis.mean.shape)[..., k]
    maps = np.concatenate([basis.mean.values[None, ..., k], directions])
    length, average = radial_average(maps, basis.mean["dy"].values, basis.mean["dx"].values)
    mean, std = (part[:, :n] for part in fitted.predict_arrays(points))
    curves = average[0] + mean @ average[1:]
    spreads = np.sqrt(std**2 @ average[1:] ** 2)
    lengths = short(length * (um_per_px or 1.0))
    return [
        {"length": lengths, "mean": short(curve), "spread": short(spread)}
        for curve, spread in zip(curves, spreads, strict=True)
    ]
