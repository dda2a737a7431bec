"""How a phase hangs together: its Euler number, and what of it spans the field.

The phase is 8-connected, and what is not of it 4-connected, so that each boundary belongs to one of the two.
"""

from __future__ import annotations

import numpy as np

from .particles import Particles


def euler_number_density(inside: np.ndarray) -> np.ndarray:
    """Euler number an area, bodies less holes, in 1/px^2, (sample,).

    It is counted by the 2 x 2 neighbourhoods of pixels (Gray, IEEE Trans. Comput. C-20, 551-561, 1971) that
    lie in the field: those with one pixel in the phase less those with three and twice those with two on a
    diagonal, over four. So the border is neither body nor hole, and the mean over fields does not depend on
    their size. In a phase that nowhere touches the border it is `skimage.measure.euler_number` over the area.

    Args:
        inside: whether a pixel is in the phase, (sample, y, x) bool.
    """
    pixel = inside.astype(np.int8)
    above, below = pixel[:, :-1], pixel[:, 1:]
    count = above[..., :-1] + above[..., 1:] + below[..., :-1] + below[..., 1:]
    diagonal = (count == 2) & (above[..., :-1] == below[..., 1:])
    total = (count == 1).sum(axis=(1, 2)) - (count == 3).sum(axis=(1, 2)) - 2 * diagonal.sum(axis=(1, 2))
    return total / 4.0 / count[0].size


def connectivity(particles: Particles) -> np.ndarray:
    """Share of the phase that lies in clusters which reach from one side of the field to the opposite one.

    In percolation theory this is the strength of the spanning cluster (Stauffer and Aharony, Introduction to
    Percolation Theory, 1994). NaN without any of the phase.

    Args:
        particles: of the phase; its 8-connected clusters.
    """
    height, width = particles.field
    spans = (particles.bottom - particles.top == height) | (particles.right - particles.left == width)
    return particles.means(spans.astype(float), particles.area.astype(float))
