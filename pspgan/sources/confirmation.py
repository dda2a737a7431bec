"""What became of the columns of a table: its process space in words, for people to confirm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..process import Factor, ProcessSpace, Value
from ..wording import counted
from .factors import TableFactors
from .summary import some

_LEVELS_SHOWN = 12
_WIDE = 30  # highest over lowest level, above which an axis may rather be logarithmic
_ARBITRARY_ZERO = {"degc", "°c", "celsius", "degf", "°f", "fahrenheit"}  # a ratio of these says nothing


def factor_lines(
    factors: TableFactors, space: ProcessSpace, values: Mapping[str, Sequence[Value]]
) -> list[str]:
    """The process space in words, one line a factor, and how to say what was inferred.

    Args:
        factors: where each factor comes from.
        space: what became of them.
        values: factor -> one value a micrograph.
    """
    wide = {name: "log" for name in factors.columns if _is_wide(space[name])}
    lines = []
    for name, factor in factors.columns.items():
        column = "" if factor.column == name else f' (column "{factor.column}")'
        line = f"factor {name}{column}: {_in_words(space[name])}"
        there = set(values[name])
        empty = [space[name].format(level) for level in space[name].levels if level not in there]
        if empty:
            line += f"; in no row: {some(empty)}"
        if name in wide:
            how = "see below" if factors.inferred else factors.saying({name: "log"})
            line += f"; a log axis may fit: {how}"
        lines.append(line)
    if factors.inferred:
        what = "the same with a log axis" if wide else "the same"
        lines.append(f"factors are what the columns say; {what}: {factors.saying(wide)}")
    return lines


def _is_wide(factor: Factor) -> bool:
    """Whether a linear axis spans multiples rather than differences."""
    if factor.kind == "nominal" or factor.scale == "log" or factor.unit.casefold() in _ARBITRARY_ZERO:
        return False
    low, high = factor.range
    return low > 0 and high / low > _WIDE


def _in_words(factor: Factor) -> str:
    levels = counted(len(factor.levels), "level")
    if factor.kind == "nominal":
        return f"nominal, {levels}: {some([str(level) for level in factor.levels], _LEVELS_SHOWN)}"
    low, high = (factor.format(level) for level in factor.range)
    span = low if low == high else f"{low} to {high}"
    return f"ordinal, {levels}, {f'{span} {factor.unit}'.rstrip()}, {factor.scale} axis"
