"""Section on how the training went: losses, figures of its samples, warnings, the last pictures."""

from __future__ import annotations

import numpy as np
import pandas as pd
from PIL import Image

from ..figures import (
    loss_curves,
    read_log,
    read_metrics,
    training_accuracy,
    training_error,
    training_variety,
)
from .blocks import Fold, Items, Missing, Panel, Panels, Section, Table, Text, image_uri
from .inputs import Inputs

# Columns of metrics.jsonl, as the report heads them
_COLUMNS = {
    "condition": "condition",
    "micrographs": "real micrographs",
    "area_fraction": "area fraction, generated",
    "area_fraction_real": "area fraction, real",
    "distance": "distance",
    "variety": "variety",
    "diversity": "diversity",
}


def training(inputs: Inputs) -> Section:
    """Curves of a run, its warnings, figures by condition and the last sample grid."""
    section = Section("training", "Training")
    if inputs.run is None:
        section.blocks.append(
            Missing(
                "No training run was given, so its curves are left out. To show them, name the folder of the"
                " run:",
                inputs.command("--run RUN"),
            )
        )
        return section
    log = read_log(inputs.run)
    section.blocks += _warnings(log)
    if "loss_g" not in log:
        section.blocks.append(Text(f"The log of {inputs.run.name} has no entry with losses yet."))
    else:
        section.blocks.append(_losses(log))
    if "diversity" in log:
        section.blocks.append(_samples(log))
    if (inputs.run / "metrics.jsonl").exists():
        section.blocks += _conditions(read_metrics(inputs.run))
    grids = sorted((inputs.run / "samples").glob("*.png"))
    if grids:
        with Image.open(grids[-1]) as grid:
            picture = image_uri(np.asarray(grid.convert("L")))
        alt = f"Micrographs that the training drew last ({grids[-1].name}), real ones on the left"
        section.blocks.append(
            Fold("Last sample grid of the training", [Panels([Panel(picture, alt)], f"{alt}.")])
        )
    return section


def _warnings(log: pd.DataFrame) -> list[Text | Items]:
    """What the training warned of, and why it stopped if it did."""
    told = [
        f"At {line['images']:,} images: {line[kind]}"
        for kind in ("warning", "stopped")
        if kind in log
        for _, line in log.dropna(subset=kind).iterrows()
    ]
    return [Text("The training warned:"), Items(told)] if told else []


def _losses(log: pd.DataFrame) -> Panels:
    seen, speed = log["images"].max(), log.get("images_per_s", pd.Series(dtype=float)).median()
    rate = f" at {speed:.0f} images/s (median)" if np.isfinite(speed) else ""
    alt = f"Losses of discriminator and generator against real images seen, up to {seen:,.0f}"
    return Panels(
        [Panel.of(loss_curves(log), alt, title="Losses")],
        f"Omni losses of the training, which has seen {seen:,.0f} real images{rate}: pale, each log entry;"
        " strong, the mean over a fiftieth of the run. Losses of a GAN say that neither side has won, not how"
        " good the micrographs are.",
    )


def _samples(log: pd.DataFrame) -> Panels:
    """Figures that the training took of its samples; logs of earlier versions have fewer."""
    panels, words = [], []
    for name, title in (("distance", "Distance from the data"), ("area_fraction_error", "Area fraction")):
        if name in log:
            alt = f"{title}: {name} of generated micrographs against real images seen"
            panels.append(Panel.of(training_error(log, name), alt, title=title))
    if "distance_real" in log:
        words.append(
            "Distance: between mean two-point statistics of grey levels, relative to the real ones, and, of"
            " area fractions, their difference; root mean squares over conditions, with what finite samples"
            " add taken off. 0 is alike. Below the blue line generated micrographs cannot be told from real"
            " ones in this way."
        )
    alt = "Variety of generated micrographs relative to real ones against real images seen"
    panels.append(Panel.of(training_variety(log), alt, title="Variety within a condition"))
    words.append(
        "Variety: scatter within a condition over that of real micrographs, of pixels and of two-point"
        " statistics. 1 is as varied as the data; pixels flatter, as a texture that is only shifted differs"
        " in every one."
    )
    if any(name.startswith("accuracy_") for name in log):
        alt = "Share of micrographs whose condition the discriminator names, by factor, against images seen"
        panels.append(Panel.of(training_accuracy(log), alt, title="Conditions recognised"))
        words.append(
            "Conditions recognised: by the discriminator, which has seen the real micrographs in training;"
            " dashed, of real ones."
        )
    words.append("Bands: 5 to 95 % over resampled conditions.")
    return Panels(panels, " ".join(words))


def _conditions(metrics: pd.DataFrame) -> list[Fold]:
    if metrics.empty:
        return []
    seen = metrics["images"].max()
    last = metrics[metrics["images"] == seen]
    factors = [name for name in last if name.startswith("accuracy_") and not name.endswith("_real")]
    heads = _COLUMNS | {name: f"{name.removeprefix('accuracy_')} recognised" for name in factors}
    table = Table.of(f"After {seen:,} images", last[list(heads)].rename(columns=heads))
    return [Fold("Condition by condition, as measured last", [table])]
