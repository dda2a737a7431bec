"""The result of an evaluation: one table, and the text that reads it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

RESAMPLES = 500
INTERVAL = (0.05, 0.95)
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
        table: a line a condition, ``kind`` (``distance``, ``spread``) and ``quantity`` (``two_point`` or a
            descriptor), with its ``unit``; ``generated``, ``real`` and their ``ratio``, each with the 5 and
            95 % ends of its interval (``_low``, ``_high``); ``split``, what real micrographs were split or
            resampled by; ``n``, the tiles that were compared. The condition ``all`` averages conditions, and
            its ``n`` counts them.
        only_real, only_generated: conditions that exist in one of the two only, and were left out.
        field: rows and columns of a tile, in pixels.
        reduction: source pixels along each axis of one pixel.
    """

    table: pd.DataFrame
    only_real: list[str]
    only_generated: list[str]
    field: tuple[int, int]
    reduction: int

    def __str__(self) -> str:
        overall = self.table[self.table["condition"] == ALL]
        conditions = self.table[self.table["condition"] != ALL]
        names = pd.unique(conditions["condition"])
        lines = [
            f"Generated against real micrographs: {len(names)} conditions, "
            f"tiles of {self.field[0]} x {self.field[1]} px of {self.reduction} source px",
        ]
        for kind, meaning in {
            "distance": "Distance of generated from real, and of real from real at the same number of tiles",
            "spread": "Spread within a condition",
        }.items():
            lines += ["", meaning, f"  {'':28s}{'generated':>12s}{'real':>12s}  {'ratio':24s}unit"]
            lines += [_text(line) for _, line in overall[overall["kind"] == kind].iterrows()]
        lines += ["", "Distance of mean two-point statistics by condition"]
        worst = conditions[(conditions["kind"] == "distance") & (conditions["quantity"] == "two_point")]
        for _, line in worst.sort_values("ratio", ascending=False).iterrows():
            how = (
                "no real figure: a single micrograph"
                if line["split"] == "none"
                else f"halves by {line['split']}"
            )
            lines.append(_text(line, line["condition"]) + f"  ({line['n']} tiles, {how})")
        for what, missing in {"real": self.only_real, "generated": self.only_generated}.items():
            if missing:
                lines += ["", f"only {what}, left out: {', '.join(missing)}"]
        lines += ["", _READING]
        return "\n".join(lines)


def line(
    kind: str,
    quantity: str,
    unit: str,
    generated: np.ndarray,
    real: np.ndarray,
    values: tuple[float, float] | None = None,
) -> dict:
    """A line of the table from paired resampled figures, (draw,) each, and ``values`` if not their means."""
    value = dict(zip(("generated", "real"), values or (_mean(generated), _mean(real)), strict=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        value["ratio"] = float(np.divide(value["generated"], value["real"]))
        drawn = {"generated": generated, "real": real, "ratio": np.divide(generated, real)}
    row: dict = {"kind": kind, "quantity": quantity, "unit": unit}
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
