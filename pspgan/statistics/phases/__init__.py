"""From grey levels to phases: thresholds, PyMKS's soft states, and a pixel classifier learned from labels."""

from .classifier import STEPS, PixelClassifier, check_labels
from .states import one_hot
from .transformer import BACKGROUND, CLASSIFIER, METHODS, WINDOW, Phases, phases_of, segment
from .validation import Validation, leave_one_specimen_out

__all__ = [
    "BACKGROUND",
    "CLASSIFIER",
    "METHODS",
    "STEPS",
    "WINDOW",
    "Phases",
    "PixelClassifier",
    "Validation",
    "check_labels",
    "leave_one_specimen_out",
    "one_hot",
    "phases_of",
    "segment",
]
