"""What DiffAugment draws: ranges, strength, probability, repeatability."""

import pytest
import torch

from pspgan import ops


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
