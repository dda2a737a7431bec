"""Structure along a path in process space: what was measured, generated, predicted, and the growth law."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

from .linkage import target_label
from .style import FAINT, GENERATED, PALETTE, PREDICTED, REAL, dress, legend, panel, with_unit

_POINTS = {"real": (REAL, "o"), "simulated": (REAL, "o"), "generated": (GENERATED, "D")}
_LAWS = ("--", "-.")


def evolution(table: pd.DataFrame) -> Figure:
    """A descriptor against one factor, with the interval of every point and curve.

    Open points rest on a single specimen, and have no interval. Diamonds joined by a line are the
    generator's; those with a grey edge are conditions that its training did not see.

    Args:
        table: what `pspgan.evolution` gives.

    Raises:
        ValueError: a table of another kind.
    """
    if "along" not in table.attrs:
        raise ValueError("this table is none that pspgan.evolution gives: its attrs say nothing of a path")
    along = table.attrs["along"]
    figure, axes = panel()
    laws = 0
    for name, one in table.groupby("series", sort=False):
        one = one.sort_values(along)
        if name in _POINTS:
            colour, marker = _POINTS[name]
            _measured(axes, one, along, str(name), colour, marker, joined=name == "generated")
            continue
        is_law = str(name).startswith("law of")
        colour = _POINTS.get(str(name).removeprefix("law of "), (PALETTE[2],))[0] if is_law else PREDICTED
        style = _LAWS[laws % len(_LAWS)] if is_law else ":"
        laws += is_law
        axes.fill_between(one[along], one["low"], one["high"], color=colour, alpha=0.12, linewidth=0)
        axes.plot(one[along], one["mean"], style, color=colour, linewidth=1.4, label=str(name))
    ticks = sorted(table.loc[table["specimens"] > 0, along].unique())
    if table.attrs["scale"] == "log":
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    if (table["mean"] > 0).all() and table["mean"].max() > 5 * table["mean"].min():
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xlabel(with_unit(along, table.attrs["unit"]))
    axes.set_ylabel(target_label(table.attrs["target"], table.attrs["target_unit"]))
    axes.grid(color=FAINT, linewidth=0.6)
    legend(dress(axes))
    return figure


def _measured(
    axes: Axes, table: pd.DataFrame, along: str, name: str, colour: str, marker: str, joined: bool
) -> None:
    bars = np.nan_to_num(np.stack([table["mean"] - table["low"], table["high"] - table["mean"]]))
    axes.errorbar(
        table[along],
        table["mean"],
        yerr=bars,
        fmt="-" if joined else "none",
        color=colour,
        linewidth=1.2,
        capsize=2,
    )
    single = table["low"].isna()
    for rows, face in ((~single, colour), (single, "white")):
        part = table[rows]
        if len(part):
            axes.scatter(
                part[along],
                part["mean"],
                marker=marker,
                facecolors=face,
                edgecolors=np.where(part["observed"], colour, "#888888"),
                s=28,
                zorder=3,
                label=name if face == colour or single.all() else None,
            )
