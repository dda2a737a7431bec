"""What two-point statistics say by distance and direction: averages, profiles, lengths, interface area.

All functions take the statistics of one correlation, (sample, dy, dx), and the vector components beside it,
as ``statistics["two_point"].sel(correlation="1,1")`` has them; lengths are in pixels.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.ndimage
import scipy.sparse


def radial_average(two_point: np.ndarray, dy: np.ndarray, dx: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Average of two-point statistics over directions, in rings one pixel wide.

    Args:
        two_point: (sample, dy, dx).
        dy, dx: vector components in pixels, (dy,) and (dx,), as stored beside the statistics.

    Returns:
        Mean distance in each ring, (ring,), and the mean there, (sample, ring). Rings end where they would
        leave the square of vectors.
    """
    distance = _distance(dy, dx)
    ring = np.rint(distance).astype(int)
    n_rings = int(min(np.abs(dy).max(), np.abs(dx).max())) + 1
    return _average(two_point, distance, np.where(ring < n_rings, ring, -1))


def pair_correlation(two_point: np.ndarray, dy: np.ndarray, dx: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over all vectors of the same length, one value a length, as `pymks.paircorr_from_twopoint`.

    Lengths beyond the shorter side are averages over the corners of the square of vectors alone.

    Args:
        two_point: (sample, dy, dx).
        dy, dx: vector components in pixels.

    Returns:
        Lengths that occur, (length,), and the mean at each, (sample, length).
    """
    square = np.add.outer(np.asarray(dy) ** 2, np.asarray(dx) ** 2).ravel()
    lengths, of_length = np.unique(square, return_inverse=True)
    return np.sqrt(lengths), _average(two_point, square, of_length)[1]


def directional_profile(
    two_point: np.ndarray, dy: np.ndarray, dx: np.ndarray, angle: float
) -> tuple[np.ndarray, np.ndarray]:
    """Two-point statistics along one direction, a pixel's width apart, interpolated between vectors.

    Args:
        two_point: (sample, dy, dx).
        dy, dx: vector components in pixels, symmetric and one apart.
        angle: direction in degrees, from along x (0) towards along y (90).

    Returns:
        Distances in pixels, (distance,), and the statistics there, (sample, distance).

    >>> import numpy as np
    >>> component = np.arange(-1, 2)
    >>> directional_profile(np.arange(9.0).reshape(1, 3, 3), component, component, 90)[1]
    array([[4., 7.]])
    """
    sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    reach = min(
        limit / abs(share)
        for limit, share in ((np.max(dy), sine), (np.max(dx), cosine))
        if abs(share) > 1e-12
    )
    distance = np.arange(math.floor(reach + 1e-9) + 1)
    places = np.stack([np.max(dy) + distance * sine, np.max(dx) + distance * cosine])
    profiles = [
        scipy.ndimage.map_coordinates(one, places, order=1, mode="nearest")
        for one in np.asarray(two_point, float)
    ]
    return distance, np.stack(profiles)


def correlation_length(distance: np.ndarray, average: np.ndarray, fraction: np.ndarray) -> np.ndarray:
    """Distance at which an autocovariance falls below 1/e of its value at zero, linear between distances.

    Args:
        distance: of each value, from zero on, (distance,).
        average: autocorrelation by distance, such as `radial_average` gives it, (sample, distance).
        fraction: share of the phase in each field, (sample,).

    Returns:
        (sample,) in the unit of ``distance``; NaN where the phase does not vary, or where the covariance
        stays above 1/e.
    """
    square = np.asarray(fraction, float)[:, None] ** 2
    variance = average[:, :1] - square
    covariance = (average - square) / np.where(variance > 1e-12, variance, np.nan)
    below = covariance < math.exp(-1.0)
    rows = np.flatnonzero(below.any(axis=1))
    after = below.argmax(axis=1)[rows]
    high, low = covariance[rows, after - 1], covariance[rows, after]
    share = (high - math.exp(-1.0)) / (high - low)
    length = np.full(len(average), np.nan)
    length[rows] = distance[after - 1] + share * (distance[after] - distance[after - 1])
    return length


def interface_from_slope(two_point: np.ndarray, dy: np.ndarray, dx: np.ndarray) -> np.ndarray:
    """Interface area a volume, S_V = -4 dS2/dr at r = 0.

    (Debye, Anderson and Brumberger, J. Appl. Phys. 28, 679-683, 1957, doi 10.1063/1.1722830.)
    The slope is taken over the first step along x, y and both diagonals, and averaged; that is the count of
    boundary points of `specific_interface_area`, of pairs of pixels in place of lines.

    Args:
        two_point: autocorrelation of the phase, (sample, dy, dx).
        dy, dx: vector components in pixels.

    Returns:
        (sample,) in 1/px.
    """
    two_point = np.asarray(two_point, float)
    y, x = (int(np.flatnonzero(np.asarray(component) == 0)[0]) for component in (dy, dx))
    steps = ((0, 1, 1.0), (1, 0, 1.0), (1, 1, math.sqrt(2.0)), (1, -1, math.sqrt(2.0)))
    falls = [(two_point[:, y, x] - two_point[:, y + i, x + j]) / length for i, j, length in steps]
    return 4.0 * np.mean(falls, axis=0)


def _distance(dy: np.ndarray, dx: np.ndarray) -> np.ndarray:
    return np.hypot(*np.meshgrid(dy, dx, indexing="ij")).ravel()


def _average(two_point: np.ndarray, quantity: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means of a quantity of vectors and of their statistics over groups of vectors; -1 is in none."""
    (kept,) = np.nonzero(group >= 0)
    share = 1.0 / np.bincount(group[kept])[group[kept]]
    mean = scipy.sparse.csr_array((share, (group[kept], kept)), (group.max() + 1, group.size))
    values = np.asarray(two_point, float).reshape(len(two_point), -1)
    return mean @ quantity, (mean @ values.T).T
