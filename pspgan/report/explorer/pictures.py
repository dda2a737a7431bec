"""Micrographs for the explorer: a few of every condition, as many as a page that is mailed can carry."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from ...figures import choose, comparable
from ...process import ProcessCondition
from ...sources.imaging import area_average
from ..blocks import Tile, image_uri
from ..images import tile_of

_WIDEST = 256  # px; larger micrographs are area-averaged where nothing generated says at what pixel to show


def pictures(
    ensembles: Sequence[tuple[xr.Dataset, int]],
    conditions: Sequence[ProcessCondition],
    like: xr.Dataset | None,
    most_bytes: float,
) -> list[dict[str, list[Tile]]]:
    """Micrographs of every condition, in turn, so that all conditions have some before any has many.

    Args:
        ensembles: each with the number of micrographs that a condition is to have, at most.
        conditions: of which.
        like: the ensemble whose pixel size and field they are shown at; None shows them whole.
        most_bytes: at which length of all data URIs to stop.

    Returns:
        For every ensemble, condition -> its tiles.
    """
    every = [
        {str(c): tiles_of(ensemble, choose(ensemble, str(c), count), c.label, like) for c in conditions}
        for ensemble, count in ensembles
    ]
    kept: list[dict[str, list[Tile]]] = [{} for _ in ensembles]
    spent = 0
    for turn in range(max((count for _, count in ensembles), default=0)):
        for of_condition, mine in zip(every, kept, strict=True):
            for name, tiles in of_condition.items():
                if turn < len(tiles) and spent < most_bytes:
                    mine.setdefault(name, []).append(tiles[turn])
                    spent += len(tiles[turn].src)
    return kept


def tiles_of(
    ensemble: xr.Dataset,
    samples: Sequence[int] | np.ndarray,
    label: str,
    like: xr.Dataset | None,
    encode: Callable[[np.ndarray], str] = image_uri,
) -> list[Tile]:
    """Some micrographs of an ensemble, of one condition that is called ``label``."""
    samples = np.asarray(samples)
    if not len(samples):
        return []
    if like is None:
        ratio = -(-max(ensemble.sizes["x"], ensemble.sizes["y"]) // _WIDEST)
        images = area_average(ensemble["micrograph"].isel(sample=samples).values, ratio)
    else:
        ratio = like.attrs.get("reduction", 1) // ensemble.attrs.get("reduction", 1)
        images = comparable(ensemble, samples, like)
    sizes = ensemble["um_per_px"].values[samples] * ratio
    return [
        tile_of(ensemble, sample, image, size, label, encode)
        for sample, image, size in zip(samples.tolist(), images, sizes.tolist(), strict=True)
    ]
