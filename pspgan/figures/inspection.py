"""What to see of a data set before it is used: its magnifications, and micrographs that show one place."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..ensemble import name_of
from .micrographs import conditions_in, scale_bars
from .style import FAINT, INK, PALETTE, UNLABELLED, legend, panel, with_unit

_UNLABELLED = "not labelled"
_ROW = 0.2  # inch a combination takes
_PAIRS = 12  # shown; the table has all


def pixel_sizes(dataset: xr.Dataset) -> Figure:
    """Pixel size of every micrograph, one row a combination, coloured by microconstituent.

    Where colours or rows keep to their own part of the axis, magnification gives away the microconstituent
    or the condition.

    Args:
        dataset: an ensemble with at least one known pixel size.
    """
    conditions = conditions_in(dataset)[::-1]
    row = {str(condition): k for k, condition in enumerate(conditions)}
    place = np.array([row[name] for name in dataset["condition"].values.astype(str)], dtype=float)
    size = dataset["um_per_px"].values
    labels = pd.Series(_UNLABELLED, index=range(len(size)))
    if "microconstituent" in dataset.variables:
        labels = pd.Series(dataset["microconstituent"].values.astype(str)).replace("", _UNLABELLED)
    figure, axes = panel((5.6, 1.4 + _ROW * len(conditions)))
    # Micrographs at one magnification would hide each other.
    place += np.random.default_rng(0).uniform(-0.3, 0.3, len(place))
    known = [name for name in labels.value_counts().index if name != _UNLABELLED]
    for k, name in enumerate([*known, *([_UNLABELLED] if (labels == _UNLABELLED).any() else [])]):
        colour = UNLABELLED if name == _UNLABELLED else PALETTE[k % len(PALETTE)]
        chosen = (labels == name).to_numpy() & np.isfinite(size)
        axes.scatter(size[chosen], place[chosen], s=9, color=colour, label=name, linewidths=0)
    axes.set_xscale("log")
    axes.set_xlabel(with_unit("pixel size", "um"))
    axes.set_yticks(range(len(conditions)), [condition.label for condition in conditions], fontsize=8)
    axes.set_ylim(-0.6, len(conditions) - 0.4)
    axes.grid(axis="both", color=FAINT, linewidth=0.6)
    if known:
        legend(axes, ncols=2)
    return figure


def pairs_of_micrographs(dataset: xr.Dataset, pairs: pd.DataFrame) -> Figure:
    """Pairs that show the same place, side by side, the shared part framed; the most alike twelve.

    Each micrograph has a scale bar where its pixel size is known.

    Args:
        dataset: an ensemble.
        pairs: a row a pair, see `pspgan.inspection.near_duplicates`.
    """
    shown = pairs.head(_PAIRS)
    rows = -(-len(shown) // 2)
    figure = Figure(figsize=(8.0, 1.75 * rows), layout="constrained", facecolor="white")
    grid = figure.subplots(rows, 4, squeeze=False)
    for axes in grid.flat:
        axes.set(frame_on=False, xticks=[], yticks=[])
    height, width = dataset.sizes["y"], dataset.sizes["x"]
    for k, pair in enumerate(shown.itertuples()):
        left, right = grid[k // 2][2 * (k % 2) : 2 * (k % 2) + 2]
        for axes, sample, sign in ((left, pair.first, 1), (right, pair.second, -1)):
            axes.imshow(dataset["micrograph"][int(sample)].values, cmap="gray", vmin=0, vmax=255)
            scale_bars([axes], dataset["um_per_px"].values[[int(sample)]], at=0)
            corner = max(sign * pair.shift_x, 0), max(sign * pair.shift_y, 0)
            sides = width - abs(pair.shift_x), height - abs(pair.shift_y)
            axes.add_patch(Rectangle(corner, *sides, fill=False, edgecolor=PALETTE[1], linewidth=1.6))
            name = name_of(dataset, int(sample)).rpartition("/")[2]
            axes.set_title(name, fontsize=7, color=INK, loc="left")
        right.set_title(f"r = {pair.correlation:.2f}", fontsize=7, color=INK, loc="right")
    return figure
