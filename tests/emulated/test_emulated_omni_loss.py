"""The Omni loss' CUDA kernels in the emulator: native CPU's and the reference's numbers; what they move."""

import math

import pytest
import torch

from pspgan import ops

DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
SPECIAL = (math.nan, math.inf, -math.inf)
IMPLS = ("native", "reference") if ops.native_status().available else ("reference",)
CASES = 240


def random_batch(generator, dtype):
    """Scores and labels of a random shape and layout, a few of the scores special."""

    def integer(low, high):
        return torch.randint(low, high + 1, (), generator=generator).item()

    def lay_out(matrix):
        rows, classes = matrix.shape
        gap, skipped = (0, 0, 1, 16)[integer(0, 3)], (0, 0, 1)[integer(0, 2)]
        memory = torch.full((rows * (classes + gap) + skipped,), 77, dtype=matrix.dtype)
        view = memory[skipped:].view(rows, classes + gap)[:, :classes].copy_(matrix)
        return view[:1].expand(rows, classes) if rows and integer(0, 5) == 0 else view

    is_long = integer(0, 3) == 0
    rows = integer(0, 3 if is_long else 20)
    classes = integer(0, 3000) if is_long else integer(0, 40)
    classes -= classes % 8 if integer(0, 1) else 0
    scale = (1, 3, 100)[integer(0, 2)]
    scores = (scale * torch.randn(rows, classes, generator=generator, dtype=torch.float64)).to(dtype)
    labels = torch.randint(-1, 3, (rows, classes), generator=generator)
    if scores.numel() and integer(0, 3) == 0:
        places = torch.randint(scores.numel(), (3,), generator=generator)
        scores.view(-1)[places] = SPECIAL[integer(0, 2)]
    return lay_out(scores), lay_out(labels.to((torch.int8, torch.int64)[integer(0, 1)]))


def loss_and_gradient(scores, labels, margin, gamma, reduction, upstream, impl):
    scores = scores.detach().requires_grad_()
    loss = ops.omni_loss(scores, labels, margin, gamma, reduction, impl)
    return loss.detach(), torch.autograd.grad(loss, scores, upstream.to(loss.dtype))[0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_agrees_with_native_and_reference(emulated, dtype):
    exact = dtype == torch.float64
    rounding = {torch.float16: 2e-3, torch.bfloat16: 1.6e-2}.get(dtype, 1e-11 if exact else 3e-5)
    n_row = 0
    for seed in range(CASES // len(DTYPES)):
        generator = torch.Generator().manual_seed(seed)
        scores, labels = random_batch(generator, dtype)
        reduction = ("none", "mean", "sum")[seed % 3]
        margin, gamma = ((0.0, 1.0), (0.3, 2.0), (-0.5, 0.25), (0.0, -1.0))[seed % 4]
        upstream = torch.randn(len(scores) if reduction == "none" else (), generator=generator)
        upstream = upstream.to(torch.float64 if exact else torch.float32)
        emulated.emulated_kernels().schedule(seed)
        arguments = (scores, labels, margin, gamma, reduction)
        loss = emulated.omni_loss(*arguments)
        gradient = emulated.omni_loss_backward(upstream, *arguments)
        n_row += len(scores)
        for impl in IMPLS:
            expected_loss, expected_gradient = loss_and_gradient(*arguments, upstream, impl)
            tolerance = 1e-11 if exact else 1e-5
            torch.testing.assert_close(loss, expected_loss, rtol=tolerance, atol=tolerance, equal_nan=True)
            torch.testing.assert_close(
                gradient, expected_gradient, rtol=rounding, atol=rounding / 10, equal_nan=True
            )
    assert n_row > 300


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_repeats_bit_for_bit_under_any_schedule(emulated, reduction):
    scores, labels = torch.randn(30, 700), torch.randint(-1, 2, (30, 700))
    results = set()
    for seed in range(4):
        emulated.emulated_kernels().schedule(seed)
        loss = emulated.omni_loss(scores, labels, 0.0, 1.0, reduction)
        gradient = emulated.omni_loss_backward(loss, scores, labels, 0.0, 1.0, reduction)
        results.add((loss.numpy().tobytes(), gradient.numpy().tobytes()))
    assert len(results) == 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_byte_is_moved_once_forward_and_read_twice_backward(emulated, dtype):
    # All rows move the same: what 2048 x 1024 moves is 16 times this.
    rows, classes = 128, 1024
    scores, labels = (
        torch.randn(rows, classes).to(dtype),
        torch.randint(-1, 2, (rows, classes)).to(torch.int8),
    )
    grad = torch.ones((), dtype=torch.float64 if dtype == torch.float64 else torch.float32)
    count = emulated.emulated_kernels().count
    forward = count(lambda: emulated.omni_loss(scores, labels, 0.0, 1.0, "none"))
    backward = count(lambda: emulated.omni_loss_backward(grad, scores, labels, 0.0, 1.0, "mean"))
    assert (forward.launches, backward.launches) == (1, 1)
    read = scores.nbytes + labels.nbytes
    assert 32 * forward.loads.sectors == read
    assert forward.stores.bytes == rows * grad.nbytes
    warps = rows * 8  # each asks for the one number that is its row's gradient
    assert 32 * backward.loads.sectors == 2 * read + 32 * warps
    assert 32 * backward.stores.sectors == scores.nbytes
    assert 512 * backward.stores.requests == scores.nbytes  # 16 bytes a lane
