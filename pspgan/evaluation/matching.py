"""Real and generated micrographs brought to the same pixels and the same field, to be compared."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..ensemble import EnsembleError, build, space_of
from ..sources.imaging import area_average

_BLOCK_PIXELS = 2**24  # of source micrographs held at once


def match(*ensembles: xr.Dataset) -> list[xr.Dataset]:
    """Cut ensembles into tiles of one size at one pixel.

    Every ensemble is area-averaged up to the coarsest reduction among them, then cut into tiles of the
    smallest field among them, side by side from the upper left corner; what is left at the borders is
    dropped. Nothing is resampled, so pixels stay what the ensembles say they are.

    Returns:
        One ensemble of tiles each, in memory. Tiles keep condition, specimen and seed, and say in the
        coordinate ``image`` (sample,) int64 which micrograph they were cut from.

    Raises:
        EnsembleError: an ensemble without micrographs, another process space, or a reduction that does not
            divide the coarsest.
    """
    first = space_of(ensembles[0])
    reduction = max(int(ensemble.attrs["reduction"]) for ensemble in ensembles)
    sizes = []
    for i, ensemble in enumerate(ensembles):
        name = ensemble.encoding.get("source", f"ensemble {i + 1}")
        difference = first.difference(space_of(ensemble))
        if difference:
            raise EnsembleError(f"{name} is of another process space: {difference}")
        own = int(ensemble.attrs["reduction"])
        if reduction % own:
            raise EnsembleError(
                f"{name} has reduction {own}, which does not divide {reduction}, the coarsest: their "
                "pixels cannot be made alike; generate or import one of them at a multiple of the other"
            )
        if not ensemble.sizes["sample"]:
            raise EnsembleError(f"{name} holds no micrographs")
        sizes.append([size // (reduction // own) for size in ensemble["micrograph"].shape[1:]])
    field = tuple(min(size[axis] for size in sizes) for axis in (0, 1))
    return [_tiles(ensemble, reduction, field) for ensemble in ensembles]


def reduced(ensemble: xr.Dataset, reduction: int, samples: np.ndarray) -> np.ndarray:
    """Whole micrographs of an ensemble at a reduction that its own divides, (sample, y, x) uint8."""
    factor = reduction // int(ensemble.attrs["reduction"])
    block = max(1, _BLOCK_PIXELS // int(np.prod(ensemble["micrograph"].shape[1:])))
    return np.concatenate(
        [
            area_average(ensemble["micrograph"][samples[start : start + block]].values, factor)
            for start in range(0, len(samples), block)
        ]
    )


def _tiles(ensemble: xr.Dataset, reduction: int, field: tuple[int, int]) -> xr.Dataset:
    factor = reduction // int(ensemble.attrs["reduction"])
    n = ensemble.sizes["sample"]
    tiles = _cut(reduced(ensemble, reduction, np.arange(n)), field)
    image = np.repeat(np.arange(n), len(tiles) // n)
    space = space_of(ensemble)
    column = {
        name: ensemble[name].values[image] for name in ensemble.coords if ensemble[name].dims == ("sample",)
    }
    dataset = build(
        tiles,
        [space.condition(text) for text in column["condition"].tolist()],
        space,
        origin=ensemble.attrs["origin"],
        specimen=column["specimen"].tolist(),
        um_per_px=column["um_per_px"] * factor,
        reduction=reduction,
        seed=column.get("seed"),
        licence=ensemble.attrs.get("licence", ""),
        attribution=ensemble.attrs.get("attribution", ""),
    )
    return dataset.assign_coords(image=("sample", image.astype(np.int64)))


def _cut(micrograph: np.ndarray, field: tuple[int, int]) -> np.ndarray:
    """(sample, y, x) -> (sample * rows * columns, *field), the tiles of a micrograph consecutive."""
    n, rows, columns = len(micrograph), micrograph.shape[1] // field[0], micrograph.shape[2] // field[1]
    whole = micrograph[:, : rows * field[0], : columns * field[1]].reshape(
        n, rows, field[0], columns, field[1]
    )
    return whole.transpose(0, 1, 3, 2, 4).reshape(n * rows * columns, *field)
