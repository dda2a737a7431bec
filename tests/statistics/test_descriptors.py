"""Descriptors as a whole: exact shapes, interface, correlation, names and units, pixels of any size."""

import numpy as np
import pytest
import scipy.ndimage
import scipy.optimize
from boolean_model import boolean_model
from skimage.measure import perimeter_crofton

from pspgan.statistics import DESCRIPTORS, descriptor_names, descriptors, valid_range


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
    """Overlapping discs at Poisson points: interface and correlation of the space between are known."""
    radius, density = 10.0, 0.0025
    between = ~boolean_model(density, radius, 400, 4)
    measured = descriptors(between.astype(int), 1.0).mean("sample")

    area = np.pi * radius**2
    fraction = np.exp(-density * area)
    perimeter = density * 2 * np.pi * radius * fraction

    def autocovariance(r):
        lens = 2 * radius**2 * np.arccos(r / 2 / radius) - r / 2 * np.sqrt(4 * radius**2 - r**2)
        return (np.exp(-density * (2 * area - lens)) - fraction**2) / (fraction - fraction**2)

    length = scipy.optimize.brentq(lambda r: autocovariance(r) - np.exp(-1), 0, 2 * radius)
    assert measured["specific_interface_area"] == pytest.approx(4 / np.pi * perimeter, rel=0.05)
    assert measured["correlation_length"] == pytest.approx(length, rel=0.05)


def test_a_structure_drawn_with_twice_as_many_pixels_has_the_same_lengths():
    phase = blobs(size=120)
    fine = phase.repeat(2, axis=1).repeat(2, axis=2)
    coarse, fine = descriptors(phase, 0.2), descriptors(fine, 0.1)
    for name in ("area_fraction", "particle_density_um", "mean_chord_length_um", "connectivity"):
        np.testing.assert_allclose(coarse[name], fine[name], rtol=1e-12)
    # How near to the border the last pixel lies changes the weights.
    for name in ("mean_equivalent_diameter_um", "nearest_neighbour_distance_um"):
        np.testing.assert_allclose(coarse[name], fine[name], rtol=0.005)
    np.testing.assert_allclose(coarse["correlation_length_um"], fine["correlation_length_um"], rtol=0.03)


def test_a_smooth_structure_has_the_same_lengths_at_any_pixel_size():
    """The same waves, cut into phases at 1 and at 0.4 um a pixel."""
    rng = np.random.default_rng(0)
    frequency, angle, shift = rng.uniform((0.04, 0, 0), (0.07, np.pi, 2 * np.pi), (60, 3)).T
    ky, kx = (2 * np.pi * frequency * part for part in (np.sin(angle), np.cos(angle)))
    found = []
    for um_per_px in (1.0, 0.4):
        at = (np.arange(200 / um_per_px) + 0.5) * um_per_px
        waves = np.zeros((len(at), len(at)))
        for a, b, c in zip(ky, kx, shift, strict=True):
            waves += np.cos(a * at[:, None] + b * at + c)
        found.append(descriptors((waves > 4.0)[None].astype(int), um_per_px))
    coarse, fine = found
    names = set(descriptor_names(coarse, "um")) - {"connectivity", "interlamellar_spacing_um"}
    assert len(names) == 10
    for name in names:
        assert coarse[name].item() == pytest.approx(fine[name].item(), rel=0.03), name


def test_variables_say_what_they_are():
    measured = descriptors(blobs(2), [0.1, np.nan])
    assert descriptor_names(measured, "px") == [name for name in DESCRIPTORS if name != "denuded_zone_width"]
    for name in descriptor_names(measured):
        variable = measured[name]
        assert variable.dims == ("sample",)
        assert variable.dtype == np.float64
        assert name in (variable.attrs["descriptor"], f"{variable.attrs['descriptor']}_um")
        assert variable.attrs["phase"] == "bright"
        assert variable.attrs["long_name"] == DESCRIPTORS[variable.attrs["descriptor"]].long_name
        low, high = valid_range(variable)
        assert not ((variable < low) | (variable > high)).any(), name
    for name, (_, power, *_) in DESCRIPTORS.items():
        if power and name not in ("interlamellar_spacing", "denuded_zone_width"):
            np.testing.assert_array_equal(np.isnan(measured[f"{name}_um"]), [False, True])
            np.testing.assert_allclose(measured[f"{name}_um"][0], measured[name][0] * 0.1**power)
    np.testing.assert_array_equal(np.isnan(measured["grain_size_number"]), [False, True])
    units = {name: variable.attrs["units"] for name, variable in measured.items()}
    assert units["area_fraction"] == "1"
    assert units["particle_density"] == "px-2"
    assert units["specific_interface_area_um"] == "um-1"
    assert units["correlation_length_um"] == "um"
    ranges = {name: valid_range(measured[name]) for name in descriptor_names(measured, "um")}
    free = {"grain_size_number", "euler_number_density_um"}  # a coarse grain's number is below zero, too
    shares = {"area_fraction", "connectivity"}
    assert {name for name, found in ranges.items() if found == (-np.inf, np.inf)} == free
    assert {name for name, found in ranges.items() if found == (0, 1)} == shares
    assert all(ranges[name] == (0, np.inf) for name in ranges.keys() - free - shares)


def test_each_of_several_phases_is_measured_as_if_alone():
    network, spheroidite = blobs(3).astype(bool), blobs(3, seed=1).astype(bool)
    phase = network + 2 * (spheroidite & ~network)
    found = descriptors(phase, 0.1, phases=("matrix", "network", "spheroidite"))
    np.testing.assert_array_equal(found["area_fraction_matrix"], (phase == 0).mean(axis=(1, 2)))
    for index, name in ((1, "network"), (2, "spheroidite")):
        alone = descriptors((phase == index).astype(int), 0.1)
        for variable in alone.data_vars:
            um = "_um" if variable.endswith("_um") else ""
            one = found[f"{variable.removesuffix('_um')}_{name}{um}"]
            np.testing.assert_array_equal(one, alone[variable])
            assert one.attrs["phase"] == name
            assert one.attrs["descriptor"] == alone[variable].attrs["descriptor"]
            assert one.attrs["long_name"].endswith(f", {name}")
    assert len(found) == 1 + 2 * len(alone)


def test_names_are_in_the_same_order_whatever_that_of_the_variables():
    found = descriptors(blobs(2), 0.1)
    found["note"] = ("sample", ["a", "b"])
    shuffled = found[sorted(found.data_vars, key=lambda name: name[::-1])]
    assert descriptor_names(shuffled) == descriptor_names(found)
    assert descriptor_names(found)[:3] == ["area_fraction", "particle_density", "particle_density_um"]
    in_px, in_um = set(descriptor_names(found, "px")), set(descriptor_names(found, "um"))
    assert in_px & in_um == {"area_fraction", "grain_size_number", "connectivity"}
    assert in_px | in_um == set(descriptor_names(found))


def test_bad_arguments_are_named():
    zeros = np.zeros((2, 5, 5), dtype=int)
    with pytest.raises(ValueError, match=r"phase must be \(sample, y, x\).*\(5, 5\)"):
        descriptors(zeros[0], 1.0)
    with pytest.raises(ValueError, match=r"at least one of at least 2 x 2 px, got shape \(0, 5, 5\)"):
        descriptors(zeros[:0], 1.0)
    with pytest.raises(ValueError, match=r"um_per_px has shape \(3,\), not \(2,\)"):
        descriptors(zeros, np.ones(3))
    with pytest.raises(ValueError, match="phase holds 0 to 2, but phases names 0 to 1: dark, bright"):
        descriptors(zeros + np.array([0, 2])[:, None, None], 1.0)
    for phases in ("dark", ("dark",), ("dark", "dark"), ("dark", "")):
        with pytest.raises(ValueError, match="phases must be at least two different names"):
            descriptors(zeros, 1.0, phases=phases)
    with pytest.raises(ValueError, match='phase "film/b" has a slash'):
        descriptors(zeros, 1.0, phases=("a", "film/b"))
