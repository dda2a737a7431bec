"""Training: an ensemble in, a run out."""

from .config import PRESETS, ConfigError, TrainingConfig, make_config
from .loop import TrainingError, train
from .state import Run

__all__ = ["PRESETS", "ConfigError", "Run", "TrainingConfig", "TrainingError", "make_config", "train"]
