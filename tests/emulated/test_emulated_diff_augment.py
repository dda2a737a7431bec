"""DiffAugment's CUDA kernels in the emulator: native CPU's and the reference's numbers; what they move."""

from dataclasses import replace

import pytest
import torch

from pspgan import ops

DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
ROUNDING = {torch.float32: 2e-5, torch.float64: 1e-11, torch.float16: 2e-3, torch.bfloat16: 1.6e-2}
IMPLS = ("native", "reference") if ops.native_status().available else ("reference",)
CASES = 240


def random_case(seed, dtype):
    """Images of any shape and layout, and draws of any operations; half of the rows are whole vectors."""
    generator = torch.Generator().manual_seed(seed)

    def integer(low, high):
        return torch.randint(low, high, (), generator=generator).item()

    width = integer(1, 60) if integer(0, 2) else 16 * integer(1, 5)
    shape = integer(1, 4), (1, 1, 3, integer(2, 9))[integer(0, 4)], integer(1, 60), width
    x = torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
    if integer(0, 2):
        x = x.contiguous(memory_format=torch.channels_last)
    real = torch.float64 if dtype == torch.float64 else torch.float32
    draws = ops.draw_diff_augment(shape, generator=generator, dtype=real, strength=integer(1, 4))
    return x, replace(draws, **dict.fromkeys(name for name in draws.drawn if integer(0, 4) == 0))


@pytest.mark.parametrize("dtype", DTYPES)
def test_agrees_with_native_and_reference(emulated, dtype):
    tolerance = ROUNDING[dtype]
    for seed in range(CASES // len(DTYPES)):
        x, draws = random_case(seed, dtype)
        emulated.emulated_kernels().schedule(seed)
        y, gradient = emulated.diff_augment(x, draws), emulated.diff_augment_backward(x, draws)
        for impl in IMPLS:
            leaf = x.detach().requires_grad_()
            expected = ops.diff_augment(leaf, draws, impl)
            (expected_gradient,) = torch.autograd.grad(expected, leaf, x)
            for got, wanted in ((y, expected.detach()), (gradient, expected_gradient)):
                torch.testing.assert_close(got, wanted, rtol=tolerance, atol=4 * tolerance)


def test_repeats_bit_for_bit_under_any_schedule(emulated):
    x, draws = torch.randn(2, 3, 40, 40), ops.draw_diff_augment((2, 3, 40, 40))
    results = set()
    for seed in range(4):
        emulated.emulated_kernels().schedule(seed)
        y, gradient = emulated.diff_augment(x, draws), emulated.diff_augment_backward(x, draws)
        results.add((y.numpy().tobytes(), gradient.numpy().tobytes()))
    assert len(results) == 1


def count_bytes(emulated, x, draws):
    """(bytes that move, share of them that lanes asked for), forward and backward."""
    for call in (emulated.diff_augment, emulated.diff_augment_backward):
        traffic = emulated.emulated_kernels().count(lambda call=call: call(x, draws))
        moved = 32 * (traffic.loads.sectors + traffic.stores.sectors)
        yield moved, (traffic.loads.bytes + traffic.stores.bytes) / moved, traffic.launches


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [32, 64, 96, 256])
def test_moves_at_most_two_reads_and_a_write_in_whole_sectors(emulated, side, channels, channels_last):
    shape = 8 if side < 256 else 2, channels, side, side
    x = torch.randn(shape)
    if channels_last and channels > 1:
        x = x.contiguous(memory_format=torch.channels_last)
    draws = ops.draw_diff_augment(shape, generator=torch.Generator().manual_seed(0))
    for moved, used, launches in count_bytes(emulated, x, draws):
        assert moved <= 3 * x.nbytes
        assert used >= 0.95
        assert launches == 2  # one a pass


def test_what_is_blank_is_not_read_in_the_last_pass(emulated):
    """Without contrast there is one pass: the quarter that is cut out is not read."""
    x = torch.randn(2, 1, 64, 64)
    cutout = torch.tensor([[16, 48, 16, 48]] * 2)
    draws = ops.DiffAugmentDraws((64, 64), brightness=torch.zeros(2), cutout=cutout)
    for moved, _, launches in count_bytes(emulated, x, draws):
        assert launches == 1
        draws_bytes = moved - 1.75 * x.nbytes
        assert 0 < draws_bytes <= 0.02 * x.nbytes


def test_color_alone_moves_two_reads_and_a_write_and_the_draws(emulated):
    x = torch.randn(2, 1, 256, 256)
    draws = ops.draw_diff_augment(x.shape, policy="color")
    for moved, used, _ in count_bytes(emulated, x, draws):
        assert 3 * x.nbytes < moved <= 3.02 * x.nbytes
        assert used >= 0.99
