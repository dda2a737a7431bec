"""The space that factors span, the conditions in it, and what networks are told of them."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np

from .factor import ConditionError, Factor, Value
from .pixel_size import PIXEL_SIZE, check_pixel_size, hyphenated, pixel_size_factor

#: What names a condition: itself, its notation, or values by factor, by name or in the order of factors.
ConditionLike: TypeAlias = "ProcessCondition | str | Mapping[str, Value] | Sequence[Value]"


@dataclass(frozen=True)
class ProcessCondition:
    """One point of a process space: a value for every factor. Made by `ProcessSpace.condition`.

    ``str(condition)`` is the canonical notation (``800-1440-Q``), ``condition.label`` the compact one
    (``800-24H-Q``), ``condition["time"]`` a value, ``condition.observed`` whether training saw it.
    """

    values: tuple[Value, ...]
    space: ProcessSpace = field(compare=False, repr=False)

    def __getitem__(self, name: str) -> Value:
        return self.values[self.space.index(name)]

    def __str__(self) -> str:
        return "-".join(f.format(v) for f, v in zip(self.space.factors, self.values, strict=True))

    def __repr__(self) -> str:
        named = zip(self.space.factors, self.values, strict=True)
        values = ", ".join(f"{f.name} {f.in_words(v)}" for f, v in named)
        return f"<ProcessCondition {self.label}: {values}; {'' if self.observed else 'not '}observed>"

    @property
    def label(self) -> str:
        """Notation with unit letters, for figures: ``800-24H-Q``."""
        return "-".join(
            f.format(v, suffix=True) for f, v in zip(self.space.factors, self.values, strict=True)
        )

    @property
    def observed(self) -> bool:
        """Whether micrographs of exactly this combination were in the training data."""
        return self.values in self.space.observed

    @property
    def pixel_size(self) -> float:
        """Size of a pixel in um, where that is a factor of the space; else NaN."""
        return float(self[PIXEL_SIZE]) if self.space.has_pixel_size else math.nan

    @property
    def treatment(self) -> str:
        """Notation without the pixel size: what was done to the material, not how its image was taken."""
        named = zip(self.space.factors, self.values, strict=True)
        return "-".join(f.format(v) for f, v in named if f.name != PIXEL_SIZE)

    @property
    def on_levels(self) -> bool:
        """Whether every value is a level, so that nothing is interpolated."""
        return all(v in f.levels for f, v in zip(self.space.factors, self.values, strict=True))

    def as_dict(self) -> dict[str, Value]:
        """Factor name -> value."""
        return dict(zip(self.space.names, self.values, strict=True))


@dataclass(frozen=True)
class ProcessSpace:
    """An ordered list of factors, and the combinations of their values that were observed.

    The order is that of the notation and of the network's outputs. ``observed`` holds value tuples; use
    `observing` to set it from conditions.
    """

    factors: tuple[Factor, ...]
    observed: frozenset[tuple[Value, ...]] = frozenset()

    def __post_init__(self) -> None:
        object.__setattr__(self, "factors", tuple(self.factors))
        object.__setattr__(self, "observed", frozenset(map(tuple, self.observed)))
        if not self.factors:
            raise ValueError("a process space needs at least one factor")
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"factor names repeat: {', '.join(self.names)}")
        check_pixel_size(self.factors)

    def __repr__(self) -> str:
        factors = ", ".join(f"{f.name} {f.summary()}" for f in self.factors)
        of = math.prod(len(f.levels) for f in self.factors)
        return f"<ProcessSpace {factors}; {len(self.observed)} of {of} combinations observed>"

    def _repr_html_(self) -> str:
        from ..notebook import table, titled

        title = f"Process space, {len(self.observed)} combinations observed"
        return titled(title, table([f.as_row() for f in self.factors]))

    @classmethod
    def uhcsdb(cls) -> ProcessSpace:
        """The factors and levels of the paper, in the class-index order of its published checkpoint."""
        return cls(
            (
                Factor("temperature", (970, 800, 900, 1100, 1000, 700, 750), "ordinal", unit="degC"),
                Factor("time", (90, 1440, 180, 5, 480, 5100, 60, 2880), "ordinal", unit="min", scale="log"),
                Factor("cooling", ("Q", "FC", "AR", "650-1H"), "nominal"),
            )
        )

    @classmethod
    def infer(
        cls,
        columns: Mapping[str, Sequence[Value]],
        units: Mapping[str, str] | None = None,
        scales: Mapping[str, Literal["linear", "log"]] | None = None,
        levels: Mapping[str, Sequence[Value]] | None = None,
    ) -> ProcessSpace:
        """The space that a table spans: numeric columns become ordinal factors, text nominal ones.

        Args:
            columns: factor name -> one value a row, rows aligned; their combinations count as observed.
            units: factor name -> unit, for ordinal factors.
            scales: factor name -> ``"linear"`` (default) or ``"log"``.
            levels: factor name -> its levels in the order of class indices, also those without a row; by
                default those that occur, sorted.

        Raises:
            ConditionError: a row with a value outside given levels.

        >>> columns = {"time": [5, 90, 5], "cooling": ["Q", "Q", "AR"]}
        >>> space = ProcessSpace.infer(columns, units={"time": "min"})
        >>> [str(c) for c in space.observed_conditions]
        ['5-AR', '5-Q', '90-Q']
        """
        units, scales, given = units or {}, scales or {}, levels or {}
        factors = []
        for name, values in columns.items():
            numeric = all(isinstance(v, (int, float, np.integer, np.floating)) for v in values)
            known = given.get(name) or sorted({float(v) if numeric else str(v) for v in values})
            unit, scale = units.get(name, "") if numeric else "", scales.get(name, "linear")
            factors.append(Factor(name, tuple(known), "ordinal" if numeric else "nominal", unit, scale))
        space = cls(tuple(factors))
        rows = zip(*columns.values(), strict=True)
        return space.observing(space.condition(list(row)) for row in rows)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Factor names, in order."""
        return tuple(factor.name for factor in self.factors)

    @property
    def has_pixel_size(self) -> bool:
        """Whether the size of a pixel is a factor, `PIXEL_SIZE`, the last one."""
        return PIXEL_SIZE in self.names

    @property
    def n_levels(self) -> int:
        """Length of an encoding: the levels of all factors."""
        return sum(len(factor.levels) for factor in self.factors)

    @property
    def n_targets(self) -> int:
        """Outputs of the discriminator: all levels, real, fake (C of Eq. 2)."""
        return self.n_levels + 2

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """Where each factor's levels lie in an encoding."""
        ends = list(itertools.accumulate(len(factor.levels) for factor in self.factors))
        return tuple(slice(a, b) for a, b in zip([0, *ends], ends, strict=False))

    def index(self, name: str) -> int:
        """Position of a factor.

        Raises:
            KeyError: no factor has that name.
        """
        if name not in self.names:
            raise KeyError(f'no factor "{name}"; this process space has {", ".join(self.names)}')
        return self.names.index(name)

    def __getitem__(self, name: str) -> Factor:
        return self.factors[self.index(name)]

    def condition(self, condition: ConditionLike) -> ProcessCondition:
        """Read a condition: notation, mapping by factor name, values in order, or another condition.

        Raises:
            ConditionError: an unknown level, a value outside a range, or text that does not fit the notation.

        >>> str(ProcessSpace.uhcsdb().condition("1100-1H-650-1H"))
        '1100-60-650-1H'
        >>> space = ProcessSpace.uhcsdb().with_pixel_sizes([0.1, 0.4])
        >>> str(space.condition("800-90M-Q at 0.2 um/px"))
        '800-90-Q-0.2'
        """
        if isinstance(condition, ProcessCondition):
            if condition.space is self:
                return condition
            condition = condition.as_dict()
        try:
            if isinstance(condition, str):
                return ProcessCondition(self._parse(condition.strip()), self)
            if isinstance(condition, Mapping):
                unknown = [name for name in condition if name not in self.names]
                missing = [name for name in self.names if name not in condition]
                if unknown or missing:
                    given = ", ".join(map(str, condition))
                    raise ConditionError(
                        f"factors {given} do not match this process space: {', '.join(self.names)}"
                    )
                condition = [condition[name] for name in self.names]
            if len(condition) != len(self.factors):
                raise ConditionError(
                    f"{len(condition)} values for the {len(self.factors)} factors {', '.join(self.names)}"
                )
            return ProcessCondition(
                tuple(f.check(v) for f, v in zip(self.factors, condition, strict=True)), self
            )
        except ConditionError as error:
            shown = condition if isinstance(condition, str) else ", ".join(map(str, condition))
            raise ConditionError(f'condition "{shown}": {error}') from None

    def _parse(self, text: str) -> tuple[Value, ...]:
        if self.has_pixel_size:
            text = hyphenated(text)
        # Levels may hold hyphens (650-1H), so every reading is tried and exactly one must fit.
        readings: list[tuple[Value, ...]] = []
        failure: list[tuple[int, str]] = []

        def read(position: int, rest: str, values: tuple[Value, ...]) -> None:
            if position == len(self.factors):
                if rest:
                    failure.append((position, f'"{rest}" is left over after {", ".join(self.names)}'))
                else:
                    readings.append(values)
                return
            factor = self.factors[position]
            if not rest:
                failure.append((position, f"{factor.name} is missing; it has {factor.listing}"))
                return
            try:
                found = list(factor.candidates(rest))
                if not found:
                    word = rest if position == len(self.factors) - 1 else rest.split("-")[0]
                    factor.check(word)
                    raise ConditionError(f'{factor.name} "{word}" cannot be read')
            except ConditionError as error:
                failure.append((position, str(error)))
                return
            for value, after in found:
                read(position + 1, after, (*values, value))

        read(0, text, ())
        if not readings:
            raise ConditionError(f"{max(failure)[1]} (notation: {'-'.join(self.names)})")
        if len(set(readings)) > 1:
            raise ConditionError(
                f"can be read in {len(readings)} ways; give the values by factor name instead"
            )
        return readings[0]

    def conditions(self, many: Iterable[ConditionLike] | ConditionLike) -> list[ProcessCondition]:
        """Read several conditions; a single one gives a list of one."""
        if isinstance(many, (str, Mapping, ProcessCondition)):
            many = [many]
        many = list(many)
        if any(isinstance(one, (int, float)) for one in many):
            raise ConditionError(
                f"{many} holds bare numbers; a condition given by its values goes into a list"
            )
        return [self.condition(one) for one in many]

    def observing(self, conditions: Iterable[ConditionLike]) -> ProcessSpace:
        """This space with exactly these combinations marked as observed."""
        return replace(self, observed=frozenset(self.condition(c).values for c in conditions))

    def with_pixel_sizes(self, sizes: Iterable[float]) -> ProcessSpace:
        """This space with the size of a pixel, um, as one more factor; nothing of it is observed yet."""
        return ProcessSpace((*self.factors, pixel_size_factor(sizes)))

    @property
    def observed_conditions(self) -> list[ProcessCondition]:
        """Observed combinations, sorted by value."""
        return [ProcessCondition(values, self) for values in sorted(self.observed)]

    @property
    def all_conditions(self) -> list[ProcessCondition]:
        """Every combination of levels (224 in the paper's space), in index order."""
        return [
            ProcessCondition(values, self) for values in itertools.product(*(f.levels for f in self.factors))
        ]

    def encode(self, conditions: Iterable[ConditionLike] | ConditionLike) -> np.ndarray:
        """Weights over levels, (condition, n_levels) float32, factors side by side (see `slices`)."""
        rows = [
            np.concatenate([f.weights(v) for f, v in zip(self.factors, c.values, strict=True)])
            for c in self.conditions(conditions)
        ]
        return np.array(rows, dtype=np.float32).reshape(len(rows), self.n_levels)

    def target(self, condition: ConditionLike | None, real: bool = True) -> np.ndarray:
        """Multi-label vector of one micrograph, (n_targets,) int8: 1 positive, 0 negative, -1 ignored.

        Eq. 2 (a real micrograph) and Eq. 5 (what the generator wants said of its own) with ``real=True``;
        Eq. 3 (the discriminator's label of a generated one) with ``real=False``, where ``condition`` plays no
        part. Where a value lies between two levels neither is right or wrong, and both are ignored.

        >>> ProcessSpace.uhcsdb().target("970-90-Q").nonzero()[0]
        array([ 0,  7, 15, 19])
        """
        label = np.zeros(self.n_targets, dtype=np.int8)
        if not real:
            label[-1] = 1
            return label
        weights = self.encode(self.condition(condition))[0]
        label[:-2] = np.where(weights == 1, 1, np.where(weights > 0, -1, 0))
        label[-2] = 1
        return label

    def to_json(self) -> str:
        """The space as JSON text; `from_json` gives an equal one back."""
        factors = [
            {"name": f.name, "kind": f.kind, "levels": list(f.levels), "unit": f.unit, "scale": f.scale}
            for f in self.factors
        ]
        return json.dumps(
            {"factors": factors, "observed": [list(c.values) for c in self.observed_conditions]}
        )

    @classmethod
    def from_json(cls, text: str) -> ProcessSpace:
        """Read what `to_json` wrote.

        Raises:
            ValueError: text that is not a process space.
        """
        try:
            data = json.loads(text)
            factors = tuple(
                Factor(**(entry | {"levels": tuple(entry["levels"])})) for entry in data["factors"]
            )
            return cls(factors, frozenset(tuple(values) for values in data.get("observed", [])))
        except (TypeError, KeyError, json.JSONDecodeError) as error:
            raise ValueError(f"not the JSON of a process space: {error!r}") from None

    def difference(self, other: ProcessSpace) -> str:
        """What sets the factors of two spaces apart, in words; empty where they agree."""
        if self.names != other.names:
            return f"factors {', '.join(self.names)} against {', '.join(other.names)}"
        for mine, theirs in zip(self.factors, other.factors, strict=True):
            if mine != theirs:
                return f"{mine.name}: {mine.listing} {mine.unit} against {theirs.listing} {theirs.unit}"
        return ""
