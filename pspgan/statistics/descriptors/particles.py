"""Particles: how many there are, how large, and how far from one another, as if there were no border.

Particles are 8-connected. What the border does to them is set right by the area in which a whole particle, or
a pair of neighbours, can lie and be seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.ndimage
from scipy.spatial import KDTree

# Neighbours in the plane, none across samples.
_CONNECTED = np.stack([np.zeros((3, 3)), np.ones((3, 3)), np.zeros((3, 3))])


@dataclass(frozen=True)
class Particles:
    """The 8-connected particles of several fields, (particle,) each; lengths in px, the first pixel at 0.

    Attributes:
        field: (y, x) pixels of a field.
        n: number of fields.
        sample: in which field a particle lies.
        area: pixels.
        y, x: centroid.
        top, bottom, left, right: bounding box; ``bottom`` and ``right`` are the first pixels after it.
    """

    field: tuple[int, int]
    n: int
    sample: np.ndarray
    area: np.ndarray
    y: np.ndarray
    x: np.ndarray
    top: np.ndarray
    bottom: np.ndarray
    left: np.ndarray
    right: np.ndarray

    @classmethod
    def of(cls, inside: np.ndarray) -> Particles:
        """Find them where ``inside``, (sample, y, x) bool, is true."""
        n, height, width = inside.shape
        labels, count = scipy.ndimage.label(inside, structure=_CONNECTED)
        place = np.flatnonzero(labels)
        particle = labels.ravel()[place] - 1
        sample, pixel = np.divmod(place, height * width)
        y, x = np.divmod(pixel, width)
        area = np.bincount(particle, minlength=count)
        box = {}
        for name, values in (("y", y), ("x", x)):
            box[name] = np.full(count, max(height, width)), np.full(count, -1)
            np.minimum.at(box[name][0], particle, values)
            np.maximum.at(box[name][1], particle, values)
        of = np.empty(count, dtype=int)
        of[particle] = sample
        return cls(
            (height, width),
            n,
            of,
            area,
            np.bincount(particle, weights=y, minlength=count) / area,
            np.bincount(particle, weights=x, minlength=count) / area,
            box["y"][0],
            box["y"][1] + 1,
            box["x"][0],
            box["x"][1] + 1,
        )

    @property
    def whole(self) -> np.ndarray:
        """Those that do not touch the border."""
        height, width = self.field
        return (self.top > 0) & (self.left > 0) & (self.bottom < height) & (self.right < width)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sum over the particles of each field, (sample,)."""
        return np.bincount(self.sample, weights=values, minlength=self.n)

    def means(self, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Weighted mean over the particles of each field, (sample,); NaN where all weights are 0."""
        total = self.sums(weights)
        return self.sums(np.where(weights > 0, values, 0.0) * weights) / np.where(total > 0, total, np.nan)


def particle_density(particles: Particles) -> np.ndarray:
    """Particles a pixel, (sample,); one that the border cuts counts one half (ASTM E112, planimetric)."""
    height, width = particles.field
    return particles.sums(np.where(particles.whole, 1.0, 0.5)) / (height * width)


def mean_equivalent_diameter(particles: Particles) -> np.ndarray:
    """Mean diameter of the circles that have the particles' areas, px, (sample,); NaN without a whole one.

    Particles that touch the border are left out. A large one touches it more often, so each counts by the
    inverse of the number of positions at which its bounding box would not (Miles and Lantuejoul; Serra, Image
    Analysis and Mathematical Morphology, 1982). What is too large to lie in the field at all is missed.
    """
    height, width = particles.field
    clear_y = height - (particles.bottom - particles.top) - 1
    clear_x = width - (particles.right - particles.left) - 1
    whole = particles.whole
    weights = np.zeros(len(whole))
    weights[whole] = 1.0 / (clear_y * clear_x)[whole]
    return particles.means(np.sqrt(4.0 / math.pi * particles.area), weights)


def nearest_neighbour_distance(particles: Particles) -> np.ndarray:
    """Mean distance between the centroids of a particle and its nearest neighbour, px, (sample,).

    Only particles that are nearer to their neighbour than to the border are taken, as a nearer neighbour of
    the others may lie outside; and each counts by the inverse of the area in which it would be one of them
    (Hanisch, Statistics 15, 409-421, 1984). Randomly placed points have 1 / (2 sqrt(density)). Distances
    beyond half the field cannot be seen. NaN where no particle can be taken.
    """
    height, width = particles.field
    y, x = particles.y, particles.x
    distance = np.full(len(y), np.inf)
    if len(y) > 1:
        # One tree for all: fields lie too far apart to be neighbours.
        apart = particles.sample * 3.0 * math.hypot(height, width)
        distance = KDTree(np.column_stack([apart, y, x])).query(np.column_stack([apart, y, x]), k=2)[0][:, 1]
    border = np.min([y + 0.5, height - 0.5 - y, x + 0.5, width - 0.5 - x], axis=0)
    seen = particles.whole & (distance < border)
    weights = np.zeros(len(y))
    weights[seen] = 1.0 / ((height - 2.0 * distance) * (width - 2.0 * distance))[seen]
    return particles.means(distance, weights)
