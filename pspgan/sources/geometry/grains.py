"""Grains, the carbide network on their boundaries, and Widmanstaetten needles within them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from scipy.spatial import cKDTree

from .domain import Domain

_SHAKING = 0.33  # largest departure of a grain's seed from a lattice, in steps of that
_SWELLING = 1.5  # how much thicker the network is where three grains meet
_ASPECT = 70.0  # length of a Widmanstaetten needle over its thickness
_BUNDLE = 4.0  # needles that lie side by side, on average
_LATTICE = 16  # points along an axis at which the network is looked for around a field


@dataclass(frozen=True)
class Grains:
    """Equiaxed grains in the plane of the section: the Voronoi cells of a shaken lattice.

    Attributes:
        seed: (grain, 2) um, x first.
        carries: (grain, grain) whether the boundary between two of them carries carbide.
        direction: (grain,) angle of the needles in each.
    """

    seed: np.ndarray
    carries: np.ndarray
    direction: np.ndarray

    def nearest(self, points: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Distances and numbers of the ``k`` nearest seeds of points, (point, k)."""
        return cKDTree(self.seed).query(points, k=k)

    def to_boundary(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of points (point, 2): distance to the nearest boundary, whether that carries carbide, to a corner.

        The distance to a corner is how much farther the third grain is than the first.
        """
        distance, grain = self.nearest(points, 3)
        first, second = grain[:, 0], grain[:, 1]
        apart = np.linalg.norm(self.seed[first] - self.seed[second], axis=1)
        to_edge = (distance[:, 1] ** 2 - distance[:, 0] ** 2) / (2 * apart)
        return to_edge, self.carries[first, second], distance[:, 2] - distance[:, 0]


def draw_grains(
    rng: Generator, half: np.ndarray, size: float, coverage: float, framing: str, clearance: float
) -> Grains:
    """Grains around a field, moved so that it lies as ``framing`` says.

    Args:
        rng: source of randomness.
        half: half of the field's height and width, um.
        size: square root of a grain's mean area, um.
        coverage: share of the boundaries that carry carbide.
        framing: see `Framing`.
        clearance: how far from the boundaries a field within a grain has to stay.
    """
    seed = _equiaxed(rng, half + 3 * size, size)
    first, second, *_ = np.argsort((seed**2).sum(axis=1))
    chance = np.triu(rng.uniform(size=(len(seed), len(seed))), 1)
    carries = chance + chance.T < coverage
    if framing == "boundary":
        normal = seed[second] - seed[first]
        normal /= np.linalg.norm(normal)
        to_boundary = (seed[first] + seed[second]) @ normal / 2
        seed = seed - normal * (to_boundary - rng.uniform(-0.8, 0.8) * half.min())
        carries[[first, second], [second, first]] = True
    elif framing == "grain":
        others = np.delete(seed, first, axis=0) - seed[first]
        room = np.linalg.norm(others, axis=1).min() / 2 - np.linalg.norm(half) - clearance
        if room > 0:
            angle, radius = rng.uniform(0, 2 * np.pi), room * math.sqrt(rng.uniform())
            seed = seed - seed[first] + radius * np.array([math.cos(angle), math.sin(angle)])
    return Grains(seed, carries, rng.uniform(0, np.pi, len(seed)))


def network_is_near(grains: Grains, half: np.ndarray, reach: float) -> bool:
    """Whether the middle of a boundary with carbide lies within ``reach`` um of a field, y first."""
    y, x = (np.linspace(-h, h, _LATTICE) for h in half)
    to_edge, carries, _ = grains.to_boundary(np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2))
    between = math.hypot(x[1] - x[0], y[1] - y[0]) / 2  # from a point of the field to one of the lattice
    return bool(np.any(carries & (to_edge < reach + between)))


def draw_network(grains: Grains, thickness: float, size: float, rng: Generator, domain: Domain) -> np.ndarray:
    """Cover (y, x) of carbide on the boundaries: of varying thickness, and swollen where grains meet."""
    bend = size / 6
    warp = [0.07 * bend * (domain.waves(rng, bend) + 0.4 * domain.waves(rng, bend / 4)) for _ in range(2)]
    points = domain.points + np.stack([w.ravel() for w in warp], axis=1)
    to_edge, carries, to_corner = (v.reshape(domain.shape) for v in grains.to_boundary(points))
    local = thickness * np.exp(0.3 * domain.waves(rng, 2 * bend))
    local *= 1 + _SWELLING * np.exp(-((to_corner / (3 * thickness)) ** 2))
    return domain.covered_by_strip(to_edge, local / 2) * carries


def draw_needles(
    grains: Grains, fraction: float, thickness: float, rng: Generator, domain: Domain
) -> np.ndarray:
    """Cover (y, x) of Widmanstaetten needles: bundles in two directions of a grain, within its boundary."""
    cover = np.zeros(domain.shape)
    length = _ASPECT * thickness
    needle = np.pi / 4 * length * thickness * math.exp((0.25**2 + 0.2**2) / 2)  # mean area of an ellipse
    reach = domain.half[::-1] + length / 2
    bundles = rng.poisson(fraction * 4 * reach[0] * reach[1] / (needle * _BUNDLE))
    _, grain_of = grains.nearest(domain.points, 1)
    grain_of = grain_of.reshape(domain.shape)
    for _ in range(bundles):
        middle = rng.uniform(-reach, reach)
        grain = grains.nearest(middle[None], 1)[1][0]
        angle = grains.direction[grain] + rng.choice([0.0, 0.0, np.pi / 3])
        along = np.array([np.cos(angle), np.sin(angle)])
        across = np.array([-along[1], along[0]])
        for _ in range(rng.geometric(1 / _BUNDLE)):
            half = 0.5 * np.array([length, thickness]) * np.exp(rng.normal(0, [0.25, 0.2]))
            centre = middle + rng.uniform(-0.3, 0.3) * length * along
            window = domain.window(centre, np.abs(along) * half[0] + half[1])
            x, y = domain.x[window[1]] - centre[0], domain.y[window[0]] - centre[1]
            reached = 1 - ((along[0] * x[None, :] + along[1] * y[:, None]) / half[0]) ** 2
            strip = domain.covered_by_strip(
                across[0] * x[None, :] + across[1] * y[:, None], half[1] * np.sqrt(np.clip(reached, 0, None))
            )
            np.maximum(cover[window], strip * (grain_of[window] == grain), out=cover[window])
            middle = middle + thickness * rng.uniform(2, 5) * across
    return cover


def _equiaxed(rng: Generator, half: np.ndarray, size: float) -> np.ndarray:
    """Seeds (seed, 2) um, x first, one in ``size`` squared: a hexagonal lattice, turned and shaken."""
    step = size * math.sqrt(2 / math.sqrt(3))
    reach = math.ceil(np.linalg.norm(half) / step * 2 / math.sqrt(3)) + 1
    row, column = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1)
    lattice = np.stack([column + row % 2 / 2, row * math.sqrt(3) / 2], axis=1) + rng.uniform(-0.5, 0.5, 2)
    angle, (turn, radius) = rng.uniform(0, 2 * np.pi), rng.uniform(size=(2, len(row)))
    shaken = (
        _SHAKING
        * np.sqrt(radius)[:, None]
        * np.stack([np.cos(2 * np.pi * turn), np.sin(2 * np.pi * turn)], 1)
    )
    cosine, sine = math.cos(angle), math.sin(angle)
    seed = step * (lattice + shaken) @ np.array([[cosine, sine], [-sine, cosine]])
    return seed[(np.abs(seed) < half[::-1] + step).all(axis=1)]
