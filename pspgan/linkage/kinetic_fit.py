"""The growth law of an ensemble or a linkage: which specimens, and which of their factors is the time."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import xarray as xr

from ..process import Factor, ProcessCondition, ProcessSpace, Value
from .estimator import Linkage
from .inputs import listed, observing, open_all, statistics_of
from .kinetics import Kinetics, fit_growth
from .means import by_specimen
from .units import is_temperature, is_time, kelvin
from .validation import fits_of


def fit_kinetics(
    data: Linkage | xr.Dataset | str | os.PathLike[str],
    target: str = "mean_equivalent_diameter_um",
    *,
    at: Mapping[str, Value] | None = None,
    time: str | None = None,
    temperature: str | None = None,
    exponent: float | None = None,
    initial: float | None = None,
    level: float = 0.9,
) -> Kinetics:
    """Fit the growth law ``d^n = d0^n + k0 exp(-Q / RT) t`` to the specimens of an ensemble.

    Which factor is the time and which the temperature follows from their units, or is given. Every specimen
    counts once; of a generated ensemble, every condition.

    Args:
        data: an ensemble with statistics, or a fitted linkage, whose measured specimens are taken.
        target: the descriptor that grows.
        at: values of factors, and only specimens that have them. All but time and temperature must be fixed
            where they vary.
        time, temperature: names of the factors.
        exponent, initial: n and d0 (in the unit of the target) where they are known.
        level: probability of the intervals.

    Raises:
        KeyError: no such factor.
        ValueError: no such target, no time among the factors or several, a factor that varies and is not
            fixed, or too few specimens.
    """
    space, table, unit = _specimens(data, target)
    fixed = {name: space[name].check(value) for name, value in (at or {}).items()}
    points = [space.condition(text) for text in table["condition"]]
    kept = np.array([all(c[name] == value for name, value in fixed.items()) for c in points], dtype=bool)
    if not kept.any():
        where = f" with {listed(space, fixed)}" if fixed else ""
        instead = target.removesuffix("_um")
        unknown = f"; of unknown pixel size there may be {instead}" if instead != target else ""
        raise ValueError(f"no specimen{where} has a {target}: nothing to fit{unknown}")
    points = [c for c, keep in zip(points, kept, strict=True) if keep]
    time_factor = _role(space, time, is_time, "time")
    heat = _role(space, temperature, is_temperature, "temperature")
    for factor in space.factors:
        values = {c[factor.name] for c in points}
        if factor not in (time_factor, heat) and len(values) > 1:
            names = ", ".join(factor.format(v) for v in sorted(values, key=str))
            raise ValueError(
                f"specimens differ in {factor.name} ({names}), of which the growth law knows nothing; fix "
                f'it: at={{"{factor.name}": ...}}, --at {factor.name}=...'
            )
    found = fit_growth(
        table["value"].to_numpy()[kept],
        [c[time_factor.name] for c in points],
        None if heat is None else [kelvin(heat, c[heat.name]) for c in points],
        exponent=exponent,
        initial=initial,
        level=level,
    )
    return replace(
        found,
        target=target,
        unit=unit,
        time_unit=time_factor.unit,
        time=time_factor.name,
        temperature="" if heat is None else heat.name,
    )


def law_along(law: Kinetics, points: Sequence[ProcessCondition]) -> tuple[np.ndarray, ...]:
    """What a law says along a curve of conditions: size, and the ends of its interval, (point,) each."""
    space = points[0].space
    time = np.array([c[law.time] for c in points], dtype=float)
    heat = law.temperature
    at_kelvin = np.array([kelvin(space[heat], c[heat]) for c in points]) if heat else None
    return law.predict(time, at_kelvin), *law.band(time, at_kelvin)


def other_factors(space: ProcessSpace, values: Mapping[str, Value]) -> dict[str, Value]:
    """The values of factors that are, by their units, neither a time nor a temperature."""
    return {n: v for n, v in values.items() if not (is_time(space[n]) or is_temperature(space[n]))}


def _specimens(
    data: Linkage | xr.Dataset | str | os.PathLike[str], target: str
) -> tuple[ProcessSpace, pd.DataFrame, str]:
    """The space, ``condition`` and ``value`` of every specimen that has the target, and its unit."""
    if isinstance(data, Linkage):
        if target not in data.targets_:
            raise ValueError(f'"{target}" is no target of this linkage; there are {", ".join(data.targets_)}')
        k, table = list(data.targets_).index(target), data.table_
        rows = (table.origin == fits_of(table.origin)[0]) & np.isfinite(table.values[:, k])
        frame = pd.DataFrame({"condition": table.condition[rows], "value": table.values[rows, k]})
        return data.space_, frame, data.units_[k]
    opened = open_all([data])
    (statistics,) = statistics_of(opened)[0]
    if target not in statistics:
        raise ValueError(f'no descriptor "{target}" in the statistics')
    frame = by_specimen(statistics, target)
    if "seed" in statistics.coords:
        # Draws of one generator share its errors: a condition counts once.
        frame = frame.groupby(["condition", "specimen"], as_index=False)["value"].mean()
    return observing(opened), frame, str(statistics[target].attrs.get("units", ""))


def _role(space: ProcessSpace, name: str | None, fits: Callable[[Factor], bool], what: str) -> Factor | None:
    """The factor that plays a role: the one named, else the only one with such a unit."""
    if name is not None:
        factor = space[name]
        if factor.kind == "nominal" or (what == "temperature" and not fits(factor)):
            raise ValueError(f'{name} cannot be the {what}: it is {factor.kind} with unit "{factor.unit}"')
        return factor
    found = [factor for factor in space.factors if fits(factor)]
    if len(found) > 1:
        raise ValueError(
            f"several factors are a {what} by their units: {', '.join(f.name for f in found)}; name one"
        )
    if not found and what == "time":
        raise ValueError("no factor has a unit of time (s, min, h, d); name the one that is the time")
    return found[0] if found else None
