"""How well classes are told apart, what adding micrographs changes, and what is taken for what."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import GENERATED, INK, PREDICTED, REAL, SEQUENTIAL, dress, legend, wrapped

_COLOURS = {"real": REAL, "synthetic": GENERATED, "repeated": PREDICTED}
_MARKERS = "osD^v"


def classification_scores(scores: pd.DataFrame, differences: pd.DataFrame, confusion: pd.DataFrame) -> Figure:
    """F1 by class with intervals, paired differences where there are any, and a confusion matrix.

    Args:
        scores: a row an ``arm``, ``ratio`` and ``class`` (``all`` first): ``f1``, ``low``, ``high``.
        differences: a row an ``arm``, ``ratio``, ``against``, ``class``: ``difference``, ``low``, ``high``.
        confusion: counts by true (rows) and predicted class (columns).
    """
    n_classes, n_arms = scores["class"].nunique(), len(scores[["arm", "ratio"]].drop_duplicates())
    has_differences = len(differences) > 0
    height = max(3.4, 0.32 * n_classes + 0.16 * n_classes * n_arms + 1.0)
    figure = Figure(figsize=(5.0 * (2 + has_differences), height), layout="constrained", facecolor="white")
    axes = figure.subplots(1, 2 + has_differences, squeeze=False)[0]
    _intervals(axes[0], scores, "f1", ["arm", "ratio"], "F1, 5 to 95 % over specimens")
    axes[0].set_xlim(-0.02, 1.02)
    if has_differences:
        _intervals(axes[1], differences, "difference", ["arm", "ratio", "against"], "paired difference in F1")
        axes[1].axvline(0, color=INK, linewidth=0.7)
        axes[1].set_yticklabels([])
    _confusion(axes[-1], confusion)
    return figure


def _intervals(axes: Axes, table: pd.DataFrame, value: str, by: list[str], text: str) -> None:
    dress(axes)
    names = list(dict.fromkeys(table["class"]))
    groups = list(table.groupby(by, sort=False))
    ratios = list(dict.fromkeys(table["ratio"]))
    for k, (key, part) in enumerate(groups):
        part = part.set_index("class").reindex(names)
        place = np.arange(len(names)) + 0.7 * ((k + 0.5) / len(groups) - 0.5)
        colour = _COLOURS[key[0]]
        against = key[2] if len(key) > 2 else ""
        axes.hlines(place, part["low"], part["high"], color=colour, linewidth=1.2, alpha=0.7)
        axes.plot(
            part[value],
            place,
            _MARKERS[ratios.index(key[1]) % len(_MARKERS)],
            color=colour,
            markersize=4.5,
            markerfacecolor="white" if against == "repeated" else colour,
            label=_label(key),
        )
    axes.set_yticks(range(len(names)), ["mean" if name == "all" else _broken(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlabel(text)
    legend(axes, ncols=2 if len(groups) > 1 else 1)


def _broken(name: str) -> str:
    """The name of a class on as many lines as it needs; ``pearlite+spheroidite`` breaks at its plus."""
    return wrapped(name.replace("+", "+ "), 18).replace("+ ", "+")


def _label(key: tuple[str, ...]) -> str:
    arm, ratio, *against = key
    name = "real alone" if arm == "real" else f"{arm} {ratio}"
    return name if not against else f"{name} - {'real' if against[0] == 'real' else against[0]}"


def _confusion(axes: Axes, confusion: pd.DataFrame) -> None:
    dress(axes)
    counts = confusion.to_numpy(dtype=float)
    total = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
    axes.imshow(share, cmap=SEQUENTIAL, vmin=0, vmax=1)
    for (i, j), value in np.ndenumerate(counts):
        colour = INK if share[i, j] > 0.5 else "white"
        axes.text(j, i, f"{value:.3g}", ha="center", va="center", fontsize=8, color=colour)
    names = [_broken(str(name)) for name in confusion.columns]
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted, real micrographs alone")
    axes.set_ylabel("label")
