"""Sections that set generated beside real in numbers: two-point statistics, descriptors."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from ..figures import by_condition, descriptor_comparison
from ..figures.descriptors import descriptor_label
from ..figures.spatial import autocorrelation, two_point as two_point_figure
from ..process import ProcessCondition
from ..statistics import descriptor_names, settings_of
from .blocks import Fold, Missing, Panel, Panels, Section, Table, Text
from .cautions import SEEDS, in_pixels, of_fields, of_magnification
from .images import MOST
from .inputs import Inputs, evenly

_OPEN = 6  # conditions whose two-point statistics are not folded


def shown_descriptors(statistics: Mapping[str, xr.Dataset]) -> list[str]:
    """Descriptors with values in every ensemble: in µm where every pixel size is known, else in pixels."""
    every = list(statistics.values())
    scaled = all(np.isfinite(one["um_per_px"].values).all() for one in every)
    names = descriptor_names(every[0], "um" if scaled else "px")
    return [
        name for name in names if all(name in one and np.isfinite(one[name].values).any() for one in every)
    ]


def _common_pixel(inputs: Inputs) -> str:
    if inputs.space.has_pixel_size:
        return "the size that the condition says"
    reduction = settings_of(inputs.statistics[inputs.reference])["reduction"]
    return f"{reduction} × {reduction} source pixels" if reduction > 1 else "the source"


def lengths(inputs: Inputs, names: list[str]) -> str:
    """Sentences on the unit of lengths, where it is the pixel."""
    return (
        f" Lengths are in pixels of {_common_pixel(inputs)}.{of_magnification(inputs.real, names)}"
        if in_pixels(names)
        else ""
    )


def two_point(inputs: Inputs) -> Section:
    """Mean two-point maps and radial averages of every condition."""
    section = Section("two-point", "Two-point statistics")
    if isinstance(inputs.statistics, Missing):
        section.blocks.append(inputs.statistics)
        return section
    try:
        pair = autocorrelation(inputs.statistics[inputs.reference])
    except ValueError as error:
        section.blocks.append(Text(f"Left out: {error}."))
        return section
    names = settings_of(inputs.statistics[inputs.reference])["names"]
    phases = ", ".join(f"{index} {name}" for index, name in enumerate(names))
    section.blocks.append(
        Text(
            f"How probable it is that both ends of a vector lie in the phases {pair} ({phases}). The"
            " value at the zero vector is the phase's area fraction, the decay tells the size of its"
            " regions, rings their spacing, and a map that is not round tells an orientation."
        )
    )
    shown = evenly(inputs.conditions, MOST)
    order = sorted(shown, key=lambda c: (min(_samples(inputs, c)) == 0, -_samples(inputs, c)[0]))
    panels = [_two_point_panel(inputs, c, pair) for c in order]
    caption = (
        f"Conditions with the most {inputs.reference} micrographs first. Maps: mean autocovariance over the"
        f" micrographs of a condition, {pair}, scaled to 1 at the zero vector so that the area fraction plays"
        " no part. Curves: two-point statistics averaged over directions, mean (line) and standard deviation"
        " over micrographs (band); a narrower band is less variety. Vectors in pixels of"
        f" {_common_pixel(inputs)}."
    )
    section.blocks.append(Panels(panels[:_OPEN], caption))
    if panels[_OPEN:]:
        rest = Panels(panels[_OPEN:], "As above, for the other conditions.")
        section.blocks.append(Fold(f"{len(panels) - _OPEN} more conditions", [rest]))
    return section


def _samples(inputs: Inputs, condition: ProcessCondition) -> list[int]:
    """Micrographs of a condition in each of the ensembles."""
    return [
        int(np.sum(one["condition"].values.astype(str) == str(condition)))
        for one in inputs.statistics.values()
    ]


def _two_point_panel(inputs: Inputs, condition: ProcessCondition, pair: str) -> Panel:
    counts = dict(zip(inputs.statistics, _samples(inputs, condition), strict=True))
    who = " and ".join(f"{count} {name}" for name, count in counts.items() if count)
    title = condition.label + (" (not seen in training)" if str(condition) in inputs.unseen else "")
    alt = f"Mean two-point maps and radial averages, {pair}, of {who} micrographs, {condition.label}"
    return Panel.of(two_point_figure(inputs.statistics, str(condition)), alt, title)


def descriptors(inputs: Inputs) -> Section:
    """Descriptors of every condition, and how well generated micrographs agree with real ones."""
    section = Section("descriptors", "Descriptors")
    if isinstance(inputs.statistics, Missing):
        section.blocks.append(inputs.statistics)
        return section
    shown = shown_descriptors(inputs.statistics)
    if inputs.generated is not None:
        section.blocks.append(_agreement(inputs, inputs.generated, shown))
    conditions = evenly(inputs.conditions, MOST)
    panels = []
    for name in shown:
        label = descriptor_label(inputs.statistics[inputs.reference], name)
        alt = f"{label} of {len(conditions)} conditions, {' and '.join(inputs.statistics)}"
        panels.append(Panel.of(descriptor_comparison(inputs.statistics, name, conditions), alt))
    caption = (
        f"Descriptors of every condition. Pale dots, single specimens ({inputs.reference}); markers, means;"
        f" bars, standard errors over specimens; for generated micrographs, over {SEEDS}. A mean without a"
        f" bar rests on a single specimen.{lengths(inputs, shown)}"
    )
    section.blocks.append(Panels(panels, caption))
    return section


def _agreement(inputs: Inputs, ensemble: xr.Dataset, shown: list[str]) -> Table:
    real, generated = inputs.statistics[inputs.reference], inputs.statistics["generated"]
    rows = []
    for name in shown:
        other = by_condition(generated, name).add_suffix("_generated")
        both = by_condition(real, name).join(other, how="inner").dropna(subset=["mean", "mean_generated"])
        difference = (both["mean_generated"] - both["mean"]).abs()
        error = np.hypot(both["standard_error"], both["standard_error_generated"].fillna(0.0))
        testable = error.notna()
        within = int((difference[testable] <= 2 * error[testable]).sum())
        spread = both["mean"].std() * both["mean_generated"].std()
        correlation = both["mean"].corr(both["mean_generated"]) if len(both) > 2 and spread > 0 else np.nan
        rows.append(
            [
                descriptor_label(real, name),
                both["mean"].mean(),
                both["mean_generated"].mean(),
                difference.mean(),
                correlation,
                f"{within} of {int(testable.sum())}",
            ]
        )
    header = [
        "descriptor",
        f"{inputs.reference}, mean over conditions",
        "generated",
        "mean absolute difference",
        "correlation over conditions",
        "within 2 standard errors",
    ]
    caption = (
        f"Generated against {inputs.reference} micrographs, over the conditions that both have. Correlation:"
        " Pearson's r of condition means (1: generated conditions differ as real ones do; 0: unrelated)."
        " Within 2 standard errors: of the conditions with at least two specimens."
        f"{of_fields(inputs.real, ensemble, shown)}{of_magnification(inputs.real, shown)}"
    )
    return Table(caption, header, rows)
