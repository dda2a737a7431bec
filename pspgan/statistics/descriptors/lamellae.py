"""Lamellae: whether a phase forms them, and how far apart they are."""

from __future__ import annotations

import numpy as np
import scipy.fft
import scipy.ndimage

_PERIODS = 3  # fewest in a field: longer waves cannot be told from its unevenness
_OCTAVE = 0.5  # frequencies that are averaged, octaves to either side of the peak
_SHARE = (
    0.3  # of the variance that lies there, at least; stripes of any area fraction from 0.2 to 0.8 have 0.5
)
_COHERENCE = 0.5  # at least; stripes have 1, discs and random fields less than 0.25, see `_coherence`
_TILE = 2.0  # spacings along a side of the tiles in which orientations are compared


def interlamellar_spacing(inside: np.ndarray) -> np.ndarray:
    """Distance from lamella to lamella, across them in the section, px, (sample,).

    It is the inverse of the mean frequency, weighted by power, within half an octave of the peak of the power
    spectrum (periodogram with a Hann window, summed over orientations), so that colonies of all orientations
    count. NaN where the phase does not form lamellae: where the field holds fewer than three periods, where
    less than 0.3 of the variance lies around the peak, or where boundaries within two spacings of one another
    are not parallel (coherence of the structure tensor below 0.5; Bigun and Granlund, ICCV 1987).

    A section meets lamellae at an angle: where they are randomly oriented, the mean frequency in the section
    is pi / 4 of that across the lamellae (Underwood, Quantitative Stereology, 1970).

    Args:
        inside: whether a pixel is in the phase, (sample, y, x) bool.
    """
    found = np.full(len(inside), np.nan)
    height, width = inside.shape[1:]
    side = min(height, width)
    window = np.hanning(height + 2)[1:-1, None] * np.hanning(width + 2)[1:-1]
    window = (window / window.sum()).astype(np.float32)
    fraction = np.einsum("syx,yx->s", inside, window)
    power = np.abs(scipy.fft.rfft2((inside - fraction[:, None, None].astype(np.float32)) * window)) ** 2
    power[..., 1 : (width + 1) // 2] *= (
        2.0  # the half of the frequencies that is left out is its mirror image
    )
    frequency = np.hypot(scipy.fft.fftfreq(height)[:, None], scipy.fft.rfftfreq(width))
    ring = np.rint(frequency * side).astype(int).ravel()
    for i, one in enumerate(power):
        spectrum = np.bincount(ring, weights=one.ravel())
        total = spectrum[1:].sum()
        if side // 2 < _PERIODS or total <= 0:
            continue
        # Three rings together: the Hann window spreads a frequency over as many.
        smooth = scipy.ndimage.convolve1d(spectrum, [0.25, 0.5, 0.25], mode="constant")
        peak = (_PERIODS + smooth[_PERIODS : side // 2 + 1].argmax()) / side
        near = (frequency >= peak * 2**-_OCTAVE) & (frequency < peak * 2**_OCTAVE)
        share = one[near].sum()
        spacing = share / (one * frequency)[near].sum()
        if share >= _SHARE * total and _coherence(inside[i], spacing) >= _COHERENCE:
            found[i] = spacing
    return found


def _coherence(inside: np.ndarray, spacing: float) -> float:
    """How parallel boundaries are within two spacings: 1 where all are, 0 where none is preferred."""
    dy, dx = (scipy.ndimage.sobel(inside.astype(np.float32), axis) for axis in (0, 1))
    tensor = np.stack([dx * dx - dy * dy, 2.0 * dx * dy, dx * dx + dy * dy])
    for axis in (1, 2):
        length = tensor.shape[axis]
        tiles = max(1, round(length / (_TILE * spacing)))
        tensor = np.add.reduceat(tensor, np.arange(tiles) * length // tiles, axis=axis)
    return float(np.hypot(tensor[0], tensor[1]).sum() / tensor[2].sum())
