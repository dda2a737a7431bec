"""Texture of micrographs as numbers: grey levels, their spectrum by wavelength, local binary patterns."""

from __future__ import annotations

import numpy as np
from scipy import fft
from skimage.feature import local_binary_pattern

_BANDS = 8  # of wavelength, from two pixels to the field
_POINTS = 8  # neighbours of a pixel, one pixel away


def texture_features(micrograph: np.ndarray) -> np.ndarray:
    """Describe grey levels without cutting them into phases.

    Args:
        micrograph: grey levels, (sample, y, x) uint8.

    Returns:
        (sample, feature) float64: mean, standard deviation, skewness and kurtosis of grey levels; log10 of
        the power in bands of wavelength, evenly wide on a log axis; shares of uniform, rotation invariant
        local binary patterns (Ojala et al. 2002), which say how edges, spots and flat areas alternate.
    """
    return np.hstack([_moments(micrograph), _spectrum(micrograph), _patterns(micrograph)])


def _moments(micrograph: np.ndarray) -> np.ndarray:
    grey = micrograph.reshape(len(micrograph), -1).astype(float)
    mean, deviation = grey.mean(axis=1), grey.std(axis=1)
    standard = (grey - mean[:, None]) / np.maximum(deviation, 1e-9)[:, None]
    return np.stack([mean, deviation, (standard**3).mean(axis=1), (standard**4).mean(axis=1)], axis=1)


def _spectrum(micrograph: np.ndarray) -> np.ndarray:
    height, width = micrograph.shape[1:]
    window = np.outer(np.hanning(height), np.hanning(width))  # else borders, which do not meet, add a cross
    frequency = np.hypot(fft.fftfreq(height)[:, None], fft.rfftfreq(width)[None])
    edges = np.geomspace(1 / min(height, width), 0.5, _BANDS + 1)
    band = np.digitize(frequency, edges[1:-1]).ravel()
    band[0] = _BANDS  # the mean
    bands = np.empty((len(micrograph), _BANDS))
    for i, image in enumerate(micrograph):
        power = np.abs(fft.rfft2((image - image.mean()) * window)).ravel() ** 2
        bands[i] = np.bincount(band, power, _BANDS + 1)[:_BANDS]
    return np.log10(bands / micrograph[0].size + 1e-3)


def _patterns(micrograph: np.ndarray) -> np.ndarray:
    kinds = _POINTS + 2
    found = np.empty((len(micrograph), kinds))
    for i, image in enumerate(micrograph):
        pattern = local_binary_pattern(image, _POINTS, 1, method="uniform").astype(int)
        found[i] = np.bincount(pattern.ravel(), minlength=kinds) / pattern.size
    return found
