"""How far a condition lies from what was seen, in steps between levels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..process import Factor, ProcessCondition, ProcessSpace, Value


def nearest_observed(
    space: ProcessSpace, points: Sequence[ProcessCondition]
) -> tuple[np.ndarray, list[ProcessCondition | None]]:
    """Distance of conditions to the nearest observed one, and which that is.

    The distance is counted in steps from level to level, summed over factors: 1 is the neighbouring level of
    one factor or another level of a nominal one, 0.5 half-way (on the factor's axis) between two levels.

    Args:
        space: the process space, with what was ``observed``.
        points: conditions of it.

    Returns:
        Distances, (point,), 0 where the very combination was observed, NaN where nothing was; and the nearest
        condition of each, the first in order of values where several are.

    >>> space = ProcessSpace.uhcsdb().observing(["800-90-Q"])
    >>> steps, nearest = nearest_observed(space, space.conditions(["800-90-Q", "850-90-Q", "900-90-AR"]))
    >>> steps.tolist(), str(nearest[2])
    ([0.0, 0.5, 2.0], '800-90-Q')
    """
    seen = space.observed_conditions
    if not seen:
        return np.full(len(points), np.nan), [None] * len(points)
    steps = np.zeros((len(points), len(seen)))
    for factor in space.factors:
        mine, theirs = (_positions(factor, [c[factor.name] for c in some]) for some in (points, seen))
        apart = np.abs(mine[:, None] - theirs[None, :])
        steps += (apart > 0) if factor.kind == "nominal" else apart
    nearest = steps.argmin(axis=1)
    return steps[np.arange(len(points)), nearest], [seen[i] for i in nearest]


def _positions(factor: Factor, values: Sequence[Value]) -> np.ndarray:
    """Place of values among the levels: 0 for the lowest (the first, if nominal), 1 for the next."""
    if factor.kind == "nominal":
        return np.array([factor.levels.index(value) for value in values], dtype=float)
    axis = sorted(map(factor.coordinate, factor.levels))
    return np.interp([factor.coordinate(value) for value in values], axis, np.arange(len(axis)))
