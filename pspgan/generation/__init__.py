"""A trained run becomes ensembles: load its generator, ask it for micrographs, write them to a store."""

from ..networks import CheckpointError
from .estimate import GenerationEstimate, estimate_generation
from .generating import generate
from .loading import load
from .model import Model, latents

__all__ = [
    "CheckpointError",
    "GenerationEstimate",
    "Model",
    "estimate_generation",
    "generate",
    "latents",
    "load",
]
