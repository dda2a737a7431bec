"""Generated micrographs judged against real ones, always beside real ones judged against each other."""

from .fidelity import evaluate
from .report import Report

__all__ = ["Report", "evaluate"]
