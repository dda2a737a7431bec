"""Segmentation on micrographs whose phases are known."""

import numpy as np
import pytest

from pspgan.statistics import one_hot, segment


@pytest.fixture
def particles():
    """Bright particles (1) on a dark matrix (0), (sample, y, x)."""
    truth = np.zeros((3, 96, 128), dtype=np.uint8)
    y, x = np.mgrid[:96, :128]
    for i, step in enumerate((12, 16, 20)):
        truth[i] = ((y % step - step // 2) ** 2 + (x % step - step // 2) ** 2) <= (step // 4) ** 2
    return truth


def grey(truth, light=0.0):
    noise = np.random.default_rng(0).normal(0, 5, truth.shape)
    ramp = np.linspace(-light, light, truth.shape[-1])
    return np.clip(100 + 50.0 * truth + ramp + noise, 0, 255).astype(np.uint8)


def test_particles_are_found(particles):
    assert (segment(grey(particles)) == particles).mean() > 0.999
    assert (segment(grey(particles), background=0) == particles).mean() > 0.999


def test_uneven_light_is_removed(particles):
    lit = grey(particles, light=80)
    assert (segment(lit) == particles).mean() > 0.99
    assert (segment(lit, background=0) == particles).mean() < 0.8


def test_images_do_not_influence_each_other(particles):
    micrograph = grey(particles)
    micrograph[1] //= 2
    together = segment(micrograph)
    for i in range(3):
        np.testing.assert_array_equal(together[i], segment(micrograph[i : i + 1])[0])


@pytest.mark.parametrize("level", [0, 77, 255])
def test_an_image_of_one_grey_level_is_matrix(level):
    assert not segment(np.full((2, 40, 50), level, dtype=np.uint8)).any()


def test_fixed_threshold():
    micrograph = np.array([[[10, 100], [101, 200]]], dtype=np.uint8)
    phase = segment(micrograph, "threshold", threshold=100)
    assert phase.dtype == np.uint8
    np.testing.assert_array_equal(phase, [[[0, 0], [1, 1]]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"micrograph": np.zeros((4, 4), np.uint8)}, r"\(sample, y, x\), got shape \(4, 4\)"),
        ({"method": "otzu"}, 'method "otzu" is none of otsu, threshold'),
        ({"background": -1}, "background -1 px is negative"),
    ],
)
def test_what_does_not_fit_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        segment(**{"micrograph": np.zeros((1, 4, 4), np.uint8)} | arguments)


def test_one_hot_marks_one_state_a_pixel():
    phase = np.random.default_rng(0).integers(0, 3, (2, 5, 7))
    states = one_hot(phase, 3)
    assert states.shape == (2, 5, 7, 3)
    assert (states.sum(axis=-1) == 1).all()
    np.testing.assert_array_equal(states.argmax(axis=-1), phase)
    with pytest.raises(ValueError, match="phase indices 0 to 2 do not fit 2 states"):
        one_hot(phase, 2)
