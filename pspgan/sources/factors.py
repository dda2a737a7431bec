"""The factors of a table: which column each is read from, and how cells become its values."""

from __future__ import annotations

import difflib
import math
import os
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..process import ConditionError, Factor, ProcessSpace, Value
from ..strict_yaml import load_yaml
from .options import SCALES, factor_option
from .rows import Row, SourceError, as_number

# Names that mean something else in an ensemble, in its statistics (where a factor called like a descriptor
# would take its place) and in the tables made of them.
# fmt: off
RESERVED: tuple[str, ...] = (
    "sample", "y", "x", "micrograph", "phase", "condition", "specimen", "um_per_px", "microconstituent",
    "image", "offset_y", "offset_x", "split", "seed", "observed", "statistics",
    "two_point", "dy", "dx", "correlation", "area_fraction", "particle_density", "particle_density_um",
    "mean_equivalent_diameter", "mean_equivalent_diameter_um", "nearest_neighbour_distance",
    "nearest_neighbour_distance_um", "mean_chord_length", "mean_chord_length_um", "mean_intercept_length",
    "mean_intercept_length_um", "grain_size_number", "specific_interface_area", "specific_interface_area_um",
    "correlation_length", "correlation_length_um", "euler_number_density", "euler_number_density_um",
    "connectivity", "interlamellar_spacing", "interlamellar_spacing_um", "denuded_zone_width",
    "denuded_zone_width_um", "lineal_path", "chord_length_distribution", "direction", "length", "step",
    "angle", "micrographs", "specimens", "probability",
)
# fmt: on

_ABSOLUTE_ZERO = {"degC": -273.15, "°C": -273.15, "C": -273.15, "K": 0.0, "degF": -459.67}


class ColumnFactor(BaseModel):
    """What is said of one factor. Texts throughout, as the cells of a table are.

    ``levels`` fixes the levels and the order of the network's class indices; where None they are what the
    rows hold, sorted. ``map`` maps spellings to levels before a cell is read; blank leaves the row out.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", frozen=True, coerce_numbers_to_str=True, str_strip_whitespace=True
    )

    column: str = Field(min_length=1)
    unit: str = ""
    scale: Literal["", "linear", "log", "nominal"] = ""
    levels: tuple[str, ...] | None = None
    map: dict[str, str] = {}

    @property
    def kind(self) -> Literal["ordinal", "nominal"] | None:
        """What the factor is said to be; None where that is for the cells to tell."""
        if self.scale == "nominal":
            return "nominal"
        if self.unit or self.scale:
            return "ordinal"
        if self.levels is None:
            return None
        return "nominal" if None in map(as_number, self.levels) else "ordinal"

    def spelled(self, cell: str) -> str:
        """What a cell says once spellings are mapped."""
        return self.map.get(cell, cell)


@dataclass(frozen=True)
class TableFactors:
    """The factors of a table by name, in the order of the notation, and how they were said.

    ``file`` is the YAML file that says them, ``inferred`` whether nobody did.
    """

    columns: Mapping[str, ColumnFactor]
    file: str = ""
    inferred: bool = False

    def __post_init__(self) -> None:
        if not self.columns:
            raise SourceError(
                "no factor given: say which columns hold the processing, or leave that to pspgan"
            )
        where = f"{self.file}: " if self.file else ""
        folded: dict[str, str] = {}
        for name, factor in self.columns.items():
            if name in RESERVED:
                raise SourceError(
                    f'{where}factor "{name}": ensembles use that name for something else; choose another'
                )
            if not name.isidentifier():
                raise SourceError(
                    f'{where}factor "{name}": a name has letters, digits and _, and no digit first; '
                    "choose another"
                )
            other = folded.setdefault(name.casefold(), name)
            if other != name:
                raise SourceError(
                    f'{where}factors "{other}" and "{name}" differ only in case, which file systems may '
                    "ignore; choose another name for one"
                )
            if factor.scale == "nominal" and factor.unit:
                raise SourceError(f'{where}factor {name} is nominal and cannot have the unit "{factor.unit}"')
            try:
                self.levels_of(name)
            except ValueError as error:
                raise SourceError(f"{where}{error}") from None

    def mapped(self, spellings: Mapping[str, Mapping[str, str]]) -> TableFactors:
        """These factors with further spellings, factor -> {spelling: level}, which go before their own.

        Raises:
            SourceError: a factor that is none of these.
        """
        columns = dict(self.columns)
        for name, more in spellings.items():
            if name not in columns:
                raise SourceError(f'map: "{name}" is none of the factors {", ".join(columns)}')
            more = {str(spelling): str(level).strip() for spelling, level in more.items()}
            columns[name] = columns[name].model_copy(update={"map": columns[name].map | more})
        return replace(self, columns=columns)

    def levels_of(self, name: str) -> Factor | None:
        """A factor with its fixed levels; None where none are fixed.

        Raises:
            ValueError: levels that cannot be one another's, such as names on an axis.
        """
        factor = self.columns[name]
        if factor.levels is None:
            return None
        if factor.kind == "nominal":
            if len({level.casefold() for level in factor.levels}) < len(set(factor.levels)):
                raise ValueError(
                    f"factor {name}: levels differ only in case, which conditions ignore: "
                    f"{', '.join(factor.levels)}"
                )
            return Factor(name, factor.levels, "nominal")
        for level in factor.levels:
            if as_number(level) is None:
                raise ValueError(
                    f'factor {name} has {"a unit" if factor.unit else "an axis"}, but its level "{level}" '
                    "is not a number; correct the level, or say scale: nominal"
                )
        levels = tuple(map(float, factor.levels))
        return Factor(name, levels, "ordinal", factor.unit, factor.scale or "linear")

    def space(self, values: Mapping[str, Sequence[Value]]) -> ProcessSpace:
        """The process space of rows: ``values`` hold one a row for every factor."""
        fixed = {name: factor.levels for name in self.columns if (factor := self.levels_of(name))}
        units = {name: factor.unit for name, factor in self.columns.items()}
        axes = {name: f.scale for name, f in self.columns.items() if f.scale in ("linear", "log")}
        return ProcessSpace.infer(values, units, axes, fixed)

    def saying(self, scales: Mapping[str, str]) -> str:
        """How to say that factors have other scales, word for word: options, or what goes into the file.

        Options name one factor each, but all of them where they were inferred: naming one ends inference.
        """
        listed = ", ".join(f"scale: {scale} under {name}" for name, scale in scales.items())
        if self.file:
            return f"{listed} in {self.file}"
        options = [
            factor_option(name, factor.column, factor.unit, scales.get(name, factor.scale))
            for name, factor in self.columns.items()
            if self.inferred or name in scales
        ]
        if None in options:
            return f"{listed or 'named'} in a file (--factors FILE), for the colon in a header"
        return " ".join(options)


def given_factors(given: Mapping[str, Any] | str | os.PathLike[str]) -> TableFactors:
    """Factors as someone says them.

    Args:
        given: name -> the keys of `ColumnFactor`, in the order of the notation, every one optional
            (``column`` is by default the name); or a YAML file that holds that.

    Raises:
        FileNotFoundError: there is no such file.
        SourceError: an unknown key, a value that does not fit, or no factor at all.
    """
    if isinstance(given, Mapping):
        return TableFactors({str(name): _column_factor(name, keys, "") for name, keys in given.items()})
    path = Path(given)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file of factors")
    try:
        loaded = load_yaml(path.read_bytes(), str(path), texts=True)
    except ValueError as error:
        raise SourceError(str(error)) from None
    if not isinstance(loaded, dict) or not loaded:
        raise SourceError(f"{path} names no factor; write for example temperature: {{column: T, unit: degC}}")
    columns = {name: _column_factor(name, keys, f"{path}: ") for name, keys in loaded.items()}
    return TableFactors(columns, file=str(path))


def read_values(rows: Sequence[Row], name: str, factors: TableFactors) -> list[Value]:
    """Numbers or names of one factor, one a row.

    Raises:
        SourceError: numbers and other text are mixed, a number cannot lie on the factor's axis, two names
            differ only in case, or a value is none of the levels.
    """
    factor, fixed = factors.columns[name], factors.levels_of(name)
    texts = [factor.spelled(row[factor.column]) for row in rows]
    numbers = [as_number(text) for text in texts]
    numeric = any(number is not None for number in numbers)
    if factor.kind == "nominal" or (factor.kind is None and not numeric):
        if fixed is not None:
            return [_level(row, fixed, text, factors.file) for row, text in zip(rows, texts, strict=True)]
        _check_names(rows, name, texts)
        return texts
    for row, text, number in zip(rows, texts, numbers, strict=True):
        if number is None:
            names = "" if factor.kind else f"; if these are names, {factors.saying({name: 'nominal'})}"
            raise SourceError(
                f'{row.place}: {name} "{text}" is not a number; correct the cell or map it with '
                f"--map {name}:{text}=NUMBER{names}"
            )
        if number < _ABSOLUTE_ZERO.get(factor.unit, -math.inf):
            raise SourceError(
                f"{row.place}: {name} {number:g} {factor.unit} lies below absolute zero; correct the cell or "
                "its unit"
            )
        if factor.scale == "log" and number <= 0:
            raise SourceError(
                f"{row.place}: {name} {number:g} cannot lie on a log axis; correct the cell, or choose "
                f"another axis ({factors.saying({name: 'linear'})})"
            )
    if fixed is not None:
        return [_level(row, fixed, number, factors.file) for row, number in zip(rows, numbers, strict=True)]
    return numbers


def _column_factor(name: Any, keys: Any, where: str) -> ColumnFactor:
    where = f"{where}factor {name}"
    if keys is None or keys == "":  # in YAML, a name and nothing after it
        keys = {}
    if not isinstance(keys, Mapping):
        column = keys if isinstance(keys, str) else "COLUMN"
        raise SourceError(
            f"{where} is {reprlib.repr(keys)}, not keys with values; write {name}: {{column: {column}}}"
        )
    try:
        return ColumnFactor(**{"column": str(name)} | {str(key): value for key, value in keys.items()})
    except ValidationError as error:
        first = error.errors()[0]
    key, value = first["loc"][0], first["input"]
    if first["type"] == "extra_forbidden":
        known = list(ColumnFactor.model_fields)
        nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
        raise SourceError(f'{where}: unknown key "{key}"; did you mean "{nearest}"? ({", ".join(known)})')
    if key == "scale":
        raise SourceError(f'{where}: scale "{value}" is none of {", ".join(SCALES)}')
    place = " ".join(map(str, first["loc"]))
    # What aliases of YAML stand for can be as long as a book.
    raise SourceError(f"{where}: {place}: {first['msg']} (got {reprlib.repr(value)})")


def _level(row: Row, fixed: Factor, value: Value, file: str) -> Value:
    """The level that a cell means.

    Raises:
        SourceError: it means none of them.
    """
    try:
        level = fixed.check(value)
    except ConditionError:
        level = None
    if level in fixed.levels:
        return level
    text = fixed.format(value)
    if fixed.kind == "ordinal":
        nearest = min(fixed.levels, key=lambda level: abs(level - value))
    else:
        nearest = difflib.get_close_matches(text, fixed.levels, n=1, cutoff=0.0)[0]
    raise SourceError(
        f'{row.place}: {fixed.name} "{text}" is none of the levels {fixed.listing}; map it, for example with '
        f"--map {fixed.name}:{text}={fixed.format(nearest)}, or add it to the levels{file and f' in {file}'}"
    )


def _check_names(rows: Sequence[Row], name: str, texts: Sequence[str]) -> None:
    first: dict[str, str] = {}
    for row, text in zip(rows, texts, strict=True):
        other = first.setdefault(text.casefold(), text)
        if other != text:
            raise SourceError(
                f'{row.place}: {name} "{text}" and "{other}" differ only in case, which conditions ignore; '
                f"map it with --map {name}:{text}={other}"
            )
