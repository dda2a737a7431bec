"""Folds, scores and paired intervals: against scikit-learn and scipy, and by how often they hold."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import confusion_matrix, f1_score

from pspgan.classification import grouped_folds
from pspgan.classification.comparison import (
    corrected_resampled_t,
    estimate,
    f1_scores,
    macro_f1,
    resampled,
    specimen_weights,
)
from pspgan.ensemble import EnsembleError


def test_f1_is_scikit_learns():
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(4, size=(2, 200))
    confusion = confusion_matrix(truth, predicted)
    np.testing.assert_allclose(f1_scores(confusion), f1_score(truth, predicted, average=None))
    assert macro_f1(confusion) == pytest.approx(f1_score(truth, predicted, average="macro"))
    # A class that does not occur does not count; one that is never found counts as 0.
    assert macro_f1(np.array([[2, 0, 0], [2, 0, 0], [0, 0, 0]])) == pytest.approx((2 / 3 + 0) / 2)


def test_folds_keep_specimens_whole_and_classes_on_both_sides():
    rng = np.random.default_rng(1)
    specimen = np.repeat([f"s{i}" for i in range(25)], rng.integers(1, 20, 25))
    label = np.array([["a", "b", "c", "d"][min(int(name[1:]) // 7, 3)] for name in specimen])
    label[:3] = ""
    folds = grouped_folds(label, specimen, 5, repeats=3, seed=2)
    assert len(folds) == 15
    for repeat in range(3):
        tested = np.concatenate([fold.test for fold in folds if fold.repeat == repeat])
        assert sorted(tested) == np.flatnonzero(label != "").tolist()
    for fold in folds:
        assert not set(specimen[fold.train]) & set(specimen[fold.test])
        assert set(label[fold.train]) == {"a", "b", "c", "d"}
    divisions = {tuple(sorted(map(tuple, (f.test for f in folds if f.repeat == r)))) for r in range(3)}
    assert len(divisions) == 3  # repeats divide anew
    again = grouped_folds(label, specimen, 5, repeats=3, seed=2)
    assert all(np.array_equal(a.test, b.test) for a, b in zip(folds, again, strict=True))


def test_folds_that_cannot_be():
    with pytest.raises(ValueError, match="5 folds cannot be made of 2 specimens"):
        grouped_folds(["a", "b"], ["1", "2"])
    with pytest.raises(EnsembleError, match="of b there is one specimen only"):
        grouped_folds(["a", "a", "b"], ["1", "2", "3"], 2)


def test_the_corrected_test_is_students_without_overlap():
    differences = np.random.default_rng(0).normal(0.1, 0.2, 12)
    found, p = corrected_resampled_t(differences, test_share=0.0)
    student = stats.ttest_1samp(differences, 0)
    low, high = student.confidence_interval(0.9)
    assert (found.value, found.low, found.high, p) == pytest.approx(
        (differences.mean(), low, high, student.pvalue)
    )
    wider, _ = corrected_resampled_t(differences, test_share=0.25)
    assert (wider.high - wider.low) / (high - low) == pytest.approx(np.sqrt(1 + 12 * 0.25))
    alone, p = corrected_resampled_t(differences[:1], 0.25)
    assert np.isnan([alone.low, alone.high, p]).all()
    assert corrected_resampled_t(np.zeros(5), 0.25)[1] == 1.0


def simulated(rng, n_specimens, hit):
    """Confusions (1, specimen, class, class) of two classifiers on the same specimens, some of them hard."""
    counts = np.zeros((2, 1, n_specimens, 2, 2), dtype=int)
    hard = rng.normal(0, 0.8, n_specimens)
    for s in range(n_specimens):
        for k, logit in enumerate(hit):
            right = rng.binomial(6, 1 / (1 + np.exp(-(logit + hard[s]))))
            counts[k, 0, s, s % 2, s % 2] = right
            counts[k, 0, s, s % 2, 1 - s % 2] = 6 - right
    return counts


def test_intervals_of_paired_differences_cover_the_truth():
    hit = (1.0, 0.4)
    mine, theirs = simulated(np.random.default_rng(0), 40_000, hit).sum(axis=2)
    truth = float((macro_f1(mine) - macro_f1(theirs)).item())
    covered = []
    for seed in range(200):
        rng = np.random.default_rng([1, seed])
        mine, theirs = simulated(rng, 40, hit)
        weights = specimen_weights(40, seed)
        draws = [macro_f1(resampled(counts, weights))[:, 0] for counts in (mine, theirs)]
        found = estimate(0.0, draws[0] - draws[1])
        covered.append(found.low <= truth <= found.high)
    # 90 % nominal; 200 repeats tell it to within 4.2 % (two standard errors), 40 specimens cost a little.
    assert 0.83 <= np.mean(covered) <= 0.96
