"""What spatial statistics cost, beside PyMKS; and what those of a large ensemble cost, in time and memory.

    python benchmarks/statistics.py [--json FILE] [--rounds 5] [--micrographs 20000]

Both engines get the same states in memory and give back the same statistics, which is checked on the way to
1e-10. They take turns in one process; PyMKS runs on dask's threads, as it does by itself, ours on torch's.
Times are medians. Memory is the largest resident set of a process of its own, above what it had after its
imports. The ensemble is measured as `pspgan stats` does it, out of a store; its reference is the budget of
1.5 GB, and for time the same on one worker.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from processes import in_a_process, resident
from side_by_side import entry, report, seconds, take_turns

from pspgan import ensemble
from pspgan.process import ProcessSpace
from pspgan.statistics import compute_statistics, one_hot, two_point_statistics

PAIRS = ((0, 0), (0, 1))
BUDGET = 1.5e9 / 2**30  # GiB
# name -> shape of the states, correlations, other arguments
CASES = {
    "periodic": ((64, 256, 256, 2), PAIRS, {"periodic": True, "cutoff": 100}),
    "not periodic": ((64, 256, 256, 2), PAIRS, {"periodic": False, "cutoff": 100}),
    "not periodic, masked": ((64, 256, 256, 2), PAIRS, {"periodic": False, "cutoff": 100}),
    "not periodic, float32": ((64, 256, 256, 2), PAIRS, {"periodic": False, "cutoff": 100}),
    "not periodic, odd rectangle": ((32, 301, 203, 2), PAIRS, {"periodic": False, "cutoff": 60}),
    "periodic, 3 phases": (
        (64, 128, 128, 3),
        ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)),
        {"periodic": True, "cutoff": 32},
    ),
}


def states_of(shape: tuple[int, ...]) -> np.ndarray:
    """Hard phases, (sample, y, x, state), of blurred noise."""
    import scipy.ndimage

    noise = np.random.default_rng(0).normal(size=shape[:3])
    grey = scipy.ndimage.gaussian_filter(noise, (0, 2, 2), mode="wrap")
    edges = np.quantile(grey, np.arange(1, shape[3]) / shape[3])
    return one_hot(np.digitize(grey, edges), shape[3])


def time_rows(rounds: int, most: int) -> list[dict]:
    """Seconds a call, ours beside PyMKS."""
    rows = []
    for name, ((n, *field), pairs, arguments) in CASES.items():
        shape = (min(n, most), *field)
        states = states_of(shape)
        mask = np.random.default_rng(1).random(shape[:3]) > 0.2 if "masked" in name else None
        calls = {
            engine: partial(two_point_statistics, states, pairs, mask=mask, engine=engine, **arguments)
            for engine in ("native", "pymks")
        }
        if "float32" in name:
            calls["native"] = partial(calls["native"], dtype="float32")
        ours, theirs = (call() for call in calls.values())
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 if "float32" in name else 1e-10)
        times = take_turns({engine: partial(seconds, call) for engine, call in calls.items()}, rounds)
        size = " x ".join(map(str, shape[:3]))
        label = f"{size}, {len(pairs)} correlations, cutoff {arguments['cutoff']}, {name}"
        rows.append(entry(label, times["native"], times["pymks"], "s"))
    return rows


def memory_rows(most: int) -> list[dict]:
    """GiB of a call that is not periodic."""
    ours, theirs = (in_a_process(peak_of_engine, engine, most) for engine in ("native", "pymks"))
    return [entry("the same, not periodic, memory", ours, theirs, "GiB")]


def peak_of_engine(engine: str, most: int) -> float:
    """Largest resident set of a call above that with the states in memory, in GiB."""
    (n, *field), pairs, arguments = CASES["not periodic"]
    states = states_of((min(n, most), *field))
    two_point_statistics(states[:1], pairs, engine=engine, **arguments)  # imports
    before = resident("VmRSS")
    two_point_statistics(states, pairs, engine=engine, **arguments)
    return resident("VmHWM") - before


def ensemble_rows(micrographs: int) -> list[dict]:
    """Micrographs a second, and GiB, of `pspgan stats` on an ensemble of 128 px."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "many.zarr"
        write_many(path, micrographs)
        (one, _), (two, peak) = (in_a_process(of_store, str(path), workers) for workers in (1, 2))
    label = f"pspgan stats, {micrographs} x 128 x 128"
    return [
        entry(f"{label}, two workers beside one", two, one, "images/s"),
        entry(f"{label}, memory of two workers beside the budget", peak, BUDGET, "GiB"),
    ]


def write_many(path: Path, n: int) -> None:
    """An ensemble of blurred noise, written in parts."""
    space = ProcessSpace.uhcsdb()
    layout = ensemble.build(
        np.broadcast_to(np.uint8(0), (n, 128, 128)),
        ["800-90-Q"] * n,
        space,
        origin="simulated",
        specimen=["S"] * n,
        um_per_px=0.1,
    )
    ensemble.create(layout, path)
    for part in ensemble.pending(path):
        count = part.stop - part.start
        states = np.random.default_rng(part.start).random((count, 32, 32)) > 0.7
        grey = np.kron(states, np.ones((1, 4, 4))) * 80 + np.random.default_rng(1).normal(
            90, 10, (count, 128, 128)
        )
        ensemble.write_region(path, part.start, micrograph=grey.clip(0, 255).astype(np.uint8))
    ensemble.finish(path)


def of_store(path: str, workers: int) -> tuple[float, float]:
    """Micrographs a second, and the process's largest resident set in GiB, imports and all."""
    began = time.perf_counter()
    (statistics,) = compute_statistics(path, workers=workers, overwrite=True, progress=False)
    return statistics.sizes["sample"] / (time.perf_counter() - began), resident("VmHWM")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there, too")
    parser.add_argument("--rounds", type=int, default=5, help="timed calls of each side")
    parser.add_argument("--samples", type=int, default=64, help="most of a case beside PyMKS")
    parser.add_argument("--micrographs", type=int, default=20000, help="of the large ensemble")
    options = parser.parse_args()
    rows = time_rows(options.rounds, options.samples) + memory_rows(options.samples)
    rows += ensemble_rows(options.micrographs)
    report(rows, options.json)


if __name__ == "__main__":
    main()
