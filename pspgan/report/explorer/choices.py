"""What a reader of the explorer chooses from: the values of every factor, in order, and their names."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ...figures.style import unit_text, with_unit
from ...process import Factor, ProcessCondition, ProcessSpace, Value


@dataclass(frozen=True)
class Choice:
    """One factor, and the values that it can be set to."""

    factor: Factor
    values: tuple[Value, ...]

    @property
    def label(self) -> str:
        """Its name and unit."""
        return with_unit(self.factor.name, self.factor.unit)

    @property
    def texts(self) -> list[str]:
        """Its values with their unit, as they are read out."""
        return [value_text(self.factor, value) for value in self.values]

    @property
    def range(self) -> tuple[str, str]:
        """Lowest and highest value of an ordinal factor, as a field for numbers takes them."""
        low, high = map(self.factor.format, self.factor.range)
        return low, high

    def as_json(self) -> dict[str, Any]:
        """What the page's script is told of it."""
        return {
            "name": self.factor.name,
            "unit": unit_text(self.factor.unit),
            "keys": [self.factor.format(value) for value in self.values],
            "texts": self.texts,
        }


def value_text(factor: Factor, value: Value) -> str:
    """A value with its unit, and in a larger unit where the notation has a letter for it.

    >>> value_text(Factor("time", (5, 1440), "ordinal", unit="min"), 1440.0)
    '1440 min (24H)'
    """
    plain, letter = factor.format(value), factor.format(value, suffix=True)
    unit = f" {unit_text(factor.unit)}" if factor.unit else ""
    return f"{plain}{unit}" + ("" if letter == plain else f" ({letter})")


def choices(space: ProcessSpace, conditions: Iterable[ProcessCondition]) -> list[Choice]:
    """For every factor its levels, and values between levels that some of these conditions have.

    Those of an ordinal factor ascend; those of a nominal one stand as in the process space.
    """
    found = list(conditions)
    several = []
    for factor in space.factors:
        values = dict.fromkeys((*factor.levels, *(c[factor.name] for c in found)))
        ordered = sorted(values) if factor.kind == "ordinal" else values
        several.append(Choice(factor, tuple(ordered)))
    return several


def combinations(
    space: ProcessSpace, several: Sequence[Choice], conditions: Sequence[ProcessCondition], most: int
) -> list[ProcessCondition]:
    """Every combination of the choices; where those are more than ``most``, only the given conditions."""
    if math.prod(len(choice.values) for choice in several) > most:
        return list(conditions)
    return [
        ProcessCondition(values, space)
        for values in itertools.product(*(choice.values for choice in several))
    ]


def difference(point: ProcessCondition, other: ProcessCondition) -> str:
    """In which factors another condition differs, in words: ``time 90 min instead of 5 min``."""
    words = [
        f"{factor.name} {value_text(factor, theirs)} instead of {value_text(factor, mine)}"
        for factor, mine, theirs in zip(point.space.factors, point.values, other.values, strict=True)
        if mine != theirs
    ]
    return ", ".join(words)
