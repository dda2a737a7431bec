"""Segmentation on micrographs whose phases are known."""

import json

import dask.array
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from pspgan.statistics import Phases, one_hot, segment


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
    phase = segment(micrograph, "threshold", thresholds=[100])
    assert phase.dtype == np.uint8
    np.testing.assert_array_equal(phase, [[[0, 0], [1, 1]]])
    np.testing.assert_array_equal(segment(micrograph, "threshold"), [[[0, 0], [0, 1]]])  # above 127.5
    three = segment(micrograph, "threshold", 3, thresholds=[50, 150])
    np.testing.assert_array_equal(three, [[[0, 1], [1, 2]]])


def test_three_phases_are_found_under_uneven_light():
    y, x = np.mgrid[:96, :128]
    truth = ((x // 8 + y // 8) % 3)[np.newaxis]
    lit = grey(truth, light=40)
    assert (segment(lit, "multi-otsu", 3) == truth).mean() > 0.98
    assert (segment(lit, "multi-otsu", 3, background=0) == truth).mean() < 0.8


def test_multi_otsu_of_two_phases_is_otsu(particles):
    micrograph = grey(particles)
    np.testing.assert_array_equal(segment(micrograph, "multi-otsu"), segment(micrograph))


def test_an_image_of_fewer_levels_than_phases_has_a_phase_a_level():
    micrograph = np.array([[[7, 7, 200], [200, 7, 7]], [[9, 9, 9], [9, 9, 9]]], dtype=np.uint8)
    expected = [[[0, 0, 1], [1, 0, 0]], [[0, 0, 0], [0, 0, 0]]]
    np.testing.assert_array_equal(segment(micrograph, "multi-otsu", 4), expected)


def test_local_thresholds_find_particles_whatever_exposure_and_contrast(particles):
    faint = np.linspace(0.2, 1.0, particles.shape[-1])
    noise = np.random.default_rng(0).normal(0, 3, particles.shape)
    micrograph = (40 + 20 * faint + 80 * faint * particles + noise).astype(np.uint8)
    found = segment(micrograph, "local")
    assert (found == particles).mean() > 0.998
    fixed = [segment(micrograph, "threshold", thresholds=[level]) for level in range(50, 150)]
    assert max((phase == particles).mean() for phase in fixed) < 0.99
    darker = segment(micrograph // 2, "local")
    assert (darker == found).mean() > 0.998


@pytest.mark.parametrize(("n_phases", "low", "high"), [(2, 0, 255), (3, 0, 255), (5, 20, 200.5)])
def test_primitive_states_are_those_of_pymks(n_phases, low, high):
    pymks = pytest.importorskip("pymks")
    micrograph = np.random.default_rng(0).integers(0, 256, (3, 20, 31), dtype=np.uint8)
    expected = pymks.PrimitiveTransformer(n_phases, low, high).fit().transform(micrograph).compute()
    phases = Phases("primitive", n_phases, low=low, high=high)
    states = phases.fit_transform(micrograph)
    assert states.dtype == float
    np.testing.assert_allclose(states, expected, rtol=0, atol=1e-15)
    np.testing.assert_array_equal(phases.segment(micrograph), expected.argmax(axis=-1))


HARD = [
    ("otsu", {}),
    ("multi-otsu", {"n_phases": 3}),
    ("threshold", {"n_phases": 4}),
    ("local", {"window": 15}),
]


@pytest.mark.parametrize(("method", "options"), HARD)
def test_states_of_hard_methods_are_their_phases(particles, method, options):
    phases = Phases(method, **options)
    states = phases.transform(grey(particles))
    assert states.shape == (*particles.shape, phases.n_states)
    np.testing.assert_array_equal(states, one_hot(phases.segment(grey(particles)), phases.n_states))


@pytest.mark.parametrize(("method", "options"), [*HARD, ("primitive", {"n_phases": 3})])
def test_dask_in_dask_out(particles, method, options):
    micrograph = grey(particles)
    lazy = dask.array.from_array(micrograph, chunks=(2, 40, 50))  # which cut images apart
    phases = Phases(method, **options)
    for function in (phases.transform, phases.segment):
        found, expected = function(lazy), function(micrograph)
        assert isinstance(found, dask.array.Array)
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        assert found.chunks[0] == (2, 1)
        np.testing.assert_array_equal(found.compute(), expected)


def test_phases_work_in_a_pipeline_with_pymks(particles):
    pymks = pytest.importorskip("pymks")
    micrograph = grey(particles)
    steps = [("phases", Phases("otsu")), ("correlations", pymks.TwoPointCorrelation(correlations=[(1, 1)]))]
    statistics = Pipeline(steps).fit_transform(micrograph)
    cutoff = statistics.shape[1] // 2
    fraction = np.asarray(statistics)[:, cutoff, cutoff, 0]
    np.testing.assert_allclose(fraction, segment(micrograph).mean(axis=(1, 2)), atol=1e-12)


@pytest.mark.parametrize(
    ("phases", "settings", "names"),
    [
        (Phases(), {"method": "otsu", "background": 16.0}, ("dark", "bright")),
        (
            Phases("multi-otsu", 3, background=4),
            {"method": "multi-otsu", "n_phases": 3, "background": 4.0},
            ("dark", "grey", "bright"),
        ),
        (
            Phases("threshold", 4, thresholds=(1, 2, 3)),
            {"method": "threshold", "n_phases": 4, "thresholds": [1.0, 2.0, 3.0]},
            ("dark", "grey_1", "grey_2", "bright"),
        ),
        (Phases("local", window=9), {"method": "local", "window": 9}, ("dark", "bright")),
        (
            Phases("primitive", high=200),
            {"method": "primitive", "n_phases": 2, "low": 0.0, "high": 200.0},
            ("dark", "bright"),
        ),
    ],
)
def test_settings_say_everything_and_come_back(phases, settings, names):
    assert phases.settings() == settings
    assert phases.names == names
    assert phases.n_states == len(names)
    again = Phases.from_settings(json.loads(json.dumps(settings)))
    assert again.settings() == settings
    assert clone(again).settings() == settings


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"micrograph": np.zeros((4, 4), np.uint8)}, r"\(sample, y, x\), got shape \(4, 4\)"),
        ({"micrograph": np.zeros((1, 4, 4), bool)}, "must be grey levels, got bool"),
        ({"micrograph": np.full((1, 4, 4), np.nan)}, "hold NaN"),
        ({"method": "otzu"}, 'method "otzu" is none of otsu, multi-otsu, threshold, local'),
        ({"background": -1}, "background -1 px is no standard deviation"),
        (
            {"method": "otsu", "n_phases": 3},
            'no option of method "otsu"; it is one of multi-otsu, threshold, prim',
        ),
        (
            {"method": "local", "background": 3},
            'background is no option of method "local"; it is one of otsu, mul',
        ),
        (
            {"method": "otsu", "thresholds": [3]},
            'thresholds is no option of method "otsu"; it is one of threshold',
        ),
        ({"method": "otsu", "thresholds": np.array([3, 4])}, "thresholds is no option"),
        ({"method": "multi-otsu", "n_phases": 1}, "n_phases 1 is no number of phases"),
        ({"method": "multi-otsu", "n_phases": 2.5}, "n_phases 2.5 is no number of phases"),
        ({"method": "multi-otsu", "n_phases": 5}, "more than the 4 that multi-otsu finds"),
        (
            {"method": "threshold", "thresholds": [1, 2]},
            "n_phases 2 does not fit 2 thresholds, which part 3 phases",
        ),
        ({"method": "threshold", "n_phases": 3, "thresholds": [2, 1]}, "no ascending grey levels"),
        ({"method": "local", "window": 8}, "window 8 px is no odd number"),
        ({"method": "primitive", "low": 9, "high": 9}, "low 9 and high 9 are no ascending grey levels"),
        ({"method": "classifier"}, "takes a trained classifier or its file"),
        ({"method": "classifier", "classifier": "none.safetensors"}, "none.safetensors: no such file"),
    ],
)
def test_what_does_not_fit_is_named(arguments, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        segment(**{"micrograph": np.zeros((1, 4, 4), np.uint8)} | arguments)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "otzu"}, 'method "otzu" is none of'),
        ({"method": "otsu", "window": 3}, '"window" is no setting of method "otsu"'),
    ],
)
def test_settings_of_another_kind_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Phases.from_settings(settings)


def test_one_hot_marks_one_state_a_pixel():
    phase = np.random.default_rng(0).integers(0, 3, (2, 5, 7))
    states = one_hot(phase, 3)
    assert states.shape == (2, 5, 7, 3)
    assert (states.sum(axis=-1) == 1).all()
    np.testing.assert_array_equal(states.argmax(axis=-1), phase)
    with pytest.raises(ValueError, match="phase indices 0 to 2 do not fit 2 states"):
        one_hot(phase, 2)
