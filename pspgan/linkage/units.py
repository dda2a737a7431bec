"""What the unit of a factor says about its role: a temperature (in kelvin), a time; no name does."""

from __future__ import annotations

from ..process import Factor

# Added to a value in the unit to give kelvin.
_KELVIN_OFFSET = {"k": 0.0, "kelvin": 0.0, "degc": 273.15, "°c": 273.15, "celsius": 273.15}
_TIMES = ("s", "min", "h", "d")


def is_temperature(factor: Factor) -> bool:
    """Whether a factor is a temperature, by its unit.

    >>> is_temperature(Factor("anneal", (700, 800), "ordinal", unit="degC"))
    True
    """
    return factor.kind == "ordinal" and factor.unit.casefold() in _KELVIN_OFFSET


def is_time(factor: Factor) -> bool:
    """Whether a factor is a time, by its unit: s, min, h or d."""
    return factor.kind == "ordinal" and factor.unit.casefold() in _TIMES


def kelvin(factor: Factor, value: float) -> float:
    """A temperature in kelvin.

    Raises:
        ValueError: it is at or below 0 K.
    """
    absolute = value + _KELVIN_OFFSET[factor.unit.casefold()]
    if absolute <= 0:
        raise ValueError(
            f"factor {factor.name}: {factor.format(value)} {factor.unit} is not above absolute zero"
        )
    return absolute
