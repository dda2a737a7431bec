"""What every benchmark does: both sides of a row measured in turns in one run, a table, a JSON file.

    python benchmarks/side_by_side.py training.json docs/performance.md "Networks"

puts the table of a JSON file into a page, in place of the one that follows a heading.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Mapping
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
        file.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=2) + "\n")


def tabulate(file: Path, page: Path, heading: str) -> None:
    """Replace the table below a heading, and the line that names the machine, by those of a JSON file."""
    result = json.loads(file.read_text())
    lines = [f"*{result['machine']}*", "", "| | ours | baseline | ratio |", "|---|---|---|---|"]
    for row in result["rows"]:
        ours, reference = (f"{row[side]:.3g} {row['unit']}" for side in ("ours", "reference"))
        lines.append(f"| {row['name']} | {ours} | {reference} | {row['ratio']:.3g} |")
    before, found, after = page.read_text().partition(f"## {heading}\n")
    if not found:
        sys.exit(f'{page} has no heading "{heading}"')
    table = re.compile(r"^(\*.*\*\n\n)?\| \| ours .*\n(\|.*\n)*", re.MULTILINE)
    page.write_text(before + found + table.sub(lambda _: "\n".join(lines) + "\n", after, count=1))


if __name__ == "__main__":
    tabulate(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
