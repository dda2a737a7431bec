"""Any table of micrographs and any folder of images as an ensemble, columns mapped by name.

`pspgan.sources.options` reads the arguments off a command line: ``--factor temperature=anneal_temp:degC``,
``--map cooling:WQX=Q``.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import xarray as xr

from .. import __version__
from ..ensemble import build
from ..process import ProcessSpace, Value
from .image_folder import ImageFolder
from .options import SCALES
from .rows import Row, Rows, SourceError, as_number, read_table
from .summary import left_out_lines
from .tiles import Tiling, take

_RESERVED = (
    "sample",
    "y",
    "x",
    "micrograph",
    "phase",
    "condition",
    "specimen",
    "um_per_px",
    "microconstituent",
    "image",
    "offset_y",
    "offset_x",
    "split",
    "seed",
    "observed",
    "statistics",
)


_ABSOLUTE_ZERO = {"degC": -273.15, "°C": -273.15, "C": -273.15, "K": 0.0, "degF": -459.67}

_NO_SPECIMEN = (
    "no specimen column: every image counts as a specimen of its own, "
    "so scores cannot be grouped by physical sample"
)


def read(
    table: str | os.PathLike,
    images: str | os.PathLike,
    *,
    columns: Mapping[str, str],
    image_column: str | None = None,
    specimen: str | None = None,
    um_per_px: float | str | None = None,
    microconstituent: str | None = None,
    units: Mapping[str, str] | None = None,
    scales: Mapping[str, str] | None = None,
    map: Mapping[str, Mapping[str, str]] | None = None,
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
    counted and listed: `pspgan.sources.describe` tells of them, ``attrs["provenance"]`` keeps the lists.

    Args:
        table: ``.csv`` (comma, semicolon or tab) or ``.xlsx`` (first sheet); the first row names the columns.
        images: folder that holds the images, at any depth.
        columns: factor name -> column, in the order of the notation.
        image_column: column that names each row's image (a path in ``images``, a file name, or one without
            suffix); where None, the one column that does so in the most rows.
        specimen: column of the physical sample; where None every image counts as one, with a warning.
        um_per_px: pixel size in micrometre, one for all or a column; unknown where None or blank.
        microconstituent: column of labels.
        units: factor -> unit, e.g. ``{"temperature": "degC"}``; the factor's column must then hold numbers.
        scales: factor -> ``"linear"`` (default), ``"log"``, or ``"nominal"`` for numbers that are only names.
        map: factor -> {spelling: level}, applied before a cell is read; a blank level leaves the row out.
        bar: rows of the instrument bar, cut off the bottom of every image.
        crop: rows and columns to keep of each image, from the upper left corner; everything where None.
        tile: cut images into tiles, at one pixel size if it has one; those that have none are left out.
        white: grey level of images of 16 bits that becomes 255, e.g. 4095 of a camera of 12 bits; 65535 where
            None.
        licence, attribution: of the images, shown wherever they are.
        progress: show a bar on a terminal.

    Raises:
        FileNotFoundError: the table or the folder is not there.
        SourceError: a column is missing, a value cannot be used, or there is nothing to import.
        ImageError: a damaged image, or one of another size than the others.
    """
    path = Path(table)
    units, scales, spellings = dict(units or {}), dict(scales or {}), dict(map or {})
    _check_factors(columns, units, scales, spellings)
    rows = read_table(path)
    needed = (*columns.values(), image_column, specimen, um_per_px, microconstituent)
    rows.require(column for column in needed if isinstance(column, str))
    folder = ImageFolder(Path(images))
    if not rows.rows:
        raise SourceError(f"{path}: nothing to import (the table has no rows)")
    image_column = image_column or _image_column(rows, folder)
    left_out: dict[str, list[str]] = {}
    kept, files = _choose(rows, folder, image_column, columns, spellings, left_out)
    values = {
        name: _values(kept, name, column, spellings.get(name, {}), units.get(name, ""), scales.get(name, ""))
        for name, column in columns.items()
    }
    axes = {name: scale for name, scale in scales.items() if scale != "nominal"}
    notes = [] if specimen else [_NO_SPECIMEN]
    if not specimen:
        warnings.warn(f"{path}: {_NO_SPECIMEN} (--specimen COLUMN)", stacklevel=2)
    names = [folder.name(file) for file in files]
    specimens = _specimens(kept, specimen) if specimen else names
    sizes = [_pixel_size(row, um_per_px) for row in kept]
    bars = [bar] * len(files)
    taken = take(files, names, sizes, tile, left_out, bar=bars, crop=crop, white=white, progress=progress)
    values = {name: taken.of_each(column) for name, column in values.items()}
    return build(
        taken.micrograph,
        [list(point) for point in zip(*values.values(), strict=True)],
        ProcessSpace.infer(values, units, axes),
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
            "columns": {**columns, "image": image_column, "specimen": specimen},
            "notes": notes + taken.notes,
            "left_out": left_out,
        },
        licence=licence,
        attribution=attribution,
    )


def _check_factors(
    columns: Mapping[str, str],
    units: Mapping[str, str],
    scales: Mapping[str, str],
    spellings: Mapping[str, Mapping[str, str]],
) -> None:
    if not columns:
        raise SourceError(
            "no factor given: say which columns hold the processing (--factor temperature=COLUMN:degC)"
        )
    for name in columns:
        if name in _RESERVED:
            raise SourceError(f'factor "{name}": ensembles use that name for something else; choose another')
    for what, given in (("units", units), ("scales", scales), ("map", spellings)):
        for name in given:
            if name not in columns:
                raise SourceError(f'{what}: "{name}" is none of the factors {", ".join(columns)}')
    for name, scale in scales.items():
        if scale not in SCALES:
            raise SourceError(f'factor {name}: scale "{scale}" is none of {", ".join(SCALES)}')
        if scale == "nominal" and name in units:
            raise SourceError(f'factor {name} is nominal and cannot have the unit "{units[name]}"')


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


def _choose(
    rows: Rows,
    folder: ImageFolder,
    image_column: str,
    columns: Mapping[str, str],
    spellings: Mapping[str, Mapping[str, str]],
    left_out: dict[str, list[str]],
) -> tuple[list[Row], list[Path]]:
    """Rows and their images; rows and images that lack something go to ``left_out``.

    Raises:
        SourceError: a cell may mean several images, two rows mean one, or no row has everything.
    """
    chosen: list[tuple[Row, Path]] = []
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
        for name, column in columns.items():
            if not _spelled(row[column], spellings.get(name, {})):
                left_out.setdefault(f"row where {name} is blank", []).append(row.name)
                break
        else:
            chosen.append((row, files[0]))
    unused = [folder.name(file) for file in folder.files if file not in used]
    if unused:
        left_out["image without a row"] = unused
    if not chosen:
        told = "; ".join(left_out_lines(left_out))
        raise SourceError(f"{rows.file} and {folder.folder}: nothing to import ({told})")
    kept, files = zip(*chosen, strict=True)
    return list(kept), list(files)


def _spelled(cell: str, spellings: Mapping[str, str]) -> str:
    return str(spellings.get(cell, cell)).strip()


def _values(
    rows: Sequence[Row], name: str, column: str, spellings: Mapping[str, str], unit: str, scale: str
) -> list[Value]:
    """Numbers or names of one factor, one a row.

    Raises:
        SourceError: numbers and other text are mixed, a number cannot lie on the factor's axis, or two names
            differ only in case.
    """
    texts = [_spelled(row[column], spellings) for row in rows]
    numbers = [as_number(text) for text in texts]
    if scale == "nominal" or not (unit or scale or any(number is not None for number in numbers)):
        _check_names(rows, name, texts)
        return texts
    for row, text, number in zip(rows, texts, numbers, strict=True):
        if number is None:
            names = "" if unit or scale else f"; if these are names, --factor {name}={column}::nominal"
            raise SourceError(
                f'{row.place}: {name} "{text}" is not a number; correct the cell or map it with '
                f"--map {name}:{text}=NUMBER{names}"
            )
        if number < _ABSOLUTE_ZERO.get(unit, -np.inf):
            raise SourceError(
                f"{row.place}: {name} {number:g} {unit} lies below absolute zero; correct the cell or unit"
            )
        if scale == "log" and number <= 0:
            raise SourceError(
                f"{row.place}: {name} {number:g} cannot lie on a log axis; correct the cell, or choose "
                f"another axis (--factor {name}={column}:{unit}:linear)"
            )
    return numbers


def _check_names(rows: Sequence[Row], name: str, texts: Sequence[str]) -> None:
    first: dict[str, str] = {}
    for row, text in zip(rows, texts, strict=True):
        other = first.setdefault(text.casefold(), text)
        if other != text:
            raise SourceError(
                f'{row.place}: {name} "{text}" and "{other}" differ only in case, which conditions ignore; '
                f"map it with --map {name}:{text}={other}"
            )


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
