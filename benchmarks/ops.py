"""What the compiled operators save: each beside its plain PyTorch reference, in one run.

    python benchmarks/ops.py [--json FILE] [--seconds 1.0]

Where no native operator exists yet, the reference stands beside the floor of its cost, copying the batch
once. Both sides of a row take turns, so that a machine that slows down slows both; figures are medians.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import torch
from torch import Tensor
from torch.utils.benchmark import Timer

from pspgan import ops

ROUNDS = 5
OMNI_SHAPES = (
    (96, 21),
    (2048, 1024),
)  # the paper's batch and classes; one that is large enough to see threads
IMAGES = (96, 1, 256, 256)  # the paper's batch of micrographs


def compare(name: str, ours: Callable[[], object], reference: Callable[[], object], seconds: float) -> dict:
    """One row: median times of two functions, in microseconds, measured in turns for ``seconds`` each.

    Returns:
        ``name``, ``ours`` and ``reference`` (us a call), ``ratio`` = ours / reference, and ``unit``.
    """
    threads = torch.get_num_threads()
    timers = [Timer("f()", globals={"f": f}, num_threads=threads) for f in (ours, reference)]
    times: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        for timer, taken in zip(timers, times, strict=True):
            taken.append(1e6 * timer.blocked_autorange(min_run_time=seconds / ROUNDS).median)
    a, b = map(median, times)
    return {"name": name, "ours": a, "reference": b, "ratio": a / b, "unit": "us"}


def omni_loss_rows(seconds: float) -> list[dict]:
    """Native against reference, forward alone and with backward."""
    if not ops.native_status().available:
        print(f"{ops.native_status()}\nOmni loss is left out.", file=sys.stderr)
        return []
    rows = []
    for shape in OMNI_SHAPES:
        draws = torch.Generator().manual_seed(0)
        scores = torch.randn(shape, generator=draws)
        labels = (torch.rand(shape, generator=draws) < 0.2).to(torch.int8)
        size = " x ".join(map(str, shape))
        for what, run in {"forward": _forward, "forward and backward": _forward_backward}.items():
            native, reference = (partial(run, scores, labels, impl) for impl in ("native", "reference"))
            rows.append(compare(f"omni_loss {size}, {what}", native, reference, seconds))
    return rows


def _forward(scores: Tensor, labels: Tensor, impl: str) -> Tensor:
    with torch.no_grad():
        return ops.omni_loss(scores, labels, impl=impl)


def _forward_backward(scores: Tensor, labels: Tensor, impl: str) -> Tensor:
    scores = scores.detach().requires_grad_()
    ops.omni_loss(scores, labels, impl=impl).backward()
    return scores.grad


def diff_augment_rows(seconds: float) -> list[dict]:
    """The reference against one copy of the batch: what a fused operator could save at most."""
    draws = torch.Generator().manual_seed(0)
    x = torch.randn(IMAGES, generator=draws)
    drawn = ops.draw_diff_augment(x.shape, generator=draws)
    leaf = x.clone().requires_grad_()

    def forward() -> Tensor:
        return ops.diff_augment(x, drawn, impl="reference")

    def forward_backward() -> tuple[Tensor, ...]:
        return torch.autograd.grad(ops.diff_augment(leaf, drawn, impl="reference"), leaf, x)

    name = f"diff_augment {' x '.join(map(str, IMAGES))} beside a copy"
    return [
        compare(f"{name}, forward", forward, x.clone, seconds),
        compare(f"{name}, forward and backward", forward_backward, x.clone, seconds),
    ]


def machine() -> str:
    """Processor, threads and versions, in words."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )
    return f"{model}, {torch.get_num_threads()} threads of {os.cpu_count()} cores, torch {torch.__version__}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there, too")
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="of measuring, a side of a row (default 1)"
    )
    options = parser.parse_args()
    rows = omni_loss_rows(options.seconds) + diff_augment_rows(options.seconds)
    print(machine())
    print(f"{'':72s}{'ours':>13s}{'reference':>13s}{'ratio':>9s}")
    for row in rows:
        times = "".join(f"{row[side]:10.1f} {row['unit']}" for side in ("ours", "reference"))
        print(f"{row['name']:72s}{times}{row['ratio']:9.3g}")
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
