"""Renders the phases of a field as a secondary-electron micrograph of a polished and etched section."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

# Signal of each phase, in steps of an eight-bit grey scale. Small carbides resist the etchant, stand proud of
# the matrix and look bright all over; the wide carbides of the network are flat and dark, and bright at their
# rims only.
_MATRIX = 72.0
_SIGNAL = np.array([90.0, -20.0, 60.0, 85.0])  # above the matrix: spheroidite, network, lamella, needle
_RIM = 230.0  # edge brightening
_EDGE_UM = 0.12  # width of the edge effect ...
_NETWORK_EDGE_UM = 0.2  # ... and at the network, which stands proud of the matrix
_GROOVE = 45.0  # etched out beside a carbide
_RELIEF = 60.0  # shading towards the detector
_MATRIX_TEXTURE = ((0.08, 9.0), (0.5, 6.0))  # features of the etched matrix: size in um, standard deviation
_NOISE = 6.0  # standard deviation of the detector's noise
_BLUR_UM = 0.012  # standard deviation of the beam ...
_BLUR_PX = 0.55  # ... and of the scan
_NARROWEST = 0.7  # pixels: a filter narrower than this sees nothing
# To what an operator turns contrast and brightness, standard deviation and mean of grey levels; of UHCSDB's
# micrographs half lie within 38 to 57 and 105 to 137.
_SPREAD, _MIDDLE = 46.0, 116.0


def render(cover: np.ndarray, rng: np.random.Generator, um_per_px: float) -> np.ndarray:
    """Micrograph of a field.

    Args:
        cover: how much of each pixel every phase but the matrix covers, (4, y, x), see `geometry.Field`.
        rng: source of randomness: brightness, contrast, illumination, roughness and noise.
        um_per_px: pixel size.

    Returns:
        Grey levels, (y, x) uint8.
    """
    shape = cover.shape[1:]
    carbide = cover.max(axis=0)
    image = _MATRIX + np.sum(_SIGNAL[:, None, None] * cover, axis=0)
    image += _edges(np.where(cover[1] > 0, 0, carbide), _EDGE_UM / um_per_px)
    image += _edges(cover[1], _NETWORK_EDGE_UM / um_per_px)
    for size, strength in _MATRIX_TEXTURE:
        scale = max(size / um_per_px, _NARROWEST)
        image += strength * _rough(rng, shape, scale) * (1 - carbide)
    image = gaussian_filter(image, np.hypot(_BLUR_PX, _BLUR_UM / um_per_px))
    y, x = (np.linspace(-1, 1, n) for n in shape)
    tilt_x, tilt_y, bowl = rng.normal(0, [0.07, 0.07, 0.05])
    light = 1 + tilt_x * x[None, :] + tilt_y * y[:, None] + bowl * (x[None, :] ** 2 + y[:, None] ** 2 - 2 / 3)
    image = image * light + _NOISE * rng.normal(size=shape)
    # The operator turns contrast and brightness towards what fills the scale, never quite.
    contrast = (_SPREAD / max(image.std(), _NOISE)) ** 0.7 * np.exp(rng.normal(0, 0.08))
    image = _MIDDLE + rng.normal(0, 10) + contrast * (image - image.mean())
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _edges(cover: np.ndarray, width: float) -> np.ndarray:
    """Bright rims within outlines, grooves beside them, and shading; ``width`` of the effect in px."""
    surround = gaussian_filter(cover, max(width, _NARROWEST))
    step = cover - surround
    slope_y, slope_x = np.gradient(surround)
    effect = _RIM * np.clip(step, 0, None) + _GROOVE * np.clip(step, None, 0) + _RELIEF * (slope_x + slope_y)
    return min(1.0, width / _NARROWEST) * effect  # pixels average what they do not resolve


def _rough(rng: np.random.Generator, shape: tuple[int, ...], scale: float) -> np.ndarray:
    """Gaussian noise of unit variance, correlated over ``scale`` pixels."""
    # A Gaussian kernel of standard deviation s leaves 1 / (4 pi s^2) of the variance of white noise.
    return gaussian_filter(rng.normal(size=shape), scale) * (2 * np.sqrt(np.pi) * scale)
