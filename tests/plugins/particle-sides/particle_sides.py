"""How long particles are along the image's axes."""

import numpy as np

from pspgan.statistics import Particles, PluginDescriptor


def longest_side(particles: Particles) -> np.ndarray:
    """Mean longest side of the bounding boxes of whole particles, px, (sample,); NaN without one."""
    sides = np.maximum(particles.bottom - particles.top, particles.right - particles.left)
    return particles.means(sides, particles.whole.astype(float))


mean_longest_side = PluginDescriptor(
    "mean longest side of particles", longest_side, power=1, of="particles", valid_min=0
)
