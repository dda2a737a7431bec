"""The result of an evaluation: one table, and the text that reads it."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pandas as pd

from ..writing import write_text

if TYPE_CHECKING:
    from .findings import Finding
    from .memorisation import Pair

RESAMPLES = 500
INTERVAL = (0.05, 0.95)
# Of the table, by column: text, or a number.
Line: TypeAlias = dict[str, str | float]
ALL = "all"  # the condition that stands for the average over conditions

_READING = """\
Distances: a ratio near 1 says that generated micrographs differ from real ones as real ones differ from one
another; well below 1, that they follow the very micrographs they are compared with. Spreads: below 1,
generated micrographs vary less than real ones. In brackets 5 to 95 %. Where training has seen the real
micrographs, this tells how well it reproduces them, not what it does for others."""


@dataclass(frozen=True)
class Report:
    """What `evaluate` found.

    Attributes:
        table: a line a condition, ``kind`` and ``quantity`` (see `evaluate`), with its ``unit``;
            ``generated``, ``real`` and their ``ratio``, each with the 5 and 95 % ends of its interval
            (``_low``, ``_high``); ``split``, what real micrographs were split or resampled by; ``n``, the
            tiles that were compared; ``part`` of the real micrographs, ``all``, ``train`` or ``held_out``;
            ``chance``, of consistency. The condition ``all`` averages conditions, and its ``n`` counts them,
            or stands for all micrographs together.
        only_real, only_generated: conditions that exist in one of the two only, and were left out.
        field: rows and columns of a tile, in pixels.
        reduction: source pixels along each axis of one pixel.
        findings: what that says, in words; a `Finding` a question.
        pairs: generated micrographs that are most like a place of a training micrograph, the worst first.
        notes: what was left out to bound the cost.
    """

    table: pd.DataFrame
    only_real: list[str]
    only_generated: list[str]
    field: tuple[int, int]
    reduction: int
    findings: list[Finding] = dataclasses.field(default_factory=list)
    pairs: list[Pair] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)

    def __str__(self) -> str:
        whole = self.table[self.table["part"] == "all"]
        overall = whole[whole["condition"] == ALL]
        conditions = whole[(whole["condition"] != ALL) & (whole["kind"] == "distance")]
        names = pd.unique(conditions["condition"])
        lines = [
            f"Generated against real micrographs: {len(names)} conditions, "
            f"tiles of {self.field[0]} x {self.field[1]} px of {self.reduction} source px",
            *self.notes,
            "",
            *map(str, self.findings),
        ]
        for kind, meaning in {
            "distance": "Distance of generated from real, and of real from real at the same number of tiles",
            "spread": "Spread within a condition",
        }.items():
            lines += ["", meaning, _HEADER]
            lines += [_text(line) for _, line in overall[overall["kind"] == kind].iterrows()]
        pooled = overall[
            overall["kind"].isin(["frechet", "kernel", "precision", "recall", "density", "coverage"])
        ]
        if len(pooled):
            n = int(pooled["n"].iloc[0])
            lines += ["", f"In feature spaces, samples of {n} tiles with as many of each condition", _HEADER]
            lines += [_text(line, f"{line['kind']} {line['quantity']}") for _, line in pooled.iterrows()]
        lines += ["", "Distance of mean two-point statistics by condition"]
        worst = conditions[conditions["quantity"] == "two_point"]
        for _, line in worst.sort_values("ratio", ascending=False).iterrows():
            how = (
                "no real figure: a single micrograph"
                if line["split"] == "none"
                else f"halves by {line['split']}"
            )
            lines.append(_text(line, line["condition"]) + f"  ({line['n']} tiles, {how})")
        if self.pairs:
            lines += ["", "Most like a training micrograph", *(f"  {pair}" for pair in self.pairs)]
        for what, missing in {"real": self.only_real, "generated": self.only_generated}.items():
            if missing:
                lines += ["", f"only {what}, left out: {', '.join(missing)}"]
        lines += ["", _READING]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from dataclasses import asdict

        from ..notebook import table, titled

        return titled("Generated against real micrographs", table([asdict(one) for one in self.findings]))

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write ``table.csv``, ``findings.txt`` (this report as text) and ``findings.json`` into a folder.

        Raises:
            OSError: they cannot be written; older files of these names stay as they were.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / "table.csv", self.table.to_csv(index=False))
        write_text(folder / "findings.txt", f"{self}\n")
        pairs = [
            {name: value for name, value in vars(pair).items() if name != "images"} for pair in self.pairs
        ]
        content = {
            "findings": [asdict(one) for one in self.findings],
            "pairs": pairs,
            "only_real": self.only_real,
            "only_generated": self.only_generated,
            "field": list(self.field),
            "reduction": self.reduction,
            "notes": self.notes,
        }
        write_text(folder / "findings.json", json.dumps(content, indent=2) + "\n")


_HEADER = f"  {'':28s}{'generated':>12s}{'real':>12s}  {'ratio':24s}unit"


def line(
    kind: str,
    quantity: str,
    unit: str,
    generated: np.ndarray,
    real: np.ndarray,
    values: tuple[float, float] | None = None,
) -> Line:
    """A line of the table from paired resampled figures, (draw,) each, and ``values`` if not their means."""
    value = dict(zip(("generated", "real"), values or (_mean(generated), _mean(real)), strict=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        value["ratio"] = float(np.divide(value["generated"], value["real"]))
        drawn = {"generated": generated, "real": real, "ratio": np.divide(generated, real)}
    row: Line = {"kind": kind, "quantity": quantity, "unit": unit}
    for name, draws in drawn.items():
        low, high = _interval(draws)
        row |= {name: value[name], f"{name}_low": low, f"{name}_high": high}
    return row


def overall(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The lines of condition ``all``: averages over, and resampling of, conditions that have both figures."""
    lines = []
    for (kind, quantity, unit), part in table.groupby(["kind", "quantity", "unit"], sort=False):
        both = part[["generated", "real"]].dropna().values
        drawn = rng.integers(len(both), size=(RESAMPLES, len(both))) if len(both) else np.zeros((0, 0), int)
        means = both[drawn].mean(axis=1) if len(both) > 1 else np.full((1, 2), np.nan)
        values = tuple(both.mean(axis=0)) if len(both) else (np.nan, np.nan)
        lines.append(
            {"condition": ALL}
            | line(kind, quantity, unit, means[:, 0], means[:, 1], values)
            | {"n": len(both), "split": "condition"}
        )
    return pd.DataFrame(lines)


def _mean(draws: np.ndarray) -> float:
    return float(np.nanmean(draws)) if np.isfinite(draws).any() else np.nan


def _interval(draws: np.ndarray) -> tuple[float, float]:
    finite = draws[np.isfinite(draws)]
    if len(finite) < 2:
        return np.nan, np.nan
    low, high = np.quantile(finite, INTERVAL)
    return float(low), float(high)


def _text(row: pd.Series, name: str | None = None) -> str:
    numbers = "".join(
        f"{'-' if not np.isfinite(row[k]) else format(row[k], '.4g'):>12s}" for k in ("generated", "real")
    )
    if np.isfinite(row["ratio"]):
        ratio = f"{row['ratio']:.2f}"
        if np.isfinite(row["ratio_low"]):
            ratio += f" [{row['ratio_low']:.2f}, {row['ratio_high']:.2f}]"
    else:
        ratio = "-"
    return f"  {name or row['quantity']:28s}{numbers}  {ratio:24s}{row['unit']}".rstrip()
