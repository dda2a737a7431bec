"""A surface that is larger than a micrograph, to take fields from."""

import numpy as np
import pytest
from scipy import ndimage


@pytest.fixture(scope="session")
def surface():
    """Grains of two grey levels, (y, x) float; no two places are alike."""

    def make(seed, side=400):
        noise = np.random.default_rng(seed).standard_normal((side, side))
        return 60.0 + 120.0 * (ndimage.gaussian_filter(noise, 3) > 0)

    return make


@pytest.fixture(scope="session")
def taken():
    """A field of a surface as a micrograph, (y, x) uint8, with its own brightness, contrast and noise."""

    def take(surface, y, x, *, gain=1.0, offset=0.0, noise=4.0, light=0.0, seed=0, size=(150, 200)):
        height, width = size
        field = surface[y : y + height, x : x + width]
        ramp = light * np.linspace(-1, 1, width)
        grey = 120 + gain * (field - 120) + offset + ramp
        return (grey + np.random.default_rng(seed).normal(0, noise, size)).clip(0, 255).astype(np.uint8)

    return take
