"""Augmentations of the training that show in generated micrographs: flat rectangles, flat bands at borders.

DiffAugment (Zhao et al. 2020) cuts squares out and shifts images, and what it uncovers is one grey level. A
generator that learns to draw that makes areas flatter than the rest of the micrograph, with straight sides.
Real micrographs hold flat areas as well; so both kinds are measured on real ones too, and only what is larger
than there counts.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .report import ALL, Line
from .samples import Sample
from .shares import beyond_real

_WINDOW = 5  # px, side of the surroundings whose deviation says whether a pixel is in a flat area
_QUIET = 0.1  # share of a micrograph's pixels whose surroundings show its noise rather than its structure
# Share of that noise below which an area is flat: the noise of 25 pixels is that low once in a million.
# Noise of a detector is everywhere, what an augmentation draws has none.
_FLAT = 0.4
_QUARTILES = 1.349  # of a normal distribution, in standard deviations apart
_QUANTISED = 0.3  # grey levels; the deviation that rounding leaves


def noise_level(micrograph: np.ndarray) -> float:
    """Deviation of grey levels in the quietest surroundings, of the median micrograph.

    Args:
        micrograph: grey levels, (sample, y, x) uint8.
    """
    return float(np.median([np.quantile(_deviation(image), _QUIET) for image in micrograph]))


def flat_square(micrograph: np.ndarray, noise: float) -> np.ndarray:
    """Side of the largest flat square parallel to the sides, as a share of the shorter side.

    Args:
        micrograph: grey levels, (sample, y, x) uint8.
        noise: that real micrographs have, see `noise_level`. A micrograph of less noise is held against its
            own median deviation, so that a smooth one is not flat.

    Returns:
        (sample,).
    """
    found = np.zeros(len(micrograph))
    for i, image in enumerate(micrograph):
        deviation = _deviation(image)
        flat = deviation <= _limit(deviation, noise)
        # Chessboard distance to what is not flat, or to the border: squares are its balls.
        reach = ndimage.distance_transform_cdt(np.pad(flat, 1), "chessboard").max()
        found[i] = max(2 * reach - 1, 0)
    return found / min(micrograph.shape[1:])


def flat_border(micrograph: np.ndarray, noise: float) -> np.ndarray:
    """Depth of the deepest band of flat rows or columns along one of the borders, as a share of the side.

    Args:
        micrograph: grey levels, (sample, y, x) uint8.
        noise: as `flat_square` takes it.

    Returns:
        (sample,).
    """
    depth = np.zeros(len(micrograph))
    for i, image in enumerate(micrograph):
        limit = _limit(_deviation(image), noise)
        for axis in (0, 1):
            # Quartiles: where another border is a band as well, rows end in it.
            low, high = np.quantile(image, (0.25, 0.75), axis=1 - axis)
            flat = (high - low) / _QUARTILES <= limit
            for rows in (flat, flat[::-1]):
                depth[i] = max(depth[i], len(rows) if rows.all() else rows.argmin())
    return depth / min(micrograph.shape[1:])


def _deviation(image: np.ndarray) -> np.ndarray:
    """Standard deviation of the surroundings of every pixel, (y, x)."""
    grey = image.astype(float)
    mean, square = (ndimage.uniform_filter(one, _WINDOW, mode="reflect") for one in (grey, grey**2))
    return np.sqrt(np.maximum(square - mean**2, 0))


def _limit(deviation: np.ndarray, noise: float) -> float:
    return max(_FLAT * min(noise, float(np.median(deviation))), _QUANTISED)


def leakage(real: Sample, gen: Sample, splits: int, rng: np.random.Generator) -> list[Line]:
    """Lines ``leakage``: shares of micrographs whose flat square or border is larger than in real ones."""
    _, groups = np.unique(real.specimen, return_inverse=True)
    noise = noise_level(real.micrograph)
    lines = []
    for name, measure in {"flat_square": flat_square, "flat_border": flat_border}.items():
        of_real, of_gen = (measure(sample.micrograph, noise) for sample in (real, gen))
        line = {"condition": ALL, "kind": "leakage", "quantity": name, "unit": "1", "split": "specimen"}
        lines.append(line | beyond_real(of_gen, of_real, groups, splits, rng))
    return lines
