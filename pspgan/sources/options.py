"""How sources are told on a command line which columns, spellings and sizes to use."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

from .rows import as_number
from .tiles import Tiling

SCALES = ("linear", "log", "nominal")


def parse_factors(options: Iterable[str]) -> dict[str, dict[str, str]]:
    """Read factors, ``NAME=COLUMN[:UNIT[:SCALE]]`` or just ``NAME``, into the argument of `table.read`.

    Without ``COLUMN`` it is the column of that name; ``SCALE`` is linear, log, or nominal (numbers that are
    only names).

    Raises:
        ValueError: an option that does not fit, or a factor given twice.

    >>> parse_factors(["time=minutes:min:log", "cooling"])
    {'time': {'column': 'minutes', 'unit': 'min', 'scale': 'log'}, 'cooling': {'column': 'cooling'}}
    """
    factors: dict[str, dict[str, str]] = {}
    for option in options:
        head, equals, rest = option.partition("=")
        parts = (rest if equals else head).split(":")
        column, unit, scale, *more = (part.strip() for part in [*parts, "", ""])
        name = head.split(":")[0].strip()
        if not name or not column or any(more) or name in factors:
            why = "gives a factor again" if name in factors else "is not NAME=COLUMN[:UNIT[:SCALE]]"
            raise ValueError(
                f'factor "{option}" {why}; write for example temperature=anneal_temp:degC:linear'
            )
        if scale and scale not in SCALES:
            raise ValueError(f'factor "{option}": scale "{scale}" is none of {", ".join(SCALES)}')
        said = {"column": column, "unit": unit, "scale": scale}
        factors[name] = {key: value for key, value in said.items() if value}
    return factors


def factor_option(name: str, column: str, unit: str, scale: str) -> str | None:
    """The option that `parse_factors` reads so, quoted for a shell; None where a colon stands in its way.

    >>> factor_option("time", "t (min)", "min", "log")
    "--factor 'time=t (min):min:log'"
    """
    if ":" in column + unit:
        return None
    text = ":".join([name if name == column else f"{name}={column}", unit, scale])
    return f"--factor {shlex.quote(text.rstrip(':'))}"


def parse_map(options: Iterable[str]) -> dict[str, dict[str, str]]:
    """Read ``NAME:SPELLING=LEVEL`` into the argument ``map`` of a source.

    Raises:
        ValueError: an option that does not fit, or a spelling mapped twice.

    >>> parse_map(["cooling:WQX=Q", "cooling:air=AR"])
    {'cooling': {'WQX': 'Q', 'air': 'AR'}}
    """
    spellings: dict[str, dict[str, str]] = {}
    for option in options:
        head, equals, level = option.rpartition("=")
        name, colon, spelling = (part.strip() for part in head.partition(":"))
        if not (equals and colon and name and spelling):
            raise ValueError(f'map "{option}" is not NAME:SPELLING=LEVEL; write for example cooling:WQX=Q')
        if spelling in spellings.get(name, {}):
            raise ValueError(f'map "{option}": {name} "{spelling}" is mapped already')
        spellings.setdefault(name, {})[spelling] = level.strip()
    return spellings


def parse_crop(text: str) -> tuple[int, int]:
    """Read a size as it is written of images, width x height, into (rows, columns).

    Raises:
        ValueError: the text is no size.

    >>> parse_crop("645x481")
    (481, 645)
    """
    match = re.fullmatch(r"\s*([1-9]\d*)\s*[xX×]\s*([1-9]\d*)\s*", text)
    if match is None:
        raise ValueError(f'crop "{text}" is no size; write width x height in pixels, such as 645x481')
    return int(match[2]), int(match[1])


def parse_size(text: str) -> tuple[int, int]:
    """Read the size of fields, one side or width x height, into (rows, columns).

    Raises:
        ValueError: the text is no size.

    >>> parse_size("64"), parse_size("645x481")
    ((64, 64), (481, 645))
    """
    match = re.fullmatch(r"\s*([1-9]\d{0,5})\s*(?:[xX×]\s*([1-9]\d{0,5})\s*)?", text)
    if match is None:
        raise ValueError(f'size "{text}" is no size; write one side or width x height in px, such as 645x481')
    return int(match[2] or match[1]), int(match[1])


def tiling(side: int | None, um_per_px: str | None, enlarge: float) -> Tiling | None:
    """How images are cut into tiles; None where they are not.

    Args:
        side: of a tile, px.
        um_per_px: a pixel size, or several with commas between.
        enlarge: see `Tiling`.

    Raises:
        ValueError: a pixel size without a side, or a value that is none.

    >>> tiling(64, "0.1,0.3,1", 1.0).um_per_px
    (0.1, 0.3, 1.0)
    """
    if side is None:
        if um_per_px is not None:
            raise ValueError(f"tiles of {um_per_px} um/px have no size; say how many px (--tile 256)")
        return None
    if um_per_px is None:
        return Tiling(side, None, enlarge)
    return Tiling(side, parse_pixel_sizes(um_per_px), enlarge)


def parse_pixel_sizes(text: str) -> float | tuple[float, ...]:
    """Read a pixel size in um, or several with commas between.

    Raises:
        ValueError: a part is no number.

    >>> parse_pixel_sizes("0.1"), parse_pixel_sizes("0.1,0.3,1")
    (0.1, (0.1, 0.3, 1.0))
    """
    sizes = [as_number(part.strip()) for part in text.split(",")]
    if None in sizes:
        raise ValueError(f'"{text}" is no pixel size; write one in um, or several: 0.1,0.3,1')
    return tuple(sizes) if len(sizes) > 1 else sizes[0]
