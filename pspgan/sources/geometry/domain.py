"""The pixels on which a field is drawn: the field itself and a margin around it."""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator


class Domain:
    """Pixels of the field and a margin around it, with their coordinates in um.

    Args:
        shape: rows and columns of the field, px.
        um_per_px: pixel size.
        margin: around the field, um.
    """

    um_per_px: float
    shape: tuple[int, int]
    y: np.ndarray
    x: np.ndarray
    half: np.ndarray
    field: tuple[slice, ...]

    def __init__(self, shape: tuple[int, int], um_per_px: float, margin: float) -> None:
        pixels = math.ceil(margin / um_per_px)
        self.um_per_px = um_per_px
        self.shape = (shape[0] + 2 * pixels, shape[1] + 2 * pixels)
        self.y, self.x = ((np.arange(n) - (n - 1) / 2) * um_per_px for n in self.shape)
        self.half = np.array(self.shape) * um_per_px / 2  # y first
        self.field = tuple(slice(pixels, pixels + n) for n in shape)

    @property
    def points(self) -> np.ndarray:
        """Coordinates of all pixels, (pixel, 2), x first."""
        x, y = np.broadcast_arrays(self.x[None, :], self.y[:, None])
        return np.stack([x.ravel(), y.ravel()], axis=1)

    def waves(self, rng: Generator, wavelength: float, n: int = 5) -> np.ndarray:
        """A smooth random surface of unit variance, (y, x): plane waves of random direction and phase."""
        direction, phase = rng.uniform(0, 2 * np.pi, (2, n))
        k = 2 * np.pi / (wavelength * rng.uniform(0.7, 1.6, n))
        along_x = np.exp(1j * (k * np.cos(direction))[:, None] * self.x + 1j * phase[:, None])
        along_y = np.exp(1j * (k * np.sin(direction))[:, None] * self.y)
        return math.sqrt(2 / n) * (along_y.T @ along_x).real

    def window(self, centre: np.ndarray, half: np.ndarray) -> tuple[slice, slice]:
        """The pixels within ``half`` um of a point along both axes, x first: rows and columns."""
        columns, rows = (
            np.clip(
                np.rint((np.array([c - h, c + h]) - axis[0]) / self.um_per_px + [-1, 2]), 0, len(axis)
            ).astype(int)
            for c, h, axis in zip(centre, half, (self.x, self.y), strict=True)
        )
        return slice(*rows), slice(*columns)

    def covered(self, distance: np.ndarray) -> np.ndarray:
        """How much of a pixel lies inside an outline, from its distance to it (um, positive inside)."""
        return np.clip(0.5 + distance / self.um_per_px, 0, 1)

    def covered_by_strip(self, across: np.ndarray, half_width: np.ndarray) -> np.ndarray:
        """The same for a strip that may be thinner than a pixel, from the distance to its middle (um)."""
        widest = np.minimum(1, 2 * half_width / self.um_per_px)
        return np.clip(0.5 + (half_width - np.abs(across)) / self.um_per_px, 0, widest)
