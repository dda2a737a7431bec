"""Distances between two samples of feature vectors, and how far each covers the other.

Samples are (n, d) arrays of finite numbers, one row a micrograph. The Frechet distance, precision, recall,
density and coverage depend on the number of rows, so that only figures at the same number compare.
"""

from __future__ import annotations

import numpy as np
from sklearn.metrics import pairwise_distances
from sklearn.metrics.pairwise import polynomial_kernel

# Neighbours that span a ball: as the two papers chose them.
_NEIGHBOURS_OF_RECALL, _NEIGHBOURS_OF_COVERAGE = 3, 5


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Squared Frechet distance of the normal distributions that have the samples' means and covariances.

    |mean_a - mean_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)) (Dowson and Landau 1982; with Inception features,
    Heusel et al. 2017, eq. 6). Finite samples make it too large, the more so the fewer rows there are for a
    column: two samples of one distribution are not at 0.

    Args:
        a, b: (n, d) each, two rows or more.

    >>> frechet_distance(np.array([[0.0], [2.0]]), np.array([[3.0], [5.0]]))
    9.0
    """
    difference = a.mean(axis=0) - b.mean(axis=0)
    first, second = (np.atleast_2d(np.cov(sample, rowvar=False)) for sample in (a, b))
    # The product is similar to a positive semi-definite matrix: its eigenvalues are real and not below 0.
    roots = np.sqrt(np.maximum(np.linalg.eigvals(first @ second).real, 0))
    return float(difference @ difference + np.trace(first) + np.trace(second) - 2 * roots.sum())


def kernel_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Squared maximum mean discrepancy with the kernel (x . y / d + 1)^3, unbiased.

    0 on average, and often below, for two samples of one distribution, whatever their size (Gretton et al.
    2012, eq. 3; the kernel is that of Binkowski et al. 2018).

    Args:
        a, b: (n, d) each, two rows or more.
    """
    n, m = len(a), len(b)
    within = [polynomial_kernel(sample) for sample in (a, b)]
    first, second = (
        (k.sum() - np.trace(k)) / (size * (size - 1)) for k, size in zip(within, (n, m), strict=True)
    )
    return float(first + second - 2 * polynomial_kernel(a, b).mean())


def coverages(real: np.ndarray, gen: np.ndarray) -> dict[str, float]:
    """How far two samples lie within each other's neighbourhoods.

    * ``precision``: share of generated rows within reach of a real one, whose reach is the distance of its
      third nearest neighbour among the real; ``recall``: the same with the two samples exchanged
      (Kynkaanniemi et al. 2019, eq. 2).
    * ``density``: in how many real rows' reach, of the fifth neighbour, a generated row lies, over five; 1 on
      average for samples of one distribution. ``coverage``: share of real rows with a generated one within
      that reach (Naeem et al. 2020, eq. 3 and 4). One outlier among the real moves these less.

    Args:
        real, gen: (n, d) each, more rows than five.

    Raises:
        ValueError: there are fewer.
    """
    fewest = min(len(real), len(gen))
    if fewest <= _NEIGHBOURS_OF_COVERAGE:
        raise ValueError(f"{fewest} rows have no {_NEIGHBOURS_OF_COVERAGE} nearest neighbours")
    apart = pairwise_distances(real, gen)
    own, of_gen = (np.sort(pairwise_distances(sample), axis=1) for sample in (real, gen))
    # The nearest of a row is the row itself, at 0.
    narrow, wide = own[:, _NEIGHBOURS_OF_RECALL], own[:, _NEIGHBOURS_OF_COVERAGE]
    within = apart <= wide[:, None]
    return {
        "precision": float((apart <= narrow[:, None]).any(axis=0).mean()),
        "recall": float((apart <= of_gen[:, _NEIGHBOURS_OF_RECALL]).any(axis=1).mean()),
        "density": float(within.sum(axis=0).mean() / _NEIGHBOURS_OF_COVERAGE),
        "coverage": float(within.any(axis=1).mean()),
    }
