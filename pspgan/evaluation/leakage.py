"""Augmentations of the training that show in generated micrographs: flat rectangles, flat bands at borders.

DiffAugment (Zhao et al. 2020) cuts squares out and shifts images, and what it uncovers is one grey level. A
generator that learns to draw that makes areas flatter than the rest of the micrograph, with straight sides.
Real micrographs hold flat areas as well; so both kinds are measured on real ones too, and only what is larger
than there counts.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .samples import Sample
from .shares import beyond_real

_WINDOW = 5  # px, side of the surroundings whose deviation says whether a pixel is in a flat area
# Share of a micrograph's median deviation below which an area is flat: noise of 25 values is that low once in
# a million. Noise of a detector is everywhere, what an augmentation draws has none.
_FLAT = 0.4
_QUANTISED = 0.3  # grey levels; the deviation that rounding leaves


def flat_square(micrograph: np.ndarray) -> np.ndarray:
    """Side of the largest flat square parallel to the sides, as a share of the shorter side.

    Args:
        micrograph: grey levels, (sample, y, x) uint8.

    Returns:
        (sample,).
    """
    side = min(micrograph.shape[1:])
    found = np.zeros(len(micrograph))
    for i, image in enumerate(micrograph.astype(float)):
        mean = ndimage.uniform_filter(image, _WINDOW, mode="reflect")
        square = ndimage.uniform_filter(image**2, _WINDOW, mode="reflect")
        deviation = np.sqrt(np.maximum(square - mean**2, 0))
        flat = deviation <= max(_FLAT * np.median(deviation), _QUANTISED)
        reach = ndimage.distance_transform_cdt(np.pad(flat, 1), "chessboard").max()
        found[i] = max(2 * reach - 1, 0) / side
    return found


def flat_border(micrograph: np.ndarray) -> np.ndarray:
    """Depth of the deepest flat band along one of the borders, as a share of the shorter side.

    Args:
        micrograph: grey levels, (sample, y, x) uint8.

    Returns:
        (sample,).
    """
    grey = micrograph.astype(float)
    depth = np.zeros(len(grey))
    for axis in (1, 2):
        # Deviation along each row (column), and from it to the next towards the middle.
        along = grey.std(axis=3 - axis)
        flat = along <= np.maximum(_FLAT * np.median(along, axis=1, keepdims=True), _QUANTISED)
        for rows in (flat, flat[:, ::-1]):
            depth = np.maximum(depth, np.where(rows.all(axis=1), rows.shape[1], rows.argmin(axis=1)))
    return depth / min(grey.shape[1:])


def leakage(real: Sample, gen: Sample, splits: int, rng: np.random.Generator) -> list[dict]:
    """Lines ``leakage``: shares of micrographs whose flat square or border is larger than in real ones."""
    _, groups = np.unique(real.specimen, return_inverse=True)
    measures = {"flat_square": flat_square, "flat_border": flat_border}
    return [
        {"kind": "leakage", "quantity": name, "unit": "1", "split": "specimen"}
        | beyond_real(measure(gen.micrograph), measure(real.micrograph), groups, splits, rng)
        for name, measure in measures.items()
    ]
