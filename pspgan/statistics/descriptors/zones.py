"""The denuded zone: how far from a network the particles begin."""

from __future__ import annotations

import numpy as np
import scipy.ndimage

_SIDES = scipy.ndimage.generate_binary_structure(2, 1)


def denuded_zone_width(network: np.ndarray, particles: np.ndarray) -> np.ndarray:
    """Median distance from the boundary of the network to the nearest particle, px, (sample,).

    The median of the points along the boundary, as that of the least distance is one stray particle's, and
    the mean that of places where particles are missing. Only points that are nearer to a particle than to the
    border are taken; each counts by the inverse of how many points lie as far from the border (the weights of
    Hanisch, Statistics 15, 409-421, 1984, for a length of boundary), which lets the border play no part.
    On the labelled micrographs of UHCSDB that were quenched it follows the law of the simulated steel, see
    `pspgan.sources.steel.Steel.denuded_width`.

    Args:
        network, particles: whether a pixel is in the one and in the other, (sample, y, x) bool.

    Returns:
        Distance between the outlines; NaN without network or particles, or where none is near enough.
    """
    height, width = network.shape[1:]
    y, x = np.arange(height)[:, None], np.arange(width)
    border = np.minimum(np.minimum(y, height - 1 - y), np.minimum(x, width - 1 - x)) + 0.5
    found = np.full(len(network), np.nan)
    for i, (wall, bodies) in enumerate(zip(network, particles, strict=True)):
        boundary = wall & ~scipy.ndimage.binary_erosion(wall, _SIDES, border_value=1)
        if not bodies.any() or not boundary.any():
            continue
        distance = scipy.ndimage.distance_transform_edt(~bodies)[boundary]
        margin = border[boundary]
        seen = distance < margin
        if seen.any():
            distance = np.sort(distance[seen])
            farther = len(margin) - np.searchsorted(np.sort(margin), distance, side="right")
            share = np.cumsum(1.0 / farther)
            found[i] = distance[np.searchsorted(share, share[-1] / 2.0)] - 1.0
    return found
