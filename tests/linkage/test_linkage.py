"""The linkage against structures whose law is known, and its validation against planted leaks."""

import json
import math
import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from sklearn.base import clone
from synthetic import SPACE, discs, grid_conditions, law

from pspgan.ensemble import build, open_ensemble, write_ensemble
from pspgan.linkage import Linkage, link, validation
from pspgan.linkage.features import FactorScaler, factor_of_column, feature_names, process_features
from pspgan.linkage.regression import TargetRegressor, grouped_folds
from pspgan.linkage.structure import SpecimenTable, StructureBasis
from pspgan.linkage.suggestion import grid
from pspgan.process import Factor, ProcessSpace
from pspgan.statistics import (
    PixelClassifier,
    StatisticsError,
    compute_statistics,
    descriptor_names,
    descriptors,
    measure_statistics,
)

DESCRIPTORS = ("area_fraction", "mean_chord_length")


def of(linkage, held_out, target="mean_chord_length", fit=None):
    """One line of the validation."""
    lines = linkage.validation_.query("held_out == @held_out and target == @target")
    return (lines if fit is None else lines[lines["fit"] == fit]).iloc[0]


@pytest.fixture(scope="module")
def steel():
    """Two specimens of three fields for every second condition of the grid."""
    return discs(grid_conditions(), specimens=2, fields=3)


@pytest.fixture(scope="module")
def linkage(steel):
    return Linkage(n_components=3, descriptors=DESCRIPTORS).fit(steel)


class TestTargets:
    def test_all_descriptors_with_values_are_taken_once(self, steel):
        measured = measure_statistics(steel)[0]
        in_um = StructureBasis.fit(measured, 1, None, 0)
        assert set(in_um.descriptors) == {
            name for name in descriptor_names(measured, "um") if np.isfinite(measured[name].values).any()
        }
        assert "interlamellar_spacing_um" not in in_um.descriptors  # discs have none
        assert dict(zip(in_um.descriptors, in_um.units, strict=True))["particle_density_um"] == "um-2"

    def test_lengths_stay_in_pixels_where_some_pixel_sizes_are_unknown(self, steel):
        measured = measure_statistics(
            steel.assign_coords(um_per_px=steel["um_per_px"].where(steel.sample > 5))
        )
        found = StructureBasis.fit(measured[0], 1, None, 0).descriptors
        assert {"mean_chord_length", "mean_chord_length_um"} < set(found)

    def test_descriptors_of_every_phase_are_targets(self):
        phase = np.random.default_rng(0).integers(0, 3, (4, 24, 24))
        two_point = xr.DataArray(
            np.random.default_rng(1).random((4, 3, 3, 1)),
            {"dy": [-1, 0, 1], "dx": [-1, 0, 1], "correlation": ["1,1"]},
            ("sample", "dy", "dx", "correlation"),
        )
        measured = descriptors(phase, 0.1, phases=("matrix", "network", "spheroidite")).assign(
            two_point=two_point
        )
        found = StructureBasis.fit(measured, 1, None, 0).descriptors
        assert found[:3] == ("area_fraction_matrix", "area_fraction_network", "area_fraction_spheroidite")
        assert {"mean_chord_length_network_um", "mean_chord_length_spheroidite_um"} < set(found)


class TestFeatures:
    def test_units_and_scales_decide(self):
        conditions = SPACE.conditions(["500-4-oil", "800-64-water"])
        features = process_features(SPACE, conditions)
        assert feature_names(SPACE) == ["1/heat (1/K)", "ln hours (h)", "bath=oil", "bath=water"]
        assert factor_of_column(SPACE).tolist() == [0, 1, 2, 2]
        np.testing.assert_allclose(features[0], [1 / 773.15, math.log(4), 1, 0], rtol=1e-14)
        np.testing.assert_allclose(features[1], [1 / 1073.15, math.log(64), 0, 1], rtol=1e-14)

    def test_names_do_not_matter(self):
        space = ProcessSpace(
            (
                Factor("temperature", (1, 2), "ordinal", unit="MPa"),
                Factor("x", (300, 400), "ordinal", unit="K"),
                Factor("time", (300, 400), "ordinal", unit="K", scale="log"),
            )
        )
        features = process_features(space, space.conditions([{"temperature": 2, "x": 400, "time": 300}]))
        np.testing.assert_allclose(features, [[2, 1 / 400, math.log(300)]], rtol=1e-14)

    def test_below_absolute_zero(self):
        space = ProcessSpace((Factor("bath", (-300, 20), "ordinal", unit="degC"),))
        with pytest.raises(ValueError, match=r"factor bath: -300 degC .* absolute zero"):
            process_features(space, space.conditions([[-300]]))

    def test_every_factor_has_unit_variance(self):
        X = process_features(SPACE, SPACE.all_conditions[:28])
        scaled = FactorScaler(factor_of_column(SPACE)).fit(X).transform(X)
        variance = np.bincount(factor_of_column(SPACE), weights=scaled.var(axis=0))
        np.testing.assert_allclose(variance, 1, rtol=1e-9)
        np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-9)

    def test_a_factor_that_does_not_vary_is_ignored(self):
        X = process_features(SPACE, SPACE.conditions(["500-1-oil", "500-4-oil"]))
        scaler = FactorScaler(factor_of_column(SPACE)).fit(X)
        scaled = scaler.transform(process_features(SPACE, SPACE.conditions(["800-16-water"])))
        assert scaled[0, [0, 2, 3]].tolist() == [0, 0, 0]
        assert scaled[0, 1] > 1


class TestLaw:
    def test_unseen_conditions_are_predicted_within_the_stated_deviation(self, linkage):
        unseen = ["550-2-oil", "550-32-water", "650-8-oil", "650-2-water", "750-32-oil", "750-8-water"]
        truth = measure_statistics(discs(unseen, specimens=20, fields=4, seed=7))[0]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that they are unseen is the point
            predicted = linkage.predict(unseen, return_std=True)
        for name in DESCRIPTORS:
            known = [
                float(truth[name][truth["condition"] == c].mean()) for c in predicted["condition"].values
            ]
            mean, std = (predicted[v].sel(target=name).values for v in ("mean", "std"))
            assert np.all(np.abs(mean - known) < 2 * std)
            assert np.all(std < 0.5 * np.ptp(known))
            assert np.corrcoef(mean, known)[0, 1] > 0.95

    def test_scores_on_what_was_held_out(self, linkage):
        for held_out in ("specimens", "conditions"):
            line = of(linkage, held_out)
            assert 0.8 < line["r2_low"] <= line["r2"] <= line["r2_high"] < 1
            assert 0 < line["mae"] < 0.5
            assert line["unit"] == "px"
        assert of(linkage, "specimens")["groups"] == 64
        assert of(linkage, "conditions")["groups"] == 32

    def test_a_factor_without_effect_has_none(self, linkage):
        pair = linkage.predict(["700-4-oil", "700-4-water"], return_std=True).sel(target="mean_chord_length")
        assert abs(float(pair["mean"][0] - pair["mean"][1])) < 0.5 * float(pair["std"].min())

    def test_intervals_cover(self, linkage):
        assert linkage.validation_["coverage"].between(0.75, 1).all()

    def test_coverage_over_repeated_experiments(self):
        conditions = SPACE.all_conditions
        X, truth = (
            process_features(SPACE, conditions),
            np.array([law(c["heat"], c["hours"]) for c in conditions]),
        )
        inside = []
        for seed in range(40):
            rng = np.random.default_rng(seed)
            rows = rng.choice(len(conditions), 40)
            model = TargetRegressor(factor_of_column(SPACE), "ridge")
            model.fit(X[rows], truth[rows] + rng.normal(0, 0.3, 40), np.arange(40))
            mean, std = model.predict(X, return_std=True)
            inside.append(np.mean(np.abs(mean - truth - rng.normal(0, 0.3, len(truth))) < 1.645 * std))
        assert 0.84 < np.mean(inside) < 0.94

    def test_without_a_law_scores_are_not_positive(self):
        noise = discs(grid_conditions(), radius=lambda *_: 3.5, specimen_sd=0.8, fields=2)
        fitted = Linkage(n_components=2, descriptors=DESCRIPTORS).fit(noise)
        assert (fitted.validation_["r2"] < 0.12).all()
        assert fitted.validation_["r2"].mean() < 0

    def test_centre_of_reconstructed_statistics_is_the_area_fraction(self, linkage):
        predicted = linkage.predict(grid_conditions(5))
        centre = predicted["two_point"].sel(dy=0, dx=0, correlation="1,1")
        fraction = predicted["mean"].sel(target="area_fraction")
        np.testing.assert_allclose(centre, fraction, atol=0.03)
        assert np.corrcoef(centre, fraction)[0, 1] > 0.98
        two_point = predicted["two_point"].values
        np.testing.assert_allclose(two_point, two_point[:, ::-1, ::-1], atol=1e-6)

    def test_score_and_transform(self, linkage, steel):
        values = linkage.transform(steel)
        assert values.dims == ("sample", "target")
        measured = measure_statistics(steel)[0]["area_fraction"].values
        np.testing.assert_array_equal(values.sel(target="area_fraction"), measured)
        assert 0.3 < linkage.score(steel) < 1


class TestGroups:
    @pytest.mark.parametrize("n_groups", [2, 3, 25])
    def test_folds_never_split_a_group(self, n_groups):
        groups = np.array([f"g{i}" for i in np.random.default_rng(0).integers(n_groups, size=60)])
        folds = list(grouped_folds(groups))
        assert len(folds) == min(5, n_groups)
        assert sorted(np.concatenate([test for _, test in folds])) == list(range(60))
        for train, test in folds:
            assert not set(groups[train]) & set(groups[test])

    def test_one_group_is_too_few(self):
        with pytest.raises(ValueError, match="1 group"):
            list(grouped_folds(np.array(["a", "a"])))

    def test_validation_trains_on_nothing_that_it_tests(self, monkeypatch):
        """A regressor that is told the row numbers sees which rows it was fitted on."""
        table = _table()
        seen = []

        class Spy:
            def __init__(self, factor, regressor, valid_range):
                pass

            def fit(self, X, y, groups):
                self.train = X[:, 0].astype(int)
                return self

            def predict(self, X):
                seen.append((self.train, X[:, 0].astype(int)))
                return np.zeros(len(X))

            def interval(self, X, level):
                return np.full((2, len(X)), 1.0)

        monkeypatch.setattr(validation, "TargetRegressor", Spy)
        rows = np.arange(len(table.origin), dtype=float)[:, None]
        found = validation.validate(rows, np.zeros(1, int), table, ("t",), ("",), [(0, 1)], "auto", 0)
        assert found["fit"].tolist() == ["real", "real", "generated", "generated", "both", "both"]
        assert set(found["tested_on"]) == {"real"}
        real = table.origin == "real"
        assert len(seen) == 6 * 5
        for i, (train, test) in enumerate(seen):
            fit, by_condition = ("real", "generated", "both")[i // 10], i % 10 >= 5
            labels = table.treatment if by_condition else table.specimen_key
            assert real[test].all()
            assert not set(labels[train]) & set(labels[test])
            assert set(table.origin[train]) == ({"real", "generated"} if fit == "both" else {fit})
            if fit == "generated" and not by_condition:
                assert len(train) == (~real).sum()

    def test_a_regressor_is_not_chosen_on_copies(self):
        """What a generator learned from a specimen is kept on the specimen's side of every fold."""
        table = _table()
        real = table.origin == "real"
        np.testing.assert_array_equal(table.selection_groups(real), table.specimen_key[real])
        np.testing.assert_array_equal(table.selection_groups(~real), table.specimen_key[~real])
        np.testing.assert_array_equal(table.selection_groups(real | ~real), table.treatment)

    def test_a_condition_is_one_at_all_pixel_sizes(self):
        space = SPACE.with_pixel_sizes([0.1, 0.4])
        names, sizes = ["500-1-oil-0.1", "500-1-oil-0.4", "600-1-oil-0.1"], [0.1, 0.4, 0.1]
        images = np.zeros((3, 8, 8), np.uint8)
        ensemble = build(images, names, space, origin="real", specimen=["a", "a", "b"], um_per_px=sizes)
        table = SpecimenTable.of([ensemble], [np.zeros((3, 1))], space)
        assert table.condition.tolist() == names
        assert table.treatment.tolist() == ["500-1-oil", "500-1-oil", "600-1-oil"]

    def test_a_specimen_counts_once(self, steel):
        targets = np.arange(steel.sizes["sample"], dtype=float)[:, None]
        table = SpecimenTable.of([steel], [targets], SPACE)
        assert len(table.condition) == 64
        assert set(table.micrographs) == {3}
        row = list(table.specimen).index("500-1-oil/1")
        assert table.values[row, 0] == 4.0  # the mean of samples 3, 4, 5
        assert table.within[row, 0] == 1.0
        np.testing.assert_allclose(table.within_std(), [1.0])


def _table():
    """Ten real specimens and ten generated groups over ten conditions, pairs of them one treatment."""
    conditions = np.array(grid_conditions(3)[:10] * 2)
    origin = np.repeat(["real", "generated"], 10)
    specimen = np.array([f"s{i}" for i in range(20)])
    values = np.arange(20.0)[:, None]
    treatments = conditions[np.arange(20) // 2 * 2]
    return SpecimenTable(
        origin,
        specimen,
        conditions,
        treatments,
        np.full(20, 2),
        values,
        np.full((20, 1), 2),
        np.ones((20, 1)),
        np.zeros(20, bool),
    )


class TestRealAndGenerated:
    def test_a_generator_that_ignores_the_condition_is_found_out(self):
        conditions = grid_conditions(2)
        real = discs(conditions, origin="real")
        generated = discs(
            conditions, origin="generated", specimens=1, fields=6, radius=lambda *_: 3.5, seed=5
        )
        fitted = Linkage(n_components=1, descriptors=("mean_chord_length",)).fit(real, generated)
        for held_out in ("specimens", "conditions"):
            assert of(fitted, held_out, fit="real")["r2"] > 0.8
            assert of(fitted, held_out, fit="generated")["r2"] < 0.1
        assert "the generator has seen the test specimens, or does not say" in fitted.summary()

    @pytest.mark.parametrize(("seen", "words"), [([], "none"), (["S0", "elsewhere"], "1")])
    def test_what_the_generator_has_seen_is_said(self, seen, words):
        conditions = grid_conditions(4)
        real = discs(conditions, origin="real", fields=1)
        real = real.assign_coords(specimen=("sample", [f"S{i}" for i in range(real.sizes["sample"])]))
        generated = discs(conditions, origin="generated", specimens=1, fields=2, seed=5)
        generated.attrs["provenance"] = json.dumps({"specimens": seen})
        fitted = Linkage(n_components=1, regressor="ridge", descriptors=("mean_chord_length",))
        text = fitted.fit(real, generated).summary()
        n = real.sizes["sample"]
        assert f"the generator has seen {words} of the {n} test specimens" in text
        assert ("of those unseen" in text) == bool(seen)
        if seen:
            apart = fitted.validation_[fitted.validation_["held_out"] == "unseen specimens"]
            assert (apart["groups"] == n - 1).all()
            assert set(apart["fit"]) == {"real", "generated", "both"}

    def test_lengths_without_a_scale_come_from_real_specimens_only(self):
        conditions = grid_conditions(4)
        real = discs(conditions, origin="real")
        generated = discs(conditions, origin="generated", specimens=1, fields=4, seed=5)
        generated["um_per_px"] = generated["um_per_px"] * np.nan
        fitted = Linkage(n_components=1, descriptors=("mean_chord_length_um",)).fit(real, generated)
        lines = fitted.validation_.query("target == 'mean_chord_length_um'").set_index(["fit", "held_out"])
        assert np.isnan(lines.loc[("generated", "specimens"), "r2"])
        assert lines.loc[("both", "specimens"), "r2"] == lines.loc[("real", "specimens"), "r2"]

    def test_observed_is_what_real_specimens_and_the_training_saw(self):
        real = discs(grid_conditions(4), origin="real", fields=1)
        generated = discs(["500-4-oil", "800-64-oil"], origin="generated", specimens=1, fields=2)
        fitted = Linkage(n_components=1, regressor="ridge", descriptors=()).fit(real, generated)
        assert {str(c) for c in fitted.space_.observed_conditions} == {
            *grid_conditions(4),
            "500-4-oil",
            "800-64-oil",
        }


class TestPrediction:
    def test_unseen_conditions_are_marked_and_named_once(self, steel):
        fitted = Linkage(n_components=1, regressor="ridge", descriptors=("area_fraction",)).fit(steel)
        with pytest.warns(UserWarning, match="no micrograph of 650-4-oil was seen"):
            predicted = fitted.predict(["650-4-oil", "600-4-oil"])
        assert predicted["observed"].values.tolist() == [False, True]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fitted.predict("750-4-oil")

    def test_outside_the_range(self, linkage):
        with pytest.raises(ValueError, match="heat 900"):
            linkage.predict("900-4-oil")

    def test_contents(self, linkage):
        predicted = linkage.predict("600-4-oil", return_std=True)
        assert predicted["target"].values.tolist() == ["PC1", "PC2", "PC3", *DESCRIPTORS]
        assert predicted["units"].values.tolist() == ["", "", "", "1", "px"]
        assert (predicted["std"] > 0).all()
        assert (predicted["within_specimen_std"] > 0).all()
        assert "std" not in linkage.predict("600-4-oil")

    def test_is_an_estimator(self, linkage):
        copy = clone(linkage)
        assert copy.get_params() == linkage.get_params()
        assert not hasattr(copy, "models_")

    def test_fitting_again_gives_the_same(self, linkage, steel):
        again = clone(linkage).set_params(descriptors=DESCRIPTORS[:1]).fit(steel)
        mine, theirs = (one.validation_.query("target == 'area_fraction'") for one in (linkage, again))
        pd.testing.assert_frame_equal(mine.reset_index(drop=True), theirs.reset_index(drop=True))


class TestSuggest:
    def test_conditions_that_meet_a_target(self, linkage):
        wanted = linkage.predict("700-16-oil")["mean"].sel(target="mean_chord_length").item()
        table = linkage.suggest({"mean_chord_length": wanted}, tolerance=0.05)
        assert "700-16-oil" in table["condition"].values
        assert (np.abs(table["mean_chord_length"] - wanted) <= 0.05 * wanted).all()
        assert table["probability"].is_monotonic_decreasing
        assert table["probability"].between(0, 1).all()
        radius = law(700, 16)
        assert np.abs(law(table["heat"], table["hours"]) - radius).max() < 0.12 * radius
        observed = table.set_index("condition")["observed"]
        assert observed["700-16-oil"]
        assert not observed.all()

    def test_two_targets_leave_fewer(self, linkage):
        point = linkage.predict("700-16-oil")["mean"]
        wanted = {name: point.sel(target=name).item() for name in DESCRIPTORS}
        both = linkage.suggest(wanted, tolerance={"area_fraction": 0.02, "mean_chord_length": 0.05})
        one = linkage.suggest({"mean_chord_length": wanted["mean_chord_length"]}, tolerance=0.05)
        assert 0 < len(both) < len(one)
        assert set(both["condition"]) < set(one["condition"])

    def test_nothing_meets_the_target(self, linkage):
        with pytest.warns(UserWarning, match=r"the nearest is 800-64-\w+: mean_chord_length"):
            assert linkage.suggest({"mean_chord_length": 100.0}).empty

    @pytest.mark.parametrize(
        ("target", "message"),
        [
            ({"hardness": 3.0}, '"hardness" is no target'),
            ({"area_fraction": 0}, "neither may be 0"),
            ({}, "no target"),
        ],
    )
    def test_targets_that_cannot_be(self, linkage, target, message):
        with pytest.raises(ValueError, match=message):
            linkage.suggest(target)

    def test_says_where_process_tells_nothing(self, steel):
        flat = Linkage(n_components=1, regressor="mean", descriptors=("area_fraction",)).fit(steel)
        with pytest.warns(UserWarning, match="does not predict area_fraction"):
            flat.suggest({"area_fraction": 0.2}, tolerance=1.0)

    def test_says_where_no_better_than_the_mean_on_held_out_conditions(self, steel):
        fitted = Linkage(n_components=1, regressor="ridge", descriptors=("area_fraction",)).fit(steel)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert len(fitted.suggest({"area_fraction": 0.2}))
        fitted.validation_.loc[fitted.validation_["held_out"] == "conditions", "r2"] = -0.3
        with pytest.warns(
            UserWarning, match="R2 of area_fraction on held-out conditions is -0.30, no better"
        ):
            assert len(fitted.suggest({"area_fraction": 0.2}))

    def test_grid_lies_between_the_levels(self):
        points = grid(SPACE, between=1)
        assert len(points) == 7 * 7 * 2
        assert sorted({p["hours"] for p in points}) == [1, 2, 4, 8, 16, 32, 64]
        assert sorted({p["heat"] for p in points}) == [500, 550, 600, 650, 700, 750, 800]


class TestStorage:
    def test_loading_fits_the_same(self, linkage, tmp_path):
        linkage.save(tmp_path / "link")
        loaded = Linkage.load(tmp_path / "link")
        mine, theirs = (one.predict(grid_conditions(3), return_std=True) for one in (linkage, loaded))
        for name in ("mean", "std", "two_point", "within_specimen_std"):
            np.testing.assert_allclose(theirs[name], mine[name], rtol=0, atol=1e-8)
        pd.testing.assert_frame_equal(loaded.validation_, linkage.validation_)
        assert loaded.regressors_ == linkage.regressors_
        assert loaded.get_params() == {**linkage.get_params(), "descriptors": list(DESCRIPTORS)}
        assert loaded.summary() == linkage.summary()
        assert loaded.space_.observed == linkage.space_.observed

    def test_no_pickle(self, linkage, tmp_path):
        folder = linkage.save(tmp_path / "link")
        assert sorted(p.name for p in folder.iterdir()) == [
            "linkage.json",
            "summary.txt",
            "table.npz",
            "validation.csv",
            "variances.csv",
        ]
        with np.load(folder / "table.npz", allow_pickle=False) as arrays:
            assert all(arrays[name].dtype != object for name in arrays)

    def test_an_interrupted_save_leaves_the_old_one(self, linkage, tmp_path, monkeypatch):
        folder = linkage.save(tmp_path / "link")
        before = (folder / "table.npz").read_bytes()

        def full(*args, **kwargs):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(np, "savez_compressed", full)
        with pytest.raises(OSError, match="No space left"):
            linkage.save(folder, overwrite=True)
        assert (folder / "table.npz").read_bytes() == before
        assert [p.name for p in tmp_path.iterdir()] == ["link"]

    def test_nothing_is_replaced_unasked(self, linkage, tmp_path):
        linkage.save(tmp_path / "link")
        with pytest.raises(FileExistsError, match="--overwrite"):
            linkage.save(tmp_path / "link")
        (tmp_path / "thesis").mkdir()
        with pytest.raises(FileExistsError, match="no linkage"):
            linkage.save(tmp_path / "thesis", overwrite=True)

    def test_missing_and_damaged(self, linkage, tmp_path):
        with pytest.raises(FileNotFoundError, match="no linkage there"):
            Linkage.load(tmp_path)
        folder = linkage.save(tmp_path / "link")
        (folder / "table.npz").write_bytes(b"PK\x03\x04 and no more")
        with pytest.raises(ValueError, match="cannot be read as a linkage"):
            Linkage.load(folder)

    def test_from_stores_to_a_folder(self, tmp_path):
        conditions = grid_conditions(4)
        stores = [tmp_path / "real.zarr", tmp_path / "gen.zarr"]
        write_ensemble(discs(conditions, origin="real", size=96), stores[0])
        write_ensemble(
            discs(conditions, origin="generated", specimens=1, fields=4, reduction=2, size=32), stores[1]
        )
        with pytest.raises(StatisticsError, match="pspgan stats"):
            link(*stores, out=tmp_path / "linkage")
        compute_statistics(*stores)
        fitted = link(
            *stores, out=tmp_path / "linkage", n_components=2, regressor="ridge", descriptors=DESCRIPTORS
        )
        text = (tmp_path / "linkage" / "summary.txt").read_text()
        assert "real: 48 micrographs, 16 specimens, 8 conditions" in text
        assert "generated: 32 micrographs, 8 specimens, 8 conditions" in text
        assert text.strip() == fitted.summary()
        part = open_ensemble(stores[0]).isel(sample=slice(0, 24))
        with pytest.raises(ValueError, match="is a part of"):
            Linkage().fit(part)
        in_memory = part.drop_encoding().load()
        assert (
            Linkage(1, "ridge", ("area_fraction",)).fit(in_memory, stores[1]).table_.micrographs.sum()
            == 24 + 32
        )

    def test_a_classifier_of_phases_goes_along(self, tmp_path):
        """What told phases apart is in the store and in the linkage, whatever becomes of its file."""
        real = discs(grid_conditions(5), fields=2)
        images = list(real["micrograph"].values[:6])
        labels = [(image > 125).astype(np.uint8) for image in images]
        classifier = PixelClassifier(steps=60).fit(images, labels, ["matrix", "disc"], progress=None)
        file = classifier.save(tmp_path / "told_apart.safetensors")
        store = write_ensemble(real, tmp_path / "real.zarr")
        (statistics,) = compute_statistics(store, phases=file)
        assert 0.05 < statistics["area_fraction"].mean() < 0.6
        file.unlink()
        settings = {"n_components": 1, "regressor": "ridge", "descriptors": ["area_fraction"]}
        link(store, out=tmp_path / "linkage", **settings)
        loaded = Linkage.load(tmp_path / "linkage")
        assert loaded.phases_.names == ("matrix", "disc")
        measured = loaded.transform(real)
        np.testing.assert_array_equal(measured.sel(target="area_fraction"), statistics["area_fraction"])
        compute_statistics(store)
        with pytest.raises(StatisticsError, match=r"phases is .*otsu.* in .*classifier.* in the linkage"):
            loaded.transform(store)


class TestErrors:
    def test_another_process_space(self, steel):
        other = ProcessSpace((*SPACE.factors[:2], Factor("bath", ("oil", "air"), "nominal")))
        with pytest.raises(ValueError, match=r"ensemble 2 is of another process space: bath"):
            Linkage().fit(steel, discs(["500-1-air", "600-1-oil"], space=other))

    def test_nothing_to_link(self):
        with pytest.raises(ValueError, match="no ensemble given"):
            Linkage().fit()
        with pytest.raises(ValueError, match="only one condition, 500-1-oil"):
            Linkage().fit(discs(["500-1-oil"]))

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"regressor": "forest"}, '"forest" is none of auto, mean, ridge'),
            ({"descriptors": ("hardness",)}, 'no values of descriptor "hardness"'),
            ({"n_components": 0}, "n_components is 0"),
        ],
    )
    def test_settings(self, steel, settings, message):
        with pytest.raises(ValueError, match=message):
            Linkage(**settings).fit(steel)
