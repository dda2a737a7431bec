"""Feature spaces in which samples of micrographs are compared, none of which needs a download.

All are scaled by the real micrographs, so that a distance of about 1 in each direction is what parts two of
them. Inception features are there only where their weights already lie on this machine: they were learned on
photographs, and a network fetched in the middle of an evaluation would make its result depend on the network.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import torch
from sklearn.decomposition import PCA

from ..statistics import Phases, texture_features
from ..statistics.phases.classifier import open_classifier
from ..statistics.texture import SMALLEST
from .samples import Sample

COMPONENTS = 10  # of spaces that have more columns than micrographs can fill
# Of the texture features those that say most; of more columns a Frechet distance of few micrographs is bias.
_TEXTURE = (
    "grey_mean",
    "grey_std",
    "grey_skewness",
    "grey_kurtosis",
    "lbp_r1_",
    "spectrum_share_",
    "spectrum_slope_all",
    "gradient_s",
)
_KNOWN = 0.9  # share of the real micrographs that have a descriptor, for it to be a direction of the space
_FARTHEST = 10.0  # standard deviations; cut off there, one odd particle does not decide a figure
_INCEPTION = "weights-inception-2015-12-05-6726825d.pth"  # as torch-fidelity calls the file
_AT_ONCE = 64


def add_spaces(real: Sample, gen: Sample, phases: Phases | None, seed: int) -> None:
    """Fill ``spaces`` of both samples.

    * ``two_point``: scores on the principal components of the real two-point statistics;
    * ``descriptors``: those that most real micrographs have, and how many a micrograph lacks;
    * ``texture``: some of `texture_features`, where fields are large enough for them;
    * ``pixel_classifier``: principal components of what the classifier that told phases apart sees;
    * ``inception``: principal components of Inception features, where torch-fidelity and its weights are.
    """
    pairs = {
        "two_point": _components(real.quantities["two_point"], gen.quantities["two_point"], seed),
        "descriptors": _standardised(*(_descriptors(sample, real) for sample in (real, gen))),
    }
    if min(real.micrograph.shape[1:]) >= SMALLEST:
        pairs["texture"] = _standardised(*(_texture(sample) for sample in (real, gen)))
    if phases is not None and phases.method == "classifier":
        classifier = open_classifier(phases.classifier)
        seen = [classifier.features(sample.micrograph).astype(float) for sample in (real, gen)]
        pairs["pixel_classifier"] = _components(*seen, seed)
    weights = inception_weights()
    if weights is not None:
        seen = [inception_features(sample.micrograph, weights) for sample in (real, gen)]
        pairs["inception"] = _components(*seen, seed)
    for name, (of_real, of_gen) in pairs.items():
        real.spaces[name], gen.spaces[name] = of_real, of_gen


def inception_weights() -> Path | None:
    """File of the weights that torch-fidelity would use, if it is installed and they are here; else None."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / _INCEPTION
    return path if importlib.util.find_spec("torch_fidelity") and path.is_file() else None


def inception_features(micrograph: np.ndarray, weights: Path) -> np.ndarray:
    """Pooled features of Inception v3, (sample, 2048), of grey levels (sample, y, x) uint8."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    network = FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=str(weights))
    found = []
    with torch.inference_mode():
        for start in range(0, len(micrograph), _AT_ONCE):
            grey = torch.from_numpy(micrograph[start : start + _AT_ONCE])
            found.append(network(grey[:, None].expand(-1, 3, -1, -1))[0].numpy().astype(float))
    return np.concatenate(found)


def _components(real: np.ndarray, gen: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores on the principal components of the real; one scale for all, so that distances stay in ratio."""
    n = min(COMPONENTS, len(real) - 1, real.shape[1])
    pca = PCA(n, random_state=seed).fit(real)
    scale = np.sqrt(pca.explained_variance_.mean()) or 1.0
    return pca.transform(real) / scale, pca.transform(gen) / scale


def _descriptors(sample: Sample, real: Sample) -> np.ndarray:
    """(tile, descriptor) with NaN, of those that real micrographs have; last, how many are missing."""
    kept = [
        name
        for name, values in real.quantities.items()
        if name != "two_point" and np.isfinite(values).mean() >= _KNOWN
    ]
    table = np.stack([sample.quantities[name] for name in kept], axis=1)
    return np.hstack([table, (~np.isfinite(table)).sum(axis=1, keepdims=True)])


def _texture(sample: Sample) -> np.ndarray:
    features, names = texture_features(sample.micrograph)
    return features[:, [name.startswith(_TEXTURE) for name in names]].astype(float)


def _standardised(real: np.ndarray, gen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """In standard deviations of the real; what is missing lies at their mean."""
    mean, deviation = np.nanmean(real, axis=0), np.nanstd(real, axis=0)
    deviation = np.where(deviation > 0, deviation, 1.0)
    first, second = (
        np.nan_to_num((table - mean) / deviation).clip(-_FARTHEST, _FARTHEST) for table in (real, gen)
    )
    return first, second
