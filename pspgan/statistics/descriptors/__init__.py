"""Descriptors of microstructures: numbers of a field, in pixels and in micrometres, and distributions.

All definitions count only what lies inside the field, and set right what its border does, so that fields of
different size can be compared. NaN stands for a field without what is measured.
"""

from .catalogue import DESCRIPTORS, descriptor_names, valid_range
from .describe import check_zone, descriptors, distributions, grain_size_number
from .particles import Particles
from .plugged import (
    DESCRIPTOR_PLUGINS,
    InstalledDescriptor,
    PluginDescriptor,
    chosen_plugins,
    recorded_plugins,
)

__all__ = [
    "DESCRIPTORS",
    "DESCRIPTOR_PLUGINS",
    "InstalledDescriptor",
    "Particles",
    "PluginDescriptor",
    "check_zone",
    "chosen_plugins",
    "descriptor_names",
    "descriptors",
    "distributions",
    "grain_size_number",
    "recorded_plugins",
    "valid_range",
]
