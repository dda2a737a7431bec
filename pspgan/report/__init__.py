"""One self-contained HTML page that shows what an ensemble, a generator and a linkage are worth.

The page needs no network and no scripts, so that it can be sent as an attachment. `inputs` opens and checks
what it is made from; `facts`, `images`, `comparison`, `evolution`, `linkage`, `evaluation` and `training`
write its sections; `blocks` are what sections consist of; ``page.html`` and ``page.css`` lay them out.
"""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
import numpy as np
import pandas as pd
import xarray as xr

from .. import __version__
from ..evaluation import Report, evaluate
from ..writing import write_text
from .blocks import is_number, number
from .comparison import descriptors, two_point
from .evaluation import evaluation as evaluation_section
from .evolution import evolution
from .facts import limits, process_coverage, provenance
from .images import side_by_side
from .inputs import Inputs
from .linkage import linkage as linkage_section
from .training import training

if TYPE_CHECKING:
    from ..linkage import Linkage

__all__ = ["write_report"]

_SECTIONS = (
    process_coverage,
    side_by_side,
    evolution,
    two_point,
    descriptors,
    linkage_section,
    evaluation_section,
    training,
    limits,
    provenance,
)


def write_report(
    real: str | os.PathLike | xr.Dataset,
    gen: str | os.PathLike | xr.Dataset | None = None,
    *,
    linkage: str | os.PathLike | Linkage | None = None,
    run: str | os.PathLike | None = None,
    out: str | os.PathLike = "report.html",
    evaluation: Report | pd.DataFrame | str | bool = False,
) -> Path:
    """Write a self-contained HTML report.

    Statistics are read from the stores (`pspgan stats`). Where an input is missing, its section says which
    command makes it.

    Args:
        real: ensemble of real or simulated micrographs, or the path of its store.
        gen: ensemble of generated ones, or the path of its store.
        linkage: a fitted linkage, or its folder.
        run: folder of the training run, for its curves and settings.
        out: the HTML file; an existing one is replaced.
        evaluation: what `pspgan.evaluate` found, shown as it is; True evaluates here, where ``gen`` is given.

    Returns:
        The path of the report.

    Raises:
        FileNotFoundError: a path with nothing there.
        EnsembleError: a store that is no ensemble.
        ValueError: ensembles of the wrong origin or of different process spaces.
    """
    if isinstance(evaluation, bool):
        found = evaluate(real, gen) if evaluation and gen is not None else None
    else:
        found = evaluation
    inputs = Inputs.open(real, gen, linkage, run, found)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pspgan.report", "."),
        autoescape=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["number"] = number
    environment.tests["measure"] = is_number
    page = environment.get_template("page.html").render(
        title="Process and microstructure",
        lead=_lead(inputs),
        facts=_facts(inputs),
        sections=[make(inputs) for make in _SECTIONS],
        version=__version__,
        date=datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
    )
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, page)
    return out


def _lead(inputs: Inputs) -> str:
    *names, last = inputs.space.names
    factors = f"{', '.join(names)} and {last}" if names else last
    what = f"Micrographs ({inputs.reference}) processed under {factors}"
    if inputs.generated is not None:
        what += ", and micrographs that a conditional generator made for the same conditions"
    return what + "."


def _facts(inputs: Inputs) -> list[tuple[str, str]]:
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
            facts.append((value, f"median R² of the linkage on held-out conditions, {len(chosen)} targets"))
    return facts
