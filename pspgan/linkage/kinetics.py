"""Fitted kinetics of coarsening: exponent and activation energy of ``d^n = d0^n + k0 exp(-Q / RT) t``.

The power law is that of Lifshitz, Slyozov and Wagner (n = 3) where diffusion through the lattice controls,
of other exponents where something else does. Intervals are of the profile likelihood: a parameter that the
data do not tell has an open one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from scipy.stats import f as fisher, t as student

from .growth_law import GrowthLaw, R, lack_of_fit, ln_size, slopes

_PARAMETERS = ("exponent", "initial", "rate", "activation_energy")


@dataclass(frozen=True)
class Kinetics:
    """A growth law that was fitted, and how well the data tell its parameters.

    Attributes:
        exponent: n.
        activation_energy: Q, kJ/mol; NaN where there is one temperature only.
        rate: k at ``reference_temperature``, in size^n / time.
        k0: the prefactor of k; of a single temperature, k itself. It moves with Q by many decades: compare
            ``rate``.
        initial: d0, in the unit of the size.
        intervals: parameter (the names above but ``k0``) -> (low, high) at ``level``; an open end is infinite
            (for ``initial``, 0).
        fixed: parameters that were given, not fitted.
        level: probability of the intervals.
        scatter: standard deviation of ln size about the law.
        lack_of_fit: probability of so much departure from the law, were it true (F test of the means of
            equal treatments against the scatter among specimens of each); NaN without repeated treatments.
        rows, dof: specimens, and degrees of freedom.
        reference_temperature: K; the mean of 1/T of the specimens. NaN where temperatures were not given.
        target, unit, time_unit: what was fitted.
    """

    exponent: float
    activation_energy: float
    rate: float
    k0: float
    initial: float
    intervals: dict[str, tuple[float, float]]
    fixed: tuple[str, ...]
    level: float
    scatter: float
    lack_of_fit: float
    rows: int
    dof: int
    reference_temperature: float
    target: str = "size"
    unit: str = ""
    time_unit: str = ""
    time: str = "time"
    """Name of the factor that is the time; the next of the one that is the temperature."""
    temperature: str = ""
    covariance: np.ndarray = field(default_factory=lambda: np.zeros((4, 4)), repr=False, compare=False)
    """Of (n, ln d0, ln k, Q), to first order; 0 for what is fixed."""

    @property
    def unidentified(self) -> tuple[str, ...]:
        """Parameters whose interval is open: the data do not tell them."""
        return tuple(
            name
            for name, (low, high) in self.intervals.items()
            if name not in self.fixed and (not (math.isfinite(low) and math.isfinite(high)) or low == 0.0)
        )

    def predict(self, time: np.ndarray | float, kelvin: np.ndarray | float | None = None) -> np.ndarray:
        """Size after a time, in its unit, at a temperature in K (by default the reference one)."""
        return np.exp(ln_size(self._theta, *self._reduced(time, kelvin)))

    def band(
        self, time: np.ndarray | float, kelvin: np.ndarray | float | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Interval of the law itself (not of a specimen) at ``level``, to first order in the parameters."""
        reduced = self._reduced(time, kelvin)
        slope = slopes(self._theta, *reduced)
        deviation = np.sqrt(np.einsum("...i,ij,...j->...", slope, self.covariance, slope))
        half = student.ppf((1 + self.level) / 2, self.dof) * deviation
        middle = ln_size(self._theta, *reduced)
        return np.exp(middle - half), np.exp(middle + half)

    @property
    def _theta(self) -> np.ndarray:
        energy = 0.0 if math.isnan(self.activation_energy) else self.activation_energy
        return np.array([self.exponent, math.log(self.initial), math.log(self.rate), energy])

    def summary(self) -> str:
        """The law with numbers, and in words what they are worth."""
        size, per = (
            self.unit or "size",
            f"{self.unit or 'size'}^{self.exponent:.3g}/{self.time_unit or 'time'}",
        )
        rows = {
            "exponent": ("exponent n", self.exponent, ""),
            "activation_energy": ("activation energy Q", self.activation_energy, "kJ/mol"),
            "rate": (f"rate k at {self.reference_temperature:.0f} K", self.rate, per),
            "initial": ("initial d0", self.initial, size),
        }
        lines = [f"{self.target}: d^n = d0^n + k t over {self.rows} specimens"]
        for name, (label, value, unit) in rows.items():
            if name == "activation_energy" and math.isnan(value):
                lines.append(f"  {label:24s}one temperature: not to be had")
                continue
            lines.append(f"  {label:24s}{value:.4g} {unit}".rstrip() + f"  {self.interval_text(name)}")
        lines.append(f"  scatter of ln d about the law {self.scatter:.2g}")
        lines += [f"  {sentence}" for sentence in self.caveats()]
        return "\n".join(lines)

    def as_dict(self) -> dict[str, object]:
        """What was found, for JSON; an open end of an interval is None."""
        found = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "covariance"}
        ends = self.intervals.items()
        found["intervals"] = {name: [e if math.isfinite(e) else None for e in pair] for name, pair in ends}
        return {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in found.items()
        }

    def caveats(self) -> list[str]:
        """What the reader has to know before the numbers are used."""
        words = []
        if self.unidentified:
            what = ", ".join(name.replace("_", " ") for name in self.unidentified)
            words.append(
                f"Not identifiable: {what}. The data fit the law with any value on the open side, so the "
                "estimate says little; longer times, more temperatures or a known d0 would tell."
            )
        if self.lack_of_fit < 0.05:
            words.append(
                f"The law does not describe the means (lack of fit, p = {self.lack_of_fit:.2g}): the "
                "intervals take it for true, and are too narrow."
            )
        return words

    def interval_text(self, name: str) -> str:
        """The interval of a parameter in brackets, or in words where it is open."""
        if name in self.fixed:
            return "(given)"
        low, high = self.intervals[name]
        if not math.isfinite(high) and (not math.isfinite(low) or low == 0):
            return "(not identifiable)"
        if not math.isfinite(high):
            return f"(above {low:.3g})"
        if not math.isfinite(low):
            return f"(below {high:.3g})"
        return f"({low:.3g} to {high:.3g})"

    def _reduced(
        self, time: np.ndarray | float, kelvin: np.ndarray | float | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """ln t and (1/T - 1/T_ref) / R, mol/kJ, of equal shape."""
        at = self.reference_temperature
        inverse = np.zeros(()) if kelvin is None else (1 / np.asarray(kelvin, float) - 1 / at) / R
        return np.broadcast_arrays(_ln(np.asarray(time, float)), inverse)


def fit_growth(
    size: Sequence[float] | np.ndarray,
    time: Sequence[float] | np.ndarray,
    kelvin: Sequence[float] | np.ndarray | None = None,
    *,
    exponent: float | None = None,
    initial: float | None = None,
    level: float = 0.9,
) -> Kinetics:
    """Fit ``d^n = d0^n + k0 exp(-Q / RT) t`` to sizes, by least squares of their logarithms.

    Sizes of specimens scatter in proportion to their mean, so each counts the same in ln d.

    Args:
        size: of each specimen, (row,), above 0.
        time: (row,), 0 or more, in any one unit.
        kelvin: temperature of each, K, (row,); None where it was the same for all: then there is no Q.
        exponent, initial: n and d0 where they are known; else they are fitted.
        level: probability of the intervals.

    Raises:
        ValueError: arrays of different length, values at or below 0, times that do not differ, or fewer rows
            than parameters.

    >>> time = np.array([1.0, 10.0, 100.0, 1000.0, 10000.0])
    >>> found = fit_growth((0.1**3 + 2e-4 * time) ** (1 / 3), time, exponent=3.0)
    >>> round(found.initial, 4), round(found.rate, 7)
    (0.1, 0.0002)
    """
    size, time = np.asarray(size, float), np.asarray(time, float)
    at = np.full(len(size), np.nan) if kelvin is None else np.asarray(kelvin, float)
    _check(size, time, np.ones(len(size)) if kelvin is None else at, exponent, initial, level)
    several = kelvin is not None and len(np.unique(at)) > 1
    reference = 1 / float(np.mean(1 / at))
    inverse = (1 / at - 1 / reference) / R if several else np.zeros(len(size))
    given = {0: exponent, 1: None if initial is None else math.log(initial), 3: None if several else 0.0}
    given = {i: value for i, value in given.items() if value is not None}
    problem = GrowthLaw(np.log(size), _ln(time), inverse, given)
    dof = len(size) - (4 - len(given))
    if dof < 1:
        raise ValueError(
            f"{len(size)} specimens for {4 - len(given)} parameters; give more, or fix the exponent or d0"
        )
    theta, rss = problem.best()
    allowed = max(rss, 1e-16) * (
        1 + fisher.ppf(level, 1, dof) / dof
    )  # exact data leave a residue of rounding
    covariance = problem.covariance(theta, rss / dof)
    ends = [
        (theta[i], theta[i]) if i in given else problem.profile(i, theta, covariance[i, i], allowed)
        for i in range(4)
    ]
    if not several:
        ends[3] = (math.nan, math.nan)
    for i in (1, 2):
        ends[i] = (math.exp(ends[i][0]), math.exp(ends[i][1]))
    return Kinetics(
        exponent=float(theta[0]),
        activation_energy=float(theta[3]) if several else math.nan,
        rate=math.exp(theta[2]),
        k0=math.exp(theta[2] + (theta[3] / (R * reference) if several else 0.0)),
        initial=math.exp(theta[1]),
        intervals=dict(zip(_PARAMETERS, ends, strict=True)),
        fixed=tuple(_PARAMETERS[i] for i in sorted(given) if i < 3),
        level=level,
        scatter=math.sqrt(rss / dof),
        lack_of_fit=lack_of_fit(np.log(size), time, inverse, rss, 4 - len(given)),
        rows=len(size),
        dof=dof,
        reference_temperature=reference,
        covariance=covariance,
    )


def _check(
    size: np.ndarray,
    time: np.ndarray,
    kelvin: np.ndarray,
    exponent: float | None,
    initial: float | None,
    level: float,
) -> None:
    if not len(size) == len(time) == len(kelvin):
        raise ValueError(f"{len(size)} sizes, {len(time)} times, {len(kelvin)} temperatures: one a row")
    for name, values in {"size": size, "time": time, "kelvin": kelvin}.items():
        wrong = np.flatnonzero(~(np.isfinite(values) & ((values >= 0) if name == "time" else (values > 0))))
        if len(wrong):
            raise ValueError(f"{name}: row {wrong[0]} is {values[wrong[0]]:g}, which no growth law can have")
    if not 0 < level < 1:
        raise ValueError(f"level is {level:g}; it is a probability between 0 and 1, such as 0.9")
    for name, value in {"exponent": exponent, "initial": initial}.items():
        if value is not None and not value > 0:
            raise ValueError(f"{name} is {value:g}; it lies above 0")
    if len(np.unique(time)) < 2:
        raise ValueError("all times are the same, which no growth can be told from; give several")


def _ln(time: np.ndarray) -> np.ndarray:
    """ln t; minus infinity at the start."""
    with np.errstate(divide="ignore"):
        return np.log(time)
