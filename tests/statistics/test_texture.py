"""Texture features: known answers, what they must not depend on, and scikit-image beside them."""

import numpy as np
import pytest
from skimage.feature import graycomatrix, graycoprops
from textures import texture

from pspgan.statistics import TextureFeatures, texture_features


def features_of(*micrographs):
    """Name -> values, a value a micrograph."""
    features, names = texture_features(np.stack(micrographs))
    return dict(zip(names, features.T, strict=True))


def test_a_flat_micrograph_has_a_grey_level_and_no_texture():
    found = features_of(np.full((16, 20), 77, np.uint8))
    assert all(np.isfinite(value).all() for value in found.values())
    assert found["grey_mean"] == found["grey_q05"] == found["grey_q95"] == 77
    for name in (
        "grey_std",
        "grey_entropy_bit",
        "glcm_d1_contrast",
        "gradient_s1_mean",
        "spectrum_share_all",
    ):
        assert found[name] == 0, name
    assert found["lbp_r1_8"] == 1  # no neighbour is darker


def test_stripes_and_checkerboards_are_told_apart_where_their_grey_levels_are_alike():
    y, x = np.mgrid[:64, :64] // 2 % 2
    stripes, board = (np.uint8(60 + 120 * pattern) for pattern in (x, x ^ y))
    found = features_of(stripes, board)
    for name in ("grey_mean", "grey_std", "grey_skewness", "grey_entropy_bit"):
        assert found[name][0] == pytest.approx(found[name][1], abs=1e-5)
    assert found["grey_entropy_bit"][0] == pytest.approx(1)  # two grey levels, equally often
    assert found["gradient_s1_coherence"][0] > 0.95  # one direction
    assert found["gradient_s1_coherence"][1] < 0.5
    assert abs(np.diff(found["glcm_d2_correlation"])) > 0.1


def test_the_slope_of_the_spectrum_is_that_put_in():
    rng = np.random.default_rng(0)
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(256)] * 2))
    frequency[0, 0] = 1
    for exponent in (1.0, 2.0, 3.0):  # of the power
        field = np.fft.ifft2(np.fft.fft2(rng.standard_normal((256, 256))) * frequency ** (-exponent / 2)).real
        grey = np.clip(128 + 40 * field / field.std(), 0, 255).astype(np.uint8)
        assert features_of(grey)["spectrum_slope_all"] == pytest.approx(-exponent, abs=0.15)
    white = features_of(rng.integers(0, 256, (256, 256)).astype(np.uint8))
    # Rings hold power by their area; the octave below 1/2 cycles/px is a ring of radii 1/4 and 1/2.
    assert white["spectrum_share_1/4_to_1/2"] == pytest.approx(np.pi * (1 / 4 - 1 / 16), rel=0.02)


def test_co_occurrence_is_scikit_images():
    micrograph = texture("lamellar", 1, np.random.default_rng(0))[0]
    standard = (micrograph - micrograph.mean()) / micrograph.std()
    level = np.clip((standard / 2.5 + 1) * 8, 0, 15).astype(np.uint8)
    angles = [0, np.pi / 4, np.pi / 2, 3 * np.pi / 4]
    matrix = graycomatrix(level, [2], angles, levels=16, symmetric=True, normed=True)
    found = features_of(micrograph)
    for name in ("contrast", "homogeneity", "correlation"):
        assert found[f"glcm_d2_{name}"] == pytest.approx(graycoprops(matrix, name).mean(), rel=1e-5)


def test_turning_and_mirroring_change_nothing():
    micrographs = texture("lamellar", 3, np.random.default_rng(1), size=48)[:, :, :40]
    features, _ = texture_features(micrographs)
    for turns in range(4):
        turned = np.rot90(micrographs, turns, axes=(1, 2))
        for view in (turned, turned[:, ::-1]):
            # Patterns of interpolated points differ where grey levels are equal but for rounding.
            np.testing.assert_allclose(texture_features(view)[0], features, rtol=1e-3, atol=5e-3)


def test_brightness_and_contrast_change_grey_levels_alone():
    micrograph = texture("round", 1, np.random.default_rng(2), size=64)[0] // 2
    before, after = features_of(micrograph), features_of(micrograph * 2 + 1)
    for name in before:
        if not name.startswith("grey") and not name.startswith("lbp"):
            assert after[name] == pytest.approx(before[name], rel=1e-4, abs=1e-5), name
    assert after["grey_mean"] == pytest.approx(2 * before["grey_mean"] + 1)


def test_as_a_transformer():
    micrographs = texture("round", 2, np.random.default_rng(0))
    transformer = TextureFeatures().fit(micrographs)
    features, names = texture_features(micrographs)
    np.testing.assert_array_equal(transformer.transform(micrographs), features)
    assert tuple(transformer.get_feature_names_out()) == names
    assert texture_features(micrographs[:0])[0].shape == (0, len(names))


@pytest.mark.parametrize(
    ("micrographs", "said"),
    [
        (np.zeros((2, 15, 40), np.uint8), "16 x 16 px or more"),
        (np.zeros((40, 40), np.uint8), "sample, y, x"),
        (np.zeros((2, 40, 40)), "uint8"),
    ],
)
def test_what_is_no_micrograph_is_refused(micrographs, said):
    with pytest.raises(ValueError, match=said):
        texture_features(micrographs)
