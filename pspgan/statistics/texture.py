"""Texture features: what a micrograph looks like in some seventy numbers, without a network or a download."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy import ndimage, stats
from skimage.feature import graycomatrix, graycoprops, local_binary_pattern
from sklearn.base import BaseEstimator, TransformerMixin

from ..progress import progress_bar

SMALLEST = 16  # px along an axis, so that a pattern of radius 4 has a neighbourhood
_QUANTILES = (5, 25, 50, 75, 95)
_RADII = (1, 2, 4)  # px; of local binary patterns
_POINTS = 8
_DISTANCES = (1, 2, 4, 8)  # px; of co-occurring grey levels
_ANGLES = (0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)
_PROPERTIES = ("contrast", "dissimilarity", "homogeneity", "energy", "correlation")
_LEVELS, _CLIP = 16, 2.5  # grey levels of co-occurrence matrices, over +- 2.5 standard deviations
_BANDS = (1 / 16, 1 / 8, 1 / 4, 1 / 2)  # cycles/px; limits of octaves
_SCALES = (1, 2, 4)  # px; standard deviations of Gaussians


def texture_features(
    micrographs: np.ndarray, *, progress: str | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Texture features of each micrograph.

    - Grey levels: mean, standard deviation, skewness, excess kurtosis, quantiles, entropy.
    - Shares of the ten rotation-invariant uniform local binary patterns of 8 points, radii of 1, 2 and 4 px
      (Ojala, Pietikainen and Maenpaa, IEEE TPAMI 24, 971, 2002).
    - Grey-level co-occurrence at distances of 1, 2, 4 and 8 px: contrast, dissimilarity, homogeneity, energy,
      correlation, means over four directions (Haralick, Shanmugam and Dinstein, IEEE TSMC 3, 610, 1973).
    - Power spectrum (Hann window, mean over directions): shares of the power in octaves, and the slope of its
      logarithm over the logarithm of the frequency within each octave and overall.
    - Gradients of Gaussians of 1, 2 and 4 px: mean, coefficient of variation, and how far they share one
      direction (coherence of the structure tensor, mean over the micrograph).

    All but the grey levels' own are independent of brightness and contrast, which the microscope decides. All
    are unchanged, noise of rounding aside, where a micrograph is mirrored or turned by quarters. Lengths
    count in pixels: compare micrographs of one pixel size.

    Args:
        micrographs: grey levels, (sample, y, x) uint8, 16 px or more along each axis.
        progress: what a bar on a terminal is called; None shows none.

    Returns:
        (sample, feature) float32, and the names of the features.

    Raises:
        ValueError: another shape or dtype, or micrographs that are too small.

    >>> features, names = texture_features(np.full((2, 16, 16), 200, np.uint8))
    >>> features.shape == (2, len(names)), float(features[0, names.index("grey_mean")])
    (True, 200.0)
    """
    micrographs = np.asarray(micrographs)
    if micrographs.ndim != 3 or min(micrographs.shape[1:]) < SMALLEST:
        raise ValueError(
            f"micrographs must be (sample, y, x) of {SMALLEST} x {SMALLEST} px or more, got shape "
            f"{micrographs.shape}"
        )
    if micrographs.dtype != np.uint8:
        raise ValueError(f"micrographs must hold grey levels as uint8, got {micrographs.dtype}")
    bar = progress_bar(micrographs, desc=progress, unit="image", shown=progress)
    rows = [list(_of_one(micrograph).values()) for micrograph in bar]
    return np.array(rows, dtype=np.float32).reshape(len(micrographs), len(NAMES)), NAMES


class TextureFeatures(TransformerMixin, BaseEstimator):
    """`texture_features` as a scikit-learn transformer: (sample, y, x) uint8 -> (sample, feature) float32."""

    def fit(self, micrographs: np.ndarray, label: object = None) -> TextureFeatures:
        """Nothing is learned."""
        return self

    def transform(self, micrographs: np.ndarray) -> np.ndarray:
        """Texture features, see `texture_features`."""
        return texture_features(micrographs)[0]

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Names of the features, (feature,)."""
        return np.array(NAMES, dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return True


def _of_one(micrograph: np.ndarray) -> dict[str, float]:
    grey = micrograph.astype(float)
    spread = grey.std()
    # A micrograph of one grey level has no texture: zeros, not what dividing by nothing gives.
    standard = (grey - grey.mean()) / spread if spread else np.zeros_like(grey)
    return {
        **_grey_levels(micrograph, standard),
        **_patterns(micrograph),
        **_co_occurrence(standard),
        **_spectrum(standard),
        **_gradients(standard),
    }


def _grey_levels(micrograph: np.ndarray, standard: np.ndarray) -> dict[str, float]:
    share = np.bincount(micrograph.ravel(), minlength=256) / micrograph.size
    return {
        "grey_mean": micrograph.mean(),
        "grey_std": micrograph.std(),
        "grey_skewness": (standard**3).mean(),
        "grey_kurtosis": (standard**4).mean() - 3 if standard.any() else 0.0,
        **{f"grey_q{q:02d}": np.percentile(micrograph, q) for q in _QUANTILES},
        "grey_entropy_bit": stats.entropy(share, base=2),
    }


def _patterns(micrograph: np.ndarray) -> dict[str, float]:
    found: dict[str, float] = {}
    for radius in _RADII:
        pattern = local_binary_pattern(micrograph, _POINTS, radius, method="uniform")
        # Where the circle leaves the image, patterns are of the border.
        inside = pattern[radius:-radius, radius:-radius].astype(int)
        share = np.bincount(inside.ravel(), minlength=_POINTS + 2) / inside.size
        found |= {f"lbp_r{radius}_{k}": value for k, value in enumerate(share)}
    return found


def _co_occurrence(standard: np.ndarray) -> dict[str, float]:
    level = np.clip((standard / _CLIP + 1) / 2 * _LEVELS, 0, _LEVELS - 1).astype(np.uint8)
    matrix = graycomatrix(level, _DISTANCES, _ANGLES, levels=_LEVELS, symmetric=True, normed=True)
    return {
        f"glcm_d{distance}_{name}": values
        for name in _PROPERTIES
        for distance, values in zip(_DISTANCES, graycoprops(matrix, name).mean(axis=1), strict=True)
    }


def _spectrum(standard: np.ndarray) -> dict[str, float]:
    window = np.outer(*(np.hanning(length) for length in standard.shape))
    power = np.abs(np.fft.fft2((standard - np.average(standard, weights=window)) * window)) ** 2
    frequency = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n) for n in standard.shape), indexing="ij"))
    total, found = power[frequency > 0].sum(), {}
    inside = [(low < frequency) & (frequency <= high) for low, high in pairwise(_BANDS)]
    inside.append((_BANDS[0] < frequency) & (frequency <= _BANDS[-1]))
    names = [f"1/{1 / low:.0f}_to_1/{1 / high:.0f}" for low, high in pairwise(_BANDS)]
    for name, band in zip([*names, "all"], inside, strict=True):
        found[f"spectrum_share_{name}"] = power[band].sum() / total if total else 0.0
        found[f"spectrum_slope_{name}"] = _slope(frequency[band], power[band]) if total else 0.0
    return found


def _slope(frequency: np.ndarray, power: np.ndarray) -> float:
    """Slope of log power over log frequency through means over rings an eighth of an octave wide."""
    ring = np.round(8 * np.log2(frequency)).astype(int)
    ring -= ring.min()
    count = np.bincount(ring)
    full = count > 0
    x, y = (np.bincount(ring, weights)[full] / count[full] for weights in (np.log(frequency), power))
    return float(np.polyfit(x, np.log(y + 1e-12), 1, w=np.sqrt(count[full]))[0])


def _gradients(standard: np.ndarray) -> dict[str, float]:
    found: dict[str, float] = {}
    standard = standard.astype(np.float32)
    for scale in _SCALES:
        dy, dx = (ndimage.gaussian_filter(standard, scale, order=order) for order in ((1, 0), (0, 1)))
        size = np.hypot(dy, dx)
        mean = size.mean()
        yy, xx, xy = (ndimage.gaussian_filter(product, 2 * scale) for product in (dy * dy, dx * dx, dy * dx))
        trace = yy + xx
        coherence = np.sqrt((yy - xx) ** 2 + 4 * xy**2) / np.where(trace > 0, trace, 1)
        found |= {
            f"gradient_s{scale}_mean": mean,
            f"gradient_s{scale}_variation": size.std() / mean if mean else 0.0,
            f"gradient_s{scale}_coherence": np.average(coherence, weights=trace) if mean else 0.0,
        }
    return found


NAMES = tuple(_of_one(np.zeros((SMALLEST, SMALLEST), np.uint8)))
