"""What the fused operators save: each beside its plain PyTorch reference and, DiffAugment, beside a copy.

    python benchmarks/ops.py [--json FILE] [--seconds 1.0] [--images 96]

Copying the batch once is the floor: no function of the images can be faster. What is compared takes turns,
so that a machine that slows down slows all, in memory that the process already has; figures are medians. The
last rows are no times but the memory traffic of the CUDA kernels, counted by the emulator that executes them
(tests/emulator), beside that of a copy: bytes a float32 pixel, in sectors of 32 bytes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from side_by_side import entry, report, take_turns
from torch import Tensor
from torch.utils.benchmark import Timer

from pspgan import ops
from pspgan.memory import keep_freed_memory

ROUNDS = 5
COUNTED_IMAGES = 16  # whose traffic is counted; each draws for itself what is blank
OMNI_SHAPES = (
    (96, 21),  # the paper's batch and classes
    (2048, 1024),  # large enough to see threads
)
IMPLS = ("native", "reference")
IMAGES = (
    (96, 1, 256, 256),  # the paper's batch
    (96, 3, 256, 256),
    (64, 1, 64, 64),  # the batch of preset uhcs-64
)


def measure(functions: dict[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """Median time of a call of each function in microseconds, measured in turns for ``seconds`` each."""
    threads = torch.get_num_threads()
    timers = {name: Timer("f()", globals={"f": f}, num_threads=threads) for name, f in functions.items()}

    def microseconds(timer: Timer) -> float:
        return 1e6 * timer.blocked_autorange(min_run_time=seconds / ROUNDS).median

    return take_turns({name: partial(microseconds, timer) for name, timer in timers.items()}, ROUNDS)


def omni_loss_rows(seconds: float) -> list[dict]:
    """Native against reference, forward alone and with backward."""
    rows = []
    for shape in OMNI_SHAPES:
        draws = torch.Generator().manual_seed(0)
        scores = torch.randn(shape, generator=draws)
        labels = (torch.rand(shape, generator=draws) < 0.2).to(torch.int8)
        size = " x ".join(map(str, shape))
        for what, run in {"forward": _omni_forward, "forward and backward": _omni_forward_backward}.items():
            times = measure({impl: partial(run, scores, labels, impl) for impl in IMPLS}, seconds)
            name = f"omni_loss {size}, {what}, beside reference"
            rows.append(entry(name, times["native"], times["reference"], "us"))
    return rows


def _omni_forward(scores: Tensor, labels: Tensor, impl: str) -> Tensor:
    with torch.no_grad():
        return ops.omni_loss(scores, labels, impl=impl)


def _omni_forward_backward(scores: Tensor, labels: Tensor, impl: str) -> Tensor:
    scores = scores.detach().requires_grad_()
    ops.omni_loss(scores, labels, impl=impl).backward()
    return scores.grad


def diff_augment_rows(seconds: float, most: int) -> list[dict]:
    """Native beside the copy and beside the reference, forward alone and with backward."""
    rows = []
    for images, *sizes in IMAGES:
        shape = (min(images, most), *sizes)
        draws = torch.Generator().manual_seed(0)
        x = torch.randn(shape, generator=draws)
        drawn = ops.draw_diff_augment(shape, generator=draws)
        size = " x ".join(map(str, shape))
        for what, run in {"forward": _augment, "forward and backward": _augment_backward}.items():
            functions = {impl: partial(run, x, drawn, impl) for impl in IMPLS}
            times = measure(functions | {"copy": x.clone}, seconds)
            for other in ("copy", "reference"):
                name = f"diff_augment {size}, {what}, beside {other}"
                rows.append(entry(name, times["native"], times[other], "us"))
    return rows


def _augment(x: Tensor, draws: ops.DiffAugmentDraws, impl: str) -> Tensor:
    return ops.diff_augment(x, draws, impl)


def _augment_backward(x: Tensor, draws: ops.DiffAugmentDraws, impl: str) -> Tensor:
    x = x.detach().requires_grad_()
    return torch.autograd.grad(ops.diff_augment(x, draws, impl), x, x)[0]


def traffic_rows(most: int) -> list[dict]:
    """Bytes a pixel that the CUDA kernels of DiffAugment move, beside the read and the write of a copy."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "emulated"))
    import launches

    try:
        count = launches.emulated_kernels().count
    except launches.Unavailable as reason:
        print(f"memory traffic is left out: {reason}", file=sys.stderr)
        return []
    rows = []
    for _, *shape in IMAGES:
        draws = torch.Generator().manual_seed(0)
        x = torch.randn(min(COUNTED_IMAGES, most), *shape, generator=draws)
        drawn = ops.draw_diff_augment(x.shape, generator=draws)
        size = " x ".join(map(str, shape))
        for what, call in {
            "forward": launches.diff_augment,
            "backward": launches.diff_augment_backward,
        }.items():
            moved = count(partial(call, x, drawn))
            a_pixel = 32 * (moved.loads.sectors + moved.stores.sectors) / x.numel()
            rows.append(entry(f"diff_augment {size}, {what}, memory traffic beside copy", a_pixel, 8.0, "B"))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there, too")
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="of measuring, a side of a row (default 1)"
    )
    parser.add_argument("--images", type=int, default=96, help="most of a batch of DiffAugment (default 96)")
    options = parser.parse_args()
    if not ops.native_status().available:
        sys.exit(f"nothing to compare: {ops.native_status()}")
    # Which of two functions gets fresh pages would else be chance.
    with keep_freed_memory():
        rows = omni_loss_rows(options.seconds)
        rows += diff_augment_rows(options.seconds, options.images)
        rows += traffic_rows(options.images)
    report(rows, options.json)


if __name__ == "__main__":
    main()
