"""Descriptors of two-phase microstructures: one number a field, in pixels and in micrometres.

Phase 1 is what is measured (carbide particles and network), every other phase is matrix. All definitions
count only what lies inside the field, so that fields of different size can be compared:

``area_fraction``
    share of pixels in phase 1; it estimates the volume fraction.
``particle_density``
    particles an area; one that the border cuts counts one half (ASTM E112, planimetric procedure).
``mean_equivalent_diameter``
    mean diameter of the circles that have the particles' areas. Particles that touch the border are left
    out, which favours small ones where particles are not small beside the field.
``mean_chord_length``
    mean length of phase 1 along rows and columns; a chord that the border cuts counts one half, one cut at
    both ends not at all (ASTM E112, lineal intercept procedure).
``specific_interface_area``
    interface area a volume, S_V = 2 P_L = 4/pi L_A (Underwood, Quantitative Stereology, 1970): boundary
    points a length P_L, averaged over rows, columns and both diagonals.
``correlation_length``
    distance at which the autocovariance, averaged over directions, falls below 1/e of its value at zero.

Particles are 8-connected. NaN stands for a field without what is measured: no whole particle, no boundary,
or an autocovariance that stays above 1/e for half the field.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.ndimage
import xarray as xr

from .phases import one_hot
from .profiles import radial_average
from .two_point import largest_cutoff, two_point_statistics

# name -> (long name, power of length)
DESCRIPTORS = {
    "area_fraction": ("area fraction of phase 1", 0),
    "particle_density": ("particles an area", -2),
    "mean_equivalent_diameter": ("mean equivalent diameter of whole particles", 1),
    "mean_chord_length": ("mean chord length of phase 1", 1),
    "specific_interface_area": ("interface area a volume, S_V", -1),
    "correlation_length": ("correlation length", 1),
}

# Neighbours in the plane, none across samples.
_CONNECTED = np.stack([np.zeros((3, 3)), np.ones((3, 3)), np.zeros((3, 3))])


def descriptors(phase: np.ndarray, um_per_px: np.ndarray | float) -> xr.Dataset:
    """Measure every field.

    Args:
        phase: phase index of each pixel, (sample, y, x) integer.
        um_per_px: size of a pixel in micrometre, (sample,) or one for all; NaN where unknown.

    Returns:
        A (sample,) float64 variable a descriptor, in pixels, and under ``<name>_um`` the same in micrometres
        (NaN where the pixel size is unknown); ``attrs`` have ``long_name`` and ``units``.

    Raises:
        ValueError: ``phase`` or ``um_per_px`` has a shape that does not fit.
    """
    phase = np.asarray(phase)
    if phase.ndim != 3 or min(phase.shape[1:], default=0) < 2:
        raise ValueError(f"phase must be (sample, y, x) with at least 2 x 2 px, got shape {phase.shape}")
    scale = np.asarray(um_per_px, float)
    if scale.shape not in ((), phase.shape[:1]):
        raise ValueError(f"um_per_px has shape {scale.shape}, not ({len(phase)},), and is not one number")
    inside = phase == 1
    density, diameter = _particles(inside)
    measured = {
        "area_fraction": inside.mean(axis=(1, 2)),
        "particle_density": density,
        "mean_equivalent_diameter": diameter,
        "mean_chord_length": _mean_chord_length(inside),
        "specific_interface_area": _specific_interface_area(inside),
        "correlation_length": _correlation_length(inside),
    }
    variables = {}
    for name, (long_name, power) in DESCRIPTORS.items():
        values = measured[name].astype(float)
        variables[name] = ("sample", values, {"long_name": long_name, "units": _units("px", power)})
        if power:
            attrs = {"long_name": long_name, "units": _units("um", power)}
            variables[f"{name}_um"] = ("sample", values * scale**power, attrs)
    return xr.Dataset(variables)


def _units(length: str, power: int) -> str:
    return {0: "1", 1: length}.get(power, f"{length}-{-power}")


def _particles(inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Particles a pixel, and mean equivalent diameter of the whole ones, (sample,) each."""
    n, height, width = inside.shape
    labels, count = scipy.ndimage.label(inside, structure=_CONNECTED)
    area = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    whole = np.ones(count + 1, dtype=bool)
    for border in (labels[:, 0], labels[:, -1], labels[:, :, 0], labels[:, :, -1]):
        whole[border] = False
    whole = whole[1:]
    field = np.empty(count, dtype=int)
    at = np.flatnonzero(labels)
    field[labels.flat[at] - 1] = at // (height * width)
    number = np.bincount(field, weights=np.where(whole, 1.0, 0.5), minlength=n)
    diameter = np.sqrt(4.0 / math.pi * area[whole])
    total = np.bincount(field[whole], weights=diameter, minlength=n)
    n_whole = np.bincount(field[whole], minlength=n)
    return number / (height * width), total / np.where(n_whole, n_whole, np.nan)


def _mean_chord_length(inside: np.ndarray) -> np.ndarray:
    """Phase-1 length of all rows and columns over their chords; each boundary point is half a chord."""
    ends = (inside[:, 1:] != inside[:, :-1]).sum(axis=(1, 2))
    ends += (inside[:, :, 1:] != inside[:, :, :-1]).sum(axis=(1, 2))
    return 2.0 * inside.sum(axis=(1, 2)) / np.where(ends, ends / 2.0, np.nan)


def _specific_interface_area(inside: np.ndarray) -> np.ndarray:
    per_length = [
        (inside[:, 1:] != inside[:, :-1]).mean(axis=(1, 2)),
        (inside[:, :, 1:] != inside[:, :, :-1]).mean(axis=(1, 2)),
        (inside[:, 1:, 1:] != inside[:, :-1, :-1]).mean(axis=(1, 2)) / math.sqrt(2.0),
        (inside[:, 1:, :-1] != inside[:, :-1, 1:]).mean(axis=(1, 2)) / math.sqrt(2.0),
    ]
    return 2.0 * np.mean(per_length, axis=0)


def _correlation_length(inside: np.ndarray) -> np.ndarray:
    """First crossing of 1/e by the normalised autocovariance, linear between rings one pixel apart."""
    cutoff = largest_cutoff(inside.shape[1:])
    statistics = two_point_statistics(one_hot(inside, 2)[..., 1:], [(0, 0)], periodic=False, cutoff=cutoff)
    component = np.arange(-cutoff, cutoff + 1)
    distance, average = radial_average(statistics[..., 0], component, component)
    fraction = inside.mean(axis=(1, 2))[:, None]
    variance = fraction * (1.0 - fraction)
    covariance = (average - fraction**2) / np.where(variance > 0, variance, np.nan)
    below = covariance < math.exp(-1.0)
    after = below.argmax(axis=1)
    found = below.any(axis=1)
    rows = np.arange(len(inside))[found]
    after = after[found]
    high, low = covariance[rows, after - 1], covariance[rows, after]
    length = np.full(len(inside), np.nan)
    share = (high - math.exp(-1.0)) / (high - low)
    length[found] = distance[after - 1] + share * (distance[after] - distance[after - 1])
    return length
