"""Distances of samples against closed forms, expectations and torchmetrics."""

import numpy as np
import pytest
import torch
from torchmetrics.image.fid import _compute_fid
from torchmetrics.image.kid import poly_mmd

from pspgan.evaluation.distances import coverages, frechet_distance, kernel_distance


def normal(n, mean=0.0, deviation=1.0, d=4, seed=0):
    return np.random.default_rng(seed).normal(mean, deviation, (n, d))


class TestFrechet:
    def test_of_normal_distributions(self):
        """|m|^2 + d (s1 - s2)^2 where covariances commute."""
        found = frechet_distance(normal(200_000), normal(200_000, 0.5, 2.0, seed=1))
        assert found == pytest.approx(4 * 0.5**2 + 4 * (2 - 1) ** 2, rel=0.02)

    def test_as_torchmetrics_has_it(self):
        a, b = (
            normal(50, d=7),
            normal(60, 0.3, 1.7, d=7, seed=1) @ np.random.default_rng(2).normal(size=(7, 7)),
        )
        moments = [torch.from_numpy(m) for s in (a, b) for m in (s.mean(axis=0), np.cov(s, rowvar=False))]
        assert frechet_distance(a, b) == pytest.approx(_compute_fid(*moments).item(), rel=1e-9)

    def test_zero_of_a_sample_from_itself_also_where_its_covariance_is_singular(self):
        sample = np.repeat(normal(30, d=2), 2, axis=1)
        assert frechet_distance(sample, sample) == pytest.approx(0, abs=1e-6)

    def test_few_rows_make_it_too_large(self):
        """Which is why both sides are taken at the same number."""
        few, many = (
            np.mean([frechet_distance(normal(n, seed=s), normal(n, seed=s + 99)) for s in range(20)])
            for n in (20, 500)
        )
        assert few > 5 * many > 0


class TestKernel:
    def test_as_torchmetrics_has_it(self):
        a, b = normal(40, d=6), normal(40, 0.4, d=6, seed=1)
        expected = poly_mmd(torch.from_numpy(a), torch.from_numpy(b)).item()
        assert kernel_distance(a, b) == pytest.approx(expected, rel=1e-9)

    def test_unbiased(self):
        found = [kernel_distance(normal(12, seed=s), normal(9, seed=s + 5000)) for s in range(1500)]
        error = np.std(found) / np.sqrt(len(found))
        assert abs(np.mean(found)) < 3 * error
        assert np.mean(found) + 3 * error < 0.1 * kernel_distance(normal(2000), normal(2000, 0.7, seed=1))


class TestCoverages:
    def test_of_two_samples_of_one_distribution(self):
        """Density 1, and coverage 1 - prod (n - i) / (2 n - i), i = 1..5 (Naeem et al. 2020, lemma 2)."""
        n = 60
        found = [coverages(normal(n, seed=s), normal(n, seed=s + 5000)) for s in range(150)]
        i = np.arange(1, 6)
        expected = 1 - np.prod((n - i) / (2 * n - i))
        assert np.mean([one["density"] for one in found]) == pytest.approx(1, abs=0.03)
        assert np.mean([one["coverage"] for one in found]) == pytest.approx(expected, abs=0.005)
        # One rule with the two exchanged.
        precision, recall = (np.mean([one[name] for one in found]) for name in ("precision", "recall"))
        assert precision == pytest.approx(recall, abs=0.01)

    def test_counted_by_hand(self):
        """Real at 0, 1, ..., 9: the third neighbour of one in the middle is 2 away, the fifth 3."""
        real = np.arange(10.0)[:, None]
        gen = np.array([4.5] * 5 + [100.0] * 5)[:, None]
        found = coverages(real, gen)
        assert found["precision"] == 0.5
        # Within reach of 4.5: 2, ..., 7 (reach 3), and 0, 1, 8, 9 (reach 5 and 4).
        assert found["density"] == pytest.approx(0.5 * 10 / 5)
        assert found["coverage"] == 1.0
        # Generated ones reach their third neighbour at the same place: no further than themselves.
        assert found["recall"] == 0.0

    def test_a_part_of_the_distribution(self):
        real, part = normal(300), normal(300, 0, 0.2, seed=1)
        found = coverages(real, part)
        assert found["precision"] > 0.99
        assert found["recall"] < 0.1
        assert found["coverage"] < 0.5

    def test_too_few(self):
        with pytest.raises(ValueError, match="5 rows have no 5 nearest neighbours"):
            coverages(normal(9), normal(5))
