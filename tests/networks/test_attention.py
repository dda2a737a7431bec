"""Streaming attention against attention written out, and against the memory it promises not to take."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pspgan.networks.attention import _by_torch, attend


def written_out(query, key, value):
    return torch.softmax(query @ key.transpose(1, 2), dim=-1) @ value


def tokens(pixels, places, width, channels, dtype=torch.float64, scale=1.0):
    draws = torch.Generator().manual_seed(pixels + places)
    shapes = ((2, pixels, width), (2, places, width), (2, places, channels))
    return [
        (torch.randn(shape, generator=draws, dtype=torch.float64) * scale).to(dtype).requires_grad_()
        for shape in shapes
    ]


# Fewer pixels than a block, several of them, a last one that is not full; pooled or not.
SIZES = [(16, 4, 3, 5), (1024, 256, 4, 8), (1500, 700, 2, 6)]


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 3e-2)]
)
def test_equals_attention_written_out(sizes, dtype, tolerance):
    arguments = tokens(*sizes, dtype)
    exact = [t.detach().double().requires_grad_() for t in arguments]
    upstream = torch.randn(2, sizes[0], sizes[3], generator=torch.Generator().manual_seed(1), dtype=dtype)
    got, expected = attend(*arguments), written_out(*exact)
    assert got.dtype == dtype
    pairs = [(got, expected)]
    pairs += zip(
        torch.autograd.grad(got, arguments, upstream),
        torch.autograd.grad(expected, exact, upstream.double()),
        strict=True,
    )
    for ours, exactly in pairs:
        atol = tolerance * exactly.abs().max().item()
        torch.testing.assert_close(ours.double(), exactly, rtol=0, atol=atol)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_equals_itself_without_gradients(dtype):
    arguments = tokens(1500, 700, 2, 6, dtype)
    got = attend(*(t.detach() for t in arguments))
    assert not got.requires_grad
    torch.testing.assert_close(got, attend(*arguments).detach(), rtol=0, atol=3e-2)


@pytest.mark.parametrize("sizes", SIZES)
def test_what_gpus_run_is_the_same(sizes):
    arguments = tokens(*sizes)
    upstream = torch.randn(
        2, sizes[0], sizes[3], generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    results = []
    for function in (attend, _by_torch):
        mixed = function(*arguments)
        results.append((mixed, *torch.autograd.grad(mixed, arguments, upstream)))
    torch.testing.assert_close(*results, rtol=0, atol=1e-10)


def test_gradcheck():
    assert torch.autograd.gradcheck(attend, tokens(9, 5, 3, 4))


def test_large_logits_do_not_overflow():
    arguments = tokens(64, 64, 8, 4, torch.float32, scale=30.0)
    got = attend(*arguments)
    torch.testing.assert_close(got, written_out(*arguments), rtol=1e-4, atol=1e-4)
    gradients = torch.autograd.grad(got.sum(), arguments)
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_autocast_leaves_float32_products_alone():
    arguments = tokens(32, 16, 4, 8, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        got = attend(*arguments)
    torch.testing.assert_close(got, attend(*arguments), rtol=0, atol=0)


class Largest(TorchDispatchMode):
    """Elements of the largest tensor that any operation returns."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple) else (result,):
            if isinstance(tensor, torch.Tensor):
                self.elements = max(self.elements, tensor.untyped_storage().nbytes() // tensor.element_size())
        return result


@pytest.mark.parametrize(("pixels", "places"), [(4096, 4096), (4096, 1024)])
def test_never_stores_the_map(pixels, places):
    arguments = tokens(pixels, places, 4, 8, torch.float32)
    with Largest() as written:
        written_out(*arguments).sum().backward()
    assert written.elements == 2 * pixels * places
    with Largest() as ours:
        attend(*arguments).sum().backward()
    assert ours.elements <= 512 * max(pixels, places)
