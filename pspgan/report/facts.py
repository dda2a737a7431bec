"""What there is: the numbers at the top, and sections on stores and settings, coverage, limits."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from ..figures import combinations, coverage, level_counts
from ..figures.style import with_unit
from ..statistics import settings_of
from .blocks import Fold, Items, Panel, Panels, Section, Table, Text
from .cautions import pixel_sizes_differ
from .inputs import Inputs

_LONG_TABLE = 30  # rows; longer tables are folded


def at_a_glance(inputs: Inputs) -> list[tuple[str, str]]:
    """The numbers at the top of the page: (value, what it counts)."""
    conditions, specimens = (
        np.unique(inputs.real[n].values.astype(str)).size for n in ("condition", "specimen")
    )
    facts = [
        (f"{inputs.real.sizes['sample']:,}", f"{inputs.reference} micrographs"),
        (str(conditions), "combinations of process factors"),
        (str(specimens), "specimens"),
    ]
    if inputs.generated is not None:
        facts.append((f"{inputs.generated.sizes['sample']:,}", "generated micrographs"))
        facts.append((str(len(inputs.unseen)), "generated combinations not seen in training"))
    if inputs.linkage is not None:
        scores = inputs.linkage.validation_
        chosen = scores[(scores["fit"] == scores["tested_on"]) & (scores["held_out"] == "conditions")][
            "r2"
        ].dropna()
        if len(chosen):
            value = f"{chosen.median():.2f}".replace("-", "−")
            fit = scores["tested_on"].iloc[0]
            facts.append(
                (
                    value,
                    f"median R² on held-out conditions, {len(chosen)} targets, of the linkage fitted on {fit}"
                    f"{' micrographs alone' if fit != 'generated' else ' micrographs'}",
                )
            )
    return facts


def provenance(inputs: Inputs) -> Section:
    """Where everything comes from: stores, licences, settings."""
    ensembles = {inputs.reference: inputs.real} | (
        {} if inputs.generated is None else {"generated": inputs.generated}
    )
    described = [_described(one) for one in ensembles.values()]
    rows = [[key, *(one[key] for one in described)] for key in described[0]]
    section = Section(
        "provenance", "What this is made from", [Table("The ensembles", ["", *ensembles], rows)]
    )
    settings = [
        Table(
            f"Provenance of the {name} ensemble",
            ["key", "value"],
            _flat(json.loads(one.attrs.get("provenance") or "{}")),
        )
        for name, one in ensembles.items()
        if json.loads(one.attrs.get("provenance") or "{}")
    ]
    if isinstance(inputs.statistics, dict):
        one = inputs.statistics[inputs.reference]
        deviation = one.attrs.get("pymks_max_deviation", np.nan)
        checked = "not compared: PyMKS was not installed" if np.isnan(deviation) else f"{deviation:.1e}"
        rows = [*_flat(settings_of(one)), ["largest deviation from PyMKS", checked]]
        settings.append(Table("Settings of the statistics", ["key", "value"], rows))
    if inputs.run is not None and (inputs.run / "config.json").is_file():
        config = json.loads((inputs.run / "config.json").read_text())
        settings.append(
            Table("Settings of the training", ["key", "value"], _flat(config, leave_out={"process_space"}))
        )
    if settings:
        section.blocks.append(Fold("All settings", settings))
    return section


def _described(ensemble: xr.Dataset) -> dict[str, str]:
    size = ensemble["um_per_px"].values
    known = size[np.isfinite(size)]
    pixel = "unknown" if not len(known) else f"{known.min():.3g} to {known.max():.3g} µm"
    if len(known) and known.min() == known.max():
        pixel = f"{known.min():.3g} µm"
    if 0 < len(known) < len(size):
        pixel += f" ({len(size) - len(known)} unknown)"
    height, width = ensemble["micrograph"].shape[1:]
    provenance = json.loads(ensemble.attrs.get("provenance") or "{}")
    return {
        "store": ensemble.encoding.get("source", "in memory"),
        "origin": ensemble.attrs["origin"],
        "micrographs": f"{ensemble.sizes['sample']:,} of {width} × {height} px",
        "combinations of process factors": str(len(np.unique(ensemble["condition"].values.astype(str)))),
        "specimens": _specimens(ensemble),
        "pixel size": pixel,
        "source pixels averaged into one, along each axis": str(ensemble.attrs.get("reduction", 1)),
        "licence": ensemble.attrs.get("licence") or "not stated",
        "attribution": ensemble.attrs.get("attribution") or "not stated",
        "written by pspgan": str(provenance.get("pspgan") or provenance.get("version") or "not stated"),
    }


def _specimens(ensemble: xr.Dataset) -> str:
    if ensemble.attrs["origin"] == "generated":
        return "none: every micrograph is a draw of one trained generator"
    return str(len(np.unique(ensemble["specimen"].values.astype(str))))


def _flat(
    settings: Mapping[str, object], prefix: str = "", leave_out: frozenset[str] | set[str] = frozenset()
) -> list[list[str]]:
    rows = []
    for key, value in settings.items():
        if key in leave_out:
            continue
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{key}.", leave_out)
        else:
            rows.append([prefix + key, _shortened(value)])
    return rows


def _shortened(value: object, most: int = 300) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= most else f"{text[:most]} … ({len(text):,} characters in all)"


def process_coverage(inputs: Inputs) -> Section:
    """The paper's Fig. 2, and the combinations that occur."""
    real, space = inputs.real, inputs.space
    panels = []
    for factor in space.factors:
        counts = level_counts(real, factor.name).sum(axis=1)
        bars = ", ".join(f"{factor.format(level)}: {count}" for level, count in counts.items())
        alt = (
            f"Stacked bars of {inputs.reference} micrographs for each {with_unit(factor.name, factor.unit)}:"
            f" {bars}"
        )
        panels.append(Panel.of(coverage(real, factor.name), alt))
    split = ", split by microconstituent" if "microconstituent" in real.variables else ""
    caption = (
        f"Micrographs of the {inputs.reference} ensemble at each level of every process factor{split}. "
        "Levels without a bar exist in the process space but not in this ensemble."
    )
    table = combinations(real)
    possible = int(np.prod([len(factor.levels) for factor in space.factors]))
    few = int((table["specimens"] == 1).sum())
    text = f"{len(table)} of the {possible} possible combinations of levels occur."
    if few:
        text += (
            f" {few} of them rest on a single specimen: there, what the process did and what the specimen"
            " happened to be cannot be told apart."
        )
    frame = pd.DataFrame({"condition": [space.condition(c).label for c in table["condition"]]})
    for factor in space.factors:
        frame[with_unit(factor.name, factor.unit)] = [factor.format(v) for v in table[factor.name]]
    frame["micrographs"], frame["specimens"] = table["micrographs"], table["specimens"]
    if table["um_per_px_min"].notna().any():
        low, high = table["um_per_px_min"], table["um_per_px_max"]
        if low.equals(high):
            frame["pixel size (µm)"] = low
        else:
            frame["smallest pixel (µm)"], frame["largest pixel (µm)"] = low, high
    if inputs.generated is not None:
        count = combinations(inputs.generated).set_index("condition")["micrographs"]
        frame["generated"] = count.reindex(table["condition"]).fillna(0).astype(int).to_numpy()
    block: Table | Fold = Table.of(f"Combinations in the {inputs.reference} ensemble", frame)
    if len(frame) > _LONG_TABLE:
        block = Fold(f"All {len(frame)} combinations", [block])
    return Section("coverage", "Process conditions covered", [Panels(panels, caption), Text(text), block])


def limits(inputs: Inputs) -> Section:
    """What this report cannot show, stated plainly."""
    table = combinations(inputs.real)
    specimens = np.unique(inputs.real["specimen"].values.astype(str)).size
    single = int((table["specimens"] == 1).sum())
    size = inputs.real["um_per_px"].values
    known = size[np.isfinite(size)]
    items = [
        (
            f"{inputs.real.sizes['sample']:,} micrographs come from {specimens} specimens, and"
            f" {single or 'none'} of {len(table)} conditions rest on one. Micrographs of one specimen are not"
            " independent: intervals of means and scores count specimens. Bands of two-point statistics"
            " are over micrographs, and intervals of generated micrographs count seeds."
        ),
        (
            "Scores of the linkage are of specimens, or whole conditions, that the fit did not see. Scores"
            " under random splits would look far better and mean nothing."
        ),
    ]
    if pixel_sizes_differ(inputs.real):
        items.append(
            f"Magnification is mixed: a pixel spans {known.min():.2g} to {known.max():.2g} µm,"
            f" {known.max() / known.min():.0f}-fold. The generator has learnt this mixture and knows no scale"
            " of its own, so generated micrographs are compared in pixels; sizes in pixels then depend on"
            " the magnifications that were chosen for a condition, too."
        )
    if inputs.generated is not None:
        items.append(
            "Intervals of generated micrographs come from the seeds of one trained generator. They do not say"
            " how another training would have come out, and narrow intervals may only mean that the generator"
            " varies too little."
        )
    if inputs.unseen:
        items.append(
            f"{len(inputs.unseen)} generated conditions were not seen in training. They are interpolations"
            " between levels, or new combinations of levels, and nothing here can confirm them."
        )
    if isinstance(inputs.statistics, dict):
        settings = settings_of(inputs.statistics[inputs.reference])
        items.append(
            f"Statistics and descriptors rest on a segmentation into {', '.join(settings['names'])} (method"
            f" {settings['phases']['method']}). Uneven illumination, etching and contrast enter as if they"
            " were structure."
        )
    return Section("limits", "Limits", [Items(items)])
