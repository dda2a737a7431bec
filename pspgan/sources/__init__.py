"""Micrographs that nobody generated: UHCSDB, any table with images, simulated steel, and plugins."""

from typing import Any

from . import heat_treatment, labelled, table, uhcsdb
from .imaging import ImageError
from .plugged import SOURCES, InstalledSource
from .rows import SourceError
from .summary import describe
from .tiles import Tiling

__all__ = [
    "SOURCES",
    "ImageError",
    "InstalledSource",
    "SourceError",
    "Tiling",
    "describe",
    "heat_treatment",
    "labelled",
    "table",
    "uhcsdb",
]


def __getattr__(name: str) -> Any:
    # Asked as well for each module here that has not been imported yet.
    if name.startswith("_") or name in SOURCES.own or name not in SOURCES.found():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return InstalledSource.named(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *SOURCES.offered()})
