"""What is compared: tiles of real and of generated micrographs, measured alike, and how they are grouped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..statistics import Phases, descriptor_names, measure_statistics


@dataclass(frozen=True)
class Sample:
    """Tiles of one ensemble, and what was measured of each.

    Attributes:
        micrograph: grey levels, (tile, y, x) uint8.
        condition, specimen: of each tile, (tile,) text.
        image: which micrograph of the ensemble each was cut from, (tile,).
        quantities: ``two_point`` (tile, vector), and the descriptors, (tile,), lengths in pixels.
        units: of each quantity.
        spaces: vectors of each feature space, (tile, feature).
        reach: longest component of the vectors of ``two_point``, px; they fill a square, a correlation last.
    """

    micrograph: np.ndarray
    condition: np.ndarray
    specimen: np.ndarray
    image: np.ndarray
    quantities: dict[str, np.ndarray]
    units: dict[str, str]
    spaces: dict[str, np.ndarray]
    reach: int

    def __len__(self) -> int:
        return len(self.image)

    def take(self, rows: np.ndarray) -> Sample:
        """Some of the tiles, by index or mask."""
        return Sample(
            self.micrograph[rows],
            self.condition[rows],
            self.specimen[rows],
            self.image[rows],
            {name: values[rows] for name, values in self.quantities.items()},
            self.units,
            {name: values[rows] for name, values in self.spaces.items()},
            self.reach,
        )

    def of(self, condition: str) -> Sample:
        """The tiles of one condition."""
        return self.take(np.flatnonzero(self.condition == condition))

    def groups(self) -> tuple[str, np.ndarray]:
        """What tiles are split by, and its label for each: specimen if there are several, else micrograph."""
        if len(np.unique(self.specimen)) > 1:
            return "specimen", np.unique(self.specimen, return_inverse=True)[1]
        return "micrograph", np.unique(self.image, return_inverse=True)[1]


def measured(
    tiles: list[xr.Dataset], phases: Phases | None, plugins: Sequence[str] | None = None
) -> tuple[Sample, Sample]:
    """Measure tiles of real and generated micrographs alike; feature spaces are still empty."""
    statistics = measure_statistics(*tiles, phases=phases, plugins=plugins)
    names = [
        name
        for name in descriptor_names(statistics[0], "px")
        if any(np.isfinite(one[name].values).any() for one in statistics)
    ]
    real, gen = (_sample(t, s, names) for t, s in zip(tiles, statistics, strict=True))
    return real, gen


def _sample(tiles: xr.Dataset, statistics: xr.Dataset, names: list[str]) -> Sample:
    two_point = statistics["two_point"].values.reshape(len(statistics["sample"]), -1).astype(float)
    quantities = {"two_point": two_point} | {name: statistics[name].values for name in names}
    return Sample(
        tiles["micrograph"].values,
        tiles["condition"].values.astype(str),
        tiles["specimen"].values.astype(str),
        tiles["image"].values,
        quantities,
        {name: str(statistics[name].attrs["units"]) for name in quantities},
        {},
        statistics.sizes["dx"] // 2,
    )


def chosen(condition: np.ndarray, common: list[str], limit: int, rng: np.random.Generator) -> np.ndarray:
    """Rows of common conditions, at most ``limit``, as many of each condition as that allows; ascending.

    >>> chosen(np.array(["a"] * 5 + ["b"] * 2 + ["c"]), ["a", "b"], 4, np.random.default_rng(0)).tolist()[2:]
    [5, 6]
    """
    place = np.full(len(condition), np.inf)
    for name in common:
        rows = rng.permutation(np.flatnonzero(condition == name))
        place[rows] = np.arange(len(rows))
    order = np.argsort(place, kind="stable")[:limit]
    return np.sort(order[np.isfinite(place[order])])


def halves(groups: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows of two random halves that share no group, as even in size as the order of drawing allows."""
    found: tuple[list[int], list[int]] = ([], [])
    for group in rng.permutation(np.unique(groups)):
        found[len(found[1]) < len(found[0])].extend(np.flatnonzero(groups == group))
    return np.array(found[0], int), np.array(found[1], int)
