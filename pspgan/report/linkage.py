"""Section on how far predictions can be trusted: the linkage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..figures import component_scatter, predicted_against_measured, scores
from ..figures.linkage import target_label
from ..linkage.distance import nearest_observed
from ..linkage.summary import r2_in_words, seen_in_words
from .blocks import Fold, Missing, Panel, Panels, Section, Table, Text, number
from .inputs import Inputs

if TYPE_CHECKING:
    from ..linkage import Linkage
    from ..process import ProcessCondition


def linkage(inputs: Inputs) -> Section:
    """Scores, predictions against measurements, and the space of principal components."""
    section = Section("linkage", "Linkage from process to structure")
    if inputs.linkage is None:
        stores = " ".join(inputs.stores if inputs.generated is not None else inputs.stores[:1])
        section.blocks.append(
            Missing(
                "No linkage was given. It is fitted on ensembles that have statistics:",
                f"pspgan link {stores} -o linkage",
            )
        )
        return section
    fitted = inputs.linkage
    validation = fitted.validation_
    tested = validation["tested_on"].iloc[0]
    words = [held_out_in_words(validation, tested, held_out) for held_out in ("specimens", "conditions")]
    section.blocks.append(Text(" ".join(words)))
    panels = [_score_panel(validation, held_out) for held_out in ("specimens", "conditions")]
    caption = (
        f"R² of every target on {tested} specimens that the fit did not see. With specimens held out, others"
        " of the same condition may have been seen; with conditions held out, none. Bars: 5 to 95 % over"
        " resampled groups. 1 is perfect, 0 no better than the mean; scores below −1 are drawn at −1."
    )
    if (validation["fit"] == "generated").any() and tested != "generated":
        caption += (
            f" Fits on generated micrographs: {seen_in_words(fitted.table_, tested)}; those that it has seen,"
            " these fits have seen indirectly."
        )
    section.blocks += [Panels(panels, caption), Fold("Scores as a table", [_score_table(fitted)])]
    section.blocks.append(Fold("Where the scatter comes from", [_variance_table(fitted)]))
    # What the generator has not seen may have been measured all the same.
    unseen = [c for c in fitted.conditions(sorted(inputs.unseen)) if not c.observed] if inputs.unseen else []
    if unseen:
        section.blocks.append(_unseen_table(fitted, unseen))
    shown = _shown_targets(fitted)
    panels = [
        Panel.of(
            predicted_against_measured(fitted, name),
            f"Predicted against measured {_label(fitted, name)}, one point a specimen, condition held out",
        )
        for name in shown
    ]
    caption = (
        "Predicted against measured, a point a specimen; its condition, and every other specimen of it, was"
        " held out of the fit. Bars: 90 % interval of a new specimen. On the line, prediction and"
        " measurement agree. The regressor is the one chosen on all specimens, while the scores above choose"
        " it anew in every fold."
    )
    section.blocks.append(Panels(panels, caption))
    if len(fitted.basis_.explained) > 1:
        panels = [
            Panel.of(
                component_scatter(fitted, factor.name),
                f"Specimens in the plane of the first two principal components, coloured by {factor.name}",
            )
            for factor in fitted.space_.factors
        ]
        caption = (
            "Specimens in the plane of the first two principal components of their two-point statistics,"
            " coloured by each process factor. Generated points (diamonds) away from the others would mean"
            " statistics that no measured specimen has."
        )
        section.blocks.append(Panels(panels, caption))
    return section


def _label(fitted: Linkage, name: str) -> str:
    return target_label(name, fitted.units_[list(fitted.targets_).index(name)])


def held_out_in_words(validation: pd.DataFrame, tested: str, held_out: str) -> str:
    """The result on held-out ``specimens`` or ``conditions`` in a sentence."""
    first = validation[validation["fit"] == tested]
    known = first[(first["held_out"] == held_out) & first["r2"].notna()]
    if known.empty:
        return f"Held-out {held_out} could not be scored: there are too few."
    best = known.loc[known["r2"].idxmax()]
    sure = int((known["r2_low"] > 0).sum())
    return (
        f"On held-out {held_out} the fit on {tested} specimens beats the mean for"
        f" {int((known['r2'] > 0).sum())} of {len(known)} targets, {sure} of them beyond the interval;"
        f" best is {target_label(best['target'], best['unit'])} with R² {_interval(best)}."
    )


def _interval(row: pd.Series) -> str:
    if not np.isfinite(row["r2"]):
        return "–"
    r2, low, high = (r2_in_words(row[name]) for name in ("r2", "r2_low", "r2_high"))
    return f"{r2} ({low} to {high})".replace("-", "−")


def _score_panel(validation: pd.DataFrame, held_out: str) -> Panel:
    chosen = validation[(validation["held_out"] == held_out) & validation["r2"].notna()]
    words = "; ".join(
        f"fit on {fit}: "
        + ", ".join(f"{target} {r2:.2f}" for target, r2 in zip(one["target"], one["r2"], strict=True))
        for fit, one in chosen.groupby("fit", sort=False)
    )
    return Panel.of(
        scores(validation, held_out), f"R² on held-out {held_out}. {words}", title=f"Held-out {held_out}"
    )


def _score_table(fitted: Linkage) -> Table:
    validation = fitted.validation_
    columns = list(dict.fromkeys(zip(validation["fit"], validation["held_out"], strict=True)))
    indexed = validation.set_index(["fit", "held_out", "target"])
    rows = []
    for target, unit in zip(fitted.targets_, fitted.units_, strict=True):
        first = indexed.loc[(*columns[0], target)]
        row = [target_label(target, unit), *(_interval(indexed.loc[(*column, target)]) for column in columns)]
        rows.append([*row, first["mae"], first["coverage"], fitted.regressors_[target]])
    groups = {
        column: int(validation.set_index(["fit", "held_out"]).loc[[column], "groups"].max())
        for column in columns
    }
    header = [
        "target",
        *(f"fit on {fit}: R², held-out {held_out} ({groups[fit, held_out]})" for fit, held_out in columns),
        "mean absolute error",
        "share inside the 90 % interval",
        "regressor",
    ]
    fit, held_out = columns[0]
    caption = (
        "R² with its 5 to 95 % range over resampled groups; in the header, the number of groups. Mean"
        " absolute error and the share of specimens inside their 90 % prediction interval are of the fit on"
        f" {fit}, held-out {held_out}. The regressor is that of the final fit on everything; “mean” says that"
        " process did not predict this target."
    )
    return Table(caption, header, rows)


def _variance_table(fitted: Linkage) -> Table:
    """Standard deviations of fields, specimens, conditions and the generator, each by itself."""
    variances = fitted.variances_
    columns = list(dict.fromkeys(zip(variances["origin"], variances["component"], strict=True)))
    indexed = variances.set_index(["origin", "component", "target"])
    rows = []
    for target, unit in zip(fitted.targets_, fitted.units_, strict=True):
        row = [target_label(target, unit)]
        for column in columns:
            found = indexed.loc[(*column, target)]
            ends = [number(float(np.sqrt(found[name]))) for name in ("low", "high")]
            cell = number(float(found["std"]))
            row.append(f"{cell} ({ends[0]} to {ends[1]})" if np.isfinite(found["low"]) else cell)
        rows.append(row)
    caption = (
        "Standard deviations. Field: between micrographs of one specimen; specimen: between specimens of one"
        " condition; condition: between the means of conditions, which process may explain; generator:"
        " between the generated and the measured mean of a condition. What sampling alone explains is taken"
        " off, so that 0 says: no more than that. In brackets the 5 to 95 % range over resampled conditions."
    )
    return Table(caption, ["target", *(f"{origin}: {component}" for origin, component in columns)], rows)


def _unseen_table(fitted: Linkage, points: list[ProcessCondition]) -> Table:
    """How far the generated conditions that nobody saw are from what was seen."""
    steps, nearest = nearest_observed(fitted.space_, points)
    order = np.argsort(-steps, kind="stable")
    rows = [
        [points[i].label, float(steps[i]), "–" if nearest[i] is None else nearest[i].label] for i in order
    ]
    caption = (
        "Generated conditions that nobody saw, and how far they are from the nearest one that somebody did:"
        " steps between neighbouring levels, summed over factors (another level of a nominal factor counts"
        " one). The farther, the more a prediction or a generated micrograph is an extrapolation."
    )
    return Table(caption, ["condition", "distance, level steps", "nearest seen"], rows)


def _shown_targets(fitted: Linkage) -> list[str]:
    """The first component, and each descriptor in µm where it has values, else in pixels."""
    names = [name for name in fitted.basis_.descriptors if f"{name}_um" not in fitted.targets_]
    return [fitted.targets_[0], *names]
