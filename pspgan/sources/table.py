"""Any table of micrographs and any folder of images as an ensemble, columns mapped by name."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from .. import __version__
from ..ensemble import build
from ..process import PIXEL_SIZE
from .confirmation import factor_lines
from .factors import TableFactors, given_factors, read_values
from .image_folder import ImageFolder
from .inference import infer_factors
from .rows import Row, Rows, SourceError, read_table
from .summary import left_out_lines
from .tiles import Tiling, take

__all__ = ["read"]

_NO_SPECIMEN = (
    "no specimen column: every image counts as a specimen of its own, "
    "so scores cannot be grouped by physical sample"
)


def read(
    table: str | os.PathLike[str],
    images: str | os.PathLike[str],
    *,
    factors: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    map: Mapping[str, Mapping[str, str]] | None = None,
    image_column: str | None = None,
    specimen: str | None = None,
    um_per_px: float | str | None = None,
    microconstituent: str | None = None,
    bar: int = 0,
    crop: tuple[int, int] | None = None,
    tile: Tiling | None = None,
    white: int | None = None,
    licence: str = "",
    attribution: str = "",
    progress: bool = True,
) -> xr.Dataset:
    """Read a table and its images as an ensemble of origin ``"real"``, in row order, its images lazy.

    The process space is what the rows span: columns of numbers become ordinal factors, columns of names
    nominal ones. Rows without an image, rows with a blank factor and images without a row are left out,
    counted and listed: `pspgan.sources.describe` tells of them and of every factor, ``attrs["provenance"]``
    keeps the lists.

    Args:
        table: ``.csv`` (comma, semicolon or tab) or ``.xlsx`` (first sheet); the first row names the columns.
        images: folder that holds the images, at any depth.
        factors: what was done to the material, in the order of the notation: name -> ``column`` (by default
            the name), ``unit`` (the column must then hold numbers), ``scale`` (``"linear"``, the default,
            ``"log"``, or ``"nominal"`` for numbers that are only names), ``levels`` (all there may be, in the
            order of class indices; by default those that occur, sorted) and ``map`` ({spelling: level}; a
            blank level leaves the row out), all of them optional; or a YAML file of that. Where None, every
            column that can be a factor and has no other role is one, named and with the unit that its header
            says.
        map: factor -> {spelling: level}, further ones, applied before a cell is read.
        image_column: column that names each row's image (a path in ``images``, a file name, or one without
            suffix); where None, the one column that does so in the most rows.
        specimen: column of the physical sample; where None every image counts as one, with a warning.
        um_per_px: pixel size in micrometre, one for all or a column; unknown where None or blank.
        microconstituent: column of labels.
        bar: rows of the instrument bar, cut off the bottom of every image.
        crop: rows and columns to keep of each image, from the upper left corner; everything where None.
        tile: cut images into tiles, at its pixel size if it has one; those that have none are left out.
            Several pixel sizes become the last factor, ``pixel_size``.
        white: grey level of images of 16 bits that becomes 255, e.g. 4095 of a camera of 12 bits; 65535 where
            None.
        licence, attribution: of the images, shown wherever they are.
        progress: show a bar on a terminal.

    Raises:
        FileNotFoundError: the table, the folder or the file of factors is not there.
        SourceError: a column is missing, a value or what is said of a factor cannot be used, or there is
            nothing to import.
        ImageError: a damaged image, or one of another size than the others.
    """
    path = Path(table)
    said = None if factors is None else given_factors(factors).mapped(map or {})
    if tile is not None and tile.makes_factor and said and PIXEL_SIZE in said.columns:
        raise SourceError(
            f"tiles of several pixel sizes make {PIXEL_SIZE} a factor by themselves; leave --factor "
            f"{PIXEL_SIZE} out"
        )
    rows = read_table(path)
    roles = [name for name in (image_column, specimen, um_per_px, microconstituent) if isinstance(name, str)]
    rows.require([*(factor.column for factor in said.columns.values()), *roles] if said else roles)
    folder = ImageFolder(Path(images))
    if not rows.rows:
        raise SourceError(f"{path}: nothing to import (the table has no rows)")
    image_column = image_column or _image_column(rows, folder)
    left_out: dict[str, list[str]] = {}
    found = _with_images(rows, folder, image_column, left_out)
    notes: list[str] = []
    if said is None:
        inferred, notes = infer_factors(rows, [row for row, _ in found], {image_column, *roles}, map or {})
        said = inferred.mapped(map or {})
    kept, files = _without_blanks(rows, folder, found, said, left_out)
    values = {name: read_values(kept, name, said) for name in said.columns}
    if not specimen:
        notes.append(_NO_SPECIMEN)
        warnings.warn(f"{path}: {_NO_SPECIMEN} (--specimen COLUMN)", stacklevel=2)
    names = [folder.name(file) for file in files]
    specimens = _specimens(kept, specimen) if specimen else names
    sizes = [_pixel_size(row, um_per_px) for row in kept]
    bars = [bar] * len(files)
    taken = take(files, names, sizes, tile, left_out, bar=bars, crop=crop, white=white, progress=progress)
    values = {name: taken.of_each(column) for name, column in values.items()}
    points = list(zip(*values.values(), strict=True))
    space, conditions = taken.placed(said.space(values), points)
    return build(
        taken.micrograph,
        conditions,
        space,
        origin="real",
        specimen=taken.of_each(specimens),
        um_per_px=taken.um_per_px,
        microconstituent=taken.of_each([row[microconstituent] for row in kept]) if microconstituent else None,
        image=taken.of_each(names),
        offset=taken.offset,
        provenance={
            "pspgan": __version__,
            "source": str(path),
            "source_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "images": str(folder.folder),
            "images_sha256": taken.sha256,
            "tile": tile and asdict(tile),
            "white": white,
            "columns": {name: factor.column for name, factor in said.columns.items()}
            | {"image": image_column, "specimen": specimen},
            "notes": factor_lines(said, space, values) + notes + taken.notes,
            "left_out": left_out,
        },
        licence=licence,
        attribution=attribution,
    )


def _image_column(rows: Rows, folder: ImageFolder) -> str:
    counts = {name: sum(bool(folder.find(row[name])) for row in rows.rows) for name in rows.columns if name}
    best = max(counts.values(), default=0)
    names = [name for name, count in counts.items() if count == best]
    if not best or len(names) > 1:
        found = (
            f"{', '.join(names)} do equally well" if best else f"no cell names an image in {folder.folder}"
        )
        raise SourceError(
            f"{rows.file}: which column names the images? {found}; say so with --image COLUMN "
            f"(columns: {', '.join(counts)})"
        )
    return names[0]


def _with_images(
    rows: Rows, folder: ImageFolder, image_column: str, left_out: dict[str, list[str]]
) -> list[tuple[Row, Path]]:
    """Rows and their images; rows without one and images without a row go to ``left_out``.

    Raises:
        SourceError: a cell may mean several images, two rows mean one, or no row has an image.
    """
    found: list[tuple[Row, Path]] = []
    used: dict[Path, str] = {}
    for row in rows.rows:
        cell = row[image_column]
        files = folder.find(cell) if cell else []
        if len(files) > 1:
            raise SourceError(
                f'{row.place}: {image_column} "{cell}" may be {files[0]} or {files[1]}; '
                "write its path within the folder"
            )
        if not files:
            left_out.setdefault("row without an image", []).append(f'{row.name} "{cell}"')
            continue
        if files[0] in used:
            raise SourceError(
                f"{row.place}: {files[0]} belongs to {used[files[0]]} already; remove one of the two rows"
            )
        used[files[0]] = row.name
        found.append((row, files[0]))
    unused = [folder.name(file) for file in folder.files if file not in used]
    if unused:
        left_out["image without a row"] = unused
    _check_left(found, rows, folder, left_out)
    return found


def _without_blanks(
    rows: Rows,
    folder: ImageFolder,
    found: Sequence[tuple[Row, Path]],
    factors: TableFactors,
    left_out: dict[str, list[str]],
) -> tuple[list[Row], list[Path]]:
    """Rows in which no factor is blank, and their images; the others go to ``left_out``.

    Raises:
        SourceError: no row has everything.
    """
    kept: list[tuple[Row, Path]] = []
    for row, file in found:
        blank = (name for name, factor in factors.columns.items() if not factor.spelled(row[factor.column]))
        name = next(blank, None)
        if name is None:
            kept.append((row, file))
        else:
            left_out.setdefault(f"row where {name} is blank", []).append(row.name)
    _check_left(kept, rows, folder, left_out)
    chosen, files = zip(*kept, strict=True)
    return list(chosen), list(files)


def _check_left(
    left: Sequence[tuple[Row, Path]], rows: Rows, folder: ImageFolder, left_out: Mapping[str, Sequence[str]]
) -> None:
    if not left:
        told = "; ".join(left_out_lines(left_out))
        raise SourceError(f"{rows.file} and {folder.folder}: nothing to import ({told})")


def _specimens(rows: Sequence[Row], column: str) -> list[str]:
    for row in rows:
        if not row[column]:
            raise SourceError(
                f"{row.place}: {column} is blank; fill in the physical sample of every micrograph"
            )
    return [row[column] for row in rows]


def _pixel_size(row: Row, given: float | str | None) -> float:
    """Of one row's image: a number for all, or what the column says; NaN where unknown."""
    if given is None:
        return np.nan
    if not isinstance(given, str):
        if not 0 < given < np.inf:
            raise SourceError(f"um_per_px {given:g} is no pixel size; leave it out where it is unknown")
        return given
    size = row.number(given)
    if size is not None and size <= 0:
        raise SourceError(
            f"{row.place}: {given} {size:g} is no pixel size; leave the cell blank where it is unknown"
        )
    return np.nan if size is None else size
