"""Particles against scikit-image, discs of known sizes, Poisson points, and laws of Euler numbers."""

import numpy as np
import pytest
import scipy.ndimage
from boolean_model import boolean_model
from scipy.spatial.distance import cdist
from skimage.measure import euler_number, label, regionprops

from pspgan.sources.heat_treatment import Steel, simulate
from pspgan.statistics import descriptors
from pspgan.statistics.descriptors.particles import Particles, nearest_neighbour_distance


def blobs(n=4, size=80, seed=0):
    noise = np.random.default_rng(seed).normal(size=(n, size, size))
    return scipy.ndimage.gaussian_filter(noise, (0, 2, 2)) > 0.12


def test_particles_are_those_of_scikit_image():
    inside = blobs()
    particles = Particles.of(inside)
    expected = [(i, r) for i, field in enumerate(inside) for r in regionprops(label(field, connectivity=2))]
    order = np.lexsort([particles.left, particles.top, particles.sample])
    expected.sort(key=lambda one: (one[0], one[1].bbox[0], one[1].bbox[1]))
    assert particles.sample[order].tolist() == [i for i, _ in expected]
    assert particles.area[order].tolist() == [r.area for _, r in expected]
    np.testing.assert_allclose(particles.y[order], [r.centroid[0] for _, r in expected])
    np.testing.assert_allclose(particles.x[order], [r.centroid[1] for _, r in expected])
    box = np.stack([particles.top, particles.left, particles.bottom, particles.right], axis=1)[order]
    np.testing.assert_array_equal(box, [r.bbox for _, r in expected])


def test_what_touches_the_border_counts_one_half_and_has_no_diameter():
    phase = np.zeros((2, 10, 10), dtype=np.uint8)
    phase[0, 4:6, 4:6] = 1  # whole
    phase[0, 0, 2] = phase[0, 9, 9] = 1  # cut by a side and by a corner
    phase[1, 3, 0] = 1  # nothing whole
    measured = descriptors(phase, 1.0)
    np.testing.assert_allclose(measured["particle_density"], [2 / 100, 0.5 / 100])
    np.testing.assert_allclose(measured["mean_equivalent_diameter"], [np.sqrt(16 / np.pi), np.nan])


def test_diameters_are_weighed_by_the_positions_in_the_field():
    phase = np.zeros((1, 20, 30), dtype=np.uint8)
    phase[0, 2:4, 3:5] = 1  # fits into the 18 x 28 px off the border at 17 x 27 positions
    phase[0, 6:16, 8:28] = 1  # at 9 x 9
    diameter = np.sqrt(4 / np.pi * np.array([4, 200]))
    weight = 1 / np.array([17 * 27, 9 * 9])
    found = descriptors(phase, 0.5).isel(sample=0)
    assert found["mean_equivalent_diameter"] == pytest.approx(weight @ diameter / weight.sum())
    assert found["mean_equivalent_diameter_um"] == pytest.approx(0.5 * weight @ diameter / weight.sum())


def discs(n, size, diameters, number, seed=0):
    """Discs of random size that keep apart by the largest diameter, whatever their own, (sample, y, x) bool.

    So size and place are independent, and what falls into the field has the sizes that were drawn.
    """
    rng = np.random.default_rng(seed)
    reach = max(diameters) + 2.0
    y, x = np.mgrid[:size, :size]
    fields = np.zeros((n, size, size), dtype=bool)
    for field in fields:
        centres = np.empty((0, 2))
        for trial in rng.uniform(-reach, size + reach, (number, 2)):
            if not len(centres) or cdist(trial[None], centres).min() > reach:
                centres = np.vstack([centres, trial])
        for (cy, cx), diameter in zip(centres, rng.choice(diameters, len(centres)), strict=True):
            top, left = (max(int(c - reach), 0) for c in (cy, cx))
            near = np.s_[top : max(int(cy + reach), 0), left : max(int(cx + reach), 0)]
            field[near] |= np.hypot(y[near] - cy, x[near] - cx) < diameter / 2
    return fields


def test_the_mean_diameter_does_not_favour_small_particles():
    fields = discs(60, 160, (6.0, 22.0), 120)
    found = descriptors(fields.astype(int), 1.0)["mean_equivalent_diameter"].values
    error = found.std(ddof=1) / np.sqrt(len(found))
    assert error < 0.025 * 14
    assert abs(found.mean() - 14.0) < 2 * error
    plain = [
        np.mean(
            [
                r.equivalent_diameter_area
                for r in regionprops(label(field))
                if min(r.bbox[:2]) > 0 and max(r.bbox[2:]) < 160
            ]
        )
        for field in fields
    ]
    assert np.mean(plain) < 14.0 - 3 * error


def points(n, size, density, seed=0):
    """Poisson points as particles without extent: the centroids are exact."""
    rng = np.random.default_rng(seed)
    count = rng.poisson(density * size**2, n)
    y, x = rng.uniform(-0.5, size - 0.5, (2, count.sum()))
    one = np.ones(count.sum(), dtype=int)
    sample = np.repeat(np.arange(n), count)
    return Particles((size, size), n, sample, one, y, x, one, 2 * one, one, 2 * one)


@pytest.mark.parametrize("size", [40, 160])
def test_poisson_points_have_their_nearest_neighbour_law_in_fields_of_any_size(size):
    density = 0.01
    particles = points(200_000 // size**2 * 8, size, density)
    found = nearest_neighbour_distance(particles)
    error = found.std(ddof=1) / np.sqrt(len(found))
    expected = 1 / (2 * np.sqrt(density))
    assert error < 0.01 * expected
    assert abs(found.mean() - expected) < 3 * error + 0.01 * expected
    if size == 40:  # of all points, also of those whose neighbour may lie outside
        plain = [
            np.sort(cdist(at, at), axis=1)[:, 1].mean()
            for at in (
                np.stack([particles.y, particles.x], axis=1)[particles.sample == i]
                for i in range(particles.n)
            )
        ]
        assert np.mean(plain) > 1.05 * expected


def test_lattices_have_their_spacing():
    phase = np.zeros((2, 60, 60), dtype=int)
    phase[0, 3::9, 2::7] = 1
    phase[1, 4:40:6, 10] = 1  # one row: those at its ends have their neighbour as near
    found = descriptors(phase, [0.1, np.nan])
    np.testing.assert_allclose(found["nearest_neighbour_distance"], [7, 6])
    np.testing.assert_allclose(found["nearest_neighbour_distance_um"], [0.7, np.nan])


def test_a_neighbour_that_may_lie_outside_is_not_taken():
    phase = np.zeros((3, 30, 30), dtype=int)
    phase[0, 3, 3] = phase[0, 3, 20] = 1  # both nearer to the border
    phase[1, 15, 15] = 1  # alone
    phase[2, 15, 13] = phase[2, 15, 18] = 1
    np.testing.assert_allclose(descriptors(phase, 1.0)["nearest_neighbour_distance"], [np.nan, np.nan, 5])


def test_euler_numbers_are_those_of_scikit_image():
    inside = np.pad(blobs(size=60), ((0, 0), (5, 5), (5, 5)))
    inside[0, 20:40, 20:40] = True
    inside[0, 25:28, 25:28] = inside[0, 30, 30] = inside[0, 31, 31] = False  # two holes that touch: one each
    found = descriptors(inside.astype(int), 0.5)
    numbers = [euler_number(field, connectivity=2) for field in inside]
    assert len(set(numbers)) > 2
    np.testing.assert_allclose(found["euler_number_density"], np.array(numbers) / 69**2)
    np.testing.assert_allclose(found["euler_number_density_um"], np.array(numbers) / (0.5 * 69) ** 2)


def test_euler_numbers_do_not_see_the_border():
    whole = blobs(1, 241)
    # Neighbourhoods of the quarters are those of the whole: 241 px are 240 neighbourhoods.
    quarters = np.concatenate([whole[:, i : i + 121, j : j + 121] for i in (0, 120) for j in (0, 120)])
    of_whole, of_quarters = (
        descriptors(one.astype(int), 1.0)["euler_number_density"] for one in (whole, quarters)
    )
    assert of_quarters.mean().item() == pytest.approx(of_whole.item(), rel=1e-12)


def area_of_union(centres, radius, step=0.005):
    """Area that discs of one radius about these points cover together, by lines across them."""
    y = np.arange(-radius, radius + 2, step)[:, None]
    at = np.array(centres, float)
    half = np.sqrt(np.maximum(radius**2 - (y - at[:, 0]) ** 2, 0))
    order = np.argsort(at[:, 1] - half, axis=1)
    left, right = (np.take_along_axis(at[:, 1] + sign * half, order, axis=1) for sign in (-1, 1))
    before = np.maximum.accumulate(right, axis=1)
    covered = np.maximum(right[:, 1:] - np.maximum(left[:, 1:], before[:, :-1]), 0).sum(axis=1)
    return step * (covered + right[:, 0] - left[:, 0]).sum()


@pytest.mark.parametrize(("density", "of_miles"), [(0.0003, 0.95), (0.005, None)])
def test_the_boolean_model_has_its_euler_number(density, of_miles):
    """On pixels that of the probabilities of 2 x 2 neighbourhoods, which follow from the areas of unions.

    Where it is sparse these come near chi = density (1 - pi density r^2) exp(-pi density r^2) (Miles 1976).
    Discs that overlap in a cusp are joined too early by pixels of any size, so they do not reach it.
    """
    radius, n = 10.0, 32
    corners = {"one": [(0, 0)], "side": [(0, 0), (0, 1)], "diagonal": [(0, 0), (1, 1)]}
    corners |= {"three": [(0, 0), (0, 1), (1, 0)], "four": [(0, 0), (0, 1), (1, 0), (1, 1)]}
    free = {name: np.exp(-density * area_of_union(at, radius)) for name, at in corners.items()}
    one_covered = free["three"] - free["four"]
    three_covered = free["one"] - 2 * free["side"] - free["diagonal"] + 3 * free["three"] - free["four"]
    diagonal_covered = free["diagonal"] - 2 * free["three"] + free["four"]
    expected = one_covered - three_covered - diagonal_covered  # 4 (or 2) orientations of each, over 4

    found = descriptors(boolean_model(density, radius, 256, n).astype(int), 1.0)[
        "euler_number_density"
    ].values
    error = found.std(ddof=1) / np.sqrt(n)
    assert error < 0.06 * abs(expected)
    assert abs(found.mean() - expected) < 3 * error
    if of_miles:
        discs_each = np.pi * density * radius**2
        assert of_miles < expected / (density * (1 - discs_each) * np.exp(-discs_each)) < 1


def test_connectivity_is_the_share_that_spans_the_field():
    phase = np.zeros((5, 12, 20), dtype=int)
    phase[0, 5] = 1  # 20 px from side to side, and 4 beside them
    phase[0, 8:10, 3:5] = 1
    phase[1, np.arange(12), np.arange(12)] = 1  # from top to bottom, along corners
    phase[2, :, :4] = phase[2, :, 10:12] = 1
    phase[2, 6, :2] = 0
    phase[3, :11, 7] = 1  # ends a pixel before the border
    np.testing.assert_allclose(descriptors(phase, 1.0)["connectivity"], [20 / 24, 1, 1, 0, np.nan])


def test_the_simulated_steel_has_the_diameters_put_in():
    exact = Steel(specimen_sigma=0.0, field_sigma=0.0, fraction_sigma=0.0, network_sigma=0.0)
    um_per_px = exact.mean_diameter(800, 480) / 10
    fields = simulate(8, 192, conditions="800-480-Q", um_per_px=um_per_px, steel=exact, progress=False)
    found = descriptors(fields["phase"].values, um_per_px, phases=fields["phase"].attrs["phases"])
    diameter = found["mean_equivalent_diameter_spheroidite_um"].mean().item()
    assert diameter == pytest.approx(fields["true_mean_diameter"].values[0], rel=0.04)
    np.testing.assert_allclose(found["area_fraction_spheroidite"], fields["true_spheroidite"], atol=0.01)
