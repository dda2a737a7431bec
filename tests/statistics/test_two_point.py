"""Two-point statistics against PyMKS, against direct sums, and against what holds for any microstructure."""

import itertools
import sys

import dask.array
import numpy as np
import pytest
import torch

from pspgan.statistics import correlate, one_hot, two_point_statistics

FIELDS = [(8, 8, 2), (9, 12, 3), (17, 11, 4), (16, 31, 2)]


def soft_phases(shape, seed=0):
    share = np.random.default_rng(seed).random(shape)
    return share / share.sum(axis=-1, keepdims=True)


def hard_phases(shape, seed=0):
    return one_hot(np.random.default_rng(seed).integers(0, shape[-1], shape[:-1]), shape[-1])


def direct_sum(phases, pairs, periodic, cutoff, mask):
    """The definition, pixel by pixel."""
    n, height, width, _ = phases.shape
    out = np.full((n, 2 * cutoff + 1, 2 * cutoff + 1, len(pairs)), np.nan)
    reach = range(-cutoff, cutoff + 1)
    for i, dy, dx, (k, (first, second)) in itertools.product(range(n), reach, reach, enumerate(pairs)):
        total = weight = 0.0
        for y, x in itertools.product(range(height), range(width)):
            v, u = y + dy, x + dx
            if periodic:
                v, u = v % height, u % width
            if 0 <= v < height and 0 <= u < width:
                w = mask[i, y, x] * mask[i, v, u]
                total += w * phases[i, y, x, first] * phases[i, v, u, second]
                weight += w
        if weight > 0:
            out[i, dy + cutoff, dx + cutoff, k] = total / weight
    return out


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("masked", ["no mask", "binary mask", "soft mask"])
@pytest.mark.parametrize("make", [soft_phases, hard_phases])
@pytest.mark.parametrize("field", FIELDS)
def test_native_equals_pymks(field, make, masked, periodic):
    pytest.importorskip("pymks", reason="PyMKS is not installed: nothing to compare with")
    phases = make((3, *field))
    mask = np.random.default_rng(1).random(phases.shape[:3])
    mask = {"no mask": None, "binary mask": (mask > 0.3).astype(float), "soft mask": mask}[masked]
    pairs = [(0, 0), (1, 0), (field[-1] - 2, field[-1] - 1)]
    whole = two_point_statistics(phases, pairs, periodic, None, mask, "pymks")
    longest = whole.shape[1] // 2
    for cutoff in range(longest + 1):
        ours = two_point_statistics(phases, pairs, periodic, cutoff, mask)
        middle = slice(longest - cutoff, longest + cutoff + 1)
        theirs = whole[:, middle, middle]
        if cutoff == 2:
            direct = two_point_statistics(phases, pairs, periodic, cutoff, mask, "pymks")
            np.testing.assert_allclose(direct, theirs, rtol=0, atol=1e-10)
        assert ours.shape == theirs.shape
        counted = ~np.isnan(ours)  # a mask may leave no pair at the longest vectors
        assert counted.mean() > 0.9
        np.testing.assert_allclose(ours[counted], theirs[counted], rtol=0, atol=1e-10)


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_both_engines_equal_a_direct_sum(periodic, masked):
    phases = soft_phases((2, 5, 6, 2))
    mask = (np.random.default_rng(2).random((2, 5, 6)) > 0.3).astype(float)
    pairs = [(0, 0), (0, 1), (1, 0)]
    expected = direct_sum(phases, pairs, periodic, 2, mask if masked else np.ones_like(mask))
    ours = two_point_statistics(phases, pairs, periodic, mask=mask if masked else None)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12)


def test_the_vector_leads_from_the_first_state_to_the_second():
    phase = np.zeros((1, 9, 11), dtype=int)
    phase[0, 2, 2], phase[0, 3, 5] = 1, 2
    values = two_point_statistics(one_hot(phase, 3), [(1, 2)], cutoff=4)[0, ..., 0]
    assert values[4 + 1, 4 + 3] == pytest.approx(1 / 99)
    assert np.count_nonzero(values > 1e-12) == 1


@pytest.mark.parametrize("periodic", [True, False])
def test_the_zero_vector_holds_the_volume_fractions(periodic):
    phases = hard_phases((4, 20, 14, 3))
    values = two_point_statistics(phases, [(0, 0), (1, 1), (0, 1)], periodic)
    centre = values[:, 6, 6]
    np.testing.assert_allclose(centre[:, :2], phases.mean(axis=(1, 2))[:, :2], atol=1e-14)
    np.testing.assert_allclose(centre[:, 2], 0, atol=1e-14)


@pytest.mark.parametrize("periodic", [True, False])
def test_sum_rules(periodic):
    phases = soft_phases((2, 9, 9, 3))
    pairs = list(itertools.product(range(3), repeat=2))
    values = two_point_statistics(phases, pairs, periodic)
    np.testing.assert_allclose(values.sum(axis=-1), 1, atol=1e-12)  # some state at either end
    backward = two_point_statistics(phases, [(j, i) for i, j in pairs], periodic)
    np.testing.assert_allclose(values, backward[:, ::-1, ::-1], atol=1e-12)
    if periodic:  # all vectors are there: every pixel of one state meets every pixel of the other
        fraction = phases.mean(axis=(1, 2))
        expected = 81 * np.stack([fraction[:, i] * fraction[:, j] for i, j in pairs], axis=-1)
        np.testing.assert_allclose(values.sum(axis=(1, 2)), expected, rtol=1e-12)


def test_a_mask_of_one_pixel_leaves_only_the_zero_vector():
    mask = np.zeros((1, 7, 7))
    mask[0, 3, 3] = 1
    values = two_point_statistics(soft_phases((1, 7, 7, 2)), [(0, 0)], False, mask=mask)[0, ..., 0]
    assert np.isfinite(values).sum() == 1
    assert np.isfinite(values[3, 3])


def test_masked_pixels_do_not_count():
    phases, other = hard_phases((2, 12, 12, 2), seed=3), hard_phases((2, 12, 12, 2), seed=4)
    mask = np.ones((2, 12, 12))
    mask[:, 4:7, 2:9] = 0
    mixed = np.where(mask[..., None] == 1, phases, other)
    assert (mixed != phases).any()
    first, second = (two_point_statistics(p, [(0, 1)], False, 3, mask) for p in (phases, mixed))
    np.testing.assert_allclose(first, second, atol=1e-14)


def test_batches_do_not_change_the_result(monkeypatch):
    phases, mask = soft_phases((5, 10, 12, 2)), np.random.default_rng(0).random((5, 10, 12))
    whole = two_point_statistics(phases, periodic=False, mask=mask)
    monkeypatch.setattr(correlate, "_BLOCK_BYTES", {"cpu": 1})
    pieces = two_point_statistics(phases, periodic=False, mask=mask)
    np.testing.assert_allclose(whole, pieces, rtol=0, atol=1e-14)


def test_tensors_give_tensors_and_inputs_stay():
    phases = hard_phases((2, 8, 8, 2))
    phases.flags.writeable = False
    tensor = torch.from_numpy(phases.astype(np.float32))
    kept = tensor.clone()
    values = two_point_statistics(tensor, [(0, 1)])
    assert isinstance(values, torch.Tensor)
    assert values.dtype == torch.float64
    assert torch.equal(tensor, kept)
    np.testing.assert_array_equal(values.numpy(), two_point_statistics(phases, [(0, 1)]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"phases": np.zeros((4, 8, 8))}, r"must be \(sample, y, x, state\).*\(4, 8, 8\)"),
        ({"phases": np.zeros((0, 8, 8, 2))}, "none of them empty"),
        ({"correlations": [(0, 2)]}, r"correlation \(0, 2\): state 2 is none of 0 to 1"),
        ({"correlations": [(-1, 0)]}, "state -1 is none of"),
        ({"correlations": [(0, 0, 1)]}, "is not a pair"),
        ({"correlations": []}, "correlations is empty"),
        ({"cutoff": 4}, "cutoff 4 does not fit: 8 x 10 px allow whole numbers up to 3"),
        ({"cutoff": -1}, "cutoff -1 does not fit"),
        ({"cutoff": 1.5}, "cutoff 1.5 does not fit"),
        ({"mask": np.ones((8, 9))}, r"mask has shape \(8, 9\).*\(4, 8, 10\)"),
        ({"dtype": "float16"}, 'dtype "float16" is none of engine "native": float64, float32'),
        ({"dtype": "float32", "engine": "pymks"}, '"float32" is none of engine "pymks": float64'),
        ({"mask": np.full((4, 8, 10), 2.0)}, r"mask must lie in \[0, 1\], it spans 2 to 2"),
        ({"mask": np.full((4, 8, 10), np.nan)}, r"mask must lie in \[0, 1\]"),
        ({"engine": "numpy"}, 'engine "numpy" is none of native, pymks'),
    ],
)
def test_what_does_not_fit_is_named(changes, message):
    arguments = {"phases": soft_phases((4, 8, 10, 2)), "correlations": [(0, 1)]} | changes
    with pytest.raises(ValueError, match=message):
        two_point_statistics(**arguments)


def test_a_missing_pymks_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymks", None)
    with pytest.raises(ImportError, match=r"setuptools<81.*pyarrow"):
        two_point_statistics(soft_phases((1, 8, 8, 2)), engine="pymks")


def test_float32_on_request():
    phases = hard_phases((3, 40, 37, 2))
    for periodic in (True, False):
        exact = two_point_statistics(phases, periodic=periodic)
        short = two_point_statistics(phases, periodic=periodic, dtype="float32")
        assert short.dtype == np.float32
        np.testing.assert_allclose(short, exact, atol=2e-6)


def test_one_mask_for_all_samples():
    phases, mask = soft_phases((3, 12, 10, 2)), np.random.default_rng(1).random((12, 10))
    each = np.broadcast_to(mask, (3, 12, 10))
    for engine in ("native", "pymks"):
        shared, apart = (two_point_statistics(phases, mask=m, engine=engine) for m in (mask, each))
        np.testing.assert_allclose(shared, apart, atol=1e-14)


@pytest.mark.parametrize("engine", ["native", "pymks"])
@pytest.mark.parametrize("mask", [None, "shared", "each"])
def test_dask_gives_dask(engine, mask):
    phases = soft_phases((7, 12, 10, 3))
    weight = np.random.default_rng(1).random((7, 12, 10))
    weight = {None: None, "shared": weight[0], "each": weight}[mask]
    lazy = dask.array.from_array(phases, chunks=(3, 12, 5, 1))
    result = two_point_statistics(lazy, [(0, 2), (1, 1)], False, 3, weight, engine)
    assert isinstance(result, dask.array.Array)
    assert result.chunks[0] == (3, 3, 1)
    expected = two_point_statistics(phases, [(0, 2), (1, 1)], False, 3, weight)
    assert result.shape == expected.shape
    np.testing.assert_allclose(result.compute(), expected, atol=1e-10)


def test_hard_phases_of_any_type():
    phases = hard_phases((2, 9, 8, 2))
    expected = two_point_statistics(phases)
    for dtype in (bool, np.uint8, np.float32):
        np.testing.assert_array_equal(two_point_statistics(phases.astype(dtype)), expected)
    np.testing.assert_array_equal(two_point_statistics(torch.from_numpy(phases).bool()).numpy(), expected)


@pytest.mark.parametrize("periodic", [True, False])
def test_two_fields_that_are_no_phases(periodic):
    """Their sum is not 1, as that of two phases is: nothing of one follows from the other."""
    fields = np.random.default_rng(0).normal(size=(3, 9, 12, 2))
    fields[1, ..., 1] = 1 - fields[1, ..., 0]  # but in one sample it is
    pairs = [(0, 0), (0, 1), (1, 0), (1, 1)]
    expected = direct_sum(fields, pairs, periodic, 3, np.ones(fields.shape[:3]))
    np.testing.assert_allclose(two_point_statistics(fields, pairs, periodic, 3), expected, atol=1e-12)


def test_repeated_and_reversed_correlations():
    phases = soft_phases((2, 9, 8, 3))
    pairs = [(0, 1), (2, 2), (1, 0), (0, 1), (2, 2), (1, 2)]
    together = two_point_statistics(phases, pairs, False)
    alone = [two_point_statistics(phases, [pair], False)[..., 0] for pair in pairs]
    np.testing.assert_allclose(together, np.stack(alone, axis=-1), atol=1e-15)
