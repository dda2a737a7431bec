"""Training: an ensemble in, a run out."""

from .batches import TrainingDataError
from .config import PRESETS, ConfigError, TrainingConfig, check_keys, make_config
from .loop import TrainingError, train
from .state import Run

__all__ = [
    "PRESETS",
    "ConfigError",
    "Run",
    "TrainingConfig",
    "TrainingDataError",
    "TrainingError",
    "check_keys",
    "make_config",
    "train",
]
