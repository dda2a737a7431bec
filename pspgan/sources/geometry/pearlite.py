"""Pearlite: colonies of bent lamellae."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from scipy.spatial import cKDTree

from .domain import Domain

_RESOLVED = 2.5  # pixels a spacing below which lamellae cannot be drawn


def draw_pearlite(
    share: float, fraction: float, spacing: float, colony: float, rng: Generator, domain: Domain
) -> tuple[np.ndarray, np.ndarray]:
    """Cover (y, x) of the lamellae, and the mask (y, x) of the colonies that they fill.

    Args:
        share: of the area that is colonies.
        fraction: of the area of a colony that is carbide.
        spacing: from lamella to lamella, um; where pixels do not resolve it the cover is even.
        colony: square root of a colony's mean area, um.
        rng: source of randomness.
        domain: where it is drawn.
    """
    half = domain.half[::-1] + 2.5 * colony
    seed = rng.uniform(-half, half, (max(rng.poisson(4 * half[0] * half[1] / colony**2), 8), 2))
    _, nearest = cKDTree(seed).query(domain.points, k=1)
    nearest = nearest.reshape(domain.shape)
    lamellar = (rng.uniform(size=len(seed)) < share)[nearest]
    angle = rng.uniform(0, np.pi, len(seed))[nearest]
    if not lamellar.any():
        return np.zeros(domain.shape), lamellar
    if spacing < _RESOLVED * domain.um_per_px:
        return fraction * lamellar, lamellar
    bent = 0.8 * spacing * domain.waves(rng, 18 * spacing)
    position = np.cos(angle) * domain.x[None, :] + np.sin(angle) * domain.y[:, None] + bent
    wave = np.cos(2 * np.pi * position / spacing) + 0.25 * domain.waves(rng, 3.5 * spacing, n=9)
    threshold = np.quantile(wave[lamellar], 1 - fraction)
    steepest = 2 * np.pi / spacing  # change of the wave along a um
    return domain.covered((wave - threshold) / steepest) * lamellar, lamellar
