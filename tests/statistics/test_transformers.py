"""Transformers: in one pipeline with PyMKS's own, they give what the functions behind them give."""

import dask.array
import numpy as np
import pytest
import scipy.ndimage
import torch
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

from pspgan.statistics import (
    Descriptors,
    Flatten,
    Phases,
    TwoPointStatistics,
    descriptors,
    one_hot,
    two_point_statistics,
)


@pytest.fixture(scope="module")
def micrographs():
    noise = scipy.ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(9, 32, 32)), (0, 2, 2))
    return np.clip(128 + 300 * noise, 0, 255).astype(np.uint8)


def test_a_pipeline_from_micrographs_to_components(micrographs):
    pipeline = make_pipeline(Phases("otsu"), TwoPointStatistics([(1, 1)], False, 8), Flatten(), PCA(3))
    scores = pipeline.fit_transform(micrographs)
    phase = Phases("otsu").segment(micrographs)
    statistics = two_point_statistics(one_hot(phase, 2), [(1, 1)], False, 8).reshape(9, -1)
    np.testing.assert_allclose(np.abs(scores), np.abs(PCA(3).fit_transform(statistics)), atol=1e-10)
    np.testing.assert_allclose(clone(pipeline).fit(micrographs).transform(micrographs), scores, atol=1e-10)


def test_ours_and_those_of_pymks_take_each_others_place(micrographs):
    pymks = pytest.importorskip("pymks", reason="PyMKS is not installed: nothing to compare with")
    grey = micrographs / 255.0
    ours = [Phases("primitive", 3, high=1.0), TwoPointStatistics([(0, 0), (1, 2)], True, 5)]
    theirs = [
        pymks.PrimitiveTransformer(n_state=3, min_=0.0, max_=1.0),
        pymks.TwoPointCorrelation(correlations=[(0, 0), (1, 2)], periodic_boundary=True, cutoff=5),
    ]
    found = [
        np.asarray(make_pipeline(phases, statistics, Flatten()).fit(grey).transform(grey))
        for phases in (ours[0], theirs[0])
        for statistics in (ours[1], theirs[1])
    ]
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], atol=1e-10)


def test_what_goes_in_comes_out(micrographs):
    lazy = dask.array.from_array(micrographs, chunks=(4, 32, 32))
    pipeline = make_pipeline(Phases("otsu"), TwoPointStatistics(cutoff=4), Flatten()).fit(micrographs)
    expected = pipeline.transform(micrographs)
    assert expected.shape == (9, 9 * 9 * 2)
    result = pipeline.transform(lazy)
    assert isinstance(result, dask.array.Array)
    np.testing.assert_allclose(result.compute(), expected, atol=1e-12)
    states = torch.from_numpy(one_hot(Phases("otsu").segment(micrographs), 2))
    short = TwoPointStatistics(cutoff=4, dtype="float32").transform(states)
    assert short.dtype == torch.float32
    np.testing.assert_allclose(Flatten().transform(short).numpy(), expected, atol=1e-5)


def test_descriptors_are_columns_with_names(micrographs):
    states = Phases("otsu").transform(micrographs)
    phase = Phases("otsu").segment(micrographs)
    in_pixels, in_um = Descriptors(), Descriptors(0.5)
    assert in_pixels.transform(states).shape == (9, len(in_pixels.get_feature_names_out()))
    for one, um_per_px in ((in_pixels, np.nan), (in_um, 0.5)):
        measured = descriptors(phase, um_per_px)
        for name, column in zip(one.get_feature_names_out(), one.transform(states).T, strict=True):
            np.testing.assert_array_equal(column, measured[name].values)
    names = ["mean_chord_length_um", "area_fraction"]
    np.testing.assert_array_equal(
        Descriptors(0.5, names=names).fit_transform(states), np.stack([measured[n].values for n in names], 1)
    )
    three = Descriptors(phases=("matrix", "network", "particles"), names=["area_fraction_network"])
    soft = Phases("multi-otsu", 3).transform(micrographs)
    np.testing.assert_allclose(three.transform(soft)[:, 0], soft[..., 1].mean(axis=(1, 2)))


def test_what_does_not_fit_is_named(micrographs):
    states = Phases("otsu").transform(micrographs)
    with pytest.raises(ValueError, match=r"must be \(sample, y, x, 3 states\), got shape \(9, 32, 32, 2\)"):
        Descriptors(phases=("a", "b", "c")).transform(states)
    with pytest.raises(ValueError, match='"chord" is none of the descriptors area_fraction, '):
        Descriptors(names=["chord"]).transform(states)
