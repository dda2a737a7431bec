"""What an import took in and what it left out, kept in the ensemble's provenance and told in words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from ..wording import counted, quoted

_SHOWN = 5  # names listed of each reason
_LONGEST = 260  # characters of a name: those of a file


def describe(ensemble: xr.Dataset) -> str:
    """Say in a few lines what an ensemble holds, its factors, and what its import left out, and why.

    The complete lists are ``json.loads(ensemble.attrs["provenance"])["left_out"]``: reason -> names.

    Args:
        ensemble: a dataset of the schema, fresh from a source or opened from a store.
    """
    provenance = json.loads(ensemble.attrs.get("provenance", "{}"))
    n, height, width = ensemble["micrograph"].shape
    combinations = len(set(ensemble["condition"].values.astype(str)))
    specimens = len(set(ensemble["specimen"].values.astype(str)))
    lines = [
        f"{counted(n, 'micrograph')}, {counted(combinations, 'combination')}, "
        f"{counted(specimens, 'specimen')} ({width} x {height} px)"
    ]
    lines += provenance.get("notes", [])
    unknown = int(np.isnan(ensemble["um_per_px"].values).sum())
    if unknown:
        lines.append(f"pixel size unknown for {unknown} of {n}")
    return "\n".join(lines + left_out_lines(provenance.get("left_out", {})))


def left_out_lines(left_out: Mapping[str, Sequence[str]]) -> list[str]:
    """One line a reason: how many, why, and the first names."""
    lines = []
    for reason, names in left_out.items():
        lines.append(f"left out {len(names)}: {reason} ({some(names)})")
    return lines


def some(names: Sequence[str], shown: int = _SHOWN) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(quoted(name, _LONGEST) for name in names[:shown]) + more
