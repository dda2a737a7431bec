"""Which specimens a generator has seen, and that those held out are not among them."""

from __future__ import annotations

import json

import xarray as xr

from .schema import EnsembleError
from .splits import check_disjoint


def specimens_seen(generated: xr.Dataset) -> list[str]:
    """The specimens whose micrographs a generator was trained on, from its ensemble's provenance.

    Raises:
        EnsembleError: the ensemble does not say.
    """
    provenance = json.loads(generated.attrs["provenance"])
    seen = [part.get("specimens") for part in (provenance, *provenance.get("appended", []))]
    if not all(isinstance(part, list) for part in seen):
        raise EnsembleError(
            f"{generated.encoding.get('source', 'the generated ensemble')} does not say which specimens its "
            'generator was trained on, so a leak cannot be ruled out: its provenance needs "specimens", as '
            "runs of this release write it. Train again, or let a generator be trained for each fold"
        )
    return sorted({str(name) for part in seen for name in part})


def check_unseen(generated: xr.Dataset, held_out: xr.Dataset) -> None:
    """Refuse generated micrographs whose generator has seen a specimen that is held out.

    Raises:
        EnsembleError: it has, or nothing is known of what it has seen.
    """
    check_disjoint(specimens_seen(generated), held_out)
