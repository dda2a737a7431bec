"""The Ultrahigh Carbon Steel micrograph DataBase (UHCSDB) as an ensemble.

Its metadata come as an SQLite database or as a CSV table, its micrographs as ``micrograph<ID>.tif`` or
``.png`` with or without the instrument bar, or as ``Croppedmicrograph<ID>.png`` in one folder a class. What
counts are the rows of the seven published microconstituents (961) that have annealing temperature, time and
cooling (598).

B. DeCost et al., Integrating Materials and Manufacturing Innovation 6, 197-205 (2017), doi
10.1007/s40192-017-0097-0.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import xarray as xr

from .. import __version__
from ..ensemble import build
from ..process import ConditionError, ProcessCondition, ProcessSpace
from . import imaging
from .rows import Row, Rows, SourceError, read_sqlite, read_table
from .summary import left_out_lines
from .tiles import Tiling, take

__all__ = ["ATTRIBUTION", "COOLING", "LICENCE", "MICROCONSTITUENTS", "read"]

METADATA = ("microstructures.sqlite", "uhcs-metadata.csv")  # looked for in this order
FRAME = (522, 645)  # rows and columns of an original file; the instrument bar fills its last 38 rows
BAR = 38
#: Labels of the primary microconstituent.
MICROCONSTITUENTS = (
    "spheroidite",
    "network",
    "pearlite",
    "pearlite+spheroidite",
    "spheroidite+widmanstatten",
    "martensite",
    "pearlite+widmanstatten",
)
#: Spelling of a cooling in the database -> level of the factor.
COOLING = {"Q": "Q", "WQ": "Q", "WQ-2C": "Q", "WC": "Q", "FC": "FC", "AR": "AR", "650-1H": "650-1H"}
LICENCE = "CC BY 3.0 US"  #: of the micrographs; stores carry it
#: Whom to name, and what to cite; stores carry it.
ATTRIBUTION = (
    "Hecht, DeCost, Francis, Holm, Picard, Webler: Ultrahigh Carbon Steel Micrographs, hdl 11256/940; "
    "described in DeCost et al., Integrating Materials and Manufacturing Innovation 6, 197-205 (2017), "
    "doi 10.1007/s40192-017-0097-0"
)

_MINUTES = {"M": 1.0, "H": 60.0}
_MICROMETRES = {"nm": 1e-3, "um": 1.0, "µm": 1.0, "μm": 1.0, "mm": 1e3}
_TABLES = {
    "micrograph": (
        "micrograph_id",
        "micron_bar",
        "micron_bar_units",
        "micron_bar_px",
        "primary_microconstituent",
        "sample_key",
    ),
    "sample": (
        "sample_id",
        "anneal_time",
        "anneal_time_unit",
        "anneal_temperature",
        "anneal_temp_unit",
        "cool_method",
    ),
}
_COLUMNS = tuple(column for columns in _TABLES.values() for column in columns if column != "sample_key")
_QUERY = f"SELECT {', '.join(_COLUMNS)} FROM micrograph LEFT JOIN sample ON sample_key = sample_id"
_NAME = re.compile(r"(?:cropped)?micrograph([0-9]+)", re.IGNORECASE)


def read(
    folder: str | os.PathLike[str],
    metadata: str | os.PathLike[str] | None = None,
    *,
    bar: int = BAR,
    map: Mapping[str, Mapping[str, str]] | None = None,
    crop: tuple[int, int] | None = None,
    tile: Tiling | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Read UHCSDB as an ensemble of origin ``"real"``, sorted by micrograph, its images lazy.

    Rows without an image, images without a row and images without annealing data are left out, counted and
    listed: `pspgan.sources.describe` tells of them, ``attrs["provenance"]`` keeps the lists.

    Args:
        folder: holds the images: directly, in ``micrographs/``, or as ``Croppedmicrograph<ID>`` in one folder
            a class.
        metadata: an SQLite database, or a ``.csv``; where None, ``microstructures.sqlite`` or
            ``uhcs-metadata.csv`` in ``folder``.
        bar: rows cut off the bottom of images that still have the instrument bar (those of 645 x 522 px).
        map: further spellings, ``{"cooling": {"OQ": "Q"}}``.
        crop: rows and columns to keep of each image, from the upper left corner; everything where None.
        tile: cut images into tiles, at its pixel size if it has one; those that have none are left out.
            Several pixel sizes become the last factor, ``pixel_size``.
        progress: show a bar on a terminal.

    Returns:
        A lazy dataset in the process space of the paper; the specimen is UHCSDB's ``sample_id``.

    Raises:
        FileNotFoundError: the folder or the metadata are not there.
        SourceError: a table, column or value that cannot be used, or nothing to import.
        ImageError: a damaged image, or one of another size than the others.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder")
    spellings = COOLING | _spellings(map or {})
    table_path = _find_metadata(folder) if metadata is None else Path(metadata)
    rows = _by_id(_read_metadata(table_path))
    left_out: dict[str, list[str]] = {}
    images = _find_images(folder, left_out)
    space = ProcessSpace.uhcsdb()
    entries = _select(rows, images, space, spellings, left_out)
    if not entries:
        told = "; ".join(left_out_lines(left_out))
        raise SourceError(f"{folder} and {table_path}: nothing to import ({told or 'no image found'})")
    files = [entry.image for entry in entries]
    bars = [bar if imaging.size(file) == FRAME else 0 for file in files]
    taken = take(
        files,
        [_NAME.fullmatch(file.stem)[1] for file in files],
        [entry.um_per_px for entry in entries],
        tile,
        left_out,
        bar=bars,
        crop=crop,
        progress=progress,
    )
    cut = sum(height > 0 for height in bars)
    entries = taken.of_each(entries)
    space, conditions = taken.placed(space, [entry.condition.values for entry in entries])
    return build(
        taken.micrograph,
        conditions,
        space,
        origin="real",
        specimen=[entry.specimen for entry in entries],
        um_per_px=taken.um_per_px,
        microconstituent=[entry.microconstituent for entry in entries],
        image=[entry.image.relative_to(folder).as_posix() for entry in entries],
        offset=taken.offset,
        provenance={
            "pspgan": __version__,
            "source": str(table_path),
            "source_sha256": hashlib.sha256(table_path.read_bytes()).hexdigest(),
            "images": str(folder),
            "images_sha256": taken.sha256,
            "tile": tile and asdict(tile),
            "notes": [f"instrument bar of {bar} rows cut off {cut} of {len(files)}"] * bool(cut)
            + taken.notes,
            "left_out": left_out,
        },
        licence=LICENCE,
        attribution=ATTRIBUTION,
    )


@dataclass(frozen=True)
class _Entry:
    """One micrograph to import."""

    image: Path
    condition: ProcessCondition
    specimen: str
    um_per_px: float
    microconstituent: str


def _spellings(map: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    for factor in map:
        if factor != "cooling":
            raise SourceError(f"map {factor}: of UHCSDB only cooling can be mapped (--map cooling:OQ=Q)")
    known = sorted(set(COOLING.values()))
    for spelling, level in map.get("cooling", {}).items():
        if level not in known:
            raise SourceError(f'map cooling:{spelling}={level}: "{level}" is none of {", ".join(known)}')
    return dict(map.get("cooling", {}))


def _find_metadata(folder: Path) -> Path:
    for name in METADATA:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(
        f"{folder} holds neither {' nor '.join(METADATA)}; say where the metadata are (--metadata FILE)"
    )


def _read_metadata(path: Path) -> Rows:
    if path.suffix.lower() == ".csv":
        rows = read_table(path)
        rows.require(_COLUMNS)
        return rows
    return read_sqlite(path, _TABLES, _QUERY, "micrograph_id", "micrograph")


def _by_id(rows: Rows) -> dict[int, Row]:
    found: dict[int, Row] = {}
    for row in rows.rows:
        number = row.number("micrograph_id")
        if number is None or number != int(number):
            raise SourceError(f'{row.place}: micrograph_id "{row["micrograph_id"]}" is no whole number')
        if int(number) in found:
            first = found[int(number)].place
            raise SourceError(
                f"{row.place}: micrograph {int(number)} has a row already ({first}); remove one"
            )
        found[int(number)] = row
    return found


def _find_images(folder: Path, left_out: dict[str, list[str]]) -> dict[int, Path]:
    """Images by micrograph_id; where one has several files the first found counts."""
    places = [folder / "micrographs", folder]
    candidates = [path for place in places if place.is_dir() for path in sorted(place.iterdir())]
    for place in places:
        candidates += sorted(place.glob("*/[Cc]roppedmicrograph*"))
    found: dict[int, Path] = {}
    for path in dict.fromkeys(candidates):
        if path.suffix.lower() not in imaging.SUFFIXES or not path.is_file():
            continue
        match, name = _NAME.fullmatch(path.stem), path.relative_to(folder).as_posix()
        if match is None:
            left_out.setdefault("image not named micrograph<ID>", []).append(name)
        elif int(match[1]) in found:
            left_out.setdefault("second file of a micrograph", []).append(name)
        else:
            found[int(match[1])] = path
    return found


def _select(
    rows: Mapping[int, Row],
    images: Mapping[int, Path],
    space: ProcessSpace,
    spellings: Mapping[str, str],
    left_out: dict[str, list[str]],
) -> list[_Entry]:
    """Rows and images that belong together, by micrograph_id; all others go to ``left_out``."""
    entries = []
    for number in sorted(rows.keys() | images.keys()):
        row, image = rows.get(number), images.get(number)
        if row is None:
            left_out.setdefault("image without a row in the metadata", []).append(str(number))
            continue
        published = row["primary_microconstituent"] in MICROCONSTITUENTS
        annealed = all(row[name] for name in ("anneal_temperature", "anneal_time", "cool_method"))
        if image is None:
            if published and annealed:
                left_out.setdefault("row without an image", []).append(str(number))
        elif not annealed:
            left_out.setdefault("image without annealing data", []).append(str(number))
        elif not published:
            left_out.setdefault("image of none of the published microconstituents", []).append(str(number))
        else:
            entries.append(_entry(row, image, space, spellings))
    return entries


def _entry(row: Row, image: Path, space: ProcessSpace, spellings: Mapping[str, str]) -> _Entry:
    minutes = _MINUTES.get(row["anneal_time_unit"])
    if minutes is None:
        raise SourceError(
            f'{row.place}: anneal_time_unit "{row["anneal_time_unit"]}" is neither M (minutes) '
            "nor H (hours); correct the cell"
        )
    if row["anneal_temp_unit"] != "C":
        raise SourceError(
            f'{row.place}: anneal_temp_unit "{row["anneal_temp_unit"]}" is not C; convert the row to degC'
        )
    spelling = row["cool_method"]
    if spelling not in spellings:
        levels = space["cooling"].levels
        raise SourceError(
            f'{row.place}: cooling "{spelling}" is none of {", ".join(spellings)}; '
            f"map it to one of {', '.join(levels)} with --map cooling:{spelling}={levels[0]}"
        )
    specimen = row.number("sample_id")
    if specimen is None:
        raise SourceError(f"{row.place}: sample_id is blank; images are kept together by it, so fill it in")
    values = (row.number("anneal_temperature"), row.number("anneal_time") * minutes, spellings[spelling])
    try:
        condition = space.condition(values)
    except ConditionError as error:
        raise SourceError(
            f"{row.place}: {error}; correct the row, or import the metadata as any other table (import table)"
        ) from None
    return _Entry(image, condition, f"{specimen:g}", _um_per_px(row), row["primary_microconstituent"])


def _um_per_px(row: Row) -> float:
    """Length of the micron bar over its pixels; NaN where either or the unit is unknown or none."""
    length, pixels = row.number("micron_bar"), row.number("micron_bar_px")
    unit = _MICROMETRES.get(row["micron_bar_units"].lower())
    if not length or not pixels or unit is None or length < 0 or pixels < 0:
        return math.nan
    size = length * unit / pixels
    return size if 0 < size < math.inf else math.nan
