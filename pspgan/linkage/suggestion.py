"""The way back: processing conditions whose predicted structure meets a target."""

from __future__ import annotations

import difflib
import itertools
import math
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..process import Factor, ProcessCondition, ProcessSpace, Value
from .distance import nearest_observed
from .summary import r2_in_words

if TYPE_CHECKING:
    from .estimator import Linkage


def suggest(
    linkage: Linkage,
    target: Mapping[str, float],
    tolerance: float | Mapping[str, float] = 0.1,
    between: int = 3,
) -> pd.DataFrame:
    """Scan the process space for conditions whose predicted structure lies within tolerance of a target.

    Args:
        linkage: a fitted linkage.
        target: wanted value of each target, in its unit: ``{"area_fraction": 0.15}``.
        tolerance: allowed deviation as a share of the wanted value, one for all or one a target.
        between: values tried between two neighbouring levels of an ordinal factor.

    Returns:
        A line a condition, the most probable first: ``condition``, the factors' values, the predicted value
        and ``<target>_std`` of each target, ``probability`` that a new specimen lies within tolerance in all
        of them (targets taken as independent), ``observed``, and how far from what was: ``distance``, in
        steps between levels summed over factors, to the condition ``nearest``. Empty, with a warning that
        names the condition whose prediction comes nearest, where none qualifies.

    Raises:
        ValueError: an unknown target, a wanted value of 0 (a share of it is no tolerance), or no target.
    """
    if not target:
        raise ValueError('no target given; name at least one, such as {"area_fraction": 0.15}')
    half_width = {name: _half_width(linkage, name, value, tolerance) for name, value in target.items()}
    _warn_of_unpredicted(linkage, target)
    points, probability = chances(linkage, target, tolerance, between)
    mean, std = linkage.predict_arrays(points)
    table = pd.DataFrame(
        {"condition": [str(c) for c in points]} | {n: [c[n] for c in points] for n in linkage.space_.names}
    )
    within, miss = np.ones(len(points), bool), np.zeros(len(points))
    for name, value in target.items():
        k = linkage.targets_.index(name)
        table[name], table[f"{name}_std"] = mean[:, k], std[:, k]
        deviation = np.abs(mean[:, k] - value) / half_width[name]
        within &= deviation <= 1
        miss = np.maximum(miss, deviation)
    table["probability"] = probability
    table["observed"] = [c.observed for c in points]
    table["distance"], seen = nearest_observed(linkage.space_, points)
    table["nearest"] = [str(c) for c in seen]
    if not within.any():
        nearest = table.loc[int(np.argmin(miss))]
        values = ", ".join(f"{name} {nearest[name]:.4g} +- {nearest[f'{name}_std']:.2g}" for name in target)
        warnings.warn(
            f"no condition is predicted to meet the target; the nearest is {nearest['condition']}: {values}",
            stacklevel=3,
        )
    return table[within].sort_values(["probability", "condition"], ascending=[False, True], ignore_index=True)


def _warn_of_unpredicted(linkage: Linkage, target: Iterable[str]) -> None:
    """Say which targets no condition can be chosen by, or only among conditions that were seen."""
    flat = [name for name in target if linkage.regressors_[name] == "mean"]
    if flat:
        warnings.warn(
            f"process does not predict {', '.join(flat)} on held-out specimens: every condition is given "
            "its mean, so it does not tell conditions apart; leave it out",
            stacklevel=4,
        )
    scores = linkage.validation_
    # The fit on all ensembles, which predictions are of, is the last.
    scores = scores[(scores["fit"] == scores["fit"].iloc[-1]) & (scores["held_out"] == "conditions")]
    r2 = scores.set_index("target")["r2"]
    for name in target:
        if name not in flat and r2.get(name, np.nan) <= 0:
            warnings.warn(
                f"R2 of {name} on held-out conditions is {r2_in_words(r2[name])}, no better than the mean, "
                "so its probability says little where no specimen was seen",
                stacklevel=4,
            )


def chances(
    linkage: Linkage, target: Mapping[str, float], tolerance: float | Mapping[str, float], between: int
) -> tuple[list[ProcessCondition], np.ndarray]:
    """Conditions of `grid`, and the probability that a new specimen of each meets the target, (point,).

    Targets are taken as independent given the condition.

    Raises:
        ValueError: as `suggest`.
    """
    points = grid(linkage.space_, between)
    features = linkage.features_of(points)
    probability = np.ones(len(points))
    for name, value in target.items():
        half = _half_width(linkage, name, value, tolerance)
        probability *= linkage.models_[name].probability(features, value - half, value + half)
    return points, probability


def grid(space: ProcessSpace, between: int) -> list[ProcessCondition]:
    """All combinations of levels and of ``between`` values between neighbouring levels of ordinal factors."""
    return [
        space.condition(values) for values in itertools.product(*(_values(f, between) for f in space.factors))
    ]


def _values(factor: Factor, between: int) -> list[Value]:
    if factor.kind == "nominal":
        return list(factor.levels)
    levels = sorted(factor.levels)
    values = set(levels)
    for low, high in itertools.pairwise(levels):
        a, b = factor.coordinate(low), factor.coordinate(high)
        for position in np.linspace(a, b, between + 2)[1:-1]:
            # Three digits of the gap are as fine as anybody sets a furnace.
            value = math.exp(position) if factor.scale == "log" else float(position)
            values.add(min(max(round(value, 2 - math.floor(math.log10(high - low))), low), high))
    return sorted(values)


def _half_width(linkage: Linkage, name: str, value: float, tolerance: float | Mapping[str, float]) -> float:
    if name not in linkage.targets_:
        close = difflib.get_close_matches(name, linkage.targets_, 1)
        meant = f' (did you mean "{close[0]}"?)' if close else ""
        raise ValueError(
            f'"{name}" is no target of this linkage{meant}; there are {", ".join(linkage.targets_)}'
        )
    share = tolerance.get(name, 0.1) if isinstance(tolerance, Mapping) else tolerance
    if not value or not share > 0:
        raise ValueError(f"{name}: wanted {value} with tolerance {share}: neither may be 0")
    return abs(value) * share
