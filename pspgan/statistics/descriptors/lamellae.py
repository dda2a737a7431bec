"""Lamellae: whether a phase forms them, and how far apart they are."""

from __future__ import annotations

import numpy as np
import scipy.fft
import scipy.ndimage

_PERIODS = 4  # fewest in a field: longer waves cannot be told from its unevenness
_BAND = 2**0.5  # frequencies that are averaged: the peak's, over this and times this
_HARMONIC = 0.5  # of the power of a peak that a peak at half its frequency must have to be taken instead
_SHARE = 0.3  # of the variance that lies there, at least; stripes that cover 0.2 to 0.8 of it have 0.4
_COHERENCE = 0.5  # at least; stripes have 1, discs and random fields less than 0.25, see `_coherence`
_TILE = 2.0  # spacings along a side of the tiles in which orientations are compared


def interlamellar_spacing(inside: np.ndarray) -> np.ndarray:
    """Distance from lamella to lamella, across them in the section, px, (sample,).

    It is the inverse of the mean frequency, weighted by power, about the peak of the power spectrum
    (periodogram with a Hann window, summed over orientations), so that colonies of all orientations count.
    NaN where the phase does not form lamellae: where the field holds fewer than four periods, where less than
    0.3 of the variance lies within half an octave of the peak, or where boundaries within two spacings of one
    another are not parallel (coherence of the structure tensor below 0.5; Bigun and Granlund, ICCV 1987).

    A section meets lamellae at an angle: where they are randomly oriented, the mean frequency in the section
    is pi / 4 of that across the lamellae (Underwood, Quantitative Stereology, 1970).

    Args:
        inside: whether a pixel is in the phase, (sample, y, x) bool.
    """
    found = np.full(len(inside), np.nan)
    height, width = inside.shape[1:]
    side = min(height, width)
    (kept,) = np.nonzero(inside.any(axis=(1, 2)) & ~inside.all(axis=(1, 2)))
    if side < 2 * _PERIODS or not len(kept):
        return found
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1]).astype(np.float32)
    fraction = np.einsum("syx,yx->s", inside[kept], window) / window.sum()
    wave = (inside[kept] - fraction[:, None, None].astype(np.float32)) * window
    power = np.abs(scipy.fft.rfft2(wave)) ** 2
    power[..., 1 : (width + 1) // 2] *= 2.0  # the other half of the frequencies mirrors these
    frequency = np.hypot(scipy.fft.fftfreq(height)[:, None], scipy.fft.rfftfreq(width))
    ring = np.rint(frequency * side).astype(int).ravel()
    for i, one in zip(kept, power, strict=True):
        spectrum = np.bincount(ring, weights=one.ravel())
        peak = _first_peak(spectrum[: side // 2 + 1])
        if peak is None:
            continue
        mean = peak / side
        for _ in range(2):  # about the ring of the peak, then about the mean found there
            near = (frequency > mean / _BAND) & (frequency < mean * _BAND)
            power_near = one[near].sum()
            mean = (one * frequency)[near].sum() / power_near
        if power_near >= _SHARE * spectrum[1:].sum() and _coherence(inside[i], 1.0 / mean) >= _COHERENCE:
            found[i] = 1.0 / mean
    return found


def _first_peak(spectrum: np.ndarray) -> int | None:
    """Ring of the highest power, or half of it where that is the harmonic of about as high a peak.

    None where power only falls from the longest waves on, whose period may be longer still.
    """
    # Three rings together, as the Hann window spreads a frequency over as many.
    smooth = scipy.ndimage.convolve1d(spectrum, [0.25, 0.5, 0.25], mode="constant")
    highest = _PERIODS + int(smooth[_PERIODS:].argmax())
    if highest == _PERIODS and smooth[_PERIODS - 1] > smooth[_PERIODS]:
        return None
    first = max(highest // 2 - 1, _PERIODS)
    below = smooth[first : highest // 2 + 3]
    if highest >= 2 * _PERIODS and below.max() > _HARMONIC * smooth[highest]:
        return first + int(below.argmax())
    return highest


def _coherence(inside: np.ndarray, spacing: float) -> float:
    """How parallel boundaries are within two spacings: 1 where all are, 0 where none is preferred."""
    dy, dx = (scipy.ndimage.sobel(inside.astype(np.float32), axis) for axis in (0, 1))
    tensor = np.stack([dx * dx - dy * dy, 2.0 * dx * dy, dx * dx + dy * dy])
    for axis in (1, 2):
        length = tensor.shape[axis]
        tiles = max(1, round(length / (_TILE * spacing)))
        tensor = np.add.reduceat(tensor, np.arange(tiles) * length // tiles, axis=axis)
    return float(np.hypot(tensor[0], tensor[1]).sum() / tensor[2].sum())
