"""Operators of training that are worth fusing, each with a reference in plain PyTorch.

`impl` chooses: "reference" is the readable definition in `reference.py`; "native" the compiled one, an
error where it is not there; "auto" the compiled one where it is there and takes the arguments.
"""

from ._native import NativeStatus, native_status
from .diff_augment import DiffAugmentDraws, diff_augment, draw_diff_augment
from .omni_loss import omni_loss

__all__ = [
    "DiffAugmentDraws",
    "NativeStatus",
    "diff_augment",
    "draw_diff_augment",
    "native_status",
    "omni_loss",
]
