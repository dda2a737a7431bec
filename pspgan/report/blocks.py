"""What a report consists of: sections of blocks (text, tables, panels, micrographs), images as data URIs."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

_WIDE = 7.0  # inches; figures that are wider hold drawings that a column would make too small to read
JPEG_FROM = 128  # px; smaller micrographs are embedded losslessly, larger ones as JPEG


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    kind: str = "text"


@dataclass(frozen=True)
class Items:
    """A bulleted list."""

    items: Sequence[str]
    kind: str = "items"


@dataclass(frozen=True)
class Missing:
    """Why something is left out, and the command that makes it."""

    text: str
    command: str
    kind: str = "missing"


@dataclass(frozen=True)
class Table:
    """A table with a caption; the first column heads its rows, numbers are set to the right."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Any]]
    kind: str = "table"

    @classmethod
    def of(cls, caption: str, frame: pd.DataFrame) -> Table:
        """The columns of a DataFrame, without its index."""
        return cls(caption, [str(c) for c in frame.columns], frame.to_numpy(dtype=object).tolist())


@dataclass(frozen=True)
class Preformatted:
    """Text whose line breaks and spaces count."""

    caption: str
    text: str
    kind: str = "preformatted"


@dataclass(frozen=True)
class Panel:
    """One picture with what is seen in it; a ``wide`` one has a row of its own."""

    src: str
    alt: str
    title: str = ""
    wide: bool = False

    @classmethod
    def of(cls, figure: Figure, alt: str, title: str = "") -> Panel:
        """A matplotlib figure; one of several drawings side by side is wide."""
        return cls(svg_uri(figure), alt, title, figure.get_figwidth() > _WIDE)


@dataclass(frozen=True)
class Panels:
    """Pictures side by side where the page is wide enough, with one caption for all."""

    panels: Sequence[Panel]
    caption: str
    kind: str = "panels"


@dataclass(frozen=True)
class Tile:
    """One micrograph: its image and what it is; ``scale`` is (length in tile widths, text) under it."""

    src: str
    alt: str
    scale: tuple[float, str] | None = None


@dataclass(frozen=True)
class Side:
    """Micrographs of one origin in a comparison."""

    name: str
    origin: str
    tiles: Sequence[Tile]


@dataclass(frozen=True)
class Comparison:
    """Micrographs of one condition, sides next to each other; ``scale`` is that of all of them."""

    condition: str
    observed: bool
    sides: Sequence[Side]
    scale: tuple[float, str] | None = None


@dataclass(frozen=True)
class Comparisons:
    """Comparisons below each other with one caption; ``width`` is that of a micrograph, in CSS px."""

    rows: Sequence[Comparison]
    caption: str
    width: int
    kind: str = "comparisons"


@dataclass(frozen=True)
class Strip:
    """Micrographs in a grid: (heading, is unseen) a column, (heading, tiles) a row, a tile or None a cell.

    ``scale`` is that of all of them.
    """

    columns: Sequence[tuple[str, bool]]
    rows: Sequence[tuple[str, Sequence[Tile | None]]]
    caption: str
    width: int
    scale: tuple[float, str] | None = None
    kind: str = "strip"


@dataclass(frozen=True)
class Fold:
    """Blocks that the reader opens with a click."""

    summary: str
    blocks: Sequence[Any]
    kind: str = "fold"


@dataclass
class Section:
    """A chapter of the report."""

    id: str
    title: str
    blocks: list[Any] = field(default_factory=list)


def svg_uri(figure: Figure) -> str:
    """A figure as SVG in a data URI; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "pspgan"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def image_uri(grey: np.ndarray) -> str:
    """A micrograph, (y, x) uint8, as PNG in a data URI, or as JPEG of quality 85 where it is large."""
    if max(grey.shape) < JPEG_FROM:
        return png_uri(grey)
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(grey)).save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def png_uri(grey: np.ndarray) -> str:
    """A micrograph, (y, x) uint8, as PNG in a data URI: every grey level is kept."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(grey)).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def number(value: Any) -> str:
    """A table cell as text: three significant digits, a dash for what is missing."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return str(value)
    if isinstance(value, float | np.floating):
        if math.isnan(value):
            return "–"
        return np.format_float_positional(value, 3, unique=False, fractional=False, trim="-").replace(
            "-", "−"
        )
    return str(value)


def is_number(value: Any) -> bool:
    """Whether a table cell holds a number, and is set to the right."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)
