"""The scores of a linkage as text that says what they mean."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from .structure import SpecimenTable
from .validation import UNSEEN
from .variances import COMPONENTS

_ROLES = {
    "generated": "trained on generated micrographs only",
    "both": "trained on both",
    "all": "trained on all ensembles",
}


def summarise(
    table: SpecimenTable, validation: pd.DataFrame, variances: pd.DataFrame, regressors: Mapping[str, str]
) -> str:
    """A block a fit, a line a target: R2 on held-out groups, error, regressor; then variances."""
    lines = ["Linkage from process to structure", ""]
    for origin in pd.unique(table.origin):
        rows = table.origin == origin
        lines.append(
            f"{origin}: {table.micrographs[rows].sum()} micrographs, "
            f"{len(np.unique(table.specimen[rows]))} specimens, "
            f"{len(np.unique(table.condition[rows]))} conditions"
        )
    for fit, block in validation.groupby("fit", sort=False):
        tested = block["tested_on"].iloc[0]
        groups = block.groupby("held_out")["groups"].max()
        lines += [
            "",
            f"fit on {fit}, tested on {tested} micrographs ({groups['specimens']} specimens, "
            f"{groups['conditions']} conditions)",
        ]
        if fit in _ROLES and "generated" in table.origin and tested != "generated":
            lines.append(f"  {_ROLES[fit]}; {seen_in_words(table, tested)}")
        apart = UNSEEN in set(block["held_out"])
        unseen = f"{'R2, of those unseen':>28s}" if apart else ""
        lines.append(
            f"  {'':28s}{'R2, held-out specimens':>28s}{unseen}{'R2, held-out conditions':>28s}"
            f"{'mean error':>16s}  regressor"
        )
        for target, pair in block.groupby("target", sort=False):
            scores = pair.set_index("held_out")
            row = scores.loc["specimens"]
            unit = "" if row["unit"] == "1" else row["unit"]
            error = f"{row['mae']:.3g} {unit}".strip() if np.isfinite(row["mae"]) else "-"
            lines.append(
                f"  {target:28s}{_interval(row):>28s}"
                + (f"{_interval(scores.loc[UNSEEN]):>28s}" if apart else "")
                + f"{_interval(scores.loc['conditions']):>28s}{error:>16s}  {regressors[target]}"
            )
    lines += [
        "",
        "R2 is of specimen means; in brackets the 5 to 95 % range over resampled groups. 0 is no better than",
        "the mean of the specimens, below 0 worse. The mean error is on held-out specimens. The regressor is",
        "the one fitted on all ensembles together; 'mean' says that process did not predict the target where",
        "it was held out. Of any other, too, believe the scores: below 0 the target was not predicted.",
        *_variances(variances),
    ]
    return "\n".join(lines)


def r2_in_words(score: float) -> str:
    """A coefficient of determination; far below zero, where a few alike groups were drawn, only that it is.

    >>> r2_in_words(0.417), r2_in_words(-0.001), r2_in_words(-189701.48)
    ('0.42', '0.00', '< -10')
    """
    return "< -10" if score < -10 else f"{round(score, 2) + 0.0:.2f}"


def seen_in_words(table: SpecimenTable, tested: str) -> str:
    """How many of the specimens of the origin that is tested on the generator has seen."""
    mine = table.origin == tested
    count, seen = (len(np.unique(table.specimen[rows])) for rows in (mine, mine & table.seen))
    if seen == count:
        return "the generator has seen the test specimens, or does not say which it has seen"
    return f"the generator has seen {seen or 'none'} of the {count} test specimens"


def _variances(variances: pd.DataFrame) -> list[str]:
    """A block an origin, a line a target, a column a component."""
    lines = []
    for origin, block in variances.groupby("origin", sort=False):
        names = [name for name in COMPONENTS if name in set(block["component"])]
        lines += ["", f"Where {origin} micrographs vary (standard deviations)"]
        lines.append("  " + f"{'':28s}" + "".join(f"{name:>28s}" for name in names))
        for target, of_target in block.groupby("target", sort=False):
            found = of_target.set_index("component")
            unit = found["unit"].iloc[0]
            cells = [_deviation(found.loc[name]) if name in found.index else "-" for name in names]
            lines.append(
                f"  {target:28s}"
                + "".join(f"{cell:>28s}" for cell in cells)
                + ("" if unit in ("", "1") else f"  {unit}")
            )
    return [
        *lines,
        "",
        "field: micrographs of one specimen; specimen: specimens of one condition; condition: the means of",
        "conditions, which process may explain; generator: generated from measured means of conditions. What",
        "sampling explains is taken off; in brackets the 5 to 95 % range over resampled conditions.",
    ]


def _deviation(row: pd.Series) -> str:
    if not np.isfinite(row["variance"]):
        return "-"
    if not np.isfinite(row["low"]):
        return f"{row['std']:.3g}"
    return f"{row['std']:.3g} [{np.sqrt(row['low']):.3g}, {np.sqrt(row['high']):.3g}]"


def _interval(row: pd.Series) -> str:
    if not np.isfinite(row["r2"]):
        return "-"
    return f"{r2_in_words(row['r2'])} [{r2_in_words(row['r2_low'])}, {r2_in_words(row['r2_high'])}]"
