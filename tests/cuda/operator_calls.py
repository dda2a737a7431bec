"""Random calls of the operators, as (name, arguments) on the CPU, and how two devices' results compare."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
SUMMING = {torch.float32: 2e-5, torch.float64: 1e-12}  # error by another order of summation
ROUNDING = {torch.float16: 2e-3, torch.bfloat16: 1.6e-2}  # at most one more, of what was computed in float32
SPECIAL = (math.nan, math.inf, -math.inf)
SIDES = (1, 2, 3, 5, 8, 13, 16, 31, 32, 40)

Call = tuple[str, tuple]


def real(dtype: torch.dtype) -> torch.dtype:
    """What is drawn, summed and returned as a loss for elements of `dtype`."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def diff_augment_calls(seed: int, dtype: torch.dtype) -> Iterator[Call]:
    """Forward and backward of one batch, of any shape, layout and policy."""
    generator = torch.Generator().manual_seed(seed)

    def integer(low: int, high: int, *shape: int) -> Tensor:
        return torch.randint(low, high, shape, generator=generator)

    def choose(options: tuple):
        return options[integer(0, len(options), 1).item()]

    def perhaps(draws: Tensor, dtype: torch.dtype) -> Tensor:
        return draws.to(dtype) if choose((True, True, False)) else torch.empty(0, dtype=dtype)

    def color() -> Tensor:
        return torch.rand(batch, generator=generator, dtype=torch.float64)

    batch, channels = choose((0, 1, 2, 3)), choose((1, 1, 1, 2, 2, 3, 5, 5000))
    sides = SIDES if channels < 10 else SIDES[:3]
    height, width = choose(sides), choose(sides)
    layouts = {
        "contiguous": lambda x: x.contiguous(),
        "channels-last": lambda x: x.contiguous(memory_format=torch.channels_last),
        "turned": lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
        "every other column": lambda x: x.repeat_interleave(2, dim=3)[..., ::2],
        "not aligned": lambda x: torch.cat((x.new_zeros(1), x.flatten()))[1:].view(x.shape),
    }
    x = torch.rand(batch, channels, height, width, generator=generator, dtype=torch.float64).to(dtype) * 2 - 1
    if x.numel() and choose((False, False, False, True)):
        x.view(-1)[integer(0, x.numel(), 2)] = choose(SPECIAL)
    x = layouts[choose(tuple(layouts))](x)
    reach = choose((2, 2, max(height, width) + 1))
    corner = torch.stack((integer(-2, height, batch), integer(-2, width, batch)), dim=1)
    extent = torch.stack((integer(0, height, batch), integer(0, width, batch)), dim=1)
    brightness = perhaps(color() - 0.5, real(dtype))
    others = (
        perhaps(color() * 2, real(dtype)),
        perhaps(color() + 0.5, real(dtype)),
        perhaps(integer(-reach, reach + 1, batch, 2), torch.int64),
        perhaps(torch.stack((corner, corner + extent), dim=2).flatten(1), torch.int64),
    )
    yield "diff_augment", (x, brightness, *others)
    yield "diff_augment_backward", (x, *others)


def omni_loss_calls(seed: int, dtype: torch.dtype) -> Iterator[Call]:
    """Forward and backward of one batch under every reduction, of any shape and layout."""
    generator = torch.Generator().manual_seed(seed)

    def choose(options: tuple):
        return options[torch.randint(len(options), (1,), generator=generator).item()]

    rows, classes = choose((0, 1, 2, 7, 33, 300)), choose((0, 1, 21, 21, 32, 64, 130, 513, 516, 1024))
    scores = torch.randn(rows, classes, generator=generator, dtype=torch.float64).to(dtype) * 3
    labels = torch.randint(-1, 2, (rows, classes), generator=generator)
    labels = labels.to(choose((torch.int8, torch.int64)))
    if scores.numel() and choose((True, False, False, False)):
        scores.view(-1)[torch.randint(scores.numel(), (2,), generator=generator)] = choose(SPECIAL)
    layout = choose(("dense", "dense", "turned", "every other"))
    if layout == "turned":
        scores, labels = scores.t().contiguous().t(), labels[:1].expand(rows, classes)
    elif layout == "every other":
        scores, labels = scores.repeat_interleave(2, dim=0)[::2], labels.repeat_interleave(2, dim=1)[:, ::2]
    margin, gamma = choose(((0.0, 1.0), (0.3, 2.0), (-0.5, 0.25)))
    for reduction in range(3):
        shape = (rows,) if reduction == 0 else ()
        grad = torch.randn(shape, generator=generator, dtype=torch.float64).to(real(dtype))
        if reduction == 0 and rows and choose((True, False)):
            grad = grad[:1].expand(rows)
        yield "omni_loss", (scores, labels, margin, gamma, reduction)
        yield "omni_loss_backward", (grad, scores, labels, margin, gamma, reduction)


def calls(seed: int) -> Iterator[Call]:
    """All of the above, element types in turn."""
    dtype = DTYPES[seed % len(DTYPES)]
    yield from diff_augment_calls(seed, dtype)
    yield from omni_loss_calls(seed, dtype)


def assert_same(got: Tensor, expected: Tensor, call: Call) -> None:
    """The same values but for rounding, in the same layout."""
    name, arguments = call
    tolerance = SUMMING[real(expected.dtype)]
    size = 1 + (expected.nan_to_num(0, 0, 0).abs().max().item() if expected.numel() else 0)

    def describe(message: str) -> str:
        shapes = [
            f"{tuple(a.shape)} {a.dtype} {a.stride()}" if isinstance(a, Tensor) else a for a in arguments
        ]
        return f"{name}({', '.join(map(str, shapes))}): {message}"

    assert got.stride() == expected.stride(), describe(f"strides {got.stride()}, not {expected.stride()}")
    torch.testing.assert_close(
        got,
        expected,
        rtol=ROUNDING.get(expected.dtype, tolerance),
        atol=tolerance * size,
        equal_nan=True,
        msg=describe,
    )
