"""One of the ensembles that the explorer sets beside each other, condition by condition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
import xarray as xr

from ..blocks import Tile
from . import measures


@dataclass(frozen=True)
class Side:
    """An ensemble, and what is measured on it.

    Attributes:
        ensemble: micrographs.
        statistics: of these, where there are any.
        descriptors: names of those that are shown.
        um_per_px: size of the measured pixels, where lengths are in µm.
    """

    ensemble: xr.Dataset
    statistics: xr.Dataset | None
    descriptors: Sequence[str]
    um_per_px: float | None

    @cached_property
    def counts(self) -> dict[str, tuple[int, int]]:
        """Condition -> numbers of its micrographs and of its specimens."""
        table = pd.DataFrame({n: self.ensemble[n].values.astype(str) for n in ("condition", "specimen")})
        groups = table.groupby("condition")["specimen"].agg(["size", "nunique"])
        return {str(name): (int(row["size"]), int(row["nunique"])) for name, row in groups.iterrows()}

    @cached_property
    def described(self) -> dict[str, list[measures.Measured | None]]:
        """Condition -> its descriptors, see `measures.described`."""
        return {} if self.statistics is None else measures.described(self.statistics, self.descriptors)

    def of(self, condition: str, tiles: Sequence[Tile]) -> dict[str, Any]:
        """What the page's script is told of a condition, with these of its micrographs."""
        profile = None
        if self.statistics is not None and measures.correlation(self.statistics) is not None:
            profile = measures.profile(self.statistics, condition, self.um_per_px)
        micrographs, specimens = self.counts[condition]
        return {
            "micrographs": [[tile.src, tile.alt, *(tile.scale or (None, None))] for tile in tiles],
            "count": micrographs,
            "specimens": specimens,
            "profile": profile,
            "descriptors": self.described.get(condition, [None] * len(self.descriptors)),
        }
