"""Simulated steel: micrographs of an annealed ultrahigh-carbon steel whose truth is known.

`steel` leads from temperature, time and cooling to a microstructure, `geometry` draws it and `sem` takes its
micrograph.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TypeAlias, get_args

import joblib
import numpy as np
import xarray as xr

from .. import __version__, ensemble
from ..process import ConditionLike, ProcessCondition
from ..progress import progress_bar
from . import geometry, sem
from .geometry import Field, Framing, Structure
from .steel import CONDITIONS, SPACE, Steel

__all__ = ["CONDITIONS", "SPACE", "Steel", "simulate"]

_SMALLEST = 16  # pixels along an axis: below this a field shows no structure
_NETWORK_UM_PER_PX = 0.5  # every micrograph that UHCSDB calls network has pixels above this
# Pixels that are drawn sooner in one process than several processes start.
_WORTH_STARTING = 100 * 128**2

# What `_draw` takes and gives, and a coordinate of an ensemble: dimensions, values, attributes.
_Job: TypeAlias = tuple[Steel, ProcessCondition, int, int, int, tuple[int, int], float, Framing]
_Drawn: TypeAlias = tuple[Structure, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
_Coordinate: TypeAlias = tuple[str | tuple[str, ...], np.ndarray, dict[str, str]]


def simulate(
    n: int = 600,
    size: int | tuple[int, int] = 64,
    seed: int = 0,
    conditions: Iterable[ConditionLike] | ConditionLike | None = None,
    um_per_px: float | tuple[float, ...] = 0.07,
    specimens: int = 4,
    steel: Steel | None = None,
    framing: Framing = "grain",
    workers: int | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Simulate micrographs of annealed steel, with their phases and the parameters behind them.

    The conditions take equal shares of ``n`` (the first ones one more where it does not divide), and the
    fields of a condition go round its specimens. A micrograph depends on ``seed``, its condition and its
    place among the fields of that condition only: more micrographs, other conditions, another order or number
    of workers leave it as it is.

    Args:
        n: micrographs.
        size: pixels along each axis, or rows and columns.
        seed: of all randomness, 0 or more.
        conditions: heat treatments within the ranges of `SPACE`, by default `CONDITIONS`; repeated ones count
            once.
        um_per_px: pixel size in um. Above some 0.2 um particles are a texture that pixels do not resolve, and
            fields of 256 px show the carbide network. Several become the last factor, ``pixel_size``: every
            heat treatment is then taken at each.
        specimens: specimens a condition.
        steel: constants of the laws; by default those of UHCSDB's steel.
        framing: where micrographs are taken: ``"grain"`` within a grain, clear of the network and what it
            has used up, where one holds the field, else anywhere; ``"boundary"`` on the network; ``"random"``
            anywhere.
        workers: processes; by default one a core where there is much to draw.
        progress: show a bar on a terminal.

    Returns:
        An ensemble of origin ``"simulated"``, in memory, with the truth behind it:

        - ``phase``, whose indices `geometry.PHASES` names;
        - what each field was drawn from: ``true_mean_diameter`` (um) and ``true_area_fraction`` of the
          spheroidite where there is no other constituent, ``true_lamellar_share``,
          ``true_network_thickness``, ``true_denuded_width`` (um), ``true_needle_fraction``;
        - what it came to hold: ``true_spheroidite``, ``true_network``, ``true_lamella``,
          ``true_widmanstatten``, the share of the field that each covers, and ``particle_diameter`` (sample,
          particle) um, of all particles centred in it, largest first, NaN after the last.

        ``microconstituent`` names what the field shows, in UHCSDB's words.

    Raises:
        ConditionError: a condition outside the process space.
        ValueError: a number that makes no sense.

    >>> simulate(n=36, size=32, progress=False)["micrograph"].shape
    (36, 32, 32)
    """
    shape = (size, size) if isinstance(size, int) else tuple(size)
    sizes = um_per_px if isinstance(um_per_px, tuple) else (um_per_px,)
    _check(n, shape, seed, sizes, specimens, framing, workers)
    points = list(dict.fromkeys(SPACE.conditions(CONDITIONS if conditions is None else conditions)))
    if not points:
        raise ValueError("conditions is empty: name at least one, such as 800-90-Q")
    space = SPACE
    if len(sizes) > 1:
        space = SPACE.with_pixel_sizes(sizes)
        points = [space.condition((*point.values, size)) for point in points for size in sizes]
    steel = steel or Steel()
    counts = [n // len(points) + (i < n % len(points)) for i in range(len(points))]
    jobs = [(point, j) for point, count in zip(points, counts, strict=True) for j in range(count)]
    if workers is None:
        workers = (os.cpu_count() or 1) if n * shape[0] * shape[1] > _WORTH_STARTING else 1
    micrograph, phase = np.empty((2, n, *shape), dtype=np.uint8)
    pixels = [point.pixel_size if space.has_pixel_size else sizes[0] for point, _ in jobs]
    drawn = _draw_all(
        [
            (steel, point, seed, j % specimens, j // specimens, shape, pixel, framing)
            for (point, j), pixel in zip(jobs, pixels, strict=True)
        ],
        workers,
    )
    structures, diameters, fractions = [], [], np.empty((n, len(geometry.PHASES) - 1))
    bar = progress_bar(drawn, total=n, unit="image", desc="simulate", shown=progress)
    for i, (structure, field_phase, field_micrograph, diameter, fraction) in enumerate(bar):
        micrograph[i], phase[i], fractions[i] = field_micrograph, field_phase, fraction
        structures.append(structure)
        diameters.append(diameter)
    dataset = ensemble.build(
        micrograph,
        [point for point, _ in jobs],
        space.observing(point for point, _ in jobs),
        origin="simulated",
        specimen=[f"{point.treatment} #{seed}.{j % specimens + 1}" for point, j in jobs],
        um_per_px=pixels,
        microconstituent=[
            _microconstituent(fraction, pixel) for fraction, pixel in zip(fractions, pixels, strict=True)
        ],
        phase=phase,
        phases=geometry.PHASES,
        provenance={
            "simulator": "heat_treatment",
            "pspgan": __version__,
            "seed": seed,
            "specimens": specimens,
            "framing": framing,
            "steel": asdict(steel),
        },
        licence="MIT",
        attribution="simulated by pspgan",
    )
    return dataset.assign_coords(_truth(structures, diameters, fractions))


def _check(
    n: int,
    shape: tuple[int, ...],
    seed: int,
    sizes: tuple[float, ...],
    specimens: int,
    framing: str,
    workers: int | None,
) -> None:
    if n <= 0:
        raise ValueError(f"n is {n}: at least one micrograph must be simulated")
    if len(shape) != 2:
        raise ValueError(f"size is {shape}: give pixels along each axis, or rows and columns")
    if min(shape) < _SMALLEST:
        raise ValueError(f"size is {min(shape)} px: fields below {_SMALLEST} px show no structure")
    for um_per_px in sizes:
        if not (um_per_px > 0 and math.isfinite(um_per_px)):
            raise ValueError(f"um_per_px is {um_per_px}: a pixel size is positive")
    if not sizes or len(set(sizes)) < len(sizes):
        raise ValueError(f"um_per_px is {sizes}: it holds no pixel size, or one twice")
    if specimens <= 0:
        raise ValueError(f"specimens is {specimens}: a condition needs at least one")
    if seed < 0:
        raise ValueError(f"seed is {seed}: it must be 0 or more")
    if framing not in get_args(Framing):
        raise ValueError(f'framing "{framing}" is none of {", ".join(get_args(Framing))}')
    if workers is not None and workers < 1:
        raise ValueError(f"workers is {workers}: at least one process must draw")


def _draw_all(jobs: list[_Job], workers: int) -> Iterator[_Drawn]:
    """Fields in the order of their jobs, drawn by several processes where there are several."""
    if workers == 1:
        return (_draw(*job) for job in jobs)
    return joblib.Parallel(workers, return_as="generator")(joblib.delayed(_draw)(*job) for job in jobs)


def _draw(
    steel: Steel,
    point: ProcessCondition,
    seed: int,
    specimen: int,
    number: int,
    shape: tuple[int, int],
    um_per_px: float,
    framing: Framing,
) -> _Drawn:
    """One field: what it was drawn from, phases, grey levels, diameters of its particles, area fractions."""
    # A specimen is the same at every pixel size, a field is another one.
    of_specimen, rng = (
        np.random.default_rng(np.random.SeedSequence([seed, *text.encode()], spawn_key=key))
        for text, key in ((point.treatment, (0, specimen)), (str(point), (1, specimen, number)))
    )
    ln_diameter = of_specimen.normal(0, steel.specimen_sigma) + rng.normal(0, steel.field_sigma)
    structure = steel.structure(
        point,
        ln_diameter,
        ln_fraction=rng.normal(0, steel.fraction_sigma),
        ln_network=of_specimen.normal(0, steel.network_sigma),
    )
    field: Field = geometry.draw(structure, rng, shape, um_per_px, framing)
    micrograph = sem.render(field.cover, rng, um_per_px)
    return structure, field.phase, micrograph, field.particle_diameter, field.area_fraction


def _truth(
    structures: list[Structure], diameters: list[np.ndarray], fractions: np.ndarray
) -> dict[str, _Coordinate]:
    """Coordinates of the parameters behind each field, and of what it holds."""
    parameters = {
        "mean_diameter": ("true_mean_diameter", "mean equivalent diameter of the spheroidite", "um"),
        "particle_fraction": (
            "true_area_fraction",
            "area fraction of spheroidite in what no other constituent occupies",
            "",
        ),
        "lamellar_share": ("true_lamellar_share", "share of the area that is pearlite", ""),
        "network_thickness": ("true_network_thickness", "thickness of the carbide network", "um"),
        "denuded_width": ("true_denuded_width", "width of the particle-free zone beside the network", "um"),
        "needle_fraction": ("true_needle_fraction", "area fraction of needles over many fields", ""),
    }
    truth: dict[str, _Coordinate] = {
        name: (
            "sample",
            np.array([getattr(s, parameter) for s in structures]),
            {"long_name": long_name, "units": units},
        )
        for parameter, (name, long_name, units) in parameters.items()
    }
    for k, name in enumerate(geometry.PHASES[1:]):
        about = {"long_name": f"share of the field that is {name}"}
        truth[f"true_{name}"] = ("sample", fractions[:, k], about)
    table = np.full((len(diameters), max(map(len, diameters))), np.nan, dtype=np.float32)
    for row, diameter in zip(table, diameters, strict=True):
        row[: len(diameter)] = diameter
    about = {"long_name": "equivalent diameter of each particle centred in the field", "units": "um"}
    return truth | {"particle_diameter": (("sample", "particle"), table, about)}


def _microconstituent(fraction: np.ndarray, um_per_px: float) -> str:
    """UHCSDB's name of what a field shows, from the shares of the phases."""
    spheroidite, network, lamella, needle = fraction
    if network > 0.015 and um_per_px > _NETWORK_UM_PER_PX:
        return "network"
    if lamella > spheroidite:
        return "pearlite" if lamella > 5 * spheroidite else "pearlite+spheroidite"
    if needle > 0.003:
        return "spheroidite+widmanstatten"
    return "pearlite+spheroidite" if lamella > 0.02 else "spheroidite"
