"""Sections and blocks that show micrographs: real beside generated, and along one factor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import xarray as xr

from ..figures import choose, comparable, conditions_in, seeds_along
from ..figures.style import unit_text
from ..process import Factor, ProcessCondition
from ..scale_bar import scale_bar_um
from .blocks import Comparison, Comparisons, Missing, Section, Side, Strip, Tile, image_uri
from .inputs import Inputs, evenly

MOST = 40  # conditions that are shown; the stores hold the rest

_TILES = 4  # micrographs of a condition on each side
_SEEDS = 3  # rows of the evolution
_BARS = "Scale bars, one for all or one each, where the pixel size is known."


def side_by_side(inputs: Inputs) -> Section:
    """The paper's Fig. 4."""
    section = Section("micrographs", f"{inputs.reference.capitalize()} beside generated micrographs")
    if inputs.generated is None:
        section.blocks.append(
            Missing(
                "No generated ensemble was given. A trained run writes one:",
                f"pspgan generate RUN --conditions observed -n 32 -o {inputs.stores[1]}",
            )
        )
        return section
    conditions = conditions_in(inputs.generated)
    shown = evenly(conditions, MOST)
    height, width = inputs.generated["micrograph"].shape[1:]
    reduction = inputs.generated.attrs.get("reduction", 1)
    caption = (
        f"{inputs.reference.capitalize()} micrographs, then generated ones of the same condition, at the same"
        f" pixel size in source pixels and with the same field, {width} × {height} px."
    )
    if reduction > inputs.real.attrs.get("reduction", 1):
        caption += (
            f" {inputs.reference.capitalize()} micrographs are area-averaged for it, to {reduction} ×"
            f" {reduction} source pixels in one, and cropped around their centre."
        )
    caption += (
        f" {inputs.reference.capitalize()} micrographs are taken in turn from the specimens, generated ones"
        " by ascending seed, none for its looks."
    )
    if np.isfinite(inputs.real["um_per_px"].values).any():
        caption += f" {_BARS}"
    left_out = set(map(str, conditions_in(inputs.real))) - set(map(str, conditions))
    if left_out:
        caption += f" {len(left_out)} {inputs.reference} conditions were not generated."
    if len(shown) < len(conditions):
        caption += f" {len(shown)} of {len(conditions)} generated conditions are shown, chosen evenly."
    rows = [_comparison(inputs, condition) for condition in shown]
    section.blocks.append(Comparisons(rows, caption, _tile_width(inputs.generated)))
    return section


def _tile_width(ensemble: xr.Dataset) -> int:
    """Width of a micrograph on the page, CSS px: small ones are enlarged by a whole factor."""
    width = ensemble.sizes["x"]
    return width * max(round(128 / width), 1) if width <= 128 else 192


def _comparison(inputs: Inputs, condition: ProcessCondition) -> Comparison:
    name = str(condition)
    ensembles = (inputs.real, inputs.generated)
    scale, (real, generated) = _shared([_tiles(inputs, one, name, condition.label) for one in ensembles])
    mine = inputs.real["condition"].values.astype(str) == name
    specimens = np.unique(inputs.real["specimen"].values.astype(str)[mine]).size
    heading = f"{inputs.reference}: {_count(int(mine.sum()), 'micrograph')}, {_count(specimens, 'specimen')}"
    if not real:
        heading = f"{inputs.reference}: no micrograph of this combination"
    sides = (Side(heading, inputs.reference, real), Side("generated", "generated", generated))
    return Comparison(condition.label, name not in inputs.unseen, sides, scale)


def _count(n: int, word: str) -> str:
    return f"{n} {word}{'' if n == 1 else 's'}"


def _tiles(inputs: Inputs, ensemble: xr.Dataset, condition: str, label: str, n: int = _TILES) -> list[Tile]:
    """Up to ``n`` micrographs of a condition."""
    samples = choose(ensemble, condition, n)
    if not len(samples):
        return []
    images = comparable(ensemble, samples, inputs.generated)
    ratio = inputs.generated.attrs.get("reduction", 1) / ensemble.attrs.get("reduction", 1)
    pixels = ensemble["um_per_px"].values[samples] * ratio
    shown = zip(samples.tolist(), images, pixels.tolist(), strict=True)
    return [tile_of(ensemble, sample, image, pixel, label) for sample, image, pixel in shown]


def tile_of(
    ensemble: xr.Dataset,
    sample: int,
    image: np.ndarray,
    um_per_px: float,
    label: str,
    encode: Callable[[np.ndarray], str] = image_uri,
) -> Tile:
    """A micrograph as it is shown, (y, x) uint8, with a scale bar where the size of its pixels is known."""
    if "seed" in ensemble.coords:
        what = f"seed {int(ensemble['seed'].values[sample])}"
    else:
        what = f"specimen {ensemble['specimen'].values[sample]}"
    alt = f"{ensemble.attrs['origin']} micrograph, {label}, {what}"
    if not np.isfinite(um_per_px):
        return Tile(encode(image), alt)
    width = image.shape[1]
    length = scale_bar_um(um_per_px, width)
    field = f"{um_per_px * width:.3g} µm wide"
    scale = round(length / (um_per_px * width), 4), f"{length:g} µm"
    return Tile(encode(image), f"{alt}, field {field}", scale)


def _shared(rows: list[list[Tile | None]]) -> tuple[tuple[float, str] | None, list[list[Tile | None]]]:
    """The scale of micrographs that all have the same, and the micrographs without it; else each its own."""
    scales = {tile.scale for row in rows for tile in row if tile}
    if len(scales) != 1:
        return None, rows
    return scales.pop(), [[tile and replace(tile, scale=None) for tile in row] for row in rows]


def strip(inputs: Inputs, factor: Factor, path: Sequence[ProcessCondition]) -> Strip:
    """Micrographs along a path: the first real one of each condition, and generated ones seed by seed."""
    here = [i for i, condition in enumerate(path) if len(choose(inputs.generated, str(condition), 1))]
    seeds, samples = seeds_along(inputs.generated, [str(path[i]) for i in here], _SEEDS)
    rows = [(inputs.reference, _first_of_each(inputs, inputs.real, path))]
    for seed, row in zip(seeds, samples, strict=True):
        cells: list[Tile | None] = [None] * len(path)
        for i, sample in zip(here, row.tolist(), strict=True):
            one = inputs.generated.isel(sample=sample)
            pixel = float(one["um_per_px"])
            cells[i] = tile_of(inputs.generated, sample, one["micrograph"].values, pixel, path[i].label)
        rows.append((f"seed {seed}", cells))
    if not seeds:
        rows.append(("generated", _first_of_each(inputs, inputs.generated, path)))
    unit = f" {unit_text(factor.unit)}" if factor.unit else ""
    columns = [(factor.format(c[factor.name]) + unit, str(c) in inputs.unseen) for c in path]
    caption = (
        f"Micrographs along {factor.name}, at the same pixel size in source pixels. First row,"
        f" {inputs.reference}; below, generated"
        + (", with the same latent in each row." if seeds else " (no seed occurs in all of the conditions).")
    )
    scale, cells = _shared([cells for _, cells in rows])
    if scale or any(tile and tile.scale for row in cells for tile in row):
        caption += f" {_BARS}"
    rows = [(heading, row) for (heading, _), row in zip(rows, cells, strict=True)]
    return Strip(columns, rows, caption, _tile_width(inputs.generated), scale)


def _first_of_each(
    inputs: Inputs, ensemble: xr.Dataset, path: Sequence[ProcessCondition]
) -> list[Tile | None]:
    first = [_tiles(inputs, ensemble, str(c), c.label, 1) for c in path]
    return [tiles[0] if tiles else None for tiles in first]
