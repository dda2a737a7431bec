"""Fidelity: what is alike stays at the real-to-real floor, planted faults rise above it."""

import numpy as np
import pandas as pd
import pytest
from synthetic import discs, grid_conditions, law

from pspgan.ensemble import EnsembleError
from pspgan.evaluation import evaluate
from pspgan.evaluation.fidelity import _spread, compare
from pspgan.evaluation.matching import match
from pspgan.evaluation.samples import halves, measured

CONDITIONS = grid_conditions(6)


def fidelity(real, gen, splits=50, seed=0):
    """Table of distances and spreads alone."""
    return compare(*measured(match(real, gen), None), splits, seed, "evaluation")


def generated(radius=law, fields=16, seed=2, **settings):
    return discs(
        CONDITIONS,
        origin="generated",
        specimens=1,
        fields=fields,
        radius=radius,
        specimen_sd=0,
        seed=seed,
        **settings,
    )


def overall(table, kind, quantity):
    return table[
        (table["condition"] == "all") & (table["kind"] == kind) & (table["quantity"] == quantity)
    ].iloc[0]


@pytest.fixture(scope="module")
def real():
    return discs(CONDITIONS, origin="real", specimens=4, fields=4, seed=1)


class TestDistances:
    def test_the_same_law_stays_at_the_floor(self):
        """Over repeated experiments the ratio is 1 on average, whatever the quantity."""
        ratios = []
        for seed in range(4):
            real = discs(CONDITIONS, origin="real", specimens=4, fields=4, seed=100 + seed)
            gen = discs(CONDITIONS, origin="generated", specimens=4, fields=4, seed=200 + seed)
            table = fidelity(real, gen, splits=15)
            ratios.append(
                table.query("condition == 'all' and kind == 'distance'").set_index("quantity")["ratio"]
            )
        average = pd.concat(ratios, axis=1).mean(axis=1)
        assert "interlamellar_spacing" not in average  # discs are not lamellae
        assert np.isnan(average.pop("connectivity"))  # no disc spans its field: there is no distance
        assert average.between(0.75, 1.25).all()
        assert 0.85 < average["two_point"] < 1.15

    @pytest.mark.parametrize("quantity", ["two_point", "area_fraction", "mean_chord_length"])
    def test_larger_particles_rise_above_it(self, real, quantity):
        line = overall(fidelity(real, generated(lambda *c: 1.4 * law(*c))), "distance", quantity)
        assert line["ratio"] > 2
        assert line["ratio_low"] > 1.5

    def test_the_same_conditions_in_the_wrong_places(self, real):
        swapped = generated(lambda heat, hours: law(1300 - heat, 64 / hours))
        assert overall(fidelity(real, swapped), "distance", "mean_chord_length")["ratio"] > 2

    def test_real_halves_are_of_specimens(self, real):
        lines = fidelity(real, generated(fields=8)).query("condition != 'all'")
        lines = lines[lines["kind"].isin(["distance", "spread"])]
        assert set(lines["split"]) == {"specimen"}
        assert set(lines[lines["kind"] == "distance"]["n"]) == {8}  # half of four specimens of four fields

    def test_one_specimen_is_split_by_micrograph_and_one_micrograph_not_at_all(self):
        one = discs(CONDITIONS[:2], origin="real", specimens=1, fields=4)
        gen = discs(CONDITIONS[:2], origin="generated", specimens=1, fields=4)
        assert set(fidelity(one, gen)["split"]) == {"micrograph", "condition"}
        single = discs(CONDITIONS[:2], origin="real", specimens=1, fields=1, size=96)
        lines = fidelity(single, gen).query("kind == 'distance' and condition != 'all'")
        assert set(lines["split"]) == {"none"}
        assert lines["real"].isna().all()
        assert lines[lines["quantity"] == "two_point"]["generated"].notna().all()

    def test_halves_share_no_group(self):
        groups = np.random.default_rng(0).integers(7, size=50)
        for seed in range(20):
            first, second = halves(groups, np.random.default_rng(seed))
            assert sorted([*first, *second]) == list(range(50))
            assert not set(groups[first]) & set(groups[second])


class TestSpread:
    def test_agrees_with_numpy(self):
        rng = np.random.default_rng(0)
        values, counts = rng.normal(5, 2, 9), rng.integers(0, 3, (4, 9))
        expected = [np.std(np.repeat(values, count), ddof=1) for count in counts]
        np.testing.assert_allclose(_spread(values, counts), expected)
        values[2] = np.nan
        known = np.delete(np.arange(9), 2)
        expected = [np.std(np.repeat(values[known], count[known]), ddof=1) for count in counts]
        np.testing.assert_allclose(_spread(values, counts), expected)

    def test_variety_as_in_real_specimens(self, real):
        same = discs(CONDITIONS, origin="generated", specimens=4, fields=4, seed=3)
        line = overall(fidelity(real, same), "spread", "two_point")
        assert 0.75 < line["ratio"] < 1.25
        assert line["ratio_low"] < 1 < line["ratio_high"]

    def test_a_collapsed_generator_is_found_out(self, real):
        gen = generated(fields=8)
        for start in range(0, gen.sizes["sample"], 8):
            gen["micrograph"][start : start + 8] = gen["micrograph"][start].values
        table = fidelity(real, gen)
        assert overall(table, "spread", "two_point")["ratio"] < 1e-6
        assert overall(table, "spread", "area_fraction")["ratio_high"] < 1e-6


class TestMatching:
    def test_pixels_and_field(self):
        real = discs(CONDITIONS[:2], origin="real", specimens=2, fields=1, size=100)
        gen = discs(CONDITIONS[:2], origin="generated", specimens=1, fields=2, size=24, reduction=2)
        tiles, same = match(real, gen)
        assert tiles["micrograph"].shape == (4 * 4, 24, 24)
        assert tiles.attrs["reduction"] == 2
        np.testing.assert_array_equal(same["micrograph"], gen["micrograph"])
        source = real["micrograph"].values[1].astype(float)
        average = (source[::2, ::2] + source[1::2, ::2] + source[::2, 1::2] + source[1::2, 1::2]) / 4
        np.testing.assert_array_equal(tiles["micrograph"].values[6], np.floor(average[24:48, :24] + 0.5))
        assert tiles["image"].values.tolist() == np.repeat(np.arange(4), 4).tolist()
        assert tiles["specimen"].values[6] == real["specimen"].values[1]
        np.testing.assert_allclose(tiles["um_per_px"], 0.2)

    def test_finer_generated_micrographs_are_reduced_too(self):
        real = discs(CONDITIONS[:1], origin="real", size=24, reduction=2)
        gen = discs(CONDITIONS[:1], origin="generated", size=96)
        assert [t["micrograph"].shape[1:] for t in match(real, gen)] == [(24, 24), (24, 24)]

    def test_pixels_that_cannot_be_made_alike(self):
        real = discs(CONDITIONS[:1], origin="real", reduction=2)
        gen = discs(CONDITIONS[:1], origin="generated", reduction=3)
        with pytest.raises(EnsembleError, match=r"ensemble 1 has reduction 2, which does not divide 3"):
            evaluate(real, gen)

    def test_a_pixel_size_off_by_two_is_found_out(self):
        real = discs(CONDITIONS, origin="real", specimens=4, fields=3, size=96, seed=1)
        mislabelled = discs(
            CONDITIONS, origin="generated", specimens=1, fields=8, size=48, reduction=2, seed=2
        )
        assert overall(fidelity(real, mislabelled), "distance", "mean_chord_length")["ratio"] > 2
