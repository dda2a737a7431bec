"""One self-contained HTML page that shows what an ensemble, a generator and a linkage are worth.

The page needs no network, so that it can be sent as an attachment, and only its first section, `explorer`,
needs its script. `inputs` opens and checks what it is made from; `facts`, `images`, `comparison`,
`evolution`, `linkage`, `suggestion`, `evaluation`, `classification` and `training` write its other sections,
`verdict` the lines above them; `blocks` are what sections consist of; `page` puts them together, laid out by
``page.html`` and ``page.css``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import xarray as xr

from ..evaluation import Report, evaluate
from ..writing import write_text
from .classification import classification as classification_section
from .comparison import descriptors, two_point
from .evaluation import evaluation as evaluation_section
from .evolution import evolution
from .explorer import Explorer
from .facts import at_a_glance, limits, process_coverage, provenance
from .images import side_by_side
from .inputs import Inputs
from .linkage import linkage as linkage_section
from .page import page_of
from .suggestion import suggestion
from .training import training
from .verdict import verdict

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
    suggestion,
    evaluation_section,
    classification_section,
    training,
    limits,
    provenance,
)


def write_report(
    real: str | os.PathLike[str] | xr.Dataset,
    gen: str | os.PathLike[str] | xr.Dataset | None = None,
    *,
    linkage: str | os.PathLike[str] | Linkage | None = None,
    run: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] = "report.html",
    evaluation: Report | pd.DataFrame | str | bool = False,
    classification: str | os.PathLike[str] | None = None,
    target: Mapping[str, float] | None = None,
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
        classification: folder that `pspgan.classify` wrote.
        target: structure that the linkage proposes conditions for: ``{"area_fraction": 0.15}``.

    Returns:
        The path of the report.

    Raises:
        FileNotFoundError: a path with nothing there.
        EnsembleError: a store that is no ensemble.
        ValueError: ensembles of the wrong origin or of different process spaces.
    """
    if isinstance(evaluation, bool):
        found: Report | pd.DataFrame | str | None = (
            evaluate(real, gen) if evaluation and gen is not None else None
        )
    else:
        found = evaluation
    out = Path(out)
    inputs = Inputs.open(real, gen, linkage, run, found, classification, target, out)
    text = page_of(
        Explorer.of(inputs),
        at_a_glance(inputs),
        [make(inputs) for make in _SECTIONS],
        verdict=verdict(inputs),
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, text)
    return out
