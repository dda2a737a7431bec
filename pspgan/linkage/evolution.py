"""Structure against one factor along a path in process space: measured, generated, predicted."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from ..process import Factor, ProcessCondition, ProcessSpace, Value
from .distance import nearest_observed
from .estimator import Linkage
from .inputs import listed, observing, open_all, statistics_of
from .kinetic_fit import fit_kinetics, law_along, other_factors
from .kinetics import Kinetics
from .means import interval_by_condition
from .validation import fits_of

_CURVE = 25  # points of a predicted curve


def evolution(
    *ensembles: xr.Dataset | str | os.PathLike[str],
    along: str,
    target: str,
    at: Mapping[str, Value] | None = None,
    linkage: Linkage | None = None,
    kinetics: bool = False,
    exponent: float | None = None,
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
        kinetics: fit a growth law (`fit_kinetics`) to each ensemble, over all its times and temperatures at
            the other values of the path; adds the series ``law of <origin>``.
        exponent: n of that law, where it is known.
        level: probability of the intervals.

    Returns:
        A line a point: ``series`` (an origin, ``linkage``, ``law of ...``), ``condition``, the factor's value
        under its name, ``mean``, ``low`` and ``high``, ``specimens`` and ``micrographs`` that it rests on (0
        on a curve), ``observed`` and ``distance`` (in level steps from what was). Intervals of measured and
        generated points are of the mean, by Student's t over specimens, or over single micrographs of a
        generator (whose errors they do not hold), NaN with one; those of the linkage are of a new specimen;
        those of a law are of the law. ``attrs`` keep ``along``, its ``unit`` and ``scale``, ``at``,
        ``target``, its ``target_unit``, ``level`` and ``kinetics``, the fitted laws by origin.

    Raises:
        KeyError: no such factor.
        ValueError: ``along`` is nominal, no ensemble has the descriptor, there is no such path, or two
            ensembles are of one origin.
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
    for origin in set(origins):
        if origins.count(origin) > 1:
            raise ValueError(f"{origins.count(origin)} ensembles are {origin}; give one of each origin")
    tested, _ = fits_of(np.array(origins))
    tables = [interval_by_condition(one, target, level) for one in statistics]
    seen = [c for o, t in zip(origins, tables, strict=True) if o == tested for c in t.index]
    fixed = _fixed(space, along, at or {}, [space.condition(c) for c in dict.fromkeys(seen)])
    frames = [
        _points(space, table, origin, factor, fixed) for origin, table in zip(origins, tables, strict=True)
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
    laws: dict[str, Kinetics] = {}
    for origin, ensemble in zip(origins, opened, strict=True) if kinetics else ():
        others = other_factors(space, fixed)
        try:
            laws[origin] = fit_kinetics(ensemble, target, at=others, exponent=exponent, level=level)
        except ValueError as error:
            raise ValueError(f"growth law of {origin} micrographs: {error}") from None
        frames.append(_frame(f"law of {origin}", factor, curve, *law_along(laws[origin], curve)))
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
        "kinetics": laws,
    }
    return table


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
        raise ValueError(f"nothing was measured at {listed(space, given)}; fix all factors but {along}")
    longest = max(sorted(paths, key=str), key=lambda values: len(paths[values]))
    return dict(zip(others, longest, strict=True))


def _points(
    space: ProcessSpace,
    table: pd.DataFrame,
    origin: str,
    factor: Factor,
    fixed: Mapping[str, Value],
) -> pd.DataFrame:
    """The conditions of one ensemble that lie on the path."""
    on = [
        c for c in map(space.condition, table.index) if all(c[name] == value for name, value in fixed.items())
    ]
    on.sort(key=lambda c: c[factor.name])
    table = table.loc[[str(c) for c in on]]
    frame = _frame(origin, factor, on, table["mean"], table["low"], table["high"])
    return frame.assign(specimens=table["count"].to_numpy(), micrographs=table["micrographs"].to_numpy())


def _curve(
    space: ProcessSpace, factor: Factor, fixed: Mapping[str, Value], values: pd.Series
) -> list[ProcessCondition]:
    """Conditions evenly between the ends of a path, on the factor's axis."""
    if not len(values):
        raise ValueError(f"no micrograph at {listed(space, fixed)}")
    ends = float(values.min()), float(values.max())
    spaced = np.geomspace if factor.scale == "log" else np.linspace
    return [
        space.condition(dict(fixed) | {factor.name: float(v)}) for v in np.clip(spaced(*ends, _CURVE), *ends)
    ]


def _frame(
    series: str, factor: Factor, points: Sequence[ProcessCondition], *columns: np.ndarray
) -> pd.DataFrame:
    """Points of a series, with their mean, low and high."""
    mean, low, high = (np.asarray(column, dtype=float) for column in columns)
    return pd.DataFrame(
        {
            "series": series,
            "condition": [str(c) for c in points],
            factor.name: [float(c[factor.name]) for c in points],
            "mean": mean,
            "low": low,
            "high": high,
            "specimens": 0,
            "micrographs": 0,
        }
    )
