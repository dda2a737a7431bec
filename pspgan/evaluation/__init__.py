"""Generated micrographs judged against real ones, always beside real ones judged against each other."""

from .findings import Finding
from .judging import evaluate
from .memorisation import Pair
from .report import Report

__all__ = ["Finding", "Pair", "Report", "evaluate"]
