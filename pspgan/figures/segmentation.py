"""Micrographs beside their labels and what a classifier made of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from .micrographs import scale_bars, show
from .style import INK, PALETTE, UNLABELLED

_COLUMN = 3.0  # inch
_UNKNOWN = 255


def segmentations(
    micrographs: Sequence[np.ndarray],
    labels: Sequence[np.ndarray],
    predictions: Sequence[np.ndarray],
    names: Sequence[str],
    titles: Sequence[str],
    um_per_px: Sequence[float],
) -> Figure:
    """A row a micrograph: the micrograph, its label, the prediction; with a scale bar where sizes are known.

    Args:
        micrographs: grey levels, (y, x) uint8 each.
        labels: class of every pixel, 255 unlabelled, (y, x) uint8 each.
        predictions: class of every pixel, (y, x) uint8 each.
        names: of the classes.
        titles: of the rows.
        um_per_px: pixel size of each, in um; NaN where unknown.
    """
    heights = [image.shape[0] / image.shape[1] for image in micrographs]
    size = (3 * _COLUMN + 0.3, _COLUMN * sum(heights) + 0.35 * len(heights) + 0.5)
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    grid = figure.subplots(len(heights), 3, squeeze=False, height_ratios=heights)
    rows = zip(grid, micrographs, labels, predictions, titles, um_per_px, strict=True)
    for axes, micrograph, label, prediction, title, size_of_pixel in rows:
        show(axes, [micrograph, _coloured(label), _coloured(prediction)])
        scale_bars(axes[:1], np.array([size_of_pixel], dtype=float), at=0)
        axes[0].xaxis.labelpad = 10.0  # below the bar
        axes[0].set_ylabel(title, fontsize=9, color=INK)
    for axes, title in zip(grid[0], ("micrograph", "label", "prediction"), strict=True):
        axes.set_title(title, fontsize=10, color=INK)
    keys = [Patch(color=PALETTE[k % len(PALETTE)], label=name) for k, name in enumerate(names)]
    if any((label == _UNKNOWN).any() for label in labels):
        keys.append(Patch(color=UNLABELLED, label="not labelled"))
    figure.legend(handles=keys, loc="outside lower center", ncols=len(keys), frameon=False, fontsize=9)
    return figure


def _coloured(phase: np.ndarray) -> np.ndarray:
    """Phases as colours, (y, x, 3)."""
    colours = np.full((256, 3), to_rgb(UNLABELLED))
    for index in range(_UNKNOWN):
        colours[index] = to_rgb(PALETTE[index % len(PALETTE)])
    return colours[phase]
