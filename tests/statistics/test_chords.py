"""Chords and lineal paths against exact lattices, brute force, and the closed forms of the Boolean model."""

import itertools

import numpy as np
import pytest
from boolean_model import boolean_model

from pspgan.statistics import descriptors, distributions, grain_size_number
from pspgan.statistics.descriptors.chords import DIRECTIONS, Chords, chord_length_distribution, lineal_path

ROOT2 = np.sqrt(2.0)


def random_phase(shape, seed=0, fraction=0.6):
    return np.random.default_rng(seed).random(shape) < fraction


def lines_of(field, name):
    """All test lines of a field, one array a line."""
    if name in ("rows", "columns"):
        return list(field if name == "rows" else field.T)
    field = field if name == "diagonals" else field[:, ::-1]
    return [field.diagonal(k) for k in range(1 - field.shape[0], field.shape[1])]


def segments_inside(field, name, steps):
    """Share of the positions of a segment at which all its pixels are in the phase, by looking at each."""
    found = [
        line[i : i + steps + 1].all() for line in lines_of(field, name) for i in range(len(line) - steps)
    ]
    return np.mean(found)


@pytest.mark.parametrize("shape", [(3, 12, 17), (2, 9, 9), (1, 14, 8)])
def test_lineal_path_is_that_of_every_segment_that_fits(shape):
    inside = random_phase(shape, fraction=0.8)
    found = lineal_path(Chords.of(inside), 7)
    for field, path in zip(inside, found, strict=True):
        for name, along in zip(DIRECTIONS, path, strict=True):
            expected = [segments_inside(field, name, steps) for steps in range(8)]
            np.testing.assert_allclose(along, expected, rtol=1e-12)


def test_lineal_path_is_unknown_where_no_segment_fits():
    inside = np.ones((1, 6, 10), dtype=bool)
    found = lineal_path(Chords.of(inside), 9)[0]
    fits = {"rows": 10, "columns": 6, "diagonals": 6, "antidiagonals": 6}
    for name, along in zip(DIRECTIONS, found, strict=True):
        np.testing.assert_array_equal(along, [1.0] * fits[name] + [np.nan] * (10 - fits[name]))


def test_whole_chords_are_weighed_by_where_they_fit():
    inside = random_phase((2, 11, 16), fraction=0.7)
    found = chord_length_distribution(Chords.of(inside), 15)
    for field, density in zip(inside, found, strict=True):
        for (name, line), along in zip(DIRECTIONS.items(), density, strict=True):
            weight = np.zeros(16)
            for pixels in lines_of(field, name):
                ends = np.flatnonzero(np.diff(pixels.astype(int)))
                for first, last in itertools.pairwise(ends):
                    if pixels[last]:
                        weight[last - first] += 1
            for m in range(1, 16):
                fits = sum(max(len(pixels) - m - 1, 0) for pixels in lines_of(field, name))
                weight[m] /= max(fits, 1)
            np.testing.assert_allclose(along * line.step, weight / weight.sum(), rtol=1e-12)


@pytest.mark.parametrize(("period", "thick"), [(6, 2), (10, 5), (12, 9)])
def test_stripes_have_their_chords_path_and_intercepts(period, thick):
    stripes = np.tile(np.arange(60) % period < thick, (60, 1))[None]
    found = distributions(stripes.astype(int), 0.5, longest=thick + 2).isel(sample=0, phase=0)
    chords, path = found["chord_length_distribution"], found["lineal_path"]
    # Across the stripes every chord has their thickness, in steps along diagonals as well; along them none
    # ends. The share of positions is exact: 60 px are whole periods, and a segment of s steps fits 60 - s
    # times.
    for name, step in (("rows", 1.0), ("diagonals", ROOT2), ("antidiagonals", ROOT2)):
        expected = np.zeros(thick + 3)
        expected[thick] = 1.0 / step
        np.testing.assert_allclose(chords.sel(direction=name), expected, rtol=1e-6)
    assert np.isnan(chords.sel(direction="columns")).all()
    across = [60 // period * max(thick - s, 0) / (60 - s) for s in range(thick + 3)]
    np.testing.assert_allclose(path.sel(direction="rows"), across, rtol=1e-6)
    np.testing.assert_allclose(path.sel(direction="columns"), thick / period, rtol=1e-6)

    measured = descriptors(stripes.astype(int), 0.5).isel(sample=0)
    # The first stripe has a boundary on one side only. Columns run as long in the phase, and meet none.
    boundaries = 2 * (60 // period) - 1
    assert measured["mean_chord_length"] == pytest.approx(2 * thick * (60 // period) / (boundaries / 2))
    per_length = boundaries / 59 * (1 + 2 / ROOT2) / 4 / 2
    assert measured["mean_intercept_length"] == pytest.approx(1 / per_length)
    assert measured["mean_intercept_length_um"] == pytest.approx(0.5 / per_length)


@pytest.mark.parametrize("side", [4, 7])
def test_checkerboards_have_the_chords_of_their_squares(side):
    y, x = np.mgrid[: 8 * side, : 8 * side]
    board = ((y // side + x // side) % 2)[None]
    found = distributions(board, 1.0, longest=side + 1).isel(sample=0, phase=0)
    exactly = np.zeros(side + 2)
    exactly[side] = 1.0
    for name in ("rows", "columns"):
        np.testing.assert_allclose(found["chord_length_distribution"].sel(direction=name), exactly, rtol=1e-6)
        share = [4 * (side - s) / (8 * side - s) for s in range(side)] + [0.0, 0.0]
        np.testing.assert_allclose(found["lineal_path"].sel(direction=name), share, rtol=1e-6)
    # Along rows 7 boundaries of 8 squares, half of which are of the phase.
    assert descriptors(board, 1.0)["mean_chord_length"][0] == pytest.approx(4 * side / (7 / 2))


def test_the_space_between_discs_of_a_boolean_model():
    """Its lineal path is exponential, and its chords have a geometric law (Lu and Torquato 1992)."""
    radius, density, n = 8.0, 0.003, 24
    between = ~boolean_model(density, radius, 256, n)
    found = distributions(between.astype(int), 1.0, longest=40).isel(phase=0)
    for name, line in DIRECTIONS.items():
        length = line.step * np.arange(41)
        path = found["lineal_path"].sel(direction=name)
        expected = np.exp(-density * (np.pi * radius**2 + 2 * radius * length))
        error = path.std("sample", ddof=1) / np.sqrt(n)
        assert (error[:20] < 0.1 * expected[:20]).all()
        assert (np.abs(path.mean("sample") - expected) < 3.5 * error).all()
        # A chord goes on from a pixel to the next with the same probability wherever it is.
        go_on = np.exp(-2 * density * radius * line.step)
        chords = found["chord_length_distribution"].sel(direction=name)[:, 1:] * line.step
        expected = (1 - go_on) * go_on ** np.arange(40)
        error = chords.std("sample", ddof=1) / np.sqrt(n)
        assert (np.abs(chords.mean("sample") - expected) < 4 * error).all()
    measured = descriptors(between.astype(int), 1.0)
    fraction = np.exp(-density * np.pi * radius**2)
    # In steps of a pixel; with steps of nothing they are 1 / (2 r density) and that over the area fraction.
    ends = {line.step: -np.expm1(-2 * density * radius * line.step) for line in DIRECTIONS.values()}
    for name, expected in {
        "area_fraction": fraction,
        "mean_chord_length": 1 / ends[1.0],
        "mean_intercept_length": 2 / fraction / sum(end / step for step, end in ends.items()),
    }.items():
        error = measured[name].std(ddof=1) / np.sqrt(n)
        assert error < 0.04 * expected
        assert abs(measured[name].mean() - expected) < 3 * error, name


def test_chords_of_small_fields_are_those_of_large_ones():
    """Cut chords are left out, and without weights the long ones would be too few."""
    radius, density, longest = 4.0, 0.01, 20
    chords = Chords.of(~boolean_model(density, radius, 32, 1000))
    # Fields differ in how many chords they hold: counted together.
    every, whole = (
        tuple(one.sum(axis=0, keepdims=True) for one in part) for part in (chords.every, chords.whole)
    )
    found = chord_length_distribution(Chords(chords.field, every, whole), longest)[0, 0]
    pixels = np.arange(1, longest + 1)
    law = np.exp(-2 * density * radius) ** pixels
    counted = whole[0][0, 1 : longest + 1]
    mean = [weights @ pixels / weights.sum() for weights in (law, found[1:], counted)]
    assert mean[1] == pytest.approx(mean[0], rel=0.02)
    assert mean[2] < 0.95 * mean[0]


def test_a_phase_that_is_not_there_has_a_path_and_no_chords():
    found = distributions(np.zeros((1, 8, 8), dtype=int), np.nan, longest=3)
    assert (found["lineal_path"] == 0).all()
    assert np.isnan(found["chord_length_distribution"]).all()


def test_distributions_say_what_their_axes_are():
    phase = random_phase((2, 20, 30)).astype(int) + random_phase((2, 20, 30), seed=1)
    found = distributions(phase, [0.1, np.nan], phases=("matrix", "network", "spheroidite"), longest=5)
    assert found["lineal_path"].dims == ("sample", "phase", "direction", "length")
    assert found["lineal_path"].dtype == found["chord_length_distribution"].dtype == np.float32
    assert found["phase"].values.tolist() == ["network", "spheroidite"]
    assert dict(zip(found["direction"].values.tolist(), found["angle"].values, strict=True)) == {
        "rows": 0,
        "columns": 90,
        "diagonals": 135,
        "antidiagonals": 45,
    }
    np.testing.assert_allclose(found["step"], [1, 1, ROOT2, ROOT2])
    np.testing.assert_array_equal(found["um_per_px"], [0.1, np.nan])
    for index, name in ((1, "network"), (2, "spheroidite")):
        np.testing.assert_allclose(
            found["lineal_path"].sel(phase=name, length=0),
            np.repeat((phase == index).mean(axis=(1, 2))[:, None], 4, axis=1),
            rtol=1e-6,
        )


@pytest.mark.parametrize("longest", [0, 30, 2.5])
def test_a_length_outside_the_field_is_refused(longest):
    with pytest.raises(ValueError, match=f"longest is {longest}: 20 x 30 px allow 1 to 29"):
        distributions(np.zeros((1, 20, 30), dtype=int), 1.0, longest=longest)


def test_grain_size_numbers_are_those_of_the_standard():
    """ASTM E112, table 4: mean intercept in um of G = 00, 0, 1, 5, 8 and 12."""
    np.testing.assert_allclose(
        grain_size_number([452.5, 320.0, 226.3, 56.6, 20.0, 5.0]), [-1, 0, 1, 5, 8, 12], atol=0.01
    )


def test_a_film_on_grain_boundaries_is_one_intercept_whatever_its_thickness():
    """Square grains, 22 um from film to film: along rows and columns that is what ASTM E112 asks for."""
    found = []
    for thick in (1, 4):
        film = np.arange(2200) % 22 < thick
        rows = np.tile(film, (4, 1))[None]  # what lies between the films that run along
        found.append(descriptors(rows.astype(int), 1.0)["mean_intercept_length_um"].item())
    # Diagonals cross as many films a row as rows do, on a path longer by the square root of 2.
    expected = 22 * 4 / (1 + 2 / ROOT2)
    np.testing.assert_allclose(found, expected, rtol=0.005)
    number = descriptors(rows.astype(int), 1.0)["grain_size_number"].item()
    assert number == pytest.approx(grain_size_number(expected), abs=0.02)
