"""Descriptors by condition and along one factor, real beside generated.

The functions take datasets of statistics (`pspgan.statistics.open_statistics`): one variable (sample,) a
descriptor, the coordinates ``condition`` and ``specimen``, and ``seed`` where micrographs were generated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from ..linkage.means import by_condition, by_specimen
from ..process import PIXEL_SIZE, Factor, ProcessCondition, ProcessSpace, Value
from ..statistics import valid_range
from .spatial import colour_of, is_generated
from .style import FAINT, PREDICTED, apart, dress, legend, panel, with_unit, wrapped

_MARKERS = ("o", "D", "s", "^")


def descriptor_label(statistics: xr.Dataset, name: str) -> str:
    """Axis text of a descriptor: its long name and unit."""
    attrs = statistics[name].attrs
    return with_unit(attrs.get("long_name", name.replace("_", " ")), attrs.get("units", ""))


def descriptor_comparison(
    statistics: Mapping[str, xr.Dataset], name: str, conditions: Sequence[ProcessCondition]
) -> Figure:
    """A descriptor for every condition: mean and standard error of each ensemble, and specimens as dots.

    Args:
        statistics: name of an ensemble -> its statistics.
        name: the descriptor.
        conditions: rows of the figure, top to bottom.

    Raises:
        KeyError: a dataset lacks the descriptor.
    """
    figure, axes = panel((5.0, 1.0 + 0.235 * len(conditions)))
    rows = {str(condition): i for i, condition in enumerate(conditions)}
    for k, (label, one) in enumerate(statistics.items()):
        shift = (k - (len(statistics) - 1) / 2) * 0.3
        colour = colour_of(one)
        if not is_generated(one):
            dots = by_specimen(one, name)
            dots = dots[dots["condition"].isin(rows)]
            height = dots["condition"].map(rows) + shift
            axes.plot(dots["value"], height, ".", color=colour, alpha=0.35, markersize=5, markeredgewidth=0)
        table = by_condition(one, name)
        table = table[table.index.isin(rows)]
        axes.errorbar(
            table["mean"],
            table.index.map(rows) + shift,
            xerr=table["standard_error"].fillna(0.0),
            label=label,
            fmt=_MARKERS[k % len(_MARKERS)],
            color=colour,
            markersize=4.5,
            linewidth=1.2,
            capsize=0,
        )
    axes.set_yticks(range(len(conditions)), [condition.label for condition in conditions])
    axes.set_ylim(len(conditions) - 0.4, -0.6)
    axes.set_xlabel(wrapped(descriptor_label(next(iter(statistics.values())), name), 48))
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    legend(axes)
    return figure


def evolution_path(
    space: ProcessSpace, conditions: Sequence[ProcessCondition]
) -> tuple[Factor, list[ProcessCondition]]:
    """The series of conditions in which one ordinal factor alone changes, over the most values.

    Series along logarithmic factors come first (annealing times grow by multiples), then longer ones, then
    those of the factor that is first in the space. The pixel size is no process that a structure evolves by.

    Args:
        space: the process space.
        conditions: where to look, for example those that were observed.

    Returns:
        The factor, and the conditions in ascending order of it.

    Raises:
        ValueError: no two conditions differ in one ordinal factor alone.
    """
    best: tuple[tuple[bool, int], Factor, list[ProcessCondition]] | None = None
    for position, factor in enumerate(space.factors):
        if factor.kind != "ordinal" or factor.name == PIXEL_SIZE:
            continue
        series: dict[tuple[Value, ...], list[ProcessCondition]] = {}
        for condition in sorted(set(conditions), key=lambda c: c.values):
            rest = condition.values[:position] + condition.values[position + 1 :]
            series.setdefault(rest, []).append(condition)
        for path in series.values():
            rank = (factor.scale == "log", len(path))
            if len(path) > 1 and (best is None or rank > best[0]):
                best = rank, factor, path
    if best is None:
        raise ValueError(
            "no two conditions differ in one ordinal factor alone, so there is no series to show"
        )
    return best[1], best[2]


def descriptor_along(
    statistics: Mapping[str, xr.Dataset],
    name: str,
    factor: Factor,
    path: Sequence[ProcessCondition],
    prediction: tuple[Sequence[ProcessCondition], np.ndarray, np.ndarray] | None = None,
) -> Figure:
    """A descriptor along a path of conditions: mean and standard error, and a linkage's prediction.

    Args:
        statistics: name of an ensemble -> its statistics.
        name: the descriptor.
        factor: the ordinal factor that changes along the path.
        path: conditions, as `evolution_path` gives them.
        prediction: conditions, mean and standard deviation that a linkage predicts.

    Raises:
        KeyError: a dataset lacks the descriptor.
    """
    figure, axes = panel()
    position = {str(condition): condition[factor.name] for condition in path}
    if prediction is not None:
        where = [condition[factor.name] for condition in prediction[0]]
        mean, deviation = (np.asarray(part, dtype=float) for part in prediction[1:])
        bounds = valid_range(next(iter(statistics.values()))[name])
        low, high = (np.clip(end, *bounds) for end in (mean - deviation, mean + deviation))
        axes.fill_between(where, low, high, color=PREDICTED, alpha=0.15, linewidth=0)
        axes.plot(where, mean, ":", color=PREDICTED, linewidth=1.4, label="linkage")
    for k, (label, one) in enumerate(statistics.items()):
        table = by_condition(one, name)
        table = table[table.index.isin(position)]
        table = table.assign(at=table.index.map(position)).sort_values("at")
        axes.errorbar(
            table["at"],
            table["mean"],
            yerr=table["standard_error"].fillna(0.0),
            label=label,
            capsize=2,
            linewidth=1.4,
            fmt=_MARKERS[k % len(_MARKERS)] + "-",
            color=colour_of(one),
            markersize=5,
        )
    if factor.scale == "log":
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    ticks = apart(factor, [condition[factor.name] for condition in path])
    axes.set_xticks(ticks, [factor.format(tick) for tick in ticks])
    axes.set_xlabel(with_unit(factor.name, factor.unit))
    axes.set_ylabel(wrapped(descriptor_label(next(iter(statistics.values())), name)))
    axes.grid(color=FAINT, linewidth=0.6)
    legend(dress(axes))
    return figure
