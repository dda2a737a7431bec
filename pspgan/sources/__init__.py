"""Micrographs that nobody generated: UHCSDB, any table with images, and simulated steel."""

from . import heat_treatment, labelled, table, uhcsdb
from .imaging import ImageError
from .rows import SourceError
from .summary import describe
from .tiles import Tiling

__all__ = ["ImageError", "SourceError", "Tiling", "describe", "heat_treatment", "labelled", "table", "uhcsdb"]
