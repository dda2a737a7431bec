"""What every benchmark does: both sides of a row measured in turns in one run, a table, a JSON file.

    python benchmarks/training.py --json docs/benchmarks/networks.json
    python benchmarks/side_by_side.py docs/benchmarks/networks.json

puts the table of a JSON file into the page beside it, in place of the one that is there.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import numpy as np
import torch

# The standard library has a module `statistics`, too, and others ask for that one: this folder comes last.
_HERE = str(Path(__file__).resolve().parent)
sys.path[:] = [*(place for place in sys.path if place != _HERE), _HERE]


def take_turns(measurements: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Median of what each measurement gives, all of them once a round.

    A machine that slows down slows all of them.
    """
    given: dict[str, list[float]] = {name: [] for name in measurements}
    for _ in range(rounds):
        for name, measure in measurements.items():
            given[name].append(measure())
    return {name: float(np.median(values)) for name, values in given.items()}


def seconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def entry(name: str, ours: float, reference: float, unit: str) -> dict:
    """One row of the table: ``ratio`` is ours / reference."""
    return {"name": name, "ours": ours, "reference": reference, "ratio": ours / reference, "unit": unit}


def machine() -> str:
    """Processor, threads and versions, in words."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )
    return f"{model}, {torch.get_num_threads()} threads of {os.cpu_count()} cores, torch {torch.__version__}"


def report(rows: list[dict], file: Path | None) -> None:
    """Print the table, and write it to a file if one is given."""
    print(machine())
    print(f"{'':72s}{'ours':>19s}{'reference':>19s}{'ratio':>9s}")
    for row in rows:
        values = "".join(f"{row[side]:10.4g} {row['unit']:8}" for side in ("ours", "reference"))
        print(f"{row['name']:72s}{values}{row['ratio']:9.3g}")
    if file:
        result = {"machine": machine(), "date": date.today().isoformat(), "rows": rows}
        file.write_text(json.dumps(result, indent=2) + "\n")


def with_table(page: str, result: Mapping) -> str:
    """Text of a page whose table, and the line that names machine and date, are those of a result."""
    lines = [
        f"*{result['machine']}; measured {result['date']}*",
        "",
        "| | ours | baseline | ratio |",
        "|---|---|---|---|",
    ]
    for row in result["rows"]:
        ours, reference = (f"{row[side]:.3g} {row['unit']}" for side in ("ours", "reference"))
        lines.append(f"| {row['name']} | {ours} | {reference} | {row['ratio']:.3g} |")
    table = re.compile(r"^\*.*; measured .*\*\n\n\| \| ours .*\n(\|.*\n)*", re.MULTILINE)
    if len(table.findall(page)) != 1:
        sys.exit("the page has not one table under a line that names the machine, but another number of them")
    return table.sub(lambda _: "\n".join(lines) + "\n", page)


if __name__ == "__main__":
    for file in map(Path, sys.argv[1:]):
        page = file.with_suffix(".md")
        page.write_text(with_table(page.read_text(), json.loads(file.read_text())))
