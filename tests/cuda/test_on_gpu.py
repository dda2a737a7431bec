"""The CUDA operators on a GPU; skipped where there is none. Other files test what needs none."""

import pytest
import torch
from operator_calls import assert_same, calls, diff_augment_calls, omni_loss_calls

from pspgan import ops

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU"),
    pytest.mark.skipif("cuda" not in ops.native_status().devices, reason=str(ops.native_status())),
]
MANY = (96, 1, 256, 256)


def on(device, arguments):
    return tuple(a.to(device) if isinstance(a, torch.Tensor) else a for a in arguments)


def operator(name):
    return getattr(torch.ops.pspgan, name)


@pytest.fixture
def images():
    x = torch.rand(MANY, device="cuda")
    return x, ops.draw_diff_augment(MANY, device="cuda")


@pytest.mark.parametrize("first", range(0, 240, 40))
def test_agrees_with_the_cpu(first):
    for seed in range(first, first + 40):
        for name, arguments in calls(seed):
            got = operator(name)(*on("cuda", arguments))
            assert got.is_cuda
            assert_same(got.cpu(), operator(name)(*arguments), (name, arguments))


@pytest.mark.parametrize("shape", [MANY, (96, 3, 256, 256), (64, 1, 64, 64), (2, 3, 1000, 1001)])
def test_large_images_agree_with_the_reference(shape):
    x = torch.rand(shape, device="cuda", requires_grad=True)
    draws = ops.draw_diff_augment(shape, device="cuda")
    grad = torch.rand(shape, device="cuda")
    results = []
    for impl in ("native", "reference"):
        y = ops.diff_augment(x, draws, impl=impl)
        results.append((y, *torch.autograd.grad(y, x, grad)))
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-5)


def test_repeats_bit_for_bit(images):
    x, draws = images
    first = ops.diff_augment(x, draws, impl="native")
    assert all(torch.equal(ops.diff_augment(x, draws, impl="native"), first) for _ in range(20))
    scores = torch.randn(4096, 21, device="cuda")
    labels = torch.randint(-1, 2, (4096, 21), device="cuda")
    loss = ops.omni_loss(scores, labels, impl="native")
    assert all(torch.equal(ops.omni_loss(scores, labels, impl="native"), loss) for _ in range(20))


def test_runs_on_the_current_stream(images):
    # The side stream is busy before it makes x; a kernel on another stream would see what was there before.
    x, draws = images
    expected = ops.diff_augment(x + 1, draws, impl="native")
    torch.cuda.synchronize()
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(100_000_000)
        x += 1
        got = ops.diff_augment(x, draws, impl="native")
    assert not stream.query()  # or the test would show nothing
    stream.synchronize()
    assert torch.equal(got, expected)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there is one GPU only")
def test_runs_on_the_tensors_device():
    torch.cuda.set_device(0)
    for name, arguments in calls(5):
        got = operator(name)(*on("cuda:1", arguments))
        assert got.device == torch.device("cuda:1")
        assert_same(got.cpu(), operator(name)(*arguments), (name, arguments))
    assert torch.cuda.current_device() == 0


def test_is_captured_in_a_graph(images):
    x, draws = images
    expected = ops.diff_augment(x * 2, draws, impl="native")
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        ops.diff_augment(x, draws, impl="native")  # capture needs a warm-up
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = ops.diff_augment(x, draws, impl="native")
    x *= 2
    graph.replay()
    assert torch.equal(y, expected)


def test_more_than_two_to_the_31_elements():
    shape = (2**15 + 1, 1, 256, 256)
    if torch.cuda.mem_get_info()[0] < 2.2 * 2 * torch.Size(shape).numel():
        pytest.skip("the GPU has too little free memory")
    x = torch.rand(shape, device="cuda", dtype=torch.float16)
    draws = ops.draw_diff_augment(shape, device="cuda")
    y = ops.diff_augment(x, draws, impl="native")
    ends = torch.tensor([0, 1, 2**15 - 1, 2**15], device="cuda")  # images on both sides of the limit
    expected = ops.diff_augment(x[ends], draws[ends], impl="reference")
    torch.testing.assert_close(y[ends], expected, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_operators_keep_torchs_contract(dtype):
    for name, arguments in (*diff_augment_calls(1, dtype), *omni_loss_calls(1, dtype)):
        torch.library.opcheck(operator(name).default, on("cuda", arguments))


def test_a_gradient_penalty_through_both():
    x = torch.rand(8, 3, 32, 32, device="cuda", dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3 * 32 * 32, 21, device="cuda", dtype=torch.float64)
    labels = torch.randint(-1, 2, (8, 21), device="cuda")
    draws = ops.draw_diff_augment(x.shape, device="cuda", dtype=torch.float64)
    penalties = []
    for impl in ("native", "reference"):
        scores = ops.diff_augment(x, draws, impl=impl).flatten(1) @ weight
        (slope,) = torch.autograd.grad(ops.omni_loss(scores, labels, impl=impl), x, create_graph=True)
        penalties.append(torch.autograd.grad(slope.square().sum(), x)[0])
    torch.testing.assert_close(*penalties, rtol=1e-9, atol=1e-9)
