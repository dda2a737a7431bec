"""What micrographs look like, in numbers: phases, two-point statistics and descriptors of ensembles."""

from .descriptors import DESCRIPTORS, descriptors
from .phases import one_hot, segment
from .store import StatisticsError, check_comparable, compute_statistics, open_statistics, settings_of
from .two_point import radial_average, two_point_statistics

__all__ = [
    "DESCRIPTORS",
    "StatisticsError",
    "check_comparable",
    "compute_statistics",
    "descriptors",
    "one_hot",
    "open_statistics",
    "radial_average",
    "segment",
    "settings_of",
    "two_point_statistics",
]
