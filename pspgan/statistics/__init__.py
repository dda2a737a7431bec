"""What micrographs look like, in numbers: phases, two-point statistics and descriptors of ensembles."""

from .descriptors import DESCRIPTORS, descriptors
from .measure import StatisticsError, common_settings, measure_statistics
from .phases import Phases, PixelClassifier, one_hot, segment
from .store import check_comparable, compute_statistics, open_statistics, settings_of
from .two_point import radial_average, two_point_statistics

__all__ = [
    "DESCRIPTORS",
    "Phases",
    "PixelClassifier",
    "StatisticsError",
    "check_comparable",
    "common_settings",
    "compute_statistics",
    "descriptors",
    "measure_statistics",
    "one_hot",
    "open_statistics",
    "radial_average",
    "segment",
    "settings_of",
    "two_point_statistics",
]
