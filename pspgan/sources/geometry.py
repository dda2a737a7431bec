"""Draws one field of a carbide microstructure: particles, network, lamellae and needles, as phase fractions.

Lengths are in micrometre, the origin is the centre of the field, and everything is drawn on a domain wider
than the field, so that what lies across its border is cut as it is in a micrograph. Processing is unknown
here: the laws that lead from a heat treatment to a `Structure` are in `heat_treatment`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree

PHASES = ("matrix", "spheroidite", "network", "lamella", "widmanstatten")  # names of the phase indices

_CLEARANCE = 0.15  # least distance between the outlines of two particles, in mean diameters
_MARGIN = 3.0  # standard deviations above the mean up to which particles reach in from outside the field
_ROUNDS = 120  # attempts at placing a particle before it is given up (it then finds no room)
_NEEDLE_ASPECT = 25.0  # length of a Widmanstaetten needle over its thickness


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
    network_thickness: float = 0.0
    network_coverage: float = 1.0  # share of the grain boundaries that carry carbide
    denuded_width: float = 0.0  # particle-free zone on either side of the network
    grain_size: float = 0.0  # square root of a grain's mean area
    needle_fraction: float = 0.0  # area fraction of Widmanstaetten needles
    needle_thickness: float = 0.0


class _Domain:
    """Pixels of the field and a margin around it, with their coordinates in um."""

    def __init__(self, size: int, um_per_px: float, margin: float):
        self.um_per_px = um_per_px
        self.margin = math.ceil(margin / um_per_px)
        self.n = size + 2 * self.margin
        self.axis = (np.arange(self.n) - (self.n - 1) / 2) * um_per_px
        self.half = self.n * um_per_px / 2
        self.field = slice(self.margin, self.margin + size)

    def waves(self, rng: Generator, wavelength: float, n: int = 5) -> np.ndarray:
        """A smooth random surface of unit variance, (y, x): plane waves of random direction and phase."""
        direction, phase = rng.uniform(0, 2 * np.pi, (2, n))
        k = 2 * np.pi / (wavelength * rng.uniform(0.7, 1.6, n))
        along_x = np.exp(1j * (k * np.cos(direction))[:, None] * self.axis + 1j * phase[:, None])
        along_y = np.exp(1j * (k * np.sin(direction))[:, None] * self.axis)
        return math.sqrt(2 / n) * (along_y.T @ along_x).real

    def points(self, warp: np.ndarray | None = None) -> np.ndarray:
        """Coordinates (pixel, 2) of all pixels, x first, shifted by ``warp`` (2, y, x)."""
        x, y = np.broadcast_arrays(self.axis[None, :], self.axis[:, None])
        if warp is not None:
            x, y = x + warp[0], y + warp[1]
        return np.stack([x.ravel(), y.ravel()], axis=1)

    def seeds(self, rng: Generator, cell: float) -> np.ndarray:
        """Poisson points (seed, 2) whose Voronoi cells have a mean area of ``cell`` squared."""
        half = self.half + 2.5 * cell
        n = rng.poisson((2 * half / cell) ** 2)
        return rng.uniform(-half, half, (max(n, 8), 2))


def draw(structure: Structure, rng: Generator, size: int, um_per_px: float) -> np.ndarray:
    """Draw a field.

    Args:
        structure: what it is made of.
        rng: source of randomness.
        size: pixels along each axis.
        um_per_px: pixel size.

    Returns:
        How much of each pixel every phase but the matrix covers, (len(PHASES) - 1, y, x) float in [0, 1].
    """
    largest = 0.5 * structure.mean_diameter * math.exp(_MARGIN * structure.diameter_sigma)
    domain = _Domain(size, um_per_px, largest + structure.denuded_width + structure.network_thickness)
    cover = np.zeros((len(PHASES) - 1, domain.n, domain.n))
    bare = np.zeros((domain.n, domain.n), dtype=bool)  # where no particle may reach
    if structure.network_thickness > 0:
        cover[1], grains, direction = _network(structure, rng, domain)
        if (cover[1] >= 0.5).any():
            bare |= distance_transform_edt(cover[1] < 0.5, sampling=um_per_px) < structure.denuded_width
        if structure.needle_fraction > 0:
            cover[3] = _needles(structure, rng, domain, grains, direction) * (cover[1] < 0.5)
            bare |= cover[3] > 0
    if structure.lamellar_share > 0:
        cover[2], colonies = _pearlite(structure, rng, domain)
        cover[2] *= ~bare
        bare |= colonies
    if structure.particle_fraction > 0 and not bare.all():
        cover[0] = _particles(structure, rng, domain, bare)
    return cover[:, domain.field, domain.field]


def phase_of(cover: np.ndarray) -> np.ndarray:
    """Phase index of each pixel, (y, x) uint8, from the covers (4, y, x) that `draw` returns."""
    return np.where(cover.max(axis=0) >= 0.5, cover.argmax(axis=0) + 1, 0).astype(np.uint8)


def _network(structure: Structure, rng: Generator, domain: _Domain) -> tuple[np.ndarray, ...]:
    """Carbide on the boundaries of Voronoi grains: cover (y, x), grain of a pixel (y, x), angle of a grain.

    The grains are shifted so that a boundary that carries carbide passes through nearly every field:
    micrographs of a network are taken at the network.
    """
    seeds = domain.seeds(rng, structure.grain_size)
    first, second = np.argsort((seeds**2).sum(axis=1))[:2]
    normal = seeds[second] - seeds[first]
    normal /= np.linalg.norm(normal)
    to_boundary = (seeds[first] + seeds[second]) @ normal / 2
    field = (domain.field.stop - domain.field.start) * domain.um_per_px
    seeds = seeds - normal * (to_boundary - rng.uniform(-0.4, 0.4) * field)
    chance = np.triu(rng.uniform(size=(len(seeds), len(seeds))), 1)
    carries = chance + chance.T < structure.network_coverage
    carries[[first, second], [second, first]] = True
    bend = structure.grain_size / 4
    warp = 0.06 * bend * np.stack([domain.waves(rng, bend), domain.waves(rng, bend)])
    distance, nearest = cKDTree(seeds).query(domain.points(warp), k=2)
    apart = np.linalg.norm(seeds[nearest[:, 0]] - seeds[nearest[:, 1]], axis=1)
    to_edge = ((distance[:, 1] ** 2 - distance[:, 0] ** 2) / (2 * apart)).reshape(domain.n, domain.n)
    thickness = structure.network_thickness * np.exp(0.25 * domain.waves(rng, 2 * bend))
    cover = np.clip(0.5 + (thickness / 2 - to_edge) / domain.um_per_px, 0, 1)
    cover *= carries[nearest[:, 0], nearest[:, 1]].reshape(cover.shape)
    return cover, nearest[:, 0].reshape(cover.shape), rng.uniform(0, np.pi, len(seeds))


def _needles(
    structure: Structure, rng: Generator, domain: _Domain, grains: np.ndarray, direction: np.ndarray
) -> np.ndarray:
    """Cover (y, x) of Widmanstaetten needles: in two directions of their grain, ending at its boundary."""
    cover = np.zeros((domain.n, domain.n))
    area = _NEEDLE_ASPECT * structure.needle_thickness**2
    for _ in range(rng.poisson(structure.needle_fraction * cover.size * domain.um_per_px**2 / area)):
        row, column = rng.integers(domain.n, size=2)
        grain = grains[row, column]
        angle = direction[grain] + rng.choice([0.0, 0.0, np.pi / 3])
        half_thickness = 0.5 * structure.needle_thickness * math.exp(rng.normal(0, 0.2))
        half_length = 0.5 * _NEEDLE_ASPECT * structure.needle_thickness * math.exp(rng.normal(0, 0.3))
        reach = math.ceil(half_length / domain.um_per_px)
        rows, columns = (slice(max(centre - reach, 0), centre + reach + 1) for centre in (row, column))
        x = domain.axis[None, columns] - domain.axis[column]
        y = domain.axis[rows, None] - domain.axis[row]
        along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        outline = half_thickness * np.sqrt(np.clip(1 - (along / half_length) ** 2, 0, None))
        needle = np.clip(0.5 + (outline - np.abs(across)) / domain.um_per_px, 0, 1) * (outline > 0)
        np.maximum(cover[rows, columns], needle * (grains[rows, columns] == grain), out=cover[rows, columns])
    return cover


def _pearlite(structure: Structure, rng: Generator, domain: _Domain) -> tuple[np.ndarray, np.ndarray]:
    """Cover (y, x) of the lamellae, and the mask (y, x) of the colonies that they fill."""
    seeds = domain.seeds(rng, structure.colony_size)
    _, colony = cKDTree(seeds).query(domain.points(), k=1)
    colony = colony.reshape(domain.n, domain.n)
    lamellar = (rng.uniform(size=len(seeds)) < structure.lamellar_share)[colony]
    angle = rng.uniform(0, np.pi, len(seeds))[colony]
    spacing = structure.lamellar_spacing
    warped = 0.5 * spacing * domain.waves(rng, 7 * spacing)
    position = np.cos(angle) * domain.axis[None, :] + np.sin(angle) * domain.axis[:, None] + warped
    wave = np.cos(2 * np.pi * position / spacing) + 0.3 * domain.waves(rng, 3 * spacing, n=9)
    if not lamellar.any():
        return np.zeros_like(wave), lamellar
    threshold = np.quantile(wave[lamellar], 1 - structure.lamellar_fraction)
    steepest = 2 * np.pi * domain.um_per_px / spacing  # change of the wave over one pixel
    return np.clip(0.5 + (wave - threshold) / steepest, 0, 1) * lamellar, lamellar


def _particles(structure: Structure, rng: Generator, domain: _Domain, bare: np.ndarray) -> np.ndarray:
    """Cover (y, x) of lognormal particles outside ``bare``, none touching another."""
    sigma = structure.diameter_sigma
    mean_area = np.pi / 4 * structure.mean_diameter**2 * math.exp(sigma**2)
    room = np.count_nonzero(~bare) * domain.um_per_px**2
    n = int(structure.particle_fraction * room / mean_area + rng.uniform())
    diameter = structure.mean_diameter * np.exp(sigma * rng.normal(size=n) - sigma**2 / 2)
    radius = np.sort(diameter / 2)[::-1]
    # Outline r(theta) = r0 (1 + a2 cos 2 theta + a3 cos 3 theta), of area pi r0^2 (1 + a2^2/2 + a3^2/2).
    a2, a3 = rng.uniform(0, 0.25, n), rng.uniform(-0.12, 0.12, n)
    radius0 = radius / np.sqrt(1 + (a2**2 + a3**2) / 2)
    clearance = _CLEARANCE * structure.mean_diameter
    position = _place(radius0 * (1 + a2 + np.abs(a3)), clearance, rng, domain, bare)
    found = np.isfinite(position[:, 0])
    shape = np.stack([radius0, a2, a3, rng.uniform(0, np.pi * 2, n)], axis=1)
    return _stamp(position[found], shape[found], domain)


def _place(
    reach: np.ndarray, clearance: float, rng: Generator, domain: _Domain, bare: np.ndarray
) -> np.ndarray:
    """Random sequential positions (particle, 2), x first, of discs clear of each other and of ``bare``.

    ``reach`` holds their radii, largest first. A disc that finds no room gets NaN. The domain is taken as
    periodic: at a border without neighbours beyond it, discs would gather.
    """
    box = domain.n * domain.um_per_px
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
        centre = np.stack([pixel % domain.n, pixel // domain.n], axis=1) + rng.uniform(size=(len(pixel), 2))
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
    return position - domain.half


def _stamp(position: np.ndarray, shape: np.ndarray, domain: _Domain) -> np.ndarray:
    """Cover (y, x) of particles from their ``position`` (particle, 2) and ``shape`` (r0, a2, a3, angle)."""
    cover = np.zeros(domain.n * domain.n)
    pixel = position / domain.um_per_px + (domain.n - 1) / 2
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
        row_inside, column_inside = ((k >= 0) & (k < domain.n) for k in (row, column))
        hit = row_inside[:, :, None] & column_inside[:, None, :] & (value > 0)
        flat = row[:, :, None] * domain.n + column[:, None, :]
        np.maximum.at(cover, flat[hit], value[hit])
    return cover.reshape(domain.n, domain.n)
