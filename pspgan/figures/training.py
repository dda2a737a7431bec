"""How a training run went: losses against images seen."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from .style import FAINT, GENERATED, PALETTE, REAL, legend, panel

LOSSES = {
    "loss_d_real": ("discriminator, real", REAL),
    "loss_d_fake": ("discriminator, generated", PALETTE[4]),
    "loss_g": ("generator", GENERATED),
}


def read_log(run: str | os.PathLike) -> pd.DataFrame:
    """The log of a training run, a row an entry: losses in most, ``diversity`` in those of a sample.

    Args:
        run: folder of the run.

    Returns:
        Columns as in ``log.jsonl``: ``images``, ``loss_d_real``, ``loss_d_fake``, ``loss_g`` and others.

    Raises:
        FileNotFoundError: the folder has no ``log.jsonl``.
        ValueError: a line is not JSON; a last line that a killed run left unfinished is passed over.
    """
    path = Path(run) / "log.jsonl"
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
    axes.set(xlabel="real images seen", ylabel="Omni loss")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.grid(color=FAINT, linewidth=0.6)
    legend(axes, ncols=2)
    return figure


def training_variety(log: pd.DataFrame) -> Figure:
    """How much generated micrographs of one condition differ between seeds, relative to real ones.

    Args:
        log: as `read_log` gives it, with the column ``diversity`` in some rows.
    """
    known = log.dropna(subset="diversity").sort_values("images")
    figure, axes = panel()
    axes.axhline(1.0, color=REAL, linewidth=1.0)
    axes.annotate(
        "real micrographs",
        (0.99, 1.0),
        (0, 3),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        ha="right",
        fontsize=8.5,
        color=REAL,
    )
    axes.plot(known["images"], known["diversity"], "o-", color=GENERATED, markersize=4, linewidth=1.4)
    axes.set(xlabel="real images seen", ylabel="variety, relative to real")
    axes.set_ylim(0.0, max(1.15, 1.1 * known["diversity"].max()))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.grid(color=FAINT, linewidth=0.6)
    return figure
