"""The growth law ``d^n = d0^n + k t`` and its least squares in ln d: solved, and profiled one by one.

Parameters are theta = (n, ln d0, ln k, Q), where ``k exp(-Q u)`` is the rate at a temperature with
``u = (1/T - 1/T_ref) / R``. Profiles are those of Bates and Watts (*Nonlinear Regression Analysis*, 1988,
section 6.1.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq, least_squares
from scipy.stats import f as fisher

R = 8.314462618e-3  # gas constant, kJ/(mol K)

# Theory has exponents from 1 to 5, and diffusion energies from some 10 to some 600 kJ/mol: an interval that
# reaches beyond these bounds is open.
_EXPONENTS, _ENERGIES = (0.5, 12.0), (-200.0, 1500.0)
_NOTHING = 8.0  # natural logarithms below the smallest size, where d0 is none
_STARTS = (2.0, 3.0, 5.0)  # exponents
_MOST_STEPS = 40  # of growing length, until an interval is open


def ln_size(theta: np.ndarray, ln_time: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    """ln d after ln t at u = ``inverse``."""
    n, initial, rate, energy = theta
    return np.logaddexp(n * initial, rate + ln_time - energy * inverse) / n


def slopes(theta: np.ndarray, ln_time: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    """Slopes of ln size in (n, ln d0, ln k, Q), (..., parameter)."""
    n, initial, rate, energy = theta
    total = np.logaddexp(n * initial, rate + ln_time - energy * inverse)
    old = np.exp(n * initial - total)  # share of d^n that was there before
    parts = old * initial / n - total / n**2, old, (1 - old) / n, -(1 - old) * inverse / n
    return np.stack(parts, axis=-1)


class GrowthLaw:
    """Least squares of ln size in theta, some of it given: parameter number -> value."""

    ln_size: np.ndarray
    ln_time: np.ndarray
    inverse: np.ndarray
    given: dict[int, float]
    low: np.ndarray
    high: np.ndarray

    def __init__(
        self, ln_size: np.ndarray, ln_time: np.ndarray, inverse: np.ndarray, given: dict[int, float]
    ):
        self.ln_size, self.ln_time, self.inverse, self.given = ln_size, ln_time, inverse, given
        none = ln_size.min() - _NOTHING
        self.low = np.array([_EXPONENTS[0], none, -np.inf, _ENERGIES[0]])
        self.high = np.array([_EXPONENTS[1], ln_size.max(), np.inf, _ENERGIES[1]])

    def best(self) -> tuple[np.ndarray, float]:
        """The best of several starts: theta, and the sum of squares."""
        # Without d0, ln d = (ln k + ln t - Q u) / n is a plane, whose slope in u starts Q.
        grown = np.isfinite(self.ln_time)
        ln_time, size = self.ln_time[grown], self.ln_size[grown]
        plane = np.column_stack([np.ones_like(ln_time), ln_time, -self.inverse[grown]])
        slope = np.linalg.lstsq(plane, size, rcond=None)[0][2]
        found = []
        for n in [self.given[0]] if 0 in self.given else _STARTS:
            rate = float(np.mean(n * size - ln_time))
            start = np.array([n, self.ln_size.min() - 0.2, rate, np.clip(n * slope, 0.0, 800.0)])
            found.append(self.solve(start, self.given))
        return min(found, key=lambda one: one[1])

    def solve(self, start: np.ndarray, fixed: dict[int, float]) -> tuple[np.ndarray, float]:
        """Least squares from a start, with these parameters fixed: theta, and the sum of squares."""
        theta = start.copy()
        for i, value in fixed.items():
            theta[i] = value
        free = [i for i in range(4) if i not in fixed]

        def full(x: np.ndarray) -> np.ndarray:
            theta[free] = x
            return theta

        result = least_squares(
            lambda x: ln_size(full(x), self.ln_time, self.inverse) - self.ln_size,
            np.clip(theta[free], self.low[free] + 1e-6, self.high[free] - 1e-6),
            lambda x: slopes(full(x), self.ln_time, self.inverse)[:, free],
            bounds=(self.low[free], self.high[free]),
            x_scale="jac",
            xtol=1e-10,
            ftol=1e-10,
        )
        return full(result.x).copy(), 2 * float(result.cost)

    def covariance(self, theta: np.ndarray, variance: float) -> np.ndarray:
        """Of theta, (4, 4), to first order, where ln size scatters with this variance."""
        free = [i for i in range(4) if i not in self.given]
        slope = slopes(theta, self.ln_time, self.inverse)[:, free]
        found = np.zeros((4, 4))
        found[np.ix_(free, free)] = variance * np.linalg.pinv(slope.T @ slope)
        return found

    def profile(self, i: int, theta: np.ndarray, variance: float, allowed: float) -> tuple[float, float]:
        """Values of parameter ``i`` between which the others bring the sum of squares below ``allowed``."""
        return self._end(i, theta, variance, allowed, -1.0), self._end(i, theta, variance, allowed, 1.0)

    def _end(self, i: int, theta: np.ndarray, variance: float, allowed: float, sign: float) -> float:
        bound = (self.low if sign < 0 else self.high)[i]
        state = theta

        def excess(value: float) -> float:
            # From the last value it is near, from the best one it cannot be lost for good.
            nonlocal state
            ways = [self.solve(start, self.given | {i: value}) for start in (state, theta)]
            state, rss = min(ways, key=lambda one: one[1])
            return rss - allowed

        inside = float(theta[i])
        step = float(np.clip(math.sqrt(max(variance, 0.0)), 1e-6, 0.2 * max(abs(inside), 1.0)))
        for _ in range(_MOST_STEPS):
            outside = inside + sign * step
            if sign * (outside - bound) >= 0:
                return sign * math.inf if excess(bound) <= 0 else _root(excess, inside, float(bound))
            if excess(outside) > 0:
                return _root(excess, inside, outside)
            inside, step = outside, 1.7 * step
        return sign * math.inf


def lack_of_fit(
    ln_size: np.ndarray, time: np.ndarray, inverse: np.ndarray, rss: float, parameters: int
) -> float:
    """Probability of means so far from the law, by their scatter (Draper and Smith 1998, section 2.1)."""
    treatment, member = np.unique(np.column_stack([time, inverse]), axis=0, return_inverse=True)
    member = member.ravel()
    mean = np.bincount(member, ln_size) / np.bincount(member)
    pure = float(np.sum((ln_size - mean[member]) ** 2))
    of_pure, of_lack = len(ln_size) - len(treatment), len(treatment) - parameters
    if of_pure < 1 or of_lack < 1 or pure <= 0:
        return math.nan
    return float(fisher.sf((rss - pure) / of_lack / (pure / of_pure), of_lack, of_pure))


def _root(excess: Callable[[float], float], inside: float, outside: float) -> float:
    return float(brentq(excess, inside, outside, xtol=1e-4 * abs(outside - inside), rtol=1e-5))
