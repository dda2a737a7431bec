"""Averages and lengths of two-point statistics: closed forms, PyMKS, and the Boolean model of discs."""

import numpy as np
import pytest

from pspgan.statistics import one_hot, two_point_statistics
from pspgan.statistics.profiles import (
    correlation_length,
    directional_profile,
    interface_from_slope,
    pair_correlation,
    radial_average,
)

RADIUS, PER_AREA = 9.0, 1.2e-3  # of the Boolean model's discs, px and 1/px2


@pytest.fixture(scope="module")
def boolean_model():
    """Fields of discs at random places that may overlap, cut out of a larger plane: 1 in discs, 0 between."""
    rng, side, margin = np.random.default_rng(0), 200, 10
    y, x = np.mgrid[:side, :side]
    fields = np.zeros((60, side, side), dtype=bool)
    for field in fields:
        for cy, cx in rng.uniform(
            -margin, side + margin, (rng.poisson(PER_AREA * (side + 2 * margin) ** 2), 2)
        ):
            field |= (y - cy) ** 2 + (x - cx) ** 2 <= RADIUS**2
    return fields.astype(np.uint8)


def covered_by_two_discs(distance):
    """Area of the union of two discs so far apart."""
    half = np.clip(distance / (2 * RADIUS), 0, 1)
    lens = 2 * RADIUS**2 * (np.arccos(half) - half * np.sqrt(1 - half**2))
    return 2 * np.pi * RADIUS**2 - lens


def test_the_boolean_model_has_its_closed_form(boolean_model):
    """S2 of what lies between discs is exp(-density * area of two discs r apart)."""
    cutoff = 40
    component = np.arange(-cutoff, cutoff + 1)
    statistics = two_point_statistics(one_hot(boolean_model, 2), [(0, 0), (1, 1), (0, 1)], False, cutoff)
    for k in range(3):
        distance, average = radial_average(statistics[..., k], component, component)
        between = np.exp(-PER_AREA * covered_by_two_discs(distance))
        empty = np.exp(-PER_AREA * np.pi * RADIUS**2)
        expected = (between, 1 - 2 * empty + between, empty - between)[k]
        error = average.std(axis=0, ddof=1) / np.sqrt(len(average))
        difference = average.mean(axis=0) - expected
        assert np.abs(difference / error).max() < 4 if k < 2 else np.abs(difference[1:] / error[1:]).max() < 4
        assert np.abs(difference).max() < 0.012
        assert expected.max() - expected.min() > 0.15  # so that the bound above says something


def test_the_boolean_models_interface_is_in_the_slope(boolean_model):
    """Boundary length an area of the model is 2 pi R density exp(-density pi R^2); S_V = 4/pi of it."""
    component = np.arange(-3, 4)
    statistics = two_point_statistics(one_hot(boolean_model, 2), [(1, 1)], False, 3)[..., 0]
    measured = interface_from_slope(statistics, component, component)
    length = 2 * np.pi * RADIUS * PER_AREA * np.exp(-PER_AREA * np.pi * RADIUS**2)
    error = measured.std(ddof=1) / np.sqrt(len(measured))
    assert error < 0.02 * measured.mean()
    assert abs(measured.mean() - 4 / np.pi * length) < 3 * error


def test_interface_of_a_square_is_counted_exactly():
    phase = np.zeros((1, 32, 32), dtype=int)
    phase[0, 8:18, 5:15] = 1
    component = np.arange(-2, 3)
    statistics = two_point_statistics(one_hot(phase, 2), [(1, 1)], True, 2)[..., 0]
    # Of 32^2 pairs a step apart, 20 leave the square along an axis, 38 = 2 (10 + 10 - 1) along a diagonal.
    falls = (10 + 10 + 19 / np.sqrt(2) + 19 / np.sqrt(2)) / 32**2
    assert interface_from_slope(statistics, component, component)[0] == pytest.approx(falls, abs=1e-12)


def test_radial_average_of_a_radial_function():
    component = np.arange(-6, 7)
    distance = np.hypot(component[:, None], component)
    rings, average = radial_average(np.stack([distance, np.ones_like(distance)]), component, component)
    assert len(rings) == 7
    np.testing.assert_allclose(average[0], rings)
    np.testing.assert_allclose(average[1], 1)
    assert rings[0] == 0
    assert np.abs(rings - np.arange(7)).max() < 0.25
    assert rings[1] == pytest.approx((1 + np.sqrt(2)) / 2)


def test_pair_correlation_is_that_of_pymks():
    pymks = pytest.importorskip("pymks", reason="PyMKS is not installed: nothing to compare with")
    phases = np.random.default_rng(0).random((3, 21, 21, 2))
    statistics = two_point_statistics(phases, [(0, 1)], cutoff=10)[..., 0]
    component = np.arange(-10, 11)
    lengths, average = pair_correlation(statistics, component, component)
    theirs, radii = pymks.paircorr_from_twopoint(statistics)
    np.testing.assert_allclose(lengths, radii, atol=1e-12)
    np.testing.assert_allclose(average, theirs, atol=1e-12)


@pytest.mark.parametrize("angle", [0, 30, 45, 90, 135, -60, 200])
def test_profile_along_a_direction_of_a_plane(angle):
    """Linear interpolation gives back a linear function."""
    dy, dx = np.arange(-8, 9), np.arange(-5, 6)
    plane = (2.0 * dy[:, None] - 3.0 * dx)[None]
    distance, profile = directional_profile(plane, dy, dx, angle)
    sine, cosine = np.sin(np.radians(angle)), np.cos(np.radians(angle))
    np.testing.assert_allclose(profile[0], distance * (2 * sine - 3 * cosine), atol=1e-9)
    reach = distance[-1] + 1
    assert reach * abs(sine) > 8 or reach * abs(cosine) > 5


def test_stripes_are_seen_across_and_not_along():
    stripes = one_hot(np.tile(np.arange(24) // 3 % 2, (1, 24, 1)), 2)
    component = np.arange(-9, 10)
    statistics = two_point_statistics(stripes, [(1, 1)], cutoff=9)[..., 0]
    across, along = (directional_profile(statistics, component, component, a)[1][0] for a in (0, 90))
    np.testing.assert_allclose(across[:7], [1 / 2, 1 / 3, 1 / 6, 0, 1 / 6, 1 / 3, 1 / 2], atol=1e-12)
    np.testing.assert_allclose(along, 0.5, atol=1e-12)


def test_correlation_length_of_an_exponential():
    distance = np.arange(0, 60, 0.05)
    lengths = np.array([2.0, 7.0, 100.0])
    fraction = np.array([0.2, 0.5, 0.5])
    variance = fraction * (1 - fraction)
    average = fraction[:, None] ** 2 + variance[:, None] * np.exp(-distance / lengths[:, None])
    measured = correlation_length(distance, average, fraction)
    np.testing.assert_allclose(measured[:2], lengths[:2], rtol=1e-4)
    assert np.isnan(measured[2])  # still above 1/e at the end
    assert np.isnan(correlation_length(distance, np.ones((1, len(distance))), np.ones(1)))[0]  # one phase
