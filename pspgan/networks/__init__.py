"""Networks: the conditional BigGAN-deep, its layers, and its weights on disk."""

from ..weights import CheckpointError, load_tensors, load_weights, save_weights
from .biggan_deep import RESOLUTIONS, Discriminator, Generator
from .checkpoint import load_published
from .frozen import FrozenGenerator
from .transfer import shared_levels, transfer_tensors

__all__ = [
    "RESOLUTIONS",
    "CheckpointError",
    "Discriminator",
    "FrozenGenerator",
    "Generator",
    "load_published",
    "load_tensors",
    "load_weights",
    "save_weights",
    "shared_levels",
    "transfer_tensors",
]
