"""Section on classes told from micrographs, with and without generated ones."""

from __future__ import annotations

import pandas as pd

from ..figures import classification_scores
from .blocks import Fold, Missing, Panel, Panels, Preformatted, Section, Text
from .inputs import Inputs

_LEAD = (
    "Classifiers are judged on specimens that neither they nor the generator have seen. Generated"
    " micrographs count as a help only where both intervals of the paired difference, over specimens and over"
    " folds, leave out zero; what they add is more than weight only where they also beat repeats of {} ones."
)


def classification(inputs: Inputs) -> Section:
    """What `pspgan.classify` found and wrote to a folder."""
    section = Section("classification", "Classes told apart, with and without generated micrographs")
    folder = inputs.classification
    if folder is None and not _has_labels(inputs):
        section.blocks.append(
            Text(
                f"No classification was given, and the {inputs.reference} micrographs have no"
                " microconstituent labels to make one with."
            )
        )
        return section
    if folder is None:
        section.blocks.append(
            Missing(
                "No classification was given. What classifiers make of specimens that they never saw is tried"
                " on micrographs with labels:",
                f"pspgan classify {inputs.stores[0]} -o classification",
            )
        )
        return section
    scores, confusion = (pd.read_csv(folder / f"{name}.csv") for name in ("scores", "confusion"))
    differences = folder / "differences.csv"
    drawn = classification_scores(
        scores,
        pd.read_csv(differences) if differences.is_file() else pd.DataFrame(),
        _of_real_alone(confusion),
    )
    alt = "F1 of each class with its interval, paired differences in F1 if there are any, a confusion matrix"
    caption = (
        f"Left, F1 of every class, 5 to 95 % over resampled specimens. Right, what {inputs.reference}"
        " micrographs alone are taken for: rows are labels, shades shares of a row, numbers micrographs."
    )
    if differences.is_file():
        caption += " Between them, paired differences: right of zero, the added micrographs helped."
    section.blocks += [
        Text(_LEAD.format(inputs.reference)),
        Panels([Panel.of(drawn, alt)], caption),
        Fold("In words and numbers", [Preformatted("Summary", (folder / "summary.txt").read_text())]),
    ]
    return section


def _has_labels(inputs: Inputs) -> bool:
    if "microconstituent" not in inputs.real.variables:
        return False
    return bool((inputs.real["microconstituent"].values.astype(str) != "").any())


def _of_real_alone(confusion: pd.DataFrame) -> pd.DataFrame:
    return confusion[confusion["arm"] == "real"].drop(columns=["arm", "ratio"]).set_index("label")
