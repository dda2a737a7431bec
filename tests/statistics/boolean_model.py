"""The Boolean model of discs: discs of one radius at Poisson points, free to overlap."""

import numpy as np
from scipy.spatial import KDTree


def boolean_model(density: float, radius: float, size: int, n: int, seed: int = 0) -> np.ndarray:
    """Whether a pixel's centre lies in a disc, (sample, y, x) bool; ``density`` is discs a square pixel."""
    rng = np.random.default_rng(seed)
    centres = np.stack(np.mgrid[:size, :size], axis=-1).reshape(-1, 2)
    wide = size + 2 * radius
    fields = [
        KDTree(rng.uniform(-radius, size + radius, (rng.poisson(density * wide**2), 2))).query(centres)[0]
        for _ in range(n)
    ]
    return np.reshape(fields, (n, size, size)) < radius
