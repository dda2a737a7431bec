"""DiffAugment: published results, an independent recomputation, native against reference, derivatives."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from pspgan import ops

needs_native = pytest.mark.skipif(not ops.native_status().available, reason=str(ops.native_status()))
IMPLS = ["reference", pytest.param("native", marks=needs_native)]
DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
CASES = range(12)


@pytest.fixture(scope="module")
def recorded(shared):
    return np.load(shared / "fixtures" / "diffaugment_published.npz")


def published(recorded, case):
    """The case's images and upstream gradient, and the draws that its seed gives."""
    x = torch.from_numpy(recorded[f"case{case}_x"])
    upstream = torch.from_numpy(recorded[f"case{case}_upstream"])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(recorded[f"case{case}_seed"]))
        draws = ops.draw_diff_augment(x.shape, policy=str(recorded[f"case{case}_policy"]), dtype=x.dtype)
    return x, upstream, draws


def augment_by_loops(x, draws):
    """The definition, one image at a time in float64."""
    out = []
    for i, image in enumerate(x.double().numpy()):
        if draws.brightness is not None:
            image = image + draws.brightness[i].double().item()
            image = (image - image.mean(0)) * draws.saturation[i].double().item() + image.mean(0)
            image = (image - image.mean()) * draws.contrast[i].double().item() + image.mean()
        height, width = image.shape[1:]
        if draws.translation is not None:
            rows, columns = draws.translation[i].tolist()
            moved = np.zeros_like(image)
            for row in range(height):
                for column in range(width):
                    if 0 <= row + rows < height and 0 <= column + columns < width:
                        moved[:, row, column] = image[:, row + rows, column + columns]
            image = moved
        if draws.cutout is not None:
            top, bottom, left, right = draws.cutout[i].tolist()
            image = image.copy()
            image[:, max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = 0
        out.append(image)
    return torch.from_numpy(np.stack(out))


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("case", CASES)
def test_agrees_with_the_published_function(recorded, case, impl):
    x, upstream, draws = published(recorded, case)
    x.requires_grad_()
    y = ops.diff_augment(x, draws, impl)
    (grad_x,) = torch.autograd.grad(y, x, upstream)
    torch.testing.assert_close(y, torch.from_numpy(recorded[f"case{case}_y"]), rtol=0, atol=1e-5)
    torch.testing.assert_close(grad_x, torch.from_numpy(recorded[f"case{case}_grad_x"]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("case", [0, 2, 4, 6, 8])
def test_agrees_with_its_definition_in_float64(recorded, case, impl):
    x, _, draws = published(recorded, case)
    y = ops.diff_augment(x.double(), draws, impl)
    torch.testing.assert_close(y, augment_by_loops(x, draws), rtol=0, atol=1e-10)


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("policy", ["color,translation,cutout", "color", "translation,cutout"])
@pytest.mark.parametrize("shape", [(3, 2, 5, 7), (2, 1, 6, 4)])
def test_first_and_second_derivatives(policy, shape, impl):
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
    draws = ops.draw_diff_augment(shape, policy, generator, dtype=torch.float64)

    def squared(x):  # the augmentation is affine; squaring gives the second derivative something to find
        return ops.diff_augment(x, draws, impl).square()

    assert torch.autograd.gradcheck(squared, (x,))
    assert torch.autograd.gradgradcheck(squared, (x,))


@pytest.mark.parametrize("impl", IMPLS)
def test_gradient_penalty(impl):
    """R1 of a discriminator behind the augmentation, against the formula for a linear one."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(4, 2, 9, 8, generator=generator, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 9, 8, generator=generator, dtype=torch.float64, requires_grad=True)
    draws = ops.draw_diff_augment(x.shape, generator=generator, dtype=torch.float64)
    scores = (ops.diff_augment(x, draws, impl) * weight).sum()
    (slope,) = torch.autograd.grad(scores, x, create_graph=True)
    (got,) = torch.autograd.grad(slope.square().sum(), weight)

    # The Jacobian column by column: slope = J^T w, so d |J^T w|^2 / dw = 2 J J^T w.
    no_brightness = replace(draws, brightness=torch.zeros_like(draws.brightness))
    expected = 2 * ops.diff_augment(slope.detach(), no_brightness, "reference").sum(0)
    torch.testing.assert_close(got, expected, rtol=1e-11, atol=1e-11)


def random_case(seed):
    """Images of any shape, dtype and memory format, an upstream gradient, and draws of any operations."""
    generator = torch.Generator().manual_seed(seed)

    def integer(low, high):
        return int(torch.randint(low, high, (), generator=generator))

    shape = integer(0, 5), integer(1, 6), integer(1, 40), integer(1, 40)
    dtype = DTYPES[seed % 4]
    x, upstream = (torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for _ in range(2))
    layout = integer(0, 4)
    if layout == 1:
        x = x.contiguous(memory_format=torch.channels_last)
    elif layout == 2:
        x = x.transpose(2, 3).contiguous().transpose(2, 3)
    elif layout == 3:
        upstream = upstream[:1].expand_as(upstream)
    draws = ops.draw_diff_augment(shape, generator=generator, strength=integer(1, 4), dtype=torch.float64)
    absent = [operation for operation in draws.drawn if integer(0, 4) == 0]
    return x, upstream, replace(draws, **dict.fromkeys(absent))


TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12, torch.float16: 2e-3, torch.bfloat16: 1.6e-2}


@needs_native
@pytest.mark.parametrize("seeds", [range(first, first + 30) for first in range(0, 240, 30)], ids=str)
def test_native_agrees_with_reference(seeds):
    for seed in seeds:
        x, upstream, draws = random_case(seed)
        results = []
        for impl in ("native", "reference"):
            leaf = x.detach().requires_grad_()
            y = ops.diff_augment(leaf, draws, impl)
            results.append((y.detach(), *torch.autograd.grad(y, leaf, upstream)))
        tolerance = TOLERANCE[x.dtype]
        case = f"seed {seed}, {tuple(x.shape)}, {draws.drawn}"
        torch.testing.assert_close(
            *results, rtol=tolerance, atol=4 * tolerance, msg=lambda text, case=case: f"{case}: {text}"
        )


@needs_native
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("value", [torch.inf, -torch.inf, torch.nan])
def test_native_agrees_with_reference_on_what_is_not_finite(value, channels_last):
    generator = torch.Generator().manual_seed(2)
    for policy in ("color", "translation,cutout", "color,translation,cutout"):
        for shape in [(6, 1, 8, 8), (6, 3, 8, 8)]:
            x = torch.randn(shape, generator=generator)
            x[::2, :1, 3, 5] = value
            if channels_last:
                x = x.contiguous(memory_format=torch.channels_last)
            draws = ops.draw_diff_augment(shape, policy, generator)
            for some in (draws, replace(draws, contrast=None)):
                native, reference = (ops.diff_augment(x, some, impl) for impl in ("native", "reference"))
                torch.testing.assert_close(native, reference, rtol=0, atol=1e-5, equal_nan=True)


@pytest.mark.parametrize("impl", IMPLS)
def test_draws_of_any_size_move_and_cut_everything(impl):
    x = torch.ones(4, 2, 5, 6)
    far = 2**62
    translation = torch.tensor([[far, 0], [0, -far], [0, 0], [0, 0]])
    cutout = torch.tensor([[0, 0, 0, 0], [0, 0, 0, 0], [-far, far, -far, far], [3, -far, 0, far]])
    draws = ops.DiffAugmentDraws((5, 6), translation=translation, cutout=cutout)
    x.requires_grad_()
    y = ops.diff_augment(x, draws, impl)
    (grad_x,) = torch.autograd.grad(y.sum(), x)
    for image in (y, grad_x):
        assert torch.equal(image.flatten(1).sum(1), torch.tensor([0.0, 0.0, 0.0, 60.0]))


@needs_native
def test_memory_format_is_kept():
    x = torch.randn(3, 4, 9, 8).contiguous(memory_format=torch.channels_last).requires_grad_()
    draws = ops.draw_diff_augment(x.shape)
    y = ops.diff_augment(x, draws, impl="native")
    assert y.is_contiguous(memory_format=torch.channels_last)
    (grad_x,) = torch.autograd.grad(y, x, torch.randn_like(y))
    assert grad_x.is_contiguous(memory_format=torch.channels_last)


@needs_native
def test_same_bits_on_any_number_of_threads():
    x = torch.randn(7, 3, 64, 64)
    draws = ops.draw_diff_augment(x.shape)
    n_thread = torch.get_num_threads()
    try:
        results = []
        for n in (1, 3):
            torch.set_num_threads(n)
            results.append(ops.diff_augment(x, draws, impl="native"))
    finally:
        torch.set_num_threads(n_thread)
    assert torch.equal(*results)


@needs_native
def test_mean_of_a_large_image_is_exact_to_rounding():
    """2^22 pixels of 1 + 2^-12: a float32 running sum would be off in the fourth digit."""
    x = torch.full((1, 1, 2048, 2048), 1 + 2.0**-12)
    draws = ops.DiffAugmentDraws((2048, 2048), contrast=torch.tensor([0.0]))  # leaves the mean alone
    torch.testing.assert_close(ops.diff_augment(x, draws, impl="native"), x, rtol=1e-7, atol=0)


def test_draws_that_require_a_gradient_get_one():
    x = torch.randn(3, 2, 8, 8)
    draws = ops.draw_diff_augment(x.shape)
    draws.brightness.requires_grad_()
    (grad,) = torch.autograd.grad(ops.diff_augment(x, draws).sum(), draws.brightness)
    visible = ops.diff_augment(torch.ones_like(x), replace(draws, brightness=None)).detach()
    torch.testing.assert_close(grad, visible.flatten(1).sum(1))
    if ops.native_status().available:
        with pytest.raises(RuntimeError, match="no derivative by the draws"):
            ops.diff_augment(x, draws, impl="native")


def native_arguments(dtype, shape=(3, 2, 5, 8)):
    generator = torch.Generator().manual_seed(0)
    real = torch.float64 if dtype == torch.float64 else torch.float32
    x = torch.randn(shape, generator=generator).to(dtype).requires_grad_()
    draws = ops.draw_diff_augment(shape, generator=generator, dtype=real)
    return x, *(getattr(draws, operation) for operation in draws.drawn)


@needs_native
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_operators_keep_torchs_contract(dtype, channels_last):
    x, brightness, *others = native_arguments(dtype)
    if channels_last:
        x = x.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    torch.library.opcheck(torch.ops.pspgan.diff_augment.default, (x, brightness, *others))
    torch.library.opcheck(torch.ops.pspgan.diff_augment_backward.default, (x, *others))


@needs_native
@pytest.mark.parametrize("dtype", DTYPES)
def test_fake_tensors_of_a_gpu_keep_shape_dtype_and_device(dtype):
    with FakeTensorMode():
        x = torch.empty(3, 2, 5, 8, dtype=dtype, device="cuda")
        draws = [torch.empty(0, device="cuda") for _ in range(5)]
        y = torch.ops.pspgan.diff_augment(x, *draws)
        grad = torch.ops.pspgan.diff_augment_backward(y, *draws[1:])
    for result in (y, grad):
        assert (result.shape, result.dtype, result.device.type) == ((3, 2, 5, 8), dtype, "cuda")


@needs_native
@pytest.mark.parametrize(
    ("place", "wrong", "message"),
    [
        (
            0,
            torch.zeros(3, 2, 5, 8, dtype=torch.int32),
            "images must be float32, float64, float16 or bfloat16",
        ),
        (0, torch.zeros(3, 2, 5), r"images must be \(batch, channel, y, x\)"),
        (1, torch.zeros(2), r"brightness must be \(batch\)"),
        (2, torch.zeros(3, dtype=torch.float64), "saturation must be float32; float64 for float64 images"),
        (4, torch.zeros(3, 3, dtype=torch.int64), r"translation must be \(batch, 2\)"),
        (5, torch.zeros(3, 4, dtype=torch.int32), "cutout must be int64"),
    ],
)
def test_operator_checks_its_own_arguments(place, wrong, message):
    arguments = list(native_arguments(torch.float32))
    arguments[place] = wrong
    with pytest.raises(RuntimeError, match=message):
        torch.ops.pspgan.diff_augment(*arguments)


def test_strength_zero_and_probability_zero_are_the_identity():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(5, 3, 16, 12, generator=generator)
    for options in ({"strength": 0.0}, {"probability": 0.0}, {"policy": ""}):
        draws = ops.draw_diff_augment(x.shape, generator=generator, **options)
        torch.testing.assert_close(ops.diff_augment(x, draws), x, rtol=0, atol=1e-6)


def test_draws_are_picked_joined_and_moved():
    x = torch.randn(6, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    draws = ops.draw_diff_augment(x.shape, generator=torch.Generator().manual_seed(1))
    y = ops.diff_augment(x, draws)
    assert len(draws) == 6
    torch.testing.assert_close(ops.diff_augment(x[2:4], draws[2:4]), y[2:4], rtol=0, atol=0)
    joined = ops.DiffAugmentDraws.cat([draws[:2], draws[2:]])
    torch.testing.assert_close(ops.diff_augment(x, joined), y, rtol=0, atol=0)
    assert {getattr(draws.to("meta"), operation).device.type for operation in draws.drawn} == {"meta"}
    with pytest.raises(ValueError, match="cannot concatenate"):
        ops.DiffAugmentDraws.cat([draws, ops.draw_diff_augment((6, 1, 16, 16), policy="cutout")])


@pytest.mark.parametrize("impl", IMPLS)
def test_cut_and_moved_in_pixels_are_zero_even_beside_nan(impl):
    x = torch.full((1, 1, 8, 8), torch.nan)
    draws = ops.DiffAugmentDraws(
        (8, 8), translation=torch.tensor([[0, 3]]), cutout=torch.tensor([[-2, 4, 0, 8]])
    )
    y = ops.diff_augment(x, draws, impl)[0, 0]
    assert (y[:4] == 0).all()
    assert (y[:, 5:] == 0).all()
    assert y[4:, :5].isnan().all()


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_low_precision_is_rounded_once(dtype, impl):
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)).to(dtype)
    draws = ops.draw_diff_augment(x.shape, generator=torch.Generator().manual_seed(0))
    y = ops.diff_augment(x, draws, impl)
    exact = ops.diff_augment(x.double(), draws, "reference")
    assert y.dtype == dtype
    half_unit = torch.finfo(dtype).eps / 2
    torch.testing.assert_close(y.double(), exact, rtol=1.01 * half_unit, atol=1e-6)


@pytest.mark.parametrize("impl", IMPLS)
def test_channels_last_and_empty_batches(impl):
    x = torch.randn(3, 2, 9, 8, generator=torch.Generator().manual_seed(0))
    draws = ops.draw_diff_augment(x.shape, generator=torch.Generator().manual_seed(0))
    last = ops.diff_augment(x.contiguous(memory_format=torch.channels_last), draws, impl)
    torch.testing.assert_close(last, ops.diff_augment(x, draws))
    assert ops.diff_augment(x[:0], draws[:0], impl).shape == (0, 2, 9, 8)


@pytest.mark.parametrize("impl", IMPLS)
def test_compiles_without_graph_breaks(impl):
    x = torch.randn(3, 2, 16, 16, generator=torch.Generator().manual_seed(0))
    draws = ops.draw_diff_augment(x.shape, generator=torch.Generator().manual_seed(0))
    compiled = torch.compile(
        lambda x: ops.diff_augment(2 * x, draws, impl), fullgraph=True, backend="aot_eager"
    )
    got, expected = x.clone().requires_grad_(), x.clone().requires_grad_()
    y = compiled(got)
    y.square().sum().backward()
    y_reference = ops.diff_augment(2 * expected, draws, "reference")
    y_reference.square().sum().backward()
    torch.testing.assert_close(y, y_reference)
    torch.testing.assert_close(got.grad, expected.grad)


@pytest.mark.parametrize("impl", IMPLS)
def test_under_autocast(impl):
    x = torch.randn(2, 1, 16, 16)
    draws = ops.draw_diff_augment(x.shape)
    with torch.autocast("cpu", torch.bfloat16):
        y = ops.diff_augment(x, draws, impl)
        low = ops.diff_augment(x.bfloat16(), draws, impl)
    assert (y.dtype, low.dtype) == (torch.float32, torch.bfloat16)
    torch.testing.assert_close(y, ops.diff_augment(x, draws, "reference"))


def test_applying_errors_name_what_is_wrong():
    x = torch.zeros(4, 1, 16, 16)
    draws = ops.draw_diff_augment(x.shape, generator=torch.Generator().manual_seed(0))
    with pytest.raises(TypeError, match=r"images are torch\.uint8; a floating dtype"):
        ops.diff_augment(x.to(torch.uint8), draws)
    with pytest.raises(ValueError, match=r"images \(1, 16, 16\)"):
        ops.diff_augment(x[0], draws)
    with pytest.raises(ValueError, match=r"draws for \(16, 16\) pixels, images of \(16, 8\)"):
        ops.diff_augment(x[..., :8], draws)
    with pytest.raises(ValueError, match="draws for 4 images, 2 images"):
        ops.diff_augment(x[:2], draws)
    with pytest.raises(ValueError, match=r"draws.to\(x.device\)"):
        ops.diff_augment(x, draws.to("meta"))
    for operation, draw, message in (
        ("brightness", torch.zeros(4, 1), r"brightness \(4, 1\) is not \(batch\)"),
        ("translation", torch.zeros(4, 3, dtype=torch.int64), r"translation \(4, 3\) is not \(batch, 2\)"),
    ):
        with pytest.raises(ValueError, match=message):
            ops.diff_augment(x, replace(draws, **{operation: draw}))
    with pytest.raises(TypeError, match=r"cutout is torch.float32, not int64"):
        ops.diff_augment(x, replace(draws, cutout=draws.cutout.float()))
    with pytest.raises(ValueError, match="impl='fast' is none of"):
        ops.diff_augment(x, draws, impl="fast")
