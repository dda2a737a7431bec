"""Structure against one factor along a path in process space: measured, generated, predicted; and its kinetics."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import t as student

from ..process import Factor, ProcessCondition, ProcessSpace, Value
from .distance import nearest_observed
from .estimator import Linkage
from .inputs import observing, open_all, statistics_of
from .kinetics import Kinetics, fit_growth
from .units import is_temperature, is_time, kelvin
from .validation import fits_of

_CURVE = 25  # points of a predicted curve


def by_specimen(statistics: xr.Dataset, name: str) -> pd.DataFrame:
    """Means of a descriptor over what is independent: a specimen, or one generated micrograph (a seed).

    Micrographs of one specimen are not independent of each other, so they are averaged first. Generated
    micrographs of a condition are independent draws of one trained generator, and count one by one.

    Returns:
        Columns ``condition``, ``specimen``, ``value``, ``micrographs``; rows without a finite value are left
        out.
    """
    table = pd.DataFrame(
        {
            "condition": statistics["condition"].values.astype(str),
            "specimen": statistics["specimen"].values.astype(str),
            "value": statistics[name].values.astype(float),
            "micrographs": 1,
        }
    ).dropna()
    if "seed" in statistics.coords:
        return table.reset_index(drop=True)
    groups = table.groupby(["condition", "specimen"], as_index=False)
    return groups.agg({"value": "mean", "micrographs": "sum"})


def by_condition(statistics: xr.Dataset, name: str) -> pd.DataFrame:
    """Mean of a descriptor and its standard error for every condition, over specimens (see `by_specimen`).

    Returns:
        Indexed by condition: ``mean``, ``standard_error`` (NaN for a single specimen), ``count``,
        ``micrographs``.
    """
    groups = by_specimen(statistics, name).groupby("condition")
    value = groups["value"]
    return pd.DataFrame(
        {
            "mean": value.mean(),
            "standard_error": value.sem(),
            "count": value.count(),
            "micrographs": groups["micrographs"].sum(),
        }
    )


def evolution(
    *ensembles: xr.Dataset | str | os.PathLike,
    along: str,
    target: str,
    at: Mapping[str, Value] | None = None,
    linkage: Linkage | None = None,
    kinetics: Mapping[str, Kinetics] | None = None,
    level: float = 0.9,
) -> pd.DataFrame:
    """A descriptor against one factor, all others fixed: the numbers behind the paper's Fig. 6.

    Args:
        ensembles: paths of stores with statistics, or datasets; real, simulated and generated ones.
        along: the ordinal factor that changes.
        target: the descriptor.
        at: values of the other factors. Those that are not given are taken from the path with the most values
            of ``along`` that were measured.
        linkage: a fitted linkage, which adds the series ``linkage`` between the ends of the path.
        kinetics: name of a series -> its fitted growth law (`fit_kinetics`), which adds ``law of <name>``.
        level: probability of the intervals.

    Returns:
        A line a point: ``series`` (an origin, ``linkage``, ``law of ...``), ``condition``, the factor's value
        under its name, ``mean``, ``low`` and ``high``, ``specimens`` and ``micrographs`` that it rests on (0
        on a curve), ``observed`` and ``distance`` (in level steps from what was). Intervals of measured and
        generated points are of the mean, by Student's t over specimens, or over single micrographs of a
        generator (whose errors they do not hold), NaN with one; those of the linkage are of a new specimen;
        those of a law are of the law. ``attrs`` keep ``along``, its ``unit`` and ``scale``, ``at``,
        ``target``, its ``target_unit`` and ``level``.

    Raises:
        KeyError: no such factor.
        ValueError: ``along`` is nominal, no ensemble has the descriptor, or there is no such path.
    """
    opened = open_all(ensembles)
    space = observing(opened)
    factor = space[along]
    if factor.kind == "nominal":
        raise ValueError(f"{along} is nominal; structure evolves along a number, such as a time")
    statistics = statistics_of(opened)[0]
    if not all(target in one for one in statistics):
        names = [n for n in statistics[0].data_vars if statistics[0][n].dims == ("sample",)]
        raise ValueError(f'no descriptor "{target}"; there are {", ".join(map(str, names))}')
    origins = [one.attrs["origin"] for one in opened]
    tested, _ = fits_of(np.array(origins))
    tables = [by_condition(one, target) for one in statistics]
    seen = [c for o, t in zip(origins, tables, strict=True) if o == tested for c in t.index]
    fixed = _fixed(space, along, at or {}, [space.condition(c) for c in dict.fromkeys(seen)])
    frames = [
        _points(space, table, origin, factor, fixed, level)
        for origin, table in zip(origins, tables, strict=True)
    ]
    measured = pd.concat(frames, ignore_index=True)
    curve = _curve(space, factor, fixed, measured[along])
    if linkage is not None:
        if target not in linkage.targets_:
            raise ValueError(f'the linkage does not predict "{target}"; it has {", ".join(linkage.targets_)}')
        points = linkage.conditions(curve)
        k = list(linkage.targets_).index(target)
        mean, bounds = linkage.predict_arrays(points)[0], linkage.interval_arrays(points, level)
        frames.append(_frame("linkage", factor, points, mean[:, k], *(bound[:, k] for bound in bounds)))
    for name, law in (kinetics or {}).items():
        time, at_kelvin = (_role_values(role, curve) for role in (law.time, law.temperature))
        frames.append(
            _frame(f"law of {name}", factor, curve, law.predict(time, at_kelvin), *law.band(time, at_kelvin))
        )
    table = pd.concat(frames, ignore_index=True)
    points = [space.condition(c) for c in table["condition"]]
    table["observed"] = [c.observed for c in points]
    table["distance"] = nearest_observed(space, points)[0]
    table.attrs = {
        "along": along,
        "unit": factor.unit,
        "scale": factor.scale,
        "at": fixed,
        "target": target,
        "target_unit": str(statistics[0][target].attrs.get("units", "")),
        "level": level,
    }
    return table


def fit_kinetics(
    data: Linkage | xr.Dataset | str | os.PathLike,
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
        raise ValueError(f"no specimen with {_listed(space, fixed)}")
    points = [c for c, keep in zip(points, kept, strict=True) if keep]
    time_factor = _role(space, time, is_time, "time")
    heat = _role(space, temperature, is_temperature, "temperature")
    for factor in space.factors:
        values = {c[factor.name] for c in points}
        if factor not in (time_factor, heat) and len(values) > 1:
            names = ", ".join(factor.format(v) for v in sorted(values, key=str))
            raise ValueError(
                f"specimens differ in {factor.name} ({names}), which the growth law knows nothing of; fix it: "
                f'at={{"{factor.name}": ...}}, --at {factor.name}=...'
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


def _specimens(
    data: Linkage | xr.Dataset | str | os.PathLike, target: str
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


def _role(space: ProcessSpace, name: str | None, fits, what: str) -> Factor | None:
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


def _role_values(name: str, points: Sequence[ProcessCondition]) -> np.ndarray | None:
    """Values of a factor along a curve, temperatures in kelvin; None without a factor."""
    if not name:
        return None
    factor = points[0].space[name]
    return np.array([kelvin(factor, c[name]) if is_temperature(factor) else c[name] for c in points])


def _fixed(
    space: ProcessSpace, along: str, at: Mapping[str, Value], seen: Sequence[ProcessCondition]
) -> dict[str, Value]:
    """Values of all factors but ``along``: as given, the others those of the path with the most points."""
    if along in at:
        raise ValueError(f"{along} cannot both change and be fixed")
    given = {name: space[name].check(value) for name, value in at.items()}
    others = [name for name in space.names if name != along]
    if set(given) == set(others):
        return {name: given[name] for name in others}
    paths: dict[tuple[Value, ...], set[Value]] = {}
    for c in seen:
        if all(c[name] == value for name, value in given.items()):
            paths.setdefault(tuple(c[name] for name in others), set()).add(c[along])
    if not paths:
        raise ValueError(f"nothing was measured at {_listed(space, given)}; fix all factors but {along}")
    longest = max(sorted(paths, key=str), key=lambda values: len(paths[values]))
    return dict(zip(others, longest, strict=True))


def _points(
    space: ProcessSpace,
    table: pd.DataFrame,
    origin: str,
    factor: Factor,
    fixed: Mapping[str, Value],
    level: float,
) -> pd.DataFrame:
    """The conditions of one ensemble that lie on the path."""
    on = [
        c for c in map(space.condition, table.index) if all(c[name] == value for name, value in fixed.items())
    ]
    on.sort(key=lambda c: c[factor.name])
    table = table.loc[[str(c) for c in on]]
    half = student.ppf((1 + level) / 2, np.maximum(table["count"] - 1, 1)) * table["standard_error"]
    frame = _frame(origin, factor, on, table["mean"], table["mean"] - half, table["mean"] + half)
    return frame.assign(specimens=table["count"].to_numpy(), micrographs=table["micrographs"].to_numpy())


def _curve(
    space: ProcessSpace, factor: Factor, fixed: Mapping[str, Value], values: pd.Series
) -> list[ProcessCondition]:
    """Conditions evenly between the ends of a path, on the factor's axis."""
    if not len(values):
        raise ValueError(f"no micrograph at {_listed(space, fixed)}")
    ends = float(values.min()), float(values.max())
    spaced = np.geomspace if factor.scale == "log" else np.linspace
    return [
        space.condition(dict(fixed) | {factor.name: float(v)}) for v in np.clip(spaced(*ends, _CURVE), *ends)
    ]


def _frame(series: str, factor: Factor, points: Sequence[ProcessCondition], mean, low, high) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "series": series,
            "condition": [str(c) for c in points],
            factor.name: [float(c[factor.name]) for c in points],
            "mean": np.asarray(mean, dtype=float),
            "low": np.asarray(low, dtype=float),
            "high": np.asarray(high, dtype=float),
            "specimens": 0,
            "micrographs": 0,
        }
    )


def _listed(space: ProcessSpace, fixed: Mapping[str, Value]) -> str:
    return ", ".join(f"{name} {space[name].format(v)}" for name, v in fixed.items()) or "any condition"
