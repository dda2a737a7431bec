"""Which conditions are asked for, and how many micrographs of each: by name, one by one, or from a file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, TypeAlias

from ..process import ConditionError, ConditionLike, ProcessCondition, ProcessSpace
from ..sources.rows import Row, read_table

Conditions: TypeAlias = (
    Literal["observed", "all"] | str | os.PathLike[str] | Iterable[ConditionLike] | ConditionLike
)
COUNT = "n"  # column of a table
_TABLES = (".csv", ".tsv", ".xlsx")
_MOST = 100_000_000  # micrographs a condition: 6.5 TB at 256 px


def asked_for(space: ProcessSpace, conditions: Conditions, n: int) -> dict[ProcessCondition, int]:
    """Conditions in order, and how many micrographs of each.

    Args:
        space: the process space that they lie in.
        conditions: ``"observed"`` or ``"all"``, conditions in any form, or the path of a file: a table
            (CSV, XLSX) with a column a factor and, optionally, ``n``; any other is text, a condition a line,
            where what follows a # is a comment.
        n: micrographs a condition where no table says it.

    Raises:
        ConditionError: a condition outside the process space; of a file with its line or row.
        FileNotFoundError: there is no such file.
        SourceError: it is no table, or one without the factors' columns.
        ValueError: nothing is asked for, or more than an ensemble holds.
    """
    if isinstance(conditions, str) and conditions in ("observed", "all"):
        points = space.observed_conditions if conditions == "observed" else space.all_conditions
        if not points:
            raise ValueError(
                "this model does not say which combinations its training saw (a published checkpoint); "
                "name the conditions"
            )
        counts = dict.fromkeys(points, n)
    elif isinstance(conditions, os.PathLike):
        counts = _from_file(space, Path(conditions), n)
    else:
        counts = dict.fromkeys(space.conditions(conditions), n)
    if n < 1 or not counts:
        raise ValueError(f"nothing to generate: {len(counts)} conditions, n = {n}")
    if n > _MOST:
        raise ValueError(f"n = {n} are more micrographs a condition than an ensemble holds, {_MOST}")
    return counts


def _from_file(space: ProcessSpace, path: Path, n: int) -> dict[ProcessCondition, int]:
    entries = _rows(space, path, n) if path.suffix.lower() in _TABLES else _lines(space, path, n)
    counts: dict[ProcessCondition, int] = {}
    places: dict[ProcessCondition, str] = {}
    for place, point, count in entries:
        if point in counts:
            raise ConditionError(f"{place}: {point} stands in {places[point]} already; remove one of them")
        counts[point], places[point] = count, place.removeprefix(f"{path}, ")
    if not counts:
        raise ConditionError(f"{path} names no conditions; write one a line, or a table with a row each")
    return counts


def _lines(space: ProcessSpace, path: Path, n: int) -> Iterator[tuple[str, ProcessCondition, int]]:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file of conditions")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ConditionError(f"{path} is not UTF-8 text; save it as UTF-8, a condition a line") from None
    for number, line in enumerate(lines, 1):
        text = re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip()
        if text:
            place = f"{path}, line {number}"
            yield place, _condition(space, text, place), n


def _rows(space: ProcessSpace, path: Path, n: int) -> Iterator[tuple[str, ProcessCondition, int]]:
    table = read_table(path)
    table.require(space.names)
    for column in table.columns:
        if column not in (*space.names, COUNT):
            raise ConditionError(
                f'{path}: column "{column}" is neither a factor ({", ".join(space.names)}) nor "{COUNT}", '
                "micrographs of the condition; remove or rename it"
            )
    counted = COUNT in table.columns and COUNT not in space.names
    for row in table.rows:
        point = _condition(space, {name: row[name] for name in space.names}, row.place)
        yield row.place, point, _count(row, n) if counted else n


def _condition(space: ProcessSpace, condition: ConditionLike, place: str) -> ProcessCondition:
    try:
        return space.condition(condition)
    except ConditionError as error:
        raise ConditionError(f"{place}: {error}; correct it, or remove the {place.split()[-2]}") from None


def _count(row: Row, n: int) -> int:
    count = row.number(COUNT)
    if count is None:
        return n
    if not (count.is_integer() and 1 <= count <= _MOST):
        raise ConditionError(
            f'{row.place}: {COUNT} "{row[COUNT]}" is no number of micrographs, 1 to {_MOST}; correct '
            "it, or leave it blank for the n of all"
        )
    return int(count)
