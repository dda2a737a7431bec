"""Copies are found wherever they lie; strangers are not taken for copies."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from pspgan.evaluation.matching_crops import FLIPS, affordable, find, middle


def fields(n, shape, seed):
    """Smooth random grey levels, structure some 3 px wide."""
    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.normal(size=(n, *shape)), (0, 2, 2))
    return np.clip(128 + 40 * smooth / smooth.std(), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("side", [32, 64])
def test_flipped_crops_at_any_place(side):
    rng = np.random.default_rng(0)
    sources = fields(30, (100, 130), 1)
    places, crops = [], []
    for k in range(30):
        y, x = rng.integers(0, 100 - side + 1), rng.integers(0, 130 - side + 1)
        up, left = FLIPS[k % 4]
        crop = sources[k, y : y + side, x : x + side][::up, ::left]
        noisy = 0.7 * crop + 30 + rng.normal(0, 10, crop.shape)  # other brightness, contrast and noise
        crops.append(np.clip(noisy, 0, 255).astype(np.uint8))
        places.append((y + side // 8, x + side // 8))
    crops = np.stack(crops)
    (found,) = find(crops, list(sources), [np.ones((30, 30), bool)], "test")
    assert found.source.tolist() == list(range(30))
    assert found.flip.tolist() == [k % 4 for k in range(30)]
    assert list(zip(found.y.tolist(), found.x.tolist(), strict=True)) == places
    up, left = FLIPS[found.flip[1]]
    shown = middle(crops[1:2])[0, ::up, ::left]
    place = sources[1, found.y[1] :, found.x[1] :][: shown.shape[0], : shown.shape[1]]
    assert found.correlation[1] == pytest.approx(np.corrcoef(shown.ravel(), place.ravel())[0, 1], abs=1e-4)


def test_strangers_and_what_is_not_allowed():
    sources, strangers = list(fields(20, (64, 64), 1)), fields(20, (64, 64), 2)
    own = np.eye(20, dtype=bool)
    copies = np.stack(sources)
    everything, others, nothing = find(copies, sources, [own | True, ~own, own & False], "test")
    assert everything.correlation.min() > 0.999
    assert others.correlation.max() < 0.6
    assert (nothing.correlation == -1).all()
    (found,) = find(strangers, sources, [own | True], "test")
    assert found.correlation.max() < 0.6


def test_blank_micrographs_match_nothing():
    sources = list(fields(3, (48, 48), 1))
    (found,) = find(np.full((2, 48, 48), 128, np.uint8), sources, [np.ones((2, 3), bool)], "test")
    assert found.correlation.max() <= 0


def test_cost_is_bounded():
    few, many = (affordable((64, 64), [np.zeros((480, 640), np.uint8)] * n) for n in (1, 100))
    assert few == pytest.approx(100 * many, rel=0.02)
