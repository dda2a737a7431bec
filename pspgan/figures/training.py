"""How a training run went: losses and figures of its samples against images seen."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .style import FAINT, GENERATED, PALETTE, REAL, legend, panel

LOSSES = {
    "loss_d_real": ("discriminator, real", REAL),
    "loss_d_fake": ("discriminator, generated", PALETTE[4]),
    "loss_g": ("generator", GENERATED),
}


ERRORS = {
    "distance": "distance of two-point statistics",
    "area_fraction_error": "error of the area fraction",
}


def read_log(run: str | os.PathLike[str]) -> pd.DataFrame:
    """The log of a training run, a row an entry: losses in most, figures of samples or a warning in others.

    Args:
        run: folder of the run.

    Returns:
        Columns as in ``log.jsonl``: ``images``, ``loss_d_real``, ``loss_d_fake``, ``loss_g`` and others.

    Raises:
        FileNotFoundError: the folder has no ``log.jsonl``.
        ValueError: a line is not JSON; a last line that a killed run left unfinished is passed over.
    """
    return _read(Path(run), "log.jsonl")


def read_metrics(run: str | os.PathLike[str]) -> pd.DataFrame:
    """Figures of a run's samples condition by condition, a row a condition and measurement.

    Args:
        run: folder of the run.

    Returns:
        Columns as in ``metrics.jsonl``: ``images``, ``condition``, ``distance``, ``variety`` and others.

    Raises:
        FileNotFoundError: the folder has no ``metrics.jsonl``.
        ValueError: a line is not JSON; a last line that a killed run left unfinished is passed over.
    """
    return _read(Path(run), "metrics.jsonl")


def _read(run: Path, name: str) -> pd.DataFrame:
    path = run / name
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such log; is {run} the folder of a training run?")
    lines = path.read_text().splitlines()
    entries = []
    for i, line in enumerate(lines):
        try:
            entries.append(json.loads(line))
        except json.JSONDecodeError as error:
            if i < len(lines) - 1:
                raise ValueError(f"{path}, line {i + 1}: {error}") from None
    return pd.DataFrame([entry for entry in entries if "images" in entry])


def loss_curves(log: pd.DataFrame) -> Figure:
    """Losses against real images seen: every log entry pale, the mean over a fiftieth of the run on top.

    Args:
        log: as `read_log` gives it, with losses in some rows.
    """
    figure, axes = panel()
    log = log.dropna(subset=[name for name in LOSSES if name in log], how="all").sort_values("images")
    window = max(len(log) // 50, 1)
    for name, (label, colour) in LOSSES.items():
        if name in log:
            axes.plot(log["images"], log[name], color=colour, linewidth=0.6, alpha=0.3)
            smooth = log[name].rolling(window, min_periods=1, center=True).mean()
            axes.plot(log["images"], smooth, color=colour, linewidth=1.6, label=label)
    _finish(axes, "Omni loss")
    return figure


def training_error(log: pd.DataFrame, name: str) -> Figure:
    """How far generated micrographs are from real ones, and what chance alone does to real ones.

    Args:
        log: as `read_log` gives it, with the column ``name`` in some rows.
        name: ``distance`` or ``area_fraction_error``.
    """
    figure, axes = panel()
    known = log.dropna(subset=name).sort_values("images")
    _draw(axes, known, name, GENERATED, "generated")
    if f"{name}_real" in known:
        label = "real crops, 95 of 100 below"
        axes.axhline(known[f"{name}_real"].iloc[-1], color=REAL, linewidth=1.0, label=label)
    axes.set_ylim(bottom=0.0)
    _finish(axes, ERRORS[name])
    return figure


def training_variety(log: pd.DataFrame) -> Figure:
    """How much generated micrographs of one condition differ from one another, relative to real ones.

    Args:
        log: as `read_log` gives it, with the columns ``diversity`` or ``variety`` in some rows.
    """
    figure, axes = panel()
    axes.axhline(1.0, color=REAL, linewidth=1.0)
    _note(axes, "real micrographs", 1.0)
    for name, colour, label in (
        ("diversity", PALETTE[1], "pixels (diversity)"),
        ("variety", GENERATED, "two-point statistics (variety)"),
    ):
        if name in log:
            _draw(axes, log.dropna(subset=name).sort_values("images"), name, colour, label)
    axes.set_ylim(bottom=0.0)
    _finish(axes, "relative to real")
    axes.set_ylim(0.0, max(1.15, axes.get_ylim()[1]))
    return figure


def training_accuracy(log: pd.DataFrame) -> Figure:
    """Share of micrographs whose level of each factor the discriminator names: generated, and real (dashed).

    Args:
        log: as `read_log` gives it, with columns ``accuracy_FACTOR`` and ``accuracy_FACTOR_real``.
    """
    figure, axes = panel()
    names = [name for name in log if name.startswith("accuracy_") and f"{name}_real" in log]
    known = log.dropna(subset=names).sort_values("images")
    for name, colour in zip(names, itertools.cycle(PALETTE), strict=False):
        _draw(axes, known, name, colour, name.removeprefix("accuracy_"))
        axes.plot(known["images"], known[f"{name}_real"], color=colour, linewidth=1.0, linestyle=(0, (4, 2)))
    axes.set_ylim(bottom=0.0)
    _finish(axes, "share named rightly")
    axes.set_ylim(0.0, 1.02)
    return figure


def _draw(axes: Axes, known: pd.DataFrame, name: str, colour: str, label: str) -> None:
    """A figure of samples with its interval, where it has one."""
    if {f"{name}_low", f"{name}_high"} <= set(known):
        low, high = known[f"{name}_low"], known[f"{name}_high"]
        axes.fill_between(known["images"], low, high, color=colour, alpha=0.15, linewidth=0)
    axes.plot(known["images"], known[name], "o-", color=colour, markersize=3.5, linewidth=1.4, label=label)


def _note(axes: Axes, text: str, height: float) -> None:
    axes.annotate(
        text,
        (0.99, height),
        (0, 3),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        ha="right",
        fontsize=8.5,
        color=REAL,
    )


def _finish(axes: Axes, label: str) -> None:
    axes.set(xlabel="real images seen", ylabel=label)
    axes.xaxis.set_major_locator(MaxNLocator(5))  # more numbers of six digits run into each other
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.grid(color=FAINT, linewidth=0.6)
    legend(axes, ncols=2)
