"""Which process conditions a set of micrographs covers, and with what (the paper's Fig. 2)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from ..ensemble import space_of
from .style import FAINT, PALETTE, UNLABELLED, legend, panel, thin, with_unit

NO_LABEL = "not labelled"


def level_counts(dataset: xr.Dataset, factor: str) -> pd.DataFrame:
    """Micrographs a level of one factor, split by microconstituent.

    Args:
        dataset: an ensemble.
        factor: name of a process factor, nominal or ordinal.

    Returns:
        Counts; rows are the levels (ordinal ones in ascending order, levels without micrographs included),
        columns the microconstituents, the most frequent first.

    Raises:
        KeyError: the ensemble has no such factor.
    """
    described = space_of(dataset)[factor]
    values = dataset[factor].values
    values = values.astype(float if described.kind == "ordinal" else str)
    labels = pd.Series(NO_LABEL, index=range(len(values)))
    if "microconstituent" in dataset.variables:
        labels = pd.Series(dataset["microconstituent"].values.astype(str)).replace("", NO_LABEL)
    levels = list(described.levels)
    if described.kind == "ordinal":
        levels = sorted({*levels, *values.tolist()})
    counts = pd.crosstab(pd.Series(values, name=factor), labels.rename("microconstituent"))
    counts = counts.reindex(index=pd.Index(levels, name=factor), fill_value=0)
    order = sorted(counts.columns, key=lambda name: (name == NO_LABEL, -counts[name].sum(), name))
    return counts[order]


def coverage(dataset: xr.Dataset, factor: str) -> Figure:
    """Stacked bars: micrographs at every level of one factor, by microconstituent.

    Args:
        dataset: an ensemble.
        factor: name of a process factor.

    Raises:
        KeyError: the ensemble has no such factor.
    """
    described = space_of(dataset)[factor]
    counts = level_counts(dataset, factor)
    figure, axes = panel()
    bottom = pd.Series(0, index=counts.index)
    for i, name in enumerate(counts.columns):
        colour = UNLABELLED if name == NO_LABEL else PALETTE[i % len(PALETTE)]
        hatch = "//" if i >= len(PALETTE) else None
        axes.bar(range(len(counts)), counts[name], 0.72, bottom, label=name, color=colour, hatch=hatch)
        bottom = bottom + counts[name]
    if len(counts) <= 24:
        for position, total in enumerate(bottom):
            axes.annotate(
                str(total), (position, total), (0, 2), textcoords="offset points", ha="center", fontsize=8
            )
    axes.set_xticks(range(len(counts)), thin([described.format(level) for level in counts.index]))
    if max(map(len, map(described.format, counts.index))) * len(counts) > 60:
        axes.tick_params(axis="x", rotation=60)
    axes.set_xlabel(with_unit(factor, described.unit))
    axes.set_ylabel("micrographs")
    axes.set_ylim(0.0, 1.12 * max(bottom.max(), 1))
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    if list(counts.columns) != [NO_LABEL]:
        legend(axes, ncols=2)
    return figure


def combinations(dataset: xr.Dataset) -> pd.DataFrame:
    """One row a combination of factors: its condition, factor values, micrographs, specimens, pixel sizes.

    Returns:
        Columns ``condition``, the factors, ``micrographs``, ``specimens``, ``um_per_px_min``,
        ``um_per_px_max`` (NaN where unknown), sorted by the factors' values.
    """
    space = space_of(dataset)
    columns = ["condition", *space.names, "specimen", "um_per_px"]
    table = pd.DataFrame({name: _plain(dataset[name].values) for name in columns})
    grouped = table.groupby(["condition", *space.names], sort=False)
    rows = grouped.agg(
        micrographs=("specimen", "size"),
        specimens=("specimen", "nunique"),
        um_per_px_min=("um_per_px", "min"),
        um_per_px_max=("um_per_px", "max"),
    )
    return rows.reset_index().sort_values(list(space.names), ignore_index=True)


def _plain(values: np.ndarray) -> np.ndarray:
    """Text as Python strings, which pandas groups and sorts; numbers unchanged."""
    return values if values.dtype.kind in "fib" else values.astype(str)
