"""Interlamellar spacing of stripes at any angle and of simulated pearlite; and what has none."""

import numpy as np
import pandas as pd
import pytest
import scipy.ndimage
from boolean_model import boolean_model
from PIL import Image

from pspgan.sources.heat_treatment import Steel, simulate
from pspgan.statistics import descriptors, segment
from pspgan.statistics.descriptors.lamellae import interlamellar_spacing

ANGLES = np.radians(np.arange(0, 180, 15) + 4.0)


def stripes(spacing, fraction, shape=(128, 128), angles=ANGLES):
    """Parallel lamellae at each of these angles, (angle, y, x) bool."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    across = np.cos(angles)[:, None, None] * x + np.sin(angles)[:, None, None] * y
    return across / spacing % 1 < fraction


@pytest.mark.parametrize("fraction", [0.2, 0.3, 0.5, 0.8])
@pytest.mark.parametrize(("spacing", "tolerance"), [(5.0, 0.04), (8.0, 0.02), (11.3, 0.01), (24.0, 0.01)])
def test_stripes_have_their_spacing_at_any_angle(spacing, fraction, tolerance):
    found = interlamellar_spacing(stripes(spacing, fraction))
    np.testing.assert_allclose(found, spacing, rtol=tolerance)


def test_fields_need_not_be_squares():
    np.testing.assert_allclose(interlamellar_spacing(stripes(9.0, 0.3, (97, 214))), 9.0, rtol=0.01)


def test_colonies_of_all_orientations_have_one_spacing():
    quarters = stripes(8.0, 0.3, (128, 128), np.radians([10, 55, 100, 145]))
    field = np.block([[quarters[0], quarters[1]], [quarters[2], quarters[3]]])
    np.testing.assert_allclose(interlamellar_spacing(field[None]), 8.0, rtol=0.01)


def test_fewer_than_four_lamellae_are_not_enough():
    assert np.isnan(interlamellar_spacing(stripes(45.0, 0.4))).all()


def test_what_is_not_lamellar_has_no_spacing():
    noise = np.random.default_rng(0).normal(size=(8, 128, 128))
    for blur in (0, 1, 2, 4):
        inside = scipy.ndimage.gaussian_filter(noise, (0, blur, blur)) > 0
        assert np.isnan(interlamellar_spacing(inside)).all()
    assert np.isnan(interlamellar_spacing(boolean_model(0.005, 5.0, 128, 8))).all()
    y, x = np.mgrid[:120, :120]
    lattices = [np.hypot(x % 12 - 6, y % 12 - 6) < 4, (x // 8 + y // 8) % 2 == 0]
    uniform = [np.zeros((120, 120), dtype=bool), np.ones((120, 120), dtype=bool)]
    assert np.isnan(interlamellar_spacing(np.array(lattices + uniform))).all()
    assert np.isnan(interlamellar_spacing(np.eye(6, dtype=bool)[None])).all()


def test_simulated_pearlite_has_the_spacing_put_in_and_spheroidite_none():
    exact = Steel(specimen_sigma=0.0, field_sigma=0.0, fraction_sigma=0.0, network_sigma=0.0)
    spacings = []
    for condition, um_per_px in (("700-5-Q", 0.035), ("900-90-650-1H", 0.05), ("800-480-Q", 0.035)):
        fields = simulate(8, 128, conditions=condition, um_per_px=um_per_px, steel=exact, progress=False)
        found = descriptors(fields["phase"].values, um_per_px, phases=fields["phase"].attrs["phases"])
        spacings.append(found["interlamellar_spacing_lamella_um"].values)
        assert np.isnan(found["interlamellar_spacing_spheroidite_um"]).all()
    # The lamellae are bent, so that what a field shows of them varies about the 0.28 um that was put in.
    for pearlite in spacings[:2]:
        assert np.isfinite(pearlite).sum() >= 7
        assert np.nanmean(pearlite) == pytest.approx(0.28, rel=0.06)
    assert np.isnan(spacings[2]).all()


def test_pearlite_of_uhcsdb_is_lamellar_and_spheroidite_is_not(shared):
    """0.17 to 0.33 um is known of its pearlite; much of it is not resolved, or ragged once it is cut."""
    folder = shared / "uhcsdb"
    table = pd.read_csv(folder / "uhcs-metadata.csv", index_col="micrograph_id")
    table = table[(table["micron_bar_units"] == "um") & table["micron_bar"].notna()]
    found = {}
    for kind in ("pearlite", "spheroidite"):
        spacings = []
        for number, row in table[table["primary_microconstituent"] == kind].iterrows():
            path = folder / "micrographs" / f"micrograph{number}.png"
            if not path.exists() or len(spacings) == 12 * 9:
                continue
            phase = segment(np.asarray(Image.open(path))[None, :480, :480])
            tiles = phase.reshape(3, 160, 3, 160).swapaxes(1, 2).reshape(9, 160, 160) == 1
            spacings += list(interlamellar_spacing(tiles) * row["micron_bar"] / row["micron_bar_px"])
        found[kind] = np.array(spacings)
    assert len(found["spheroidite"]) == 12 * 9
    assert np.isnan(found["spheroidite"]).all()
    assert np.isfinite(found["pearlite"]).sum() >= 12
    assert 0.17 < np.nanmedian(found["pearlite"]) < 0.36
