"""Scale of a phase without parts: its interface, and how far it is correlated."""

from __future__ import annotations

import numpy as np

from .. import profiles
from ..two_point import largest_cutoff, two_point_statistics
from .chords import intercept_density


def specific_interface_area(inside: np.ndarray) -> np.ndarray:
    """Interface area a volume, S_V = 2 P_L = 4/pi L_A (Underwood, Quantitative Stereology, 1970), in 1/px.

    P_L are boundary points a length of test line, averaged over rows, columns and both diagonals.

    Args:
        inside: whether a pixel is in the phase, (sample, y, x) bool.
    """
    return 4.0 * intercept_density(inside)


def correlation_length(inside: np.ndarray) -> np.ndarray:
    """Distance at which the autocovariance, averaged over directions, falls below 1/e of its value at zero.

    Args:
        inside: whether a pixel is in the phase, (sample, y, x) bool.

    Returns:
        px, (sample,), linear between rings one pixel wide; NaN where it stays above for half the field.
    """
    cutoff = largest_cutoff(inside.shape[1:])
    statistics = two_point_statistics(inside[..., None], [(0, 0)], periodic=False, cutoff=cutoff)
    component = np.arange(-cutoff, cutoff + 1)
    distance, average = profiles.radial_average(statistics[..., 0], component, component)
    return profiles.correlation_length(distance, average, inside.mean(axis=(1, 2)))
