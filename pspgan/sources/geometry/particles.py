"""Particles: lognormal, of rounded outlines, placed at random and clear of one another."""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator
from scipy.ndimage import distance_transform_edt, gaussian_filter
from scipy.spatial import cKDTree

from .domain import Domain

_CLEARANCE = 0.15  # least distance between the outlines of two particles, in mean diameters
_ROUNDS = 120  # attempts at placing a particle before it is given up (it then finds no room)
_RESOLVED = 1.5  # pixels of a mean diameter below which particles are not drawn one by one


def draw_particles(
    mean_diameter: float, sigma: float, fraction: float, bare: np.ndarray, rng: Generator, domain: Domain
) -> tuple[np.ndarray, np.ndarray]:
    """Cover (y, x) of particles outside ``bare``, and diameters (particle,) of those centred in the field.

    Where pixels do not resolve them the cover is a random texture of their mean and about their variance,
    and there are no diameters.

    Args:
        mean_diameter: arithmetic mean of the equivalent diameters, um.
        sigma: standard deviation of the logarithm of the diameter.
        fraction: of the area outside ``bare``.
        bare: (y, x) where no particle may reach.
        rng: source of randomness.
        domain: where they are drawn.
    """
    if bare.all():
        return np.zeros(domain.shape), np.empty(0)
    if mean_diameter < _RESOLVED * domain.um_per_px:
        return _unresolved(mean_diameter, sigma, fraction, bare, rng, domain), np.empty(0)
    mean_area = np.pi / 4 * mean_diameter**2 * math.exp(sigma**2)
    room = np.count_nonzero(~bare) * domain.um_per_px**2
    n = int(fraction * room / mean_area + rng.uniform())
    diameter = np.sort(mean_diameter * np.exp(sigma * rng.normal(size=n) - sigma**2 / 2))[::-1]
    # Outline r(theta) = r0 (1 + a2 cos 2 theta + a3 cos 3 theta), of area pi r0^2 (1 + a2^2/2 + a3^2/2).
    a2, a3 = rng.uniform(0, 0.25, n), rng.uniform(-0.12, 0.12, n)
    radius0 = diameter / 2 / np.sqrt(1 + (a2**2 + a3**2) / 2)
    position = _place(radius0 * (1 + a2 + np.abs(a3)), _CLEARANCE * mean_diameter, rng, domain, bare)
    found = np.isfinite(position[:, 0])
    shape = np.stack([radius0, a2, a3, rng.uniform(0, np.pi * 2, n)], axis=1)
    inside = np.ones(n, dtype=bool)
    for k, axis in enumerate((domain.x[domain.field[1]], domain.y[domain.field[0]])):
        inside &= np.abs(position[:, k]) < axis[-1] + domain.um_per_px / 2
    return _stamp(position[found], shape[found], domain), diameter[found & inside]


def _unresolved(
    mean_diameter: float, sigma: float, fraction: float, bare: np.ndarray, rng: Generator, domain: Domain
) -> np.ndarray:
    """Cover (y, x) of particles smaller than a pixel: beta distributed, and blurred as outlines are."""
    # A pixel of area a holds a Poisson number of particles of area A: the variance of the covered share is
    # fraction * E[A^2] / E[A] / a, less for particles that keep clear of one another.
    per_particle = np.pi / 4 * (mean_diameter / domain.um_per_px) ** 2 * math.exp(5 * sigma**2)
    together = max(1 / (per_particle * (1 - fraction)) - 1, 0.2)
    cover = rng.beta(fraction * together, (1 - fraction) * together, domain.shape)
    return gaussian_filter(cover, 0.5) * ~bare


def _place(
    reach: np.ndarray, clearance: float, rng: Generator, domain: Domain, bare: np.ndarray
) -> np.ndarray:
    """Random sequential positions (particle, 2), x first, of discs clear of each other and of ``bare``.

    ``reach`` holds their radii, largest first. A disc that finds no room gets NaN. The domain is taken as
    periodic: at a border without neighbours beyond it, discs would gather.
    """
    rows, columns = domain.shape
    box = np.array([columns, rows]) * domain.um_per_px
    position = np.full((len(reach), 2), np.nan)
    distance = np.full(bare.shape, np.inf)
    if bare.any():
        distance = distance_transform_edt(~bare, sampling=domain.um_per_px)
    distance = distance.ravel() - domain.um_per_px  # from anywhere in the pixel
    free = np.flatnonzero(distance > 0)
    placed, waiting = np.arange(0), np.flatnonzero(reach <= distance.max())
    for _ in range(_ROUNDS):
        if not len(waiting):
            break
        pixel = rng.choice(free, len(waiting))
        centre = np.stack([pixel % columns, pixel // columns], axis=1) + rng.uniform(size=(len(pixel), 2))
        centre *= domain.um_per_px
        fits = distance[pixel] >= reach[waiting]
        trial, centre = waiting[fits], centre[fits]
        tree = cKDTree(centre, boxsize=box)
        kept = np.ones(len(trial), dtype=bool)
        if len(placed) and len(trial):
            within = reach[placed[0]] + reach[trial[0]] + clearance
            others = cKDTree(position[placed], boxsize=box)
            near = tree.sparse_distance_matrix(others, within, output_type="ndarray")
            least = reach[trial[near["i"]]] + reach[placed[near["j"]]] + clearance
            kept[near["i"][near["v"] < least]] = False
        pairs = tree.query_pairs(2 * reach[0] + clearance, output_type="ndarray")
        step = np.abs(centre[pairs[:, 0]] - centre[pairs[:, 1]])
        apart = np.linalg.norm(np.minimum(step, box - step), axis=1)
        least = reach[trial[pairs]].sum(axis=1) + clearance
        kept[pairs[apart < least].max(axis=1)] = False  # the smaller one yields
        position[trial[kept]] = centre[kept]
        placed = np.sort(np.concatenate([placed, trial[kept]]))
        waiting = np.setdiff1d(waiting, placed, assume_unique=True)
    return position - domain.half[::-1]


def _stamp(position: np.ndarray, shape: np.ndarray, domain: Domain) -> np.ndarray:
    """Cover (y, x) of particles from their ``position`` (particle, 2) and ``shape`` (r0, a2, a3, angle)."""
    rows, columns = domain.shape
    cover = np.zeros(rows * columns)
    pixel = position / domain.um_per_px + (np.array([columns, rows]) - 1) / 2
    radius = shape[:, 0] / domain.um_per_px
    half = np.ceil(radius * 1.4 + 1).astype(int)
    for h in np.unique(half):
        some = half == h
        centre = np.rint(pixel[some]).astype(int)
        offset = np.arange(-h, h + 1)
        column, row = (centre[:, k, None] + offset for k in (0, 1))
        x = (column - pixel[some, 0, None])[:, None, :]
        y = (row - pixel[some, 1, None])[:, :, None]
        a2, a3, angle = (shape[some, k, None, None] for k in (1, 2, 3))
        r = np.hypot(x, y)
        cosine = (x * np.cos(angle) + y * np.sin(angle)) / np.maximum(r, 1e-9)
        departure = a2 * (2 * cosine**2 - 1) + a3 * (4 * cosine**3 - 3 * cosine)
        value = np.clip(0.5 + radius[some, None, None] * (1 + departure) - r, 0, 1)
        row_inside, column_inside = ((k >= 0) & (k < n) for k, n in ((row, rows), (column, columns)))
        hit = row_inside[:, :, None] & column_inside[:, None, :] & (value > 0)
        flat = row[:, :, None] * columns + column[:, None, :]
        np.maximum.at(cover, flat[hit], value[hit])
    return cover.reshape(domain.shape)
