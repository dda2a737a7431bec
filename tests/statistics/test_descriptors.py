"""Descriptors against exact shapes, scikit-image, and the closed forms of the Boolean model of discs."""

import numpy as np
import pytest
import scipy.ndimage
import scipy.optimize
from skimage.measure import label, perimeter_crofton, regionprops

from pspgan.statistics import DESCRIPTORS, descriptors


def blobs(n=4, size=80, seed=0):
    noise = np.random.default_rng(seed).normal(size=(n, size, size))
    return (scipy.ndimage.gaussian_filter(noise, (0, 2, 2)) > 0.12).astype(np.uint8)


def test_a_rectangle_inside_the_field():
    phase = np.zeros((1, 20, 30), dtype=np.uint8)
    phase[0, 5:9, 7:17] = 1
    measured = descriptors(phase, 0.5).isel(sample=0)
    assert measured["area_fraction"] == pytest.approx(40 / 600)
    assert measured["particle_density"] == pytest.approx(1 / 600)
    assert measured["mean_equivalent_diameter"] == pytest.approx(np.sqrt(160 / np.pi))
    assert measured["mean_chord_length"] == pytest.approx(80 / 14)  # 4 chords of 10 and 10 chords of 4
    assert measured["particle_density_um"] == pytest.approx(4 / 600)
    assert measured["mean_chord_length_um"] == pytest.approx(40 / 14)
    assert measured["specific_interface_area_um"] == pytest.approx(
        2 * float(measured["specific_interface_area"])
    )


def test_particles_that_the_border_cuts():
    phase = np.zeros((2, 10, 10), dtype=np.uint8)
    phase[0, 4:6, 4:6] = 1  # whole
    phase[0, 0, 2] = phase[0, 9, 9] = 1  # cut by a side and by a corner
    phase[1, 3, 0] = 1  # nothing whole
    measured = descriptors(phase, 1.0)
    np.testing.assert_allclose(measured["particle_density"], [2 / 100, 0.5 / 100])
    np.testing.assert_allclose(measured["mean_equivalent_diameter"], [np.sqrt(16 / np.pi), np.nan])


def test_particles_agree_with_scikit_image():
    phase = blobs()
    measured = descriptors(phase, 1.0)
    for i, field in enumerate(phase):
        regions = regionprops(label(field, connectivity=2))
        whole = [r for r in regions if min(r.bbox) > 0 and max(r.bbox) < field.shape[0]]
        assert len(regions) > len(whole) > 5
        number = len(whole) + 0.5 * (len(regions) - len(whole))
        assert measured["particle_density"][i] == pytest.approx(number / field.size)
        mean = np.mean([r.equivalent_diameter_area for r in whole])
        assert measured["mean_equivalent_diameter"][i] == pytest.approx(mean)


def test_interface_area_is_croftons_perimeter_away_from_the_border():
    phase = np.pad(blobs(), ((0, 0), (60, 60), (60, 60)))  # far from the border
    measured = descriptors(phase, 1.0)["specific_interface_area"].values
    length = np.array([perimeter_crofton(field, directions=4) for field in phase])
    np.testing.assert_allclose(measured, 4 / np.pi * length / phase[0].size, rtol=0.01)


def test_the_border_is_no_interface():
    phase = np.zeros((1, 16, 16), dtype=np.uint8)
    phase[0, :, :8] = 1
    measured = descriptors(phase, 1.0).isel(sample=0)
    rows = 1 / 15
    diagonals = 15 / 225 / np.sqrt(2)
    assert measured["specific_interface_area"] == pytest.approx(2 * (rows + 0 + 2 * diagonals) / 4)
    assert measured["mean_chord_length"] == pytest.approx(2 * 128 / 8)  # 16 chords, each one half


def test_a_field_of_one_phase_has_no_lengths():
    phase = np.stack([np.zeros((8, 9)), np.ones((8, 9))]).astype(np.uint8)
    measured = descriptors(phase, 1.0)
    np.testing.assert_array_equal(measured["area_fraction"], [0, 1])
    np.testing.assert_array_equal(measured["specific_interface_area"], [0, 0])
    for name in ("mean_equivalent_diameter", "mean_chord_length", "correlation_length"):
        assert np.isnan(measured[name]).all()


def test_uncorrelated_pixels_have_the_shortest_correlation_length():
    phase = (np.random.default_rng(0).random((4, 100, 100)) < 0.3).astype(np.uint8)
    length = descriptors(phase, 1.0)["correlation_length"]
    ring = (1 + np.sqrt(2)) / 2  # the first ring, where the autocovariance is zero
    np.testing.assert_allclose(length, ring * (1 - np.exp(-1)), rtol=0.02)


def test_the_boolean_model_of_discs():
    """Overlapping discs at Poisson points: the space between is known in every descriptor."""
    radius, density, size = 10.0, 0.0025, 400
    rng = np.random.default_rng(0)
    margin = 12
    between = []
    for _ in range(4):
        empty = np.ones((size + 2 * margin,) * 2, dtype=bool)
        points = rng.integers(0, len(empty), (rng.poisson(density * empty.size), 2))
        empty[tuple(points.T)] = False
        far = scipy.ndimage.distance_transform_edt(empty) > radius
        between.append(far[margin:-margin, margin:-margin])
    measured = descriptors(np.array(between, dtype=np.uint8), 1.0).mean("sample")

    area = np.pi * radius**2
    fraction = np.exp(-density * area)
    perimeter = density * 2 * np.pi * radius * fraction

    def autocovariance(r):
        lens = 2 * radius**2 * np.arccos(r / 2 / radius) - r / 2 * np.sqrt(4 * radius**2 - r**2)
        return (np.exp(-density * (2 * area - lens)) - fraction**2) / (fraction - fraction**2)

    length = scipy.optimize.brentq(lambda r: autocovariance(r) - np.exp(-1), 0, 2 * radius)
    assert measured["area_fraction"] == pytest.approx(fraction, rel=0.05)
    assert measured["mean_chord_length"] == pytest.approx(1 / (2 * radius * density), rel=0.05)
    assert measured["specific_interface_area"] == pytest.approx(4 / np.pi * perimeter, rel=0.05)
    assert measured["correlation_length"] == pytest.approx(length, rel=0.05)


def test_the_same_structure_at_twice_the_pixel_size_has_the_same_lengths():
    phase = blobs(size=120)
    fine = phase.repeat(2, axis=1).repeat(2, axis=2)
    coarse, fine = descriptors(phase, 0.2), descriptors(fine, 0.1)
    for name in ("mean_equivalent_diameter_um", "mean_chord_length_um", "particle_density_um"):
        np.testing.assert_allclose(coarse[name], fine[name], rtol=1e-12)
    np.testing.assert_allclose(coarse["correlation_length_um"], fine["correlation_length_um"], rtol=0.03)


def test_variables_carry_names_and_units():
    scale = np.array([0.1, np.nan])
    measured = descriptors(blobs(2), scale)
    for name in DESCRIPTORS:
        assert measured[name].dims == ("sample",)
        assert measured[name].dtype == np.float64
        assert measured[name].attrs["long_name"]
        if name != "area_fraction":
            np.testing.assert_array_equal(np.isnan(measured[f"{name}_um"]), [False, True])
    units = {name: variable.attrs["units"] for name, variable in measured.items()}
    assert units["area_fraction"] == "1"
    assert units["particle_density"] == "px-2"
    assert units["specific_interface_area_um"] == "um-1"
    assert units["correlation_length_um"] == "um"


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"phase must be \(sample, y, x\).*\(5, 5\)"):
        descriptors(np.zeros((5, 5)), 1.0)
    with pytest.raises(ValueError, match=r"um_per_px has shape \(3,\), not \(2,\)"):
        descriptors(np.zeros((2, 5, 5)), np.ones(3))
