"""Simulated steel: micrographs of an annealed ultrahigh-carbon steel whose truth is known.

The laws below lead from temperature, time and cooling to a microstructure, `geometry` draws it and `sem`
takes its micrograph. Figures called *measured* come from labelled micrographs of the Ultrahigh Carbon Steel
Micrograph DataBase (UHCSDB); *calibrated* ones were chosen so that a law passes through such figures;
*assumed* ones only look right. It is a test bed with known answers, no prediction for a real alloy.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np
import xarray as xr
from tqdm import tqdm

from .. import __version__, ensemble
from ..process import ConditionLike, Factor, ProcessCondition, ProcessSpace
from . import geometry, sem

R = 8.314462618e-3  # gas constant, kJ/(mol K)
_KELVIN = 273.15
_A1 = 727.0  # degC, eutectoid temperature of Fe-C
_SMALLEST = 16  # pixels along an axis: below this a field shows no structure

SPACE = ProcessSpace(
    (
        Factor("temperature", (700, 750, 800, 900, 970), "ordinal", unit="degC"),
        Factor("time", (5, 90, 480, 1440), "ordinal", unit="min", scale="log"),
        Factor("cooling", ("Q", "AR", "FC"), "nominal"),
    )
)

# 18 of the 60 combinations: every level occurs, no factor decides another, and 42 stay unseen.
# fmt: off
CONDITIONS = (
    "700-5-Q", "700-480-Q", "750-5-Q", "750-1440-Q",
    "800-5-Q", "800-90-Q", "800-480-Q", "800-1440-Q", "800-90-FC", "800-90-AR",
    "900-5-Q", "900-90-Q", "900-480-Q", "900-5-FC", "900-5-AR",
    "970-5-Q", "970-90-Q", "970-5-FC",
)
# fmt: on


@dataclass(frozen=True)
class Steel:
    """The material: constants of the laws, and how much specimens and fields scatter about them.

    Temperatures are in degC, times in minutes, lengths in um, energies in kJ/mol, fractions are of area.
    """

    exponent: float = 3.0
    """n of ``d^n = d0^n + k(T) t``: 3 where diffusion through the lattice controls, 4 along boundaries; the
    data fit either."""
    initial_diameter: float = 0.12
    """d0, of the particles that the broken-up pearlite leaves; assumed."""
    reference_diameter: float = 0.27
    """After 3 h at 800 degC; calibrated: measured are 0.25 there and about 0.5 from 8 h on, which no n = 3
    meets; this gives 0.27, 0.37 after 8 h and 0.53 after 24 h."""
    coarsening_energy: float = 234.0
    """Of k(T); calibrated: 5 min at 970 degC give the diameter of 3 h at 800 degC, as measured."""
    diameter_sigma: float = 0.4
    """Of ln d within a field; measured 0.3 to 0.5."""
    specimen_sigma: float = 0.15
    """Of ln of the mean diameter between specimens; with the next, about 0.3 in all, as measured."""
    field_sigma: float = 0.25
    """The same between the fields of one specimen."""
    fraction_sigma: float = 0.12
    """Of ln of the area fraction between fields; assumed."""

    def mean_diameter(self, temperature: float, time: float) -> float:
        """Mean equivalent diameter of the spheroidite: ``d^n = d0^n + k(T) t``, k(T) of Arrhenius form.

        >>> round(Steel().mean_diameter(800, 180), 3)
        0.27
        """
        n = self.exponent
        at_reference = (self.reference_diameter**n - self.initial_diameter**n) / 180.0
        k = at_reference * _arrhenius(self.coarsening_energy, temperature)
        return (self.initial_diameter**n + k * time) ** (1 / n)

    def particle_fraction(self, temperature: float) -> float:
        """Area fraction of spheroidite: 0.19 at 750 degC, 0.13 at 970 degC, on a line.

        The range is measured; that it falls is the lever rule: hotter austenite dissolves more carbon.
        """
        return 0.19 - 0.06 * (temperature - 750.0) / 220.0

    def lamellar_share(self, temperature: float, time: float) -> float:
        """Share of pearlite that has not yet spheroidised: ``exp(-t / tau(T))``, 1 / tau of Arrhenius form.

        Calibrated to what is seen after 5 min: all of it at 700, most at 750, half at 800, none at 900 degC.
        The last 2 % are left out.
        """
        share = math.exp(-time / 7.2 * _arrhenius(354.0, temperature))
        return share if share > 0.02 else 0.0

    def denuded_width(self, temperature: float, time: float) -> float:
        """Particle-free zone beside the network: ``1440 um * t_h^0.232 * exp(-63.3 kJ/mol / RT)``; measured.

        20 quenched micrographs of UHCSDB, R2 0.89.
        """
        return 1440.0 * (time / 60.0) ** 0.232 * math.exp(-63.3 / (R * (temperature + _KELVIN)))

    def network_thickness(self, temperature: float, cooling: str) -> float:
        """Carbide film that grows on the austenite's boundaries while it cools from above A1.

        Proportional to the carbon in excess of the eutectoid, thus about to ``T - A1``, and thinner the
        faster the cooling; none on quenching. Assumed, and finer than the 2 to 8 um measured in UHCSDB, so
        that a small field can hold it.
        """
        full = {"Q": 0.0, "AR": 0.4, "FC": 0.8}[cooling]  # from 970 degC
        return full * max(temperature - _A1, 0.0) / (970.0 - _A1)

    def needle_fraction(self, temperature: float, cooling: str) -> float:
        """Area fraction of Widmanstaetten carbide: on furnace cooling, from 0 at 800 to 0.06 at 970 degC.

        Measured are 0.003 to 0.06; the dependence on temperature is assumed.
        """
        return 0.06 * min(max(temperature - 800.0, 0.0) / 170.0, 1.0) if cooling == "FC" else 0.0

    def structure(
        self, condition: ProcessCondition, ln_diameter: float = 0.0, ln_fraction: float = 0.0
    ) -> geometry.Structure:
        """What a field of this condition is made of.

        Args:
            condition: of a space with the factors temperature (degC), time (min) and cooling (Q, AR, FC).
            ln_diameter: how far this field departs from the law of the mean diameter, as a natural logarithm.
            ln_fraction: the same for the area fraction of the particles.
        """
        temperature, time, cooling = (condition[name] for name in SPACE.names)
        network = self.network_thickness(temperature, cooling)
        return geometry.Structure(
            mean_diameter=self.mean_diameter(temperature, time) * math.exp(ln_diameter),
            diameter_sigma=self.diameter_sigma,
            particle_fraction=self.particle_fraction(temperature) * math.exp(ln_fraction),
            lamellar_share=self.lamellar_share(temperature, time),
            lamellar_fraction=0.29,  # lever rule for 1.97 % C below A1
            lamellar_spacing=0.28 * math.exp(0.4 * ln_diameter),  # measured 0.17 to 0.33
            colony_size=2.5,  # assumed
            network_thickness=network,
            network_coverage={"Q": 0.0, "AR": 0.6, "FC": 1.0}[cooling],  # assumed
            denuded_width=self.denuded_width(temperature, time) if network else 0.0,
            grain_size=15.0,  # assumed
            needle_fraction=self.needle_fraction(temperature, cooling),
            needle_thickness=0.16,  # assumed
        )


def _arrhenius(energy: float, temperature: float) -> float:
    """``exp(-energy / RT)`` relative to 800 degC; energy in kJ/mol, temperature in degC."""
    return math.exp(-energy / R * (1 / (temperature + _KELVIN) - 1 / (800.0 + _KELVIN)))


def simulate(
    n: int = 600,
    size: int = 64,
    seed: int = 0,
    conditions: Iterable[ConditionLike] | ConditionLike | None = None,
    um_per_px: float = 0.07,
    specimens: int = 4,
    steel: Steel | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Simulate micrographs of annealed steel, with their phases and the parameters behind them.

    The conditions take equal shares of ``n`` (the first ones one more where it does not divide), and the
    fields of a condition go round its specimens. A micrograph depends on ``seed``, its condition and its
    place among the fields of that condition only: more micrographs, other conditions or another order leave
    it as it is.

    Args:
        n: micrographs.
        size: pixels along each axis.
        seed: of all randomness, 0 or more.
        conditions: heat treatments within the ranges of `SPACE`, by default `CONDITIONS`; repeated ones count
            once.
        um_per_px: pixel size in um.
        specimens: specimens a condition.
        steel: constants of the laws; by default those of UHCSDB's steel.
        progress: show a bar on a terminal.

    Returns:
        An ensemble of origin ``"simulated"``, in memory, with ``phase`` (indices named in `geometry.PHASES`)
        and the parameters from which each field was drawn as coordinates: ``true_mean_diameter`` (um) and
        ``true_area_fraction`` of the spheroidite where there is no other constituent,
        ``true_lamellar_share``, ``true_network_thickness`` and ``true_denuded_width`` (um).
        ``microconstituent`` names what the field shows, in UHCSDB's words.

    Raises:
        ConditionError: a condition outside the process space.
        ValueError: a number that makes no sense.

    >>> simulate(n=36, size=32, progress=False)["micrograph"].shape
    (36, 32, 32)
    """
    if n <= 0:
        raise ValueError(f"n is {n}: at least one micrograph must be simulated")
    if size < _SMALLEST:
        raise ValueError(f"size is {size} px: fields below {_SMALLEST} px show no structure")
    if not (um_per_px > 0 and math.isfinite(um_per_px)):
        raise ValueError(f"um_per_px is {um_per_px}: a pixel size is positive")
    if specimens <= 0:
        raise ValueError(f"specimens is {specimens}: a condition needs at least one")
    if seed < 0:
        raise ValueError(f"seed is {seed}: it must be 0 or more")
    points = list(dict.fromkeys(SPACE.conditions(CONDITIONS if conditions is None else conditions)))
    if not points:
        raise ValueError("conditions is empty: name at least one, such as 800-90-Q")
    steel = steel or Steel()
    counts = [n // len(points) + (i < n % len(points)) for i in range(len(points))]
    jobs = [(point, j) for point, count in zip(points, counts, strict=True) for j in range(count)]
    micrograph, phase = np.empty((2, n, size, size), dtype=np.uint8)
    structures: list[geometry.Structure] = []
    bar = tqdm(jobs, unit="image", desc="simulate", disable=None if progress else True)
    for i, (point, j) in enumerate(bar):
        structure, rng = _field(steel, point, seed, specimen=j % specimens, field=j // specimens)
        cover = geometry.draw(structure, rng, size, um_per_px)
        micrograph[i], phase[i] = sem.render(cover, rng, um_per_px), geometry.phase_of(cover)
        structures.append(structure)
    dataset = ensemble.build(
        micrograph,
        [point for point, _ in jobs],
        SPACE.observing(point for point, _ in jobs),
        origin="simulated",
        specimen=[f"{point} #{j % specimens + 1}" for point, j in jobs],
        um_per_px=um_per_px,
        microconstituent=[_microconstituent(field) for field in phase],
        phase=phase,
        phases=geometry.PHASES,
        provenance={
            "simulator": "heat_treatment",
            "pspgan": __version__,
            "seed": seed,
            "specimens": specimens,
            "steel": asdict(steel),
        },
        licence="MIT",
        attribution="simulated by pspgan",
    )
    return dataset.assign_coords(_truth(structures))


def _field(
    steel: Steel, point: ProcessCondition, seed: int, specimen: int, field: int
) -> tuple[geometry.Structure, np.random.Generator]:
    """Structure of one field, and the generator that draws it."""
    entropy = [seed, *str(point).encode()]
    of_specimen = np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=(0, specimen)))
    rng = np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=(1, specimen, field)))
    ln_diameter = of_specimen.normal(0, steel.specimen_sigma) + rng.normal(0, steel.field_sigma)
    return steel.structure(point, ln_diameter, rng.normal(0, steel.fraction_sigma)), rng


def _truth(structures: list[geometry.Structure]) -> dict[str, tuple]:
    """Coordinates (sample,) of the parameters behind each field."""
    columns = {
        "mean_diameter": ("mean equivalent diameter of the spheroidite", "um"),
        "particle_fraction": ("area fraction of spheroidite in what no other constituent occupies", ""),
        "lamellar_share": ("share of the colonies that are still pearlite", ""),
        "network_thickness": ("thickness of the carbide network", "um"),
        "denuded_width": ("width of the particle-free zone beside the network", "um"),
    }
    names = {"particle_fraction": "true_area_fraction"}
    return {
        names.get(field, f"true_{field}"): (
            "sample",
            np.array([getattr(s, field) for s in structures]),
            {"long_name": long_name, "units": units},
        )
        for field, (long_name, units) in columns.items()
    }


def _microconstituent(phase: np.ndarray) -> str:
    """UHCSDB's name of what a field shows."""
    share = np.bincount(phase.ravel(), minlength=len(geometry.PHASES)) / phase.size
    _, spheroidite, network, lamella, needle = share
    if lamella > spheroidite:
        return "pearlite" if lamella > 5 * spheroidite else "pearlite+spheroidite"
    if needle > 0.003:
        return "spheroidite+widmanstatten"
    if network > 0.015:
        return "network"
    return "pearlite+spheroidite" if lamella > 0.02 else "spheroidite"
