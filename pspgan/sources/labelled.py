"""Micrographs whose pixels have labels: images, label images of the same names, and a table of specimens."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from .image_folder import ImageFolder
from .imaging import ImageError, read_grey
from .rows import Row, SourceError, read_table
from .summary import some

__all__ = ["LabelledMicrographs", "read"]


@dataclass(frozen=True)
class LabelledMicrographs:
    """Micrographs whose pixels have labels.

    Attributes:
        images: file names.
        micrographs: grey levels, (y, x) uint8 each.
        labels: class index of every pixel, 255 where there is none, (y, x) uint8 each.
        specimen: of each, what validation must not split; the image's own name where no table says it.
        um_per_px: pixel size of each, in um; NaN where unknown.
    """

    images: tuple[str, ...]
    micrographs: tuple[np.ndarray, ...]
    labels: tuple[np.ndarray, ...]
    specimen: tuple[str, ...]
    um_per_px: tuple[float, ...]


def read(
    images: str | os.PathLike[str],
    labels: str | os.PathLike[str],
    *,
    table: str | os.PathLike[str] | None = None,
    image_column: str = "image",
    specimen: str | None = None,
    um_per_px: float | str | None = None,
) -> LabelledMicrographs:
    """Read micrographs that have a label image.

    Args:
        images: folder of micrographs.
        labels: folder of label images, 8 bits without colour, each of the name of its micrograph, whatever
            the suffix. Micrographs without one are left out.
        table: CSV or XLSX with a row a micrograph.
        image_column: its column that names the micrograph, with or without suffix.
        specimen: its column of the physical sample; without it every micrograph counts as one.
        um_per_px: pixel size in um: a number, a column, or the quotient of two, ``"bar_um/bar_px"``.

    Raises:
        FileNotFoundError: a folder or the table is not there.
        ImageError: an image cannot be used; the message names the file.
        SourceError: a label image has no micrograph, or a row or column is missing.
    """
    micrograph_of = _by_stem(Path(images))
    label_of = _by_stem(Path(labels))
    if not label_of:
        raise SourceError(f"{labels} holds no label image")
    alone = [path.name for stem, path in label_of.items() if stem not in micrograph_of]
    if alone:
        raise SourceError(f"{labels}: {some(alone)} of no micrograph in {images}; names must agree")
    if table is None and (specimen is not None or isinstance(um_per_px, str)):
        raise SourceError(f'"{specimen or um_per_px}" names a column; say of which table (--table FILE)')
    paths = [micrograph_of[stem] for stem in label_of]
    rows = [None] * len(paths)
    if table is not None:
        used = [column for column in (image_column, specimen) if column is not None]
        used += um_per_px.split("/") if isinstance(um_per_px, str) else []
        rows = _rows(Path(table), image_column, used, paths)
    grey = tuple(read_grey(path) for path in paths)
    truth = tuple(_read_label(path) for path in label_of.values())
    for path, image, label in zip(label_of.values(), grey, truth, strict=True):
        if image.shape != label.shape:
            raise ImageError(f"{path} is {label.shape}, but its micrograph {image.shape}, (y, x)")
    names = tuple(path.name for path in paths)
    return LabelledMicrographs(
        names,
        grey,
        truth,
        tuple(_specimen(row, specimen) for row in rows) if specimen else names,
        tuple(_pixel_size(row, um_per_px) for row in rows),
    )


def _by_stem(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in ImageFolder(folder).files:
        if path.stem in found:
            raise SourceError(f"{path} and {found[path.stem]} have one name; move one elsewhere")
        found[path.stem] = path
    return found


def _read_label(path: Path) -> np.ndarray:
    """Values of a label image as they are stored: indices, also those into a palette."""
    try:
        with Image.open(path) as image:
            if image.mode not in ("L", "P"):
                raise ImageError(
                    f"{path} is of mode {image.mode}; a label image has 8 bits without colour (mode L or P), "
                    "an index a class, 255 unlabelled"
                )
            return np.array(image)
    except (UnidentifiedImageError, OSError) as error:
        raise ImageError(f"{path} cannot be read: {error}") from None


def _rows(table: Path, image_column: str, columns: Sequence[str], paths: Sequence[Path]) -> list[Row]:
    rows = read_table(table)
    rows.require(columns)
    by_stem: dict[str, Row] = {}
    for row in rows.rows:
        by_stem.setdefault(Path(row[image_column].replace("\\", "/")).stem, row)
    missing = [path.name for path in paths if path.stem not in by_stem]
    if missing:
        raise SourceError(
            f'{table} has no row for {some(missing)}: none whose "{image_column}" is that name; '
            "choose the column (--image COLUMN)"
        )
    return [by_stem[path.stem] for path in paths]


def _specimen(row: Row, column: str) -> str:
    if not row[column]:
        raise SourceError(f"{row.place}: {column} is blank; images are kept together by it, so fill it in")
    return row[column]


def _pixel_size(row: Row | None, given: float | str | None) -> float:
    if given is None:
        return math.nan
    if not isinstance(given, str):
        return float(given)
    numbers = [row.number(column) for column in given.split("/")]
    if len(numbers) > 2:
        raise SourceError(f'um_per_px "{given}" is neither a column nor the quotient of two')
    if None in numbers or not all(number > 0 for number in numbers):
        return math.nan
    return numbers[0] / numbers[1] if len(numbers) == 2 else numbers[0]
