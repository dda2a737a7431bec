"""Which columns of a table are process factors, where nobody says so: names and units from the headers."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

from .factors import RESERVED, ColumnFactor, TableFactors
from .rows import Row, Rows, SourceError, as_number

# A text that differs in a larger share of the rows names or describes them one by one.
_IDENTIFIES = 0.8

_BRACKETED = re.compile(r"(.*\S)\s*(?:\(([^()]*(?:\([^()]*\)[^()]*)*)\)|\[([^\[\]]+)\])")
_DIVIDED = re.compile(r"(.*\S)\s+/\s+(.+)")
_ROLES = {  # what columns of these names usually are, and the option that says so
    "specimen": "--specimen",
    "sample": "--specimen",
    "um_per_px": "--um-per-px",
    "pixel_size": "--um-per-px",
    "microconstituent": "--microconstituent",
}


def infer_factors(
    table: Rows,
    rows: Sequence[Row],
    other: Collection[str],
    spellings: Mapping[str, Mapping[str, str]],
) -> tuple[TableFactors, list[str]]:
    """Take every column that can be a factor for one.

    Those that cannot: without a name, blank in most rows, with one value, numbers that count the rows, text
    that differs in nearly every row (identifiers, comments), and names that ensembles use.

    Args:
        table: the table.
        rows: those of its rows that count.
        other: columns that have another role.
        spellings: factor -> {spelling: level}, applied before a column is looked at.

    Returns:
        The factors, in the order of the columns, and a line on each column that is none.

    Raises:
        SourceError: two columns of one name, two that make a factor of one name, or none that can be one.
    """
    found: dict[str, tuple[str, str]] = {}  # column -> name, unit
    passed: list[str] = []
    names = _names([column for column in dict.fromkeys(table.columns) if column and column not in other])
    if "" in table.columns:
        passed.append("no factor: a column without a name")
    table.require(names)
    for column, (name, unit) in names.items():
        mapped = {str(spelling): str(level).strip() for spelling, level in spellings.get(name, {}).items()}
        texts = [mapped.get(row[column], row[column]) for row in rows]
        why = _unfit(column, name, texts)
        if why:
            passed.append(f"no factor: {column} ({why})")
            continue
        numeric = all(as_number(text) is not None for text in texts if text)
        found[column] = (name, unit if numeric else "")
    if not found:
        raise SourceError(
            f"{table.file}: no column can be a process factor; name those that are (--factor NAME=COLUMN). "
            f"{'; '.join(passed)}"
        )
    return (
        TableFactors(
            {name: ColumnFactor(column=column, unit=unit) for column, (name, unit) in found.items()},
            inferred=True,
        ),
        passed,
    )


def split_header(header: str) -> tuple[str, str]:
    """What a column is called, and its unit: in brackets at the end, or after a slash with spaces around it.

    >>> split_header("temperature (degC)"), split_header("T / K"), split_header("energy [kJ/(mol K)]")
    (('temperature', 'degC'), ('T', 'K'), ('energy', 'kJ/(mol K)'))
    >>> split_header("w/c ratio")
    ('w/c ratio', '')
    """
    match = _BRACKETED.fullmatch(header) or _DIVIDED.fullmatch(header)
    if match is None:
        return header, ""
    called, *units = match.groups()
    return called, next(unit for unit in units if unit is not None).strip()


def factor_name(header: str) -> str:
    """A header as the name of a factor: what is no letter, digit or _ becomes _; none at the ends.

    >>> factor_name("quench rate"), factor_name("C wt%"), factor_name("2nd step")
    ('quench_rate', 'C_wt', '_2nd_step')
    """
    name = re.sub(r"\W+", "_", header).strip("_")
    return name if not name or name.isidentifier() else f"_{name}"


def _names(columns: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Name and unit of every column; what only the unit sets apart keeps it in the name.

    Raises:
        SourceError: two columns still have one name, or names that differ only in case.
    """
    split = {column: split_header(column) for column in columns}
    short = {column: factor_name(called) for column, (called, _) in split.items()}
    folded = [name.casefold() for name in short.values()]
    names: dict[str, tuple[str, str]] = {}
    taken: dict[str, str] = {}
    for column, name in short.items():
        if folded.count(name.casefold()) > 1:
            name = factor_name(column)
        first = taken.setdefault(name.casefold(), column)
        if name and first != column:
            raise SourceError(
                f'columns "{first}" and "{column}" both make the factor {name}, whatever its case; name the '
                "factors yourself (--factor NAME=COLUMN)"
            )
        names[column] = (name, split[column][1])
    return names


def _unfit(column: str, name: str, texts: Sequence[str]) -> str:
    """Why a column cannot be a factor; empty where it can."""
    if not name:
        return "no letter to make a name of; if it is one, --factor NAME=COLUMN"
    if name.casefold() in _ROLES:
        return f"if it is what it is called, {_ROLES[name.casefold()]} {shlex.quote(column)}"
    if name in RESERVED:
        return "ensembles use that name for something else; if it is one, --factor NAME=COLUMN"
    filled = [text for text in texts if text]
    if 2 * len(filled) < len(texts):
        return f"blank in {len(texts) - len(filled)} of {len(texts)} rows"
    numbers = [number for number in map(as_number, filled) if number is not None]
    numeric = len(numbers) == len(filled)
    different = set(numbers if numeric else filled)
    if len(different) == 1:
        return f"{filled[0]} in every row"
    if len(numbers) > 2 and numeric and all(b - a == 1 for a, b in pairwise(numbers)):
        return "numbers the rows"
    if 2 * len(numbers) < len(filled) and len(different) > _IDENTIFIES * len(filled):
        return f"text that differs in nearly every row, {len(different)} of {len(filled)}"
    return ""
