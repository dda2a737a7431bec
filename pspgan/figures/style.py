"""One look for all figures: colours that colour-blind readers can tell apart, small axes without clutter.

Figures are made with `matplotlib.figure.Figure` alone, so that no pyplot state is touched and no display is
needed. Save one with ``figure.savefig("coverage.pdf")``.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..process import Factor

# Okabe and Ito, Color Universal Design (2008); the pale yellow comes last because the page is white.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#7A6A4F", "#F0E442")
REAL, GENERATED, PREDICTED = "#0072B2", "#D55E00", "#5B5B5B"
INK, FAINT, UNLABELLED = "#222222", "#D5D8DC", "#BFC3C8"
SEQUENTIAL = "cividis"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
PANEL = (5.0, 3.4)  # inch; wide enough for one column of a page, readable at the width of a telephone


def panel(size: tuple[float, float] = PANEL) -> tuple[Figure, Axes]:
    """An empty figure with one axes in the common style; ``size`` is (width, height) in inch."""
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    return figure, dress(figure.add_subplot())


def dress(axes: Axes) -> Axes:
    """Give an axes the common style."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(INK)
        axes.spines[side].set_linewidth(0.7)
    axes.tick_params(colors=INK, labelsize=9, width=0.7, length=3)
    axes.xaxis.label.set(color=INK, fontsize=10)
    axes.yaxis.label.set(color=INK, fontsize=10)
    axes.title.set(color=INK, fontsize=10)
    axes.set_axisbelow(True)
    return axes


def legend(axes: Axes, **options: Any) -> None:
    """A legend without a frame, above the axes so that it hides nothing."""
    count = len(axes.get_legend_handles_labels()[1])
    defaults: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "ncols": min(count, 3)}
    axes.legend(frameon=False, fontsize=8.5, handlelength=1.4, columnspacing=1.2, **(defaults | options))


def with_unit(name: str, unit: str) -> str:
    """Axis text: ``time (min)``, ``area fraction``; degC, um and powers are set as °C, µm and px⁻².

    >>> with_unit("particle density", "um-2")
    'particle density (µm⁻²)'
    """
    return name if unit in ("", "1") else f"{name} ({unit_text(unit)})"


def unit_text(unit: str) -> str:
    """A unit as it is printed: ``°C``, ``µm⁻²``."""
    unit = re.sub(r"-\d", lambda power: power[0].translate(_SUPERSCRIPT), unit)
    return re.sub("^um", "µm", unit).replace("degC", "°C")


def wrapped(text: str, width: int = 34) -> str:
    """A label on as many lines as it needs."""
    return textwrap.fill(text, width)


def apart(factor: Factor, levels: Sequence[float], share: float = 0.075) -> list[float]:
    """Levels of an ordinal factor whose tick labels do not overlap: at least a share of its range apart."""
    levels = sorted(levels)
    kept, length = levels[:1], factor.coordinate(levels[-1]) - factor.coordinate(levels[0])
    for level in levels[1:]:
        if factor.coordinate(level) - factor.coordinate(kept[-1]) >= share * length:
            kept.append(level)
    return kept


def thin(labels: Sequence[str], most: int = 24) -> list[str]:
    """Blank out tick labels evenly until at most ``most`` are left."""
    step = -(-len(labels) // most)
    return [label if i % step == 0 else "" for i, label in enumerate(labels)]
