"""Section on how far generated micrographs can be trusted: what an evaluation found, and its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from ..evaluation.report import ALL
from ..figures import feature_figures, nearest_training, ratios_to_real, readings, shares_beyond_real
from ..figures.linkage import target_label
from .blocks import Fold, Panel, Panels, Preformatted, Section, Table, Text, number
from .inputs import Inputs
from .verdict import no_evaluation

if TYPE_CHECKING:
    from ..evaluation import Report

_AVERAGED = ("distance", "spread")
_LEAD = (
    "Every figure stands beside the same figure of reference micrographs against other reference ones, at"
    " the same number of micrographs and, where a condition has several, split by specimen. Where training"
    " has seen these specimens, agreement says how well the generator reproduces them, not what it does for"
    " others."
)


def evaluation(inputs: Inputs) -> Section:
    """What `pspgan.evaluation.evaluate` found."""
    section = Section("evaluation", "Evaluation of the generated micrographs")
    found, title = inputs.evaluation, f"Generated against {inputs.reference} micrographs"
    if found is None:
        section.blocks.append(no_evaluation(inputs))
    elif isinstance(found, pd.DataFrame):
        section.blocks.append(
            Table.of(title, found if isinstance(found.index, pd.RangeIndex) else found.reset_index())
        )
    elif isinstance(found, str):
        section.blocks.append(Preformatted(title, found))
    else:
        section.blocks += [
            Text(_LEAD),
            _findings(found),
            _figures(found, inputs.reference),
            _average(found, inputs.reference),
            Fold("Condition by condition, and how to read it", [Preformatted(title, str(found))]),
        ]
    return section


def _findings(found: Report) -> Table:
    rows = [[one.subject, one.verdict, one.text, one.caveat] for one in found.findings]
    caption = (
        "Questions to the generated micrographs. “found” is a fault; “none found” says that this many"
        " micrographs show none; “cannot tell”, that the micrographs do not allow an answer."
        " In brackets 5 to 95 %."
    )
    return Table(caption, ["question", "fault", "figures", "when to distrust it"], rows)


def _figures(found: Report, reference: str) -> Panels:
    kinds = set(found.table["kind"])
    panels = [
        Panel.of(draw(found), alt, title)
        for draw, kind, alt, title in (
            (ratios_to_real, "distance", "Ratios of distances and of spreads to those between", "Ratios"),
            (feature_figures, "frechet", "Figures in feature spaces beside those of", "Feature spaces"),
            (readings, "consistency", "Readings of every factor beside those off", "Conditions read"),
            (shares_beyond_real, "leakage", "Shares of copies and augmentations beside those of", "Shares"),
            (
                nearest_training,
                "memorisation",
                "Each over the training micrograph most like it;",
                "Nearest to training",
            ),
        )
        if kind in kinds
        for alt in (f"{alt} {reference} micrographs",)
    ]
    caption = (
        f"Ratios of 1 are those of {reference} micrographs among themselves. Feature spaces: samples with as"
        " many micrographs of each condition; precision and density fall where generated micrographs are"
        f" unlike any {reference} one, recall and coverage where {reference} ones have no counterpart."
        f" Conditions: what models read that learned each factor from other {reference} specimens. Shares:"
        f" beyond what one in a hundred {reference} micrographs shows. Last, the generated micrographs that"
        " are most like a place of a training micrograph, over that place: a copy shows the same particles."
    )
    return Panels(panels, caption)


def _average(found: Report, reference: str) -> Table:
    table = found.table
    lines = table[(table["condition"] == ALL) & (table["part"] == "all") & table["kind"].isin(_AVERAGED)]
    lines = lines.dropna(subset=["generated", "real"], how="all")  # no field had it to measure
    rows = [
        [line["kind"], target_label(line["quantity"], line["unit"])]
        + [_with_range(line, name) for name in ("generated", "real", "ratio")]
        for _, line in lines.iterrows()
    ]
    caption = (
        "Averages over conditions, with 5 to 95 % of resampled conditions. Distance, generated: of generated"
        f" from {reference} micrographs; {reference}: of one half of the {reference} ones from the other. A"
        f" ratio near 1 says that generated micrographs differ from {reference} ones as those differ from one"
        " another. Spread: within a condition; a ratio below 1 says that generated micrographs vary less."
    )
    return Table(caption, ["kind", "quantity", "generated", reference, "ratio"], rows)


def _with_range(line: pd.Series, name: str) -> str:
    low, high = number(line[f"{name}_low"]), number(line[f"{name}_high"])
    return f"{number(line[name])} ({low} to {high})"
