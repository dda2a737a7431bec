"""From grey levels to phases: thresholds, PyMKS's soft states, and a pixel classifier learned from labels."""

from .classifier import PixelClassifier
from .states import one_hot
from .transformer import BACKGROUND, CLASSIFIER, METHODS, WINDOW, Phases, segment

__all__ = [
    "BACKGROUND",
    "CLASSIFIER",
    "METHODS",
    "WINDOW",
    "Phases",
    "PixelClassifier",
    "one_hot",
    "segment",
]
