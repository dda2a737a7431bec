"""An evaluation in pictures: ratios to real, feature spaces, factors read, shares, and nearest pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .micrographs import show
from .style import FAINT, GENERATED, INK, PALETTE, REAL, dress, legend, panel, wrapped

if TYPE_CHECKING:
    from ..evaluation import Report

_KINDS = ("frechet", "kernel", "precision", "recall", "density", "coverage")
_SHARES = ("near_duplicates", "memorisation", "leakage")
_FARTHEST = 8.0  # ratio at which points are drawn at the edge
_WIDE = (8.0, 4.4)  # inch
_TILE = 1.5


def ratios_to_real(report: Report) -> Figure:
    """Distances and spreads of generated micrographs over those of real ones; 1 is as real."""
    rows = _whole(report)
    rows = rows[rows["kind"].isin(["distance", "spread"]) & rows["ratio"].notna()]
    names = list(dict.fromkeys(rows["quantity"]))
    figure, axes = panel((5.4, 1.2 + 0.27 * len(names)))
    axes.axvline(1.0, color=INK, linewidth=0.8)
    for k, (kind, marker, colour) in enumerate((("distance", "o", GENERATED), ("spread", "D", PALETTE[2]))):
        one = rows[rows["kind"] == kind]
        place = one["quantity"].map(names.index) + (k - 0.5) * 0.3
        value = one["ratio"].clip(1 / _FARTHEST, _FARTHEST)
        low, high = (one[f"ratio_{end}"].clip(1 / _FARTHEST, _FARTHEST) for end in ("low", "high"))
        bars = np.nan_to_num(np.stack([value - low, high - value])).clip(min=0)
        axes.errorbar(
            value, place, xerr=bars, fmt=marker, color=colour, markersize=4, linewidth=1, label=kind
        )
    axes.set_xscale("log")
    axes.set_xlim(1 / _FARTHEST / 1.1, _FARTHEST * 1.1)
    ticks = (0.125, 0.25, 0.5, 1, 2, 4, 8)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlabel("generated over real")
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    legend(axes, loc="lower right", bbox_to_anchor=(1.0, 1.0))
    return figure


def feature_figures(report: Report) -> Figure:
    """Frechet and kernel distance, precision, recall, density, coverage in every feature space, beside real.

    Raises:
        ValueError: there were too few micrographs for any.
    """
    rows = _whole(report)
    rows = rows[rows["kind"].isin(_KINDS)]
    if rows.empty:
        raise ValueError("the evaluation has no figures in feature spaces: there were too few micrographs")
    figure = Figure(figsize=_WIDE, layout="constrained", facecolor="white")
    spaces = list(dict.fromkeys(rows["quantity"]))
    for axes, kind in zip(figure.subplots(2, 3).flat, _KINDS, strict=True):
        dress(axes)
        _beside(axes, rows[rows["kind"] == kind], spaces)
        axes.set_title(kind, fontsize=10, color=INK)
        if kind in ("precision", "recall", "coverage"):
            axes.set_xlim(0, 1.03)
    legend(figure.axes[0], loc="lower left", bbox_to_anchor=(-0.05, 1.12))
    return figure


def readings(report: Report) -> Figure:
    """How well models that learned each factor from real micrographs read it off generated and off real ones.

    Raises:
        ValueError: no factor could be read.
    """
    rows = _whole(report)
    rows = rows[rows["kind"] == "consistency"]
    if rows.empty:
        raise ValueError("the evaluation read no factor: none varies, or there is one specimen")
    figure = Figure(figsize=(5.4, 1.0 + 0.8 * len(rows)), layout="constrained", facecolor="white")
    for axes, (_, row) in zip(figure.subplots(len(rows), squeeze=False).flat, rows.iterrows(), strict=True):
        dress(axes)
        _beside(axes, row.to_frame().T, [row["quantity"]])
        axes.axvline(row["chance"], color=INK, linewidth=0.9, linestyle=":", label="guessing")
        axes.set_xlim(left=0)
        axes.set_xlabel("mean error, steps of level" if row["unit"] == "level steps" else row["unit"])
    legend(figure.axes[0])
    return figure


def shares_beyond_real(report: Report) -> Figure:
    """Shares of micrographs that are copies or show augmentations, generated beside real."""
    rows = _whole(report)
    rows = rows[rows["kind"].isin(_SHARES)].copy()
    rows["quantity"] = [
        kind.replace("_", " ") if kind == "near_duplicates" else f"{kind}, {quantity.replace('_', ' ')}"
        for kind, quantity in zip(rows["kind"], rows["quantity"], strict=True)
    ]
    figure, axes = panel((5.4, 1.2 + 0.32 * len(rows)))
    _beside(axes, rows, rows["quantity"].tolist())
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel("share of micrographs")
    legend(axes, loc="lower right", bbox_to_anchor=(1.0, 1.0))
    return figure


def nearest_training(report: Report) -> Figure:
    """Generated micrographs over the places of training micrographs that are most like them, the worst first.

    Raises:
        ValueError: the evaluation looked for none.
    """
    if not report.pairs:
        raise ValueError("the evaluation looked for no copies")
    n = len(report.pairs)
    size = (_TILE * n + 0.4, 2 * _TILE + 0.9)
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    grid = figure.subplots(2, n, squeeze=False)
    for axes, pair in zip(grid.T, report.pairs, strict=True):
        show(axes, list(pair.images))
        axes[0].set_title(f"{pair.condition}\nr = {pair.correlation:.2f}", fontsize=8, color=INK)
        axes[1].set_xlabel(wrapped(pair.source, 20), fontsize=8, color=INK)
    for axes, name in zip(grid[:, 0], ("generated", "training"), strict=True):
        axes.set_ylabel(name, fontsize=9, color=INK)
    return figure


def _whole(report: Report) -> pd.DataFrame:
    table = report.table
    return table[(table["condition"] == "all") & (table["part"] == "all")]


def _beside(axes: Axes, rows: pd.DataFrame, names: list[str]) -> None:
    """Generated and real figures with their intervals, a line a quantity."""
    place = rows["quantity"].map(names.index).to_numpy(float)
    for name, shift, marker, colour in (("generated", -0.15, "o", GENERATED), ("real", 0.15, "D", REAL)):
        value, low, high = (rows[column].to_numpy(float) for column in (name, f"{name}_low", f"{name}_high"))
        bars = np.nan_to_num(np.stack([value - low, high - value])).clip(min=0)
        axes.errorbar(
            value, place + shift, xerr=bars, fmt=marker, color=colour, markersize=4, linewidth=1, label=name
        )
    axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
