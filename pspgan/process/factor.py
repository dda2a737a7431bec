"""One processing parameter: its levels, their axis, and how a value is written and weighted."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np

#: Value of a factor: a number in its unit if ordinal, the name of a level if nominal.
Value: TypeAlias = float | str

# Letters that may follow a number in the notation ("24H"), as multiples of the factor's unit.
_SUFFIXES: dict[str, dict[str, float]] = {
    "s": {"S": 1.0, "M": 60.0, "H": 3600.0},
    "min": {"M": 1.0, "H": 60.0},
    "h": {"M": 1.0 / 60.0, "H": 1.0},
}
_NUMBER = re.compile(r"([+-]?\d+(?:\.\d+)?)([A-Za-z]*)(?=-|$)")


def _is_name(name: object) -> bool:
    """Whether a store can hold an array of that name, beside its own files, and a terminal show it."""
    return (
        isinstance(name, str)
        and name.isprintable()
        and (name[:1].isalnum() or name[:1] == "_")
        and not name.startswith("__")
        and not set("/\\") & set(name)
        and name != "zarr.json"
    )


class ConditionError(ValueError):
    """A condition that does not belong to the process space; the message names the factor and value."""


@dataclass(frozen=True)
class Factor:
    """One processing parameter and its levels.

    Args:
        name: the word used for it everywhere: coordinate in the store, key in a config, option in the CLI.
        levels: level values in the order of the network's class indices (any order).
        kind: ``"ordinal"`` (numbers on an axis) or ``"nominal"`` (names).
        unit: unit of an ordinal factor's values, e.g. ``"degC"`` or ``"min"``.
        scale: axis along which an ordinal factor interpolates, ``"linear"`` or ``"log"``.

    Raises:
        ValueError: a name that no array can have, or levels are missing, repeated, or do not fit ``kind`` and
            ``scale``.

    >>> Factor("time", (90, 5), "ordinal", unit="min", scale="log").weights(90)
    array([1., 0.])
    """

    name: str
    levels: tuple[Value, ...]
    kind: Literal["ordinal", "nominal"]
    unit: str = ""
    scale: Literal["linear", "log"] = "linear"

    def __post_init__(self) -> None:
        if not _is_name(self.name):
            raise ValueError(
                f'factor "{self.name}": a name of a factor is printable, without / and \\, and begins with a '
                "letter, digit or _"
            )
        if self.kind not in ("ordinal", "nominal"):
            raise ValueError(f'factor {self.name}: kind "{self.kind}" is neither "ordinal" nor "nominal"')
        if self.scale not in ("linear", "log"):
            raise ValueError(f'factor {self.name}: scale "{self.scale}" is neither "linear" nor "log"')
        convert = float if self.kind == "ordinal" else str
        object.__setattr__(self, "levels", tuple(convert(level) for level in self.levels))
        if not self.levels:
            raise ValueError(f"factor {self.name} has no levels")
        if len(set(self.levels)) != len(self.levels):
            raise ValueError(f"factor {self.name} repeats a level: {', '.join(map(str, self.levels))}")
        if self.kind == "nominal" and not all(self.levels):
            raise ValueError(f"factor {self.name}: a level without a name")
        if self.kind == "ordinal":
            if not all(map(math.isfinite, self.levels)):
                raise ValueError(f"factor {self.name}: levels must be finite, got {self.levels}")
            if self.scale == "log" and min(self.levels) <= 0:
                raise ValueError(
                    f"factor {self.name}: level {min(self.levels):g} cannot lie on a log axis; "
                    "use scale='linear'"
                )

    @cached_property
    def _axis(self) -> tuple[np.ndarray, np.ndarray]:
        """Class indices sorted along the axis, and the coordinate of each."""
        coordinate = np.array([self.coordinate(level) for level in self.levels])
        order = np.argsort(coordinate)
        return order, coordinate[order]

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest level of an ordinal factor, in its unit."""
        return min(self.levels), max(self.levels)

    def coordinate(self, value: float) -> float:
        """Position of a value on the factor's axis: the value itself, or its natural logarithm."""
        return math.log(value) if self.scale == "log" else float(value)

    def check(self, value: Any) -> Value:
        """Return ``value`` as this factor stores it.

        Raises:
            ConditionError: an unknown level of a nominal factor, or a number outside an ordinal one's range.
        """
        if self.kind == "nominal":
            folded = {level.casefold(): level for level in self.levels}
            if str(value) in self.levels:
                return str(value)
            if len(folded) == len(self.levels) and str(value).casefold() in folded:
                return folded[str(value).casefold()]
            raise ConditionError(f'{self.name} "{value}" is none of {self.listing}')
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise ConditionError(
                f'{self.name} "{value}" is not a number (in {self.unit or "its unit"})'
            ) from None
        low, high = self.range
        if not low <= number <= high:
            span = f"{self.format(low)} to {self.format(high)} {self.unit}".rstrip()
            raise ConditionError(
                f"{self.name} {self.format(number)} lies outside {span}, the range of this process space"
            )
        return number

    def weights(self, value: Value) -> np.ndarray:
        """Weights over the levels, shape (level,), summing to 1.

        One-hot on a level; between two levels of an ordinal factor the linear interpolation along its axis.

        >>> Factor("time", (1, 100), "ordinal", scale="log").weights(10)
        array([0.5, 0.5])
        """
        value = self.check(value)
        weights = np.zeros(len(self.levels))
        if value in self.levels:
            weights[self.levels.index(value)] = 1.0
            return weights
        order, axis = self._axis
        position = self.coordinate(value)
        upper = int(np.searchsorted(axis, position))
        share = (position - axis[upper - 1]) / (axis[upper] - axis[upper - 1])
        weights[order[upper - 1]], weights[order[upper]] = 1.0 - share, share
        return weights

    def format(self, value: Value, suffix: bool = False) -> str:
        """The value in the paper's notation: plain (``1440``), or with a larger unit's letter (``24H``)."""
        if isinstance(value, str):
            return value
        if suffix:
            letters = _SUFFIXES.get(self.unit, {})
            larger = [(multiple, letter) for letter, multiple in letters.items() if multiple > 1]
            for multiple, letter in sorted(larger, reverse=True):
                if value >= multiple and (value / multiple).is_integer():
                    return f"{value / multiple:.0f}{letter}"
        return np.format_float_positional(value, trim="-")

    def in_words(self, value: Value) -> str:
        """The value with its unit: ``1440 min``."""
        return " ".join(filter(None, [self.format(value), self.unit]))

    def summary(self) -> str:
        """The levels in a few words.

        >>> Factor("time", (90, 5), "ordinal", unit="min").summary()
        '5 to 90 min (2 levels)'
        """
        if self.kind == "nominal":
            return ", ".join(self.levels)
        low, high = self.range
        return f"{self.format(low)} to {self.in_words(high)} ({len(self.levels)} levels)"

    def as_row(self) -> dict[str, str]:
        """What a table of factors says of this one."""
        levels = ", ".join(map(self.format, self.levels if self.kind == "nominal" else sorted(self.levels)))
        ordinal = {"unit": self.unit, "scale": self.scale} if self.kind == "ordinal" else {}
        return {"factor": self.name, "kind": self.kind, "levels": levels} | ordinal

    def candidates(self, text: str) -> Iterator[tuple[Value, str]]:
        """Every way to read a leading value off ``text``: (value, what is left after the hyphen)."""
        if self.kind == "nominal":
            for level in self.levels:
                head, rest = text[: len(level)], text[len(level) :]
                if head.casefold() == level.casefold() and (not rest or (rest[0] == "-" and rest != "-")):
                    yield self.check(head), rest[1:]
            return
        match = _NUMBER.match(text)
        if match is None:
            return
        if text[match.end() :] == "-":
            raise ConditionError(f'{self.name} "{text}" ends in a hyphen')
        number, letter = float(match[1]), match[2].upper()
        multiples = {"": 1.0} | _SUFFIXES.get(self.unit, {})
        if letter not in multiples:
            unit = f" of {self.unit}" if self.unit else ""
            letters = " or ".join(filter(None, multiples))
            raise ConditionError(
                f'{self.name} "{match[0]}": unit letter "{match[2]}" is unknown; write a number{unit}'
                + (f", or one with {letters}" if letters else " alone")
            )
        yield self.check(number * multiples[letter]), text[match.end() + 1 :]

    @property
    def listing(self) -> str:
        """All levels in the notation, for messages."""
        return ", ".join(self.format(level) for level in self.levels)
