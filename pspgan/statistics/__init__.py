"""What micrographs look like, in numbers: phases, two-point statistics and descriptors of ensembles."""

from .descriptors import (
    DESCRIPTOR_PLUGINS,
    DESCRIPTORS,
    InstalledDescriptor,
    Particles,
    PluginDescriptor,
    descriptor_names,
    descriptors,
    distributions,
    grain_size_number,
    valid_range,
)
from .measure import StatisticsError, common_settings, measure_statistics
from .phases import CLASSIFIER, Phases, PixelClassifier, one_hot, segment
from .profiles import (
    correlation_length,
    directional_profile,
    interface_from_slope,
    pair_correlation,
    radial_average,
)
from .store import check_comparable, compute_statistics, open_statistics, settings_of, stored_phases
from .texture import TextureFeatures, texture_features
from .transformers import Descriptors, Flatten, TwoPointStatistics
from .two_point import two_point_statistics

__all__ = [
    "CLASSIFIER",
    "DESCRIPTORS",
    "DESCRIPTOR_PLUGINS",
    "Descriptors",
    "Flatten",
    "InstalledDescriptor",
    "Particles",
    "Phases",
    "PixelClassifier",
    "PluginDescriptor",
    "StatisticsError",
    "TextureFeatures",
    "TwoPointStatistics",
    "check_comparable",
    "common_settings",
    "compute_statistics",
    "correlation_length",
    "descriptor_names",
    "descriptors",
    "directional_profile",
    "distributions",
    "grain_size_number",
    "interface_from_slope",
    "measure_statistics",
    "one_hot",
    "open_statistics",
    "pair_correlation",
    "radial_average",
    "segment",
    "settings_of",
    "stored_phases",
    "texture_features",
    "two_point_statistics",
    "valid_range",
]
