"""The section on evolution: structure along the ordinal factor that changes, and its fitted kinetics."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..figures import by_condition, conditions_in, descriptor_along, evolution_path
from ..figures.descriptors import descriptor_label
from ..figures.style import unit_text, with_unit
from ..linkage import Kinetics, fit_kinetics
from ..linkage.kinetic_fit import other_factors
from ..linkage.units import is_time
from ..process import Factor, ProcessCondition
from .blocks import Items, Missing, Panel, Panels, Section, Table, Text, number
from .cautions import in_pixels, pixel_sizes_differ
from .comparison import lengths, shown_descriptors
from .images import strip
from .inputs import Inputs

_CURVE = 25  # points of a predicted curve
_SIZES = ("mean_equivalent_diameter", "mean_chord_length")  # descriptors that a growth law is meant for
_PARTS = ("exponent", "activation_energy", "initial")


def evolution(inputs: Inputs) -> Section:
    """The paper's Fig. 6: along the ordinal factor that changes, all others fixed."""
    section = Section("evolution", "Evolution along one factor")
    try:
        factor, observed = evolution_path(inputs.space, conditions_in(inputs.real))
    except ValueError as error:
        section.blocks.append(Text(f"Left out: {error}."))
        return section
    path = _extended(inputs, factor, observed)
    section.title = f"Evolution with {factor.name}"
    fixed = ", ".join(
        f"{f.name} {f.format(v)}{' ' + unit_text(f.unit) if f.unit else ''}"
        for f, v in zip(inputs.space.factors, path[0].values, strict=True)
        if f != factor
    )
    section.blocks.append(
        Text(
            f"The series in which {factor.name} alone changes, over the most observed values"
            f" ({len(observed)})" + (f", at {fixed}." if fixed else ".")
        )
    )
    if inputs.generated is None:
        section.blocks.append(
            Missing(
                "No generated ensemble was given.",
                f"pspgan generate RUN --conditions observed -o {inputs.stores[1]}",
            )
        )
    else:
        section.blocks.append(strip(inputs, factor, path))
    if isinstance(inputs.statistics, Missing):
        section.blocks.append(inputs.statistics)
        return section
    panels = []
    for name in shown_descriptors(inputs.statistics):
        prediction = _predicted_curve(inputs, factor, path, name)
        figure = descriptor_along(inputs.statistics, name, factor, path, prediction)
        label = descriptor_label(next(iter(inputs.statistics.values())), name)
        alt = (
            f"{label} against {with_unit(factor.name, factor.unit)} for {' and '.join(inputs.statistics)}"
            " micrographs: "
        )
        alt += "; ".join(_series_in_words(key, one, name, path) for key, one in inputs.statistics.items())
        panels.append(Panel.of(figure, alt))
    caption = (
        f"Descriptors against {factor.name}. Points are means; bars, standard errors: over specimens for"
        f" {inputs.reference} micrographs (none where there is a single specimen), over seeds for generated"
        f" ones.{lengths(inputs, shown_descriptors(inputs.statistics))}"
    )
    if inputs.linkage is not None:
        caption += " Dotted: the linkage's prediction with one standard deviation."
    section.blocks.append(Panels(panels, caption))
    if is_time(factor):
        section.blocks += _kinetics(inputs, factor, path)
    return section


def _kinetics(inputs: Inputs, factor: Factor, path: list[ProcessCondition]) -> list[Table | Text | Items]:
    """The growth law of every length that is a size, for each ensemble, and what it is worth in words."""
    others = other_factors(inputs.space, {n: v for n, v in path[0].as_dict().items() if n != factor.name})
    ensembles = {inputs.reference: inputs.real} | (
        {} if inputs.generated is None else {"generated": inputs.generated}
    )
    sizes = [n for n in shown_descriptors(inputs.statistics) if n.removesuffix("_um").endswith(_SIZES)]
    if sizes and in_pixels(sizes):
        unknown = not np.isfinite(inputs.real["um_per_px"].values).all()
        if unknown or pixel_sizes_differ(inputs.real):
            return [
                Text(
                    "No growth law is fitted: lengths are in pixels, and the pixel sizes of"
                    f" {inputs.reference} micrographs {'are not all known' if unknown else 'differ'}, so that"
                    " growth cannot be told from another magnification."
                )
            ]
    rows, words = [], []
    for name in sizes:
        for origin, ensemble in ensembles.items():
            label = f"{descriptor_label(inputs.statistics[origin], name)}, {origin}"
            try:
                law = fit_kinetics(ensemble, name, at=others, time=factor.name)
            except ValueError as error:
                words.append(f"{label}: no growth law, {error}.")
                continue
            rows.append([label, *(_with_interval(law, part) for part in _PARTS), law.scatter, law.rows])
            words += [f"{label}: {sentence}" for sentence in law.caveats()]
    if not rows:
        return [Text(sentence) for sentence in words]
    header = ["descriptor", "exponent n", "Q, kJ/mol", "d0", "scatter of ln d", "specimens"]
    caption = (
        "Growth law dⁿ = d0ⁿ + k0 exp(−Q/RT) t, fitted to all specimens of the same other factors, whatever"
        " their time and temperature (of a generator, to its conditions). In brackets the 90 % interval of"
        " the profile likelihood; where it is open, the data do not tell the parameter. Scatter: standard"
        " deviation of ln d about the law. A generator has learned from the specimens of the line above: its"
        " line is no second measurement."
    )
    return [Table(caption, header, rows), *([Items(words)] if words else [])]


def _with_interval(law: Kinetics, part: str) -> str:
    value = getattr(law, part)
    if not np.isfinite(value):
        return "–"
    return f"{number(float(value))} {law.interval_text(part)}".replace("-", "−")


def _extended(inputs: Inputs, factor: Factor, path: list[ProcessCondition]) -> list[ProcessCondition]:
    """The path, with generated conditions on the same line."""
    fixed = path[0].as_dict() | {factor.name: None}
    same = [c for c in inputs.conditions if c.as_dict() | {factor.name: None} == fixed]
    return sorted(same, key=lambda c: c[factor.name])


def _predicted_curve(
    inputs: Inputs, factor: Factor, path: list[ProcessCondition], name: str
) -> tuple[list[ProcessCondition], np.ndarray, np.ndarray] | None:
    """What the linkage predicts for a descriptor between the ends of a path."""
    if inputs.linkage is None or name not in inputs.linkage.targets_:
        return None
    ends = [path[0][factor.name], path[-1][factor.name]]
    spaced = np.geomspace if factor.scale == "log" else np.linspace
    values = np.clip(spaced(*ends, _CURVE), *ends)
    points = [inputs.space.condition(path[0].as_dict() | {factor.name: float(v)}) for v in values]
    mean, deviation = inputs.linkage.predict_arrays(inputs.linkage.conditions(points))
    column = list(inputs.linkage.targets_).index(name)
    return points, mean[:, column], deviation[:, column]


def _series_in_words(label: str, statistics: xr.Dataset, name: str, path: list[ProcessCondition]) -> str:
    mean = by_condition(statistics, name)["mean"]
    values = [f"{mean[str(c)]:.3g}" for c in path if str(c) in mean.index]
    return f"{label} {', '.join(values) if values else 'none'}"
