"""The laws of the simulated steel: from a heat treatment to what a field of it is made of.

Figures called *measured* come from labelled micrographs of the Ultrahigh Carbon Steel Micrograph DataBase
(UHCSDB); *calibrated* ones were chosen so that a law passes through such figures; *assumed* ones only look
right beside its micrographs. It is a test bed with known answers, no prediction for a real alloy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..process import Factor, ProcessCondition, ProcessSpace
from .geometry import Structure

R = 8.314462618e-3  # gas constant, kJ/(mol K)
_KELVIN = 273.15
_A1 = 727.0  # degC, eutectoid temperature of Fe-C

#: Factors and levels of the simulated steel.
SPACE = ProcessSpace(
    (
        Factor("temperature", (700, 750, 800, 900, 970, 1100), "ordinal", unit="degC"),
        Factor("time", (5, 90, 480, 1440, 5100), "ordinal", unit="min", scale="log"),
        Factor("cooling", ("Q", "AR", "FC", "650-1H"), "nominal"),
    )
)

# fmt: off
#: 23 of the 120 combinations: every level occurs, no factor decides another, and 97 stay unseen.
CONDITIONS = (
    "700-5-Q", "700-480-Q", "750-5-Q", "750-1440-Q",
    "800-5-Q", "800-90-Q", "800-480-Q", "800-1440-Q", "800-5100-Q", "800-90-FC", "800-90-AR",
    "900-5-Q", "900-90-Q", "900-480-Q", "900-5-FC", "900-5-AR", "900-90-650-1H",
    "970-5-Q", "970-90-Q", "970-5-FC", "970-90-650-1H",
    "1100-5-Q", "1100-90-650-1H",
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
    grain_size: float = 90.0
    """Square root of the mean area of the grains that the network surrounds; calibrated: with the thickness
    below 12 % of the area is network, measured are 3 to 21 %."""
    network_thickness: float = 4.5
    """Of the carbide network that the steel has from its casting; measured 2 to 8."""
    specimen_sigma: float = 0.15
    """Of ln of the mean diameter between specimens; with the next, about 0.3 in all, as measured."""
    field_sigma: float = 0.25
    """The same between the fields of one specimen."""
    fraction_sigma: float = 0.12
    """Of ln of the area fraction between fields; assumed."""
    network_sigma: float = 0.3
    """Of ln of the network's thickness between specimens; calibrated to its measured range."""

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

    def lamellar_share(self, temperature: float, time: float, cooling: str) -> float:
        """Share of the area that is pearlite.

        Of the pearlite that the steel had before, ``exp(-t / tau(T))`` has not yet spheroidised, 1 / tau of
        Arrhenius form. Calibrated to what is seen after 5 min: all of it at 700, most at 750, half at 800,
        none at 900 degC. The last 2 % are left out. Where austenite was held at 650 degC, all of it has
        become pearlite anew, between the particles.
        """
        if self.anew(temperature, cooling):
            return 1.0
        share = math.exp(-time / 7.2 * _arrhenius(354.0, temperature))
        return share if share > 0.02 else 0.0

    def anew(self, temperature: float, cooling: str) -> bool:
        """Whether pearlite forms on cooling: on a hold at 650 degC of what was austenite."""
        return cooling == "650-1H" and temperature > _A1

    def denuded_width(self, temperature: float, time: float) -> float:
        """Particle-free zone beside the network: ``1440 um * t_h^0.232 * exp(-63.3 kJ/mol / RT)``; measured.

        20 quenched micrographs of UHCSDB, R2 0.89.
        """
        return 1440.0 * (time / 60.0) ** 0.232 * math.exp(-63.3 / (R * (temperature + _KELVIN)))

    def film_thickness(self, temperature: float, cooling: str) -> float:
        """What cooling adds to the network: carbon that the austenite held in excess of the eutectoid.

        About proportional to ``T - A1``, and less the faster the cooling; none on quenching. Assumed.
        """
        full = {"Q": 0.0, "AR": 0.4, "FC": 0.8, "650-1H": 0.4}[cooling]  # from 970 degC
        return full * max(temperature - _A1, 0.0) / (970.0 - _A1)

    def needle_fraction(self, temperature: float, cooling: str) -> float:
        """Area fraction of Widmanstaetten carbide: on furnace cooling, from 0 at 800 to 0.06 at 970 degC.

        Measured are 0.003 to 0.06; the dependence on temperature is assumed.
        """
        return 0.06 * min(max(temperature - 800.0, 0.0) / 170.0, 1.0) if cooling == "FC" else 0.0

    def structure(
        self,
        condition: ProcessCondition,
        ln_diameter: float = 0.0,
        ln_fraction: float = 0.0,
        ln_network: float = 0.0,
    ) -> Structure:
        """What a field of this condition is made of.

        Args:
            condition: of a space with the factors temperature (degC), time (min) and cooling (Q, AR, FC,
                650-1H).
            ln_diameter: how far this field departs from the law of the mean diameter, as a natural logarithm.
            ln_fraction: the same for the area fraction of the particles.
            ln_network: the same for the thickness of the network.
        """
        temperature, time, cooling = (condition[name] for name in SPACE.names)
        return Structure(
            mean_diameter=self.mean_diameter(temperature, time) * math.exp(ln_diameter),
            diameter_sigma=self.diameter_sigma,
            particle_fraction=self.particle_fraction(temperature) * math.exp(ln_fraction),
            lamellar_share=self.lamellar_share(temperature, time, cooling),
            lamellar_fraction=0.29,  # lever rule for 1.97 % C below A1
            lamellar_spacing=0.28 * math.exp(0.4 * ln_diameter),  # measured 0.17 to 0.33
            colony_size=5.0,  # assumed
            particles_in_colonies=self.anew(temperature, cooling),
            network_thickness=self.network_thickness * math.exp(ln_network)
            + self.film_thickness(temperature, cooling),
            network_coverage=0.85,  # assumed
            denuded_width=self.denuded_width(temperature, time),
            grain_size=self.grain_size,
            needle_fraction=self.needle_fraction(temperature, cooling),
            needle_thickness=0.4,  # assumed
        )


def _arrhenius(energy: float, temperature: float) -> float:
    """``exp(-energy / RT)`` relative to 800 degC; energy in kJ/mol, temperature in degC."""
    return math.exp(-energy / R * (1 / (temperature + _KELVIN) - 1 / (800.0 + _KELVIN)))
