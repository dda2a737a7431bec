"""Training: an ensemble in, a run out."""

from .batches import TrainingDataError
from .config import PRESETS, ConfigError, TrainingConfig, check_keys, make_config
from .distributed import PeerError
from .estimate import TrainingEstimate, estimate_training
from .guard import TrainingError
from .interrupt import TrainingInterrupted
from .loop import train
from .run import Run

__all__ = [
    "PRESETS",
    "ConfigError",
    "PeerError",
    "Run",
    "TrainingConfig",
    "TrainingDataError",
    "TrainingError",
    "TrainingEstimate",
    "TrainingInterrupted",
    "check_keys",
    "estimate_training",
    "make_config",
    "train",
]
