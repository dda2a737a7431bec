"""Renders the phases of a field as a secondary-electron micrograph of a polished and etched section."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

# Grey levels, of 255. Carbide resists the etchant, stands proud of the matrix and looks brighter; flat tops
# of large carbides less so. Real network carbide is often as dark as the matrix, between bright rims; here it
# stays brighter, so that a threshold separates the two phases.
_MATRIX = 72.0
_BRIGHTNESS = np.array([95.0, 55.0, 85.0, 95.0])  # above the matrix: spheroidite, network, lamella, needle
_RIM = 110.0  # edge brightening
_EDGE_UM = 0.05  # width of the edge effect, about the escape range of the electrons
_RELIEF = 40.0  # shading towards the detector
_GRAIN = 9.0  # roughness of the etched matrix
_NOISE = 7.0  # standard deviation of the detector's noise
_BLUR_PX = 0.55  # standard deviation of the beam


def render(cover: np.ndarray, rng: np.random.Generator, um_per_px: float) -> np.ndarray:
    """Micrograph of a field.

    Args:
        cover: how much of each pixel every phase but the matrix covers, (4, y, x), as `geometry.draw` returns
            it.
        rng: source of randomness: brightness, contrast, illumination, roughness and noise.
        um_per_px: pixel size.

    Returns:
        Grey levels, (y, x) uint8.
    """
    shape = cover.shape[1:]
    carbide = cover.max(axis=0)
    width = max(_EDGE_UM / um_per_px, 0.8)
    surround = gaussian_filter(carbide, width)
    image = _MATRIX + np.max(_BRIGHTNESS[:, None, None] * cover, axis=0)
    image += _RIM * (carbide - surround)  # a bright rim inside the outline, an etching groove outside
    slope_y, slope_x = np.gradient(surround)
    image += _RELIEF * (slope_x + slope_y)
    image += _GRAIN * _rough(rng, shape, 1.2) * (1 - carbide)
    image = gaussian_filter(image, _BLUR_PX)
    y, x = (np.linspace(-1, 1, n) for n in shape)
    tilt_x, tilt_y, bowl = rng.normal(0, [0.07, 0.07, 0.05])
    light = 1 + tilt_x * x[None, :] + tilt_y * y[:, None] + bowl * (x[None, :] ** 2 + y[:, None] ** 2 - 2 / 3)
    contrast, brightness = np.exp(rng.normal(0, 0.08)), rng.normal(0, 6)
    image = image * light * contrast + brightness
    image += _NOISE * rng.normal(size=shape)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _rough(rng: np.random.Generator, shape: tuple[int, ...], scale: float) -> np.ndarray:
    """Gaussian noise of unit variance, correlated over ``scale`` pixels."""
    # A Gaussian kernel of standard deviation s leaves 1 / (4 pi s^2) of the variance of white noise.
    return gaussian_filter(rng.normal(size=shape), scale) * (2 * np.sqrt(np.pi) * scale)
