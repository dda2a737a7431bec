"""Scores of classifiers on held-out specimens, and whether two of them differ by more than chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

RESAMPLES = 2000
INTERVAL = (0.05, 0.95)


@dataclass(frozen=True)
class Estimate:
    """A figure and the 5 to 95 % ends of its interval; NaN where there are none."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of zero."""
        return bool(self.low > 0 or self.high < 0)

    def __str__(self) -> str:
        interval = f" [{self.low:.3f}, {self.high:.3f}]" if np.isfinite(self.low) else ""
        return f"{self.value:.3f}{interval}"


def f1_scores(confusion: np.ndarray) -> np.ndarray:
    """F1 of each class, from counts.

    Args:
        confusion: (..., true class, predicted class).

    Returns:
        (..., class); NaN for classes that do not occur, 0 for those that occur and are never found.

    >>> f1_scores(np.array([[2, 0, 0], [1, 1, 0], [0, 0, 0]])).round(2).tolist()
    [0.8, 0.67, nan]
    """
    confusion = np.asarray(confusion, dtype=float)
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    truth, found = confusion.sum(axis=-1), confusion.sum(axis=-2)
    with np.errstate(invalid="ignore"):
        return np.where(truth > 0, 2 * hits / (truth + found), np.nan)


def macro_f1(confusion: np.ndarray) -> np.ndarray:
    """Mean F1 over the classes that occur, (...,), see `f1_scores`; NaN where none does."""
    scores = f1_scores(confusion)
    occurs = np.isfinite(scores)
    with np.errstate(invalid="ignore"):
        return np.where(occurs, scores, 0).sum(axis=-1) / occurs.sum(axis=-1)


def specimen_weights(n_specimens: int, seed: int) -> np.ndarray:
    """How often each specimen occurs in bootstrap resamples, (resample, specimen) int64.

    Micrographs of one specimen are no independent evidence, so specimens are drawn, with all their
    micrographs. The same weights serve all that are compared, which pairs them.
    """
    rng = np.random.default_rng(seed)
    return rng.multinomial(n_specimens, np.full(n_specimens, 1 / n_specimens), size=RESAMPLES)


def resampled(confusion: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Counts of each resample of specimens.

    Args:
        confusion: counts of every repeat and specimen, (repeat, specimen, class, class).
        weights: (resample, specimen), see `specimen_weights`.

    Returns:
        (resample, repeat, class, class) float.
    """
    return np.tensordot(weights.astype(float), confusion.astype(float), axes=(1, 1))


def estimate(value: float, draws: np.ndarray) -> Estimate:
    """A figure with the interval of its resamples; those in which it is not defined do not count."""
    finite = draws[np.isfinite(draws)]
    low, high = np.quantile(finite, INTERVAL) if len(finite) > 1 else (np.nan, np.nan)
    return Estimate(float(value), float(low), float(high))


def corrected_resampled_t(differences: np.ndarray, test_share: float) -> tuple[Estimate, float]:
    """Mean of paired differences over folds, with an interval that knows that folds share training data.

    Folds are trained on much the same micrographs, so their differences are no independent draws: the
    variance of the mean is taken as ``(1/J + n_test/n_train) s^2`` instead of ``s^2/J``, with ``J - 1``
    degrees of freedom (Nadeau and Bengio, Machine Learning 52, 239, 2003).

    Args:
        differences: of each fold of each repeat, (J,).
        test_share: ``n_test / n_train``.

    Returns:
        The mean with its 5 to 95 % interval, and the two-sided p-value; NaN of fewer than two folds.

    >>> found, p = corrected_resampled_t(np.array([0.1, 0.2, 0.3]), test_share=0.5)
    >>> str(found), round(p, 2)
    ('0.200 [-0.067, 0.467]', 0.16)
    """
    differences = np.asarray(differences, dtype=float)
    differences = differences[np.isfinite(differences)]
    count, mean = len(differences), float(differences.mean()) if len(differences) else np.nan
    if count < 2:
        return Estimate(mean, np.nan, np.nan), np.nan
    error = np.sqrt((1 / count + test_share) * differences.var(ddof=1))
    if error == 0:
        return Estimate(mean, mean, mean), 1.0 if mean == 0 else 0.0
    low, high = mean + error * stats.t.ppf(INTERVAL, count - 1)
    return Estimate(mean, float(low), float(high)), float(2 * stats.t.sf(abs(mean) / error, count - 1))
