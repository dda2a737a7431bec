"""Omni loss: published values, reference against native, edge cases, derivatives, compilation."""

import math

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from pspgan import ops
from pspgan.ops import reference

needs_native = pytest.mark.skipif(not ops.native_status().available, reason=str(ops.native_status()))
IMPLS = ["reference", pytest.param("native", marks=needs_native)]
DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]


def random_rows(batch, n_class, seed=0, scale=3.0, dtype=torch.float64, label_dtype=torch.int64):
    generator = torch.Generator().manual_seed(seed)
    scores = scale * torch.randn(batch, n_class, generator=generator, dtype=torch.float64)
    labels = torch.randint(-1, 2, (batch, n_class), generator=generator)
    return scores.to(dtype), labels.to(label_dtype)


def loss_and_gradient(scores, labels, upstream, **options):
    scores = scores.detach().requires_grad_()
    loss = ops.omni_loss(scores, labels, reduction="none", **options)
    (gradient,) = torch.autograd.grad(loss, scores, upstream.to(loss.dtype))
    return loss.detach(), gradient


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("case", range(6))
def test_agrees_with_the_published_loss(shared, case, impl):
    recorded = np.load(shared / "fixtures" / "omni_loss_published.npz")

    def tensor(name):
        return torch.from_numpy(recorded[f"case{case}_{name}"])

    loss, gradient = loss_and_gradient(
        tensor("scores"),
        tensor("labels"),
        tensor("upstream"),
        margin=tensor("margin").item(),
        gamma=tensor("gamma").item(),
        impl=impl,
    )
    torch.testing.assert_close(loss, tensor("loss"), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(gradient, tensor("grad_scores"), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize(("positives", "expected"), [((2, 9, 16, 19), 4.4998), ((20,), 3.7377)])
def test_at_score_zero_with_the_targets_of_the_paper(positives, expected, impl):
    # 7 temperatures, 8 times, 4 coolings, real, fake: a real image (and the generator's aim), and a fake one.
    labels = torch.zeros(5, 21, dtype=torch.int8)
    labels[:, positives] = 1
    loss = ops.omni_loss(torch.zeros(5, 21), labels, impl=impl).item()
    n = len(positives)
    assert loss == pytest.approx(math.log(1 + 21 - n) + math.log(1 + n), rel=1e-6)
    assert round(loss, 4) == expected


@needs_native
@pytest.mark.parametrize("label_dtype", [torch.int8, torch.int64])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (7, 21), (3, 130), (300, 33)])
def test_native_agrees_with_reference(shape, dtype, label_dtype):
    for seed, (margin, gamma, scale) in enumerate([(0.0, 1.0, 3.0), (0.3, 2.0, 1.0), (-0.5, 0.25, 100.0)]):
        scores, labels = random_rows(*shape, seed, scale, dtype, label_dtype)
        upstream = torch.randn(shape[0], generator=torch.Generator().manual_seed(seed))
        native, reference_ = (
            loss_and_gradient(scores, labels, upstream, margin=margin, gamma=gamma, impl=impl)
            for impl in ("native", "reference")
        )
        rtol = 1e-12 if dtype == torch.float64 else 3e-6
        torch.testing.assert_close(native[0], reference_[0], rtol=rtol, atol=rtol)
        grad_rtol = {torch.float16: 2e-3, torch.bfloat16: 1e-2}.get(dtype, 10 * rtol)  # one rounding to dtype
        torch.testing.assert_close(native[1], reference_[1], rtol=grad_rtol, atol=grad_rtol * 1e-1)
        assert native[1].dtype == dtype


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_loss_is_in_float32_or_better(dtype, impl):
    scores, labels = random_rows(4, 21, dtype=dtype)
    loss = ops.omni_loss(scores, labels, impl=impl)
    assert loss.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    exact = ops.omni_loss(scores.double(), labels, impl="reference")
    torch.testing.assert_close(loss.double(), exact, rtol=1e-6, atol=0)


@needs_native
def test_strided_inputs():
    scores, labels = random_rows(40, 42)
    upstream = torch.ones(1, dtype=torch.float64).expand(20)
    dense = scores[::2, ::2].contiguous(), labels[::2, 1::2].contiguous()
    expected = loss_and_gradient(*dense, upstream, impl="reference")
    transposed = dense[0].t().contiguous().t(), dense[1].t().contiguous().t()
    for strided in [(scores[::2, ::2], labels[::2, 1::2]), transposed]:
        got = loss_and_gradient(*strided, upstream, impl="native")
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)

    one_target = labels[:1, :21].expand(20, 21)
    got = ops.omni_loss(dense[0], one_target, reduction="none", impl="native")
    expected = ops.omni_loss(dense[0], one_target.contiguous(), reduction="none", impl="reference")
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_large_scores_neither_overflow_nor_lose_the_small_ones(dtype, impl):
    scores = torch.tensor([[1e4, -1e4], [-1e4, 1e4], [-40.0, 40.0]], dtype=dtype)
    labels = torch.tensor([[0, 1], [0, 1], [0, 1]], dtype=torch.int8)
    loss, gradient = loss_and_gradient(scores, labels, torch.ones(3), impl=impl)
    large = 2 * scores[0, 0].double().item()
    tiny = 2 * math.exp(-40.0)
    torch.testing.assert_close(loss.double(), torch.tensor([large, 0.0, tiny]).double(), rtol=1e-6, atol=0)
    expected = torch.tensor([[1.0, -1.0], [0.0, 0.0], [tiny / 2, -tiny / 2]]).to(dtype)
    torch.testing.assert_close(gradient, expected, rtol=1e-2 if dtype == torch.bfloat16 else 1e-6, atol=0)


@pytest.mark.parametrize("impl", IMPLS)
def test_sides_without_members_give_zero(impl):
    scores = torch.tensor([[2.0, -1.0]]).expand(3, 2)
    labels = torch.tensor([[-1, -1], [0, 0], [1, 1]])
    loss, gradient = loss_and_gradient(scores, labels, torch.ones(3), impl=impl)
    only_negative = math.log(1 + math.exp(2) + math.exp(-1))
    only_positive = math.log(1 + math.exp(-2) + math.exp(1))
    torch.testing.assert_close(loss, torch.tensor([0.0, only_negative, only_positive]))
    assert (gradient[0] == 0).all()
    assert (gradient[1] > 0).all()
    assert (gradient[2] < 0).all()


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("shape", [(0, 21), (3, 0), (0, 0)])
def test_empty(shape, impl):
    scores = torch.zeros(shape, requires_grad=True)
    labels = torch.zeros(shape, dtype=torch.int64)
    loss = ops.omni_loss(scores, labels, reduction="none", impl=impl)
    assert torch.equal(loss, torch.zeros(shape[0]))
    loss.sum().backward()
    assert scores.grad.shape == shape


@pytest.mark.parametrize("impl", IMPLS)
def test_reductions_of_an_empty_batch(impl):
    scores, labels = torch.zeros(0, 3, requires_grad=True), torch.zeros(0, 3, dtype=torch.int8)
    assert ops.omni_loss(scores, labels, reduction="mean", impl=impl).isnan()
    assert ops.omni_loss(scores, labels, reduction="sum", impl=impl) == 0
    ops.omni_loss(scores, labels, impl=impl).backward()
    assert scores.grad.shape == (0, 3)


@needs_native
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("reduction", "number"), [("none", 0), ("mean", 1), ("sum", 2)])
def test_operator_and_function_have_the_same_derivatives(reduction, number, dtype):
    # Calls of the operator find its registered derivative, eager ones of the function their own way to it.
    scores, labels = random_rows(300, 21, dtype=dtype)
    results = []
    for call in (
        lambda x: ops.omni_loss(x, labels, 0.1, 2.0, reduction, "native"),
        lambda x: torch.ops.pspgan.omni_loss(x, labels, 0.1, 2.0, number),
    ):
        x = scores.clone().requires_grad_()
        loss = call(x)
        upstream = torch.linspace(-1, 2, loss.numel(), dtype=loss.dtype).view_as(loss)
        (gradient,) = torch.autograd.grad(loss, x, upstream, create_graph=True)
        (second,) = torch.autograd.grad(gradient.float().square().sum(), x)
        results.append((loss, gradient, second))
    assert all(torch.equal(*pair) for pair in zip(*results, strict=True))
    assert results[0][2].abs().max() > 0

    loss = ops.omni_loss(scores, labels, 0.1, 2.0, reduction, "reference")
    torch.testing.assert_close(results[0][0], loss, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_and_infinity_reach_the_loss_unless_ignored(dtype, impl):
    nan, inf = math.nan, math.inf
    scores = torch.tensor(
        [[nan, 1, 2], [inf, 1, 2], [1, -inf, 2], [1, 2, nan], [-inf, inf, inf], [inf, nan, 0]], dtype=dtype
    )
    labels = torch.tensor([[0, 1, -1]]).expand(6, 3)
    loss, gradient = loss_and_gradient(scores, labels, torch.ones(6), impl=impl)
    assert loss[[0, 5]].isnan().all()
    assert torch.equal(loss[[1, 2, 4]].double(), torch.tensor([inf, inf, 0.0], dtype=torch.float64))
    assert loss[3].isfinite()
    assert (gradient[:, 2] == 0).all()  # ignored, whatever the score
    assert gradient[0, 0].isnan()
    assert gradient[0, 1].isfinite()  # the other side is untouched
    assert (gradient[4] == 0).all()


@needs_native
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 3e38])
def test_native_agrees_with_reference_on_special_values(value):
    scores, labels = random_rows(300, 21, dtype=torch.float32)
    places = torch.rand(300, 21, generator=torch.Generator().manual_seed(1)) < 0.05
    scores[places] = value
    native, reference_ = (
        loss_and_gradient(scores, labels, torch.ones(300), impl=impl) for impl in ("native", "reference")
    )
    torch.testing.assert_close(native, reference_, rtol=1e-5, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_first_and_second_derivatives(reduction, impl):
    scores, labels = random_rows(4, 9, scale=1.0)
    scores.requires_grad_()

    def loss(scores):
        return ops.omni_loss(scores, labels, 0.2, 1.5, reduction, impl)

    assert torch.autograd.gradcheck(loss, (scores,))
    assert torch.autograd.gradgradcheck(loss, (scores,))


@needs_native
def test_third_derivative():
    scores, labels = random_rows(3, 6, scale=1.0)
    direction = torch.linspace(-1, 1, 18, dtype=torch.float64).view(3, 6)

    def third(impl):
        x = scores.clone().requires_grad_()
        value = ops.omni_loss(x, labels, 0.2, 1.5, "sum", impl)
        for _ in range(3):
            (gradient,) = torch.autograd.grad(value, x, create_graph=True)
            value = (gradient * direction).sum()
        return gradient.detach()

    torch.testing.assert_close(third("native"), third("reference"), rtol=1e-9, atol=1e-12)


def test_slope_in_closed_form_is_the_derivative():
    scores, labels = random_rows(5, 21)
    _, gradient = loss_and_gradient(scores, labels, torch.ones(5), margin=0.3, gamma=2.0, impl="reference")
    slope = reference.omni_loss_slope(scores, labels, 0.3, 2.0)
    torch.testing.assert_close(slope, gradient, rtol=1e-12, atol=1e-14)


@needs_native
@pytest.mark.parametrize("reduction", [0, 1, 2])
@pytest.mark.parametrize("dtype", DTYPES)
def test_operators_keep_torchs_contract(dtype, reduction):
    scores, labels = random_rows(3, 5, dtype=dtype)
    loss_dtype = torch.float64 if dtype == torch.float64 else torch.float32
    grad = torch.randn((3,) if reduction == 0 else (), dtype=loss_dtype, requires_grad=True)
    operands = (scores.requires_grad_(), labels, 0.1, 2.0, reduction)
    torch.library.opcheck(torch.ops.pspgan.omni_loss.default, operands)
    torch.library.opcheck(torch.ops.pspgan.omni_loss_backward.default, (grad, *operands))


@needs_native
@pytest.mark.parametrize("reduction", [0, 1, 2])
@pytest.mark.parametrize("dtype", DTYPES)
def test_fake_tensors_of_a_gpu_keep_shape_dtype_and_device(dtype, reduction):
    with FakeTensorMode():
        scores = torch.empty(3, 5, dtype=dtype, device="cuda")
        labels = torch.empty(3, 5, dtype=torch.int8, device="cuda")
        loss = torch.ops.pspgan.omni_loss(scores, labels, 0.0, 1.0, reduction)
        gradient = torch.ops.pspgan.omni_loss_backward(loss, scores, labels, 0.0, 1.0, reduction)
    assert (loss.shape, loss.device.type) == ((3,) if reduction == 0 else (), "cuda")
    assert loss.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert (gradient.shape, gradient.dtype, gradient.device.type) == ((3, 5), dtype, "cuda")


@pytest.mark.parametrize("impl", IMPLS)
def test_compiles_without_graph_breaks(impl):
    # The eager backend traces forward and backward as inductor would, without its minutes of C++ compilation.
    scores, labels = random_rows(6, 21, dtype=torch.float32)
    compiled = torch.compile(
        lambda scores: ops.omni_loss(2 * scores, labels, impl=impl), fullgraph=True, backend="aot_eager"
    )
    got, expected = scores.clone().requires_grad_(), scores.clone().requires_grad_()
    loss = compiled(got)
    loss.backward()
    reference_loss = ops.omni_loss(2 * expected, labels, impl="reference")
    reference_loss.backward()
    torch.testing.assert_close(loss, reference_loss)
    torch.testing.assert_close(got.grad, expected.grad)


@pytest.mark.parametrize("impl", IMPLS)
def test_under_autocast(impl):
    scores, labels = random_rows(6, 21, dtype=torch.float32)
    weight = torch.eye(21, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        low = scores @ weight
        loss = ops.omni_loss(low, labels, impl=impl)
    assert low.dtype == torch.bfloat16
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, ops.omni_loss(low.float(), labels, impl="reference"))
    loss.backward()
    assert weight.grad.isfinite().all()


@needs_native
def test_same_bits_on_any_number_of_threads():
    scores, labels = random_rows(5000, 21, dtype=torch.float32)
    n_thread = torch.get_num_threads()
    try:
        results = []
        for n in (1, 3):
            torch.set_num_threads(n)
            results.append(loss_and_gradient(scores, labels, torch.ones(5000), impl="native"))
    finally:
        torch.set_num_threads(n_thread)
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


SCORES = torch.zeros(2, 3)
LABELS = torch.zeros(2, 3, dtype=torch.int8)


@pytest.mark.parametrize(
    ("scores", "labels", "options", "error", "message"),
    [
        (LABELS, LABELS, {}, TypeError, "scores are torch.int8"),
        (SCORES, LABELS, {"gamma": torch.tensor(2.0)}, TypeError, "gamma is a tensor"),
        (SCORES, SCORES, {}, TypeError, r"labels are torch.float32.*labels.to\(torch.int8\)"),
        (SCORES, LABELS[0], {}, ValueError, r"\(2, 3\) and labels \(3,\)"),
        (SCORES[0], LABELS[0], {}, ValueError, r"\(batch, class\)"),
        (SCORES, LABELS.to("meta"), {}, ValueError, "labels are on meta, scores on cpu"),
        (SCORES, LABELS, {"reduction": "avg"}, ValueError, "reduction='avg' is none of"),
        (SCORES, LABELS, {"impl": "fast"}, ValueError, "impl='fast' is none of"),
    ],
)
def test_errors_name_what_is_wrong(scores, labels, options, error, message):
    with pytest.raises(error, match=message):
        ops.omni_loss(scores, labels, **options)


@needs_native
def test_native_is_refused_where_it_cannot_run():
    scores, labels = SCORES.to("meta"), LABELS.to("meta")
    with pytest.raises(RuntimeError, match="and the tensors are on meta"):
        ops.omni_loss(scores, labels, impl="native")
    assert ops.omni_loss(scores, labels, reduction="none").shape == (2,)  # auto takes the reference


@needs_native
@pytest.mark.parametrize(
    ("operands", "message"),
    [
        ((SCORES, LABELS[:, :2]), r"\(batch, class\)"),
        ((SCORES, LABELS.int()), "int8 or int64"),
        ((SCORES.to(torch.complex64), LABELS), "float32"),
    ],
)
def test_operator_checks_its_own_operands(operands, message):
    with pytest.raises(RuntimeError, match=message):
        torch.ops.pspgan.omni_loss(*operands, 0.0, 1.0, 0)
