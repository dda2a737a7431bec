"""A microstructure by its constituents, and one field of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.random import Generator
from scipy.ndimage import distance_transform_edt

from .domain import Domain
from .grains import draw_grains, draw_needles, draw_network, network_is_near
from .particles import draw_particles
from .pearlite import draw_pearlite

PHASES = ("matrix", "spheroidite", "network", "lamella", "widmanstatten")  # names of the phase indices
Framing = Literal["grain", "boundary", "random"]
"""Where a micrograph is taken: within a grain, clear of the network, where one holds the field; on a boundary
that carries the network; or anywhere."""

_MARGIN = 3.0  # standard deviations above the mean up to which particles reach in from outside the field
_THICKEST = 1.6  # of the network's thickness, away from corners


@dataclass(frozen=True)
class Structure:
    """What a field is made of. Lengths in um; a share or fraction of zero leaves that constituent out."""

    mean_diameter: float = 0.0  # arithmetic mean of the equivalent diameters, as seen on the section
    diameter_sigma: float = 0.4  # standard deviation of the logarithm of the diameter
    particle_fraction: float = 0.0  # area fraction of particles, where particles are
    lamellar_share: float = 0.0  # share of the area that is colonies of pearlite
    lamellar_fraction: float = 0.0  # area fraction of carbide within them
    lamellar_spacing: float = 0.0
    colony_size: float = 0.0  # square root of a colony's mean area
    particles_in_colonies: bool = False  # pearlite that formed between particles, and leaves them in place
    network_thickness: float = 0.0
    network_coverage: float = 1.0  # share of the grain boundaries that carry carbide
    denuded_width: float = 0.0  # particle-free zone on either side of the network
    grain_size: float = 0.0  # square root of a grain's mean area
    needle_fraction: float = 0.0  # area fraction of Widmanstaetten needles
    needle_thickness: float = 0.0


@dataclass(frozen=True)
class Field:
    """One field.

    Attributes:
        cover: how much of each pixel every phase but the matrix covers, (len(PHASES) - 1, y, x) in [0, 1].
        particle_diameter: equivalent diameters of the particles whose centres lie in the field, (particle,)
            um; empty where pixels do not resolve them.
    """

    cover: np.ndarray
    particle_diameter: np.ndarray

    @cached_property
    def phase(self) -> np.ndarray:
        """Phase index of each pixel, (y, x) uint8: the one that covers at least half of it, else matrix."""
        return np.where(self.cover.max(axis=0) >= 0.5, self.cover.argmax(axis=0) + 1, 0).astype(np.uint8)

    @property
    def area_fraction(self) -> np.ndarray:
        """Share of the field that each phase but the matrix covers, (len(PHASES) - 1,)."""
        return self.cover.mean(axis=(1, 2))


def draw(
    structure: Structure,
    rng: Generator,
    shape: tuple[int, int],
    um_per_px: float,
    framing: Framing = "random",
) -> Field:
    """Draw a field.

    Args:
        structure: what it is made of.
        rng: source of randomness.
        shape: rows and columns, px.
        um_per_px: pixel size.
        framing: where it lies among the grains, see `Framing`.
    """
    half = np.array(shape) * um_per_px / 2
    margin = 0.5 * structure.mean_diameter * math.exp(_MARGIN * structure.diameter_sigma)
    grains, network = None, False
    if structure.grain_size > 0:
        reach = _THICKEST * structure.network_thickness + structure.denuded_width
        grains = draw_grains(
            rng, half, structure.grain_size, structure.network_coverage, framing, clearance=reach + margin
        )
        # What lies in the margin matters where the network reaches into it, and costs time elsewhere.
        network = structure.network_thickness > 0 and network_is_near(grains, half + margin, reach)
        margin += reach if network else 0.0
    domain = Domain(shape, um_per_px, margin)
    cover = np.zeros((len(PHASES) - 1, *domain.shape))
    bare = np.zeros(domain.shape, dtype=bool)  # where no particle may reach
    if network:
        cover[1] = draw_network(grains, structure.network_thickness, structure.grain_size, rng, domain)
        if (cover[1] >= 0.5).any():
            bare |= distance_transform_edt(cover[1] < 0.5, sampling=um_per_px) < structure.denuded_width
            bare |= cover[1] >= 0.5
    if grains is not None and structure.needle_fraction > 0:
        needles = draw_needles(grains, structure.needle_fraction, structure.needle_thickness, rng, domain)
        cover[3] = needles * (cover[1] < 0.5)
        bare |= cover[3] > 0
    if structure.lamellar_share > 0:
        cover[2], colonies = draw_pearlite(
            structure.lamellar_share,
            structure.lamellar_fraction,
            structure.lamellar_spacing,
            structure.colony_size,
            rng,
            domain,
        )
        cover[2] *= (cover[1] < 0.5) & (cover[3] == 0)
        if not structure.particles_in_colonies:
            bare |= colonies
    diameters = np.empty(0)
    if structure.particle_fraction > 0:
        cover[0], diameters = draw_particles(
            structure.mean_diameter,
            structure.diameter_sigma,
            structure.particle_fraction,
            bare,
            rng,
            domain,
        )
        cover[2] *= 1 - cover[0]
    return Field(cover[:, *domain.field], diameters)
