"""DiffAugment: published images and gradients, an independent recomputation, draws, derivatives."""

import numpy as np
import pytest
import torch

from pspgan import ops

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


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_the_published_function(recorded, case):
    x, upstream, draws = published(recorded, case)
    x.requires_grad_()
    y = ops.diff_augment(x, draws)
    (grad_x,) = torch.autograd.grad(y, x, upstream)
    torch.testing.assert_close(y, torch.from_numpy(recorded[f"case{case}_y"]), rtol=0, atol=1e-5)
    torch.testing.assert_close(grad_x, torch.from_numpy(recorded[f"case{case}_grad_x"]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("case", [0, 2, 4, 6, 8])
def test_agrees_with_its_definition_in_float64(recorded, case):
    x, _, draws = published(recorded, case)
    y = ops.diff_augment(x.double(), draws)
    torch.testing.assert_close(y, augment_by_loops(x, draws), rtol=0, atol=1e-10)


@pytest.mark.parametrize("policy", ["color,translation,cutout", "color", "translation,cutout"])
@pytest.mark.parametrize("shape", [(3, 2, 5, 7), (2, 1, 6, 4)])
def test_first_and_second_derivatives(policy, shape):
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
    draws = ops.draw_diff_augment(shape, policy, generator, dtype=torch.float64)

    def squared(x):  # the augmentation is affine; squaring gives the second derivative something to find
        return ops.diff_augment(x, draws).square()

    assert torch.autograd.gradcheck(squared, (x,))
    assert torch.autograd.gradgradcheck(squared, (x,))


def test_draws_repeat_with_a_generator_and_leave_the_global_one_alone():
    before = torch.random.get_rng_state()
    first, second = (
        ops.draw_diff_augment((8, 1, 32, 32), generator=torch.Generator().manual_seed(5)) for _ in range(2)
    )
    assert torch.equal(torch.random.get_rng_state(), before)
    for operation in first.drawn:
        assert torch.equal(getattr(first, operation), getattr(second, operation))


def test_draws_stay_in_the_published_ranges():
    draws = ops.draw_diff_augment((4000, 1, 36, 20), generator=torch.Generator().manual_seed(0))
    for draw, low, high in [
        (draws.brightness, -0.5, 0.5),
        (draws.saturation, 0.0, 2.0),
        (draws.contrast, 0.5, 1.5),
    ]:
        assert low <= draw.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < draw.max() < high
    assert draws.translation.amin(0).tolist() == [-5, -3]  # 36 / 8 and 20 / 8, rounded
    assert draws.translation.amax(0).tolist() == [5, 3]
    top, bottom, left, right = draws.cutout.unbind(1)
    assert (bottom - top == 18).all()
    assert (right - left == 10).all()
    assert (top.min(), top.max()) == (-9, 36 - 9)
    assert (left.min(), left.max()) == (-5, 20 - 5)


def test_strength_scales_each_operation():
    def draw(strength):
        generator = torch.Generator().manual_seed(2)
        return ops.draw_diff_augment((64, 1, 32, 32), generator=generator, strength=strength)

    full, half, mixed = draw(1.0), draw(0.5), draw({"cutout": 0.0, "brightness": 0.25})
    torch.testing.assert_close(half.brightness, 0.5 * full.brightness)
    torch.testing.assert_close(half.saturation - 1, 0.5 * (full.saturation - 1))
    torch.testing.assert_close(half.contrast - 1, 0.5 * (full.contrast - 1))
    assert half.translation.abs().max() == 2
    assert (half.cutout[:, 1] - half.cutout[:, 0] == 8).all()
    torch.testing.assert_close(mixed.brightness, 0.25 * full.brightness)
    assert torch.equal(mixed.contrast, full.contrast)
    assert (mixed.cutout[:, 1] == mixed.cutout[:, 0]).all()


def test_strength_zero_and_probability_zero_are_the_identity():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(5, 3, 16, 12, generator=generator)
    for options in ({"strength": 0.0}, {"probability": 0.0}, {"policy": ""}):
        draws = ops.draw_diff_augment(x.shape, generator=generator, **options)
        torch.testing.assert_close(ops.diff_augment(x, draws), x, rtol=0, atol=1e-6)


def test_probability_leaves_images_alone_and_the_others_as_they_were():
    def draw(probability):
        generator = torch.Generator().manual_seed(4)
        return ops.draw_diff_augment((2000, 1, 32, 32), generator=generator, probability=probability)

    always, sometimes = draw(1.0), draw({"cutout": 0.3, "contrast": 0.6})
    cut = sometimes.cutout[:, 1] > sometimes.cutout[:, 0]
    assert cut.double().mean() == pytest.approx(0.3, abs=0.04)
    assert torch.equal(sometimes.cutout[cut], always.cutout[cut])
    changed = sometimes.contrast != 1
    assert changed.double().mean() == pytest.approx(0.6, abs=0.04)
    assert torch.equal(sometimes.contrast[changed], always.contrast[changed])
    assert torch.equal(sometimes.translation, always.translation)


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


def test_cut_and_moved_in_pixels_are_zero_even_beside_nan():
    x = torch.full((1, 1, 8, 8), torch.nan)
    draws = ops.DiffAugmentDraws(
        (8, 8), translation=torch.tensor([[0, 3]]), cutout=torch.tensor([[-2, 4, 0, 8]])
    )
    y = ops.diff_augment(x, draws)[0, 0]
    assert (y[:4] == 0).all()
    assert (y[:, 5:] == 0).all()
    assert y[4:, :5].isnan().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_low_precision_stays_low(dtype):
    x = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(0)).to(dtype)
    draws = ops.draw_diff_augment(x.shape, generator=torch.Generator().manual_seed(0))
    y = ops.diff_augment(x, draws)
    assert y.dtype == dtype
    torch.testing.assert_close(y.float(), ops.diff_augment(x.float(), draws), rtol=0, atol=0.05)


def test_channels_last_and_empty_batches():
    x = torch.randn(3, 2, 9, 8, generator=torch.Generator().manual_seed(0))
    draws = ops.draw_diff_augment(x.shape, generator=torch.Generator().manual_seed(0))
    last = ops.diff_augment(x.contiguous(memory_format=torch.channels_last), draws)
    torch.testing.assert_close(last, ops.diff_augment(x, draws))
    assert ops.diff_augment(x[:0], draws[:0]).shape == (0, 2, 9, 8)


def test_compiles_without_graph_breaks():
    x = torch.randn(3, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    draws = ops.draw_diff_augment(x.shape, generator=torch.Generator().manual_seed(0))
    compiled = torch.compile(ops.diff_augment, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x, draws), ops.diff_augment(x, draws))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shape": (8, 32, 32)}, r"\(8, 32, 32\) is not \(batch, channel, y, x\)"),
        ({"policy": "cutout,color"}, "'cutout,color' is not a comma-separated choice of color, translation"),
        ({"policy": "colour"}, "'colour' is not"),
        ({"strength": {"blur": 1.0}}, "strength of 'blur', which is none of brightness"),
        ({"strength": -1.0}, r"strength of brightness is -1.0; it must be in \[0, 8\]"),
        ({"probability": 1.5}, r"probability of brightness is 1.5; it must be in \[0, 1\]"),
    ],
)
def test_drawing_errors_name_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        ops.draw_diff_augment(**{"shape": (8, 1, 32, 32)} | arguments)


def test_applying_errors_name_what_is_wrong():
    x = torch.zeros(4, 1, 16, 16)
    draws = ops.draw_diff_augment(x.shape, generator=torch.Generator().manual_seed(0))
    with pytest.raises(TypeError, match="floating point"):
        ops.diff_augment(x.to(torch.uint8), draws)
    with pytest.raises(ValueError, match=r"images \(1, 16, 16\)"):
        ops.diff_augment(x[0], draws)
    with pytest.raises(ValueError, match=r"draws for \(16, 16\) pixels, images of \(16, 8\)"):
        ops.diff_augment(x[..., :8], draws)
    with pytest.raises(ValueError, match="draws for 4 images, 2 images"):
        ops.diff_augment(x[:2], draws)
    with pytest.raises(ValueError, match=r"draws.to\(x.device\)"):
        ops.diff_augment(x, draws.to("meta"))
    with pytest.raises(RuntimeError, match="no native diff_augment yet"):
        ops.diff_augment(x, draws, impl="native")
