"""Evolution along a path: the numbers of means, curves and laws; and the commands that print them."""

import json

import numpy as np
import pytest
from scipy.stats import t
from synthetic import discs, law
from typer.testing import CliRunner

import pspgan as psp
from pspgan import cli, figures
from pspgan.ensemble import write_ensemble
from pspgan.linkage import Linkage
from pspgan.linkage.means import by_specimen
from pspgan.statistics import compute_statistics, measure_statistics

CONDITIONS = [f"{heat}-{hours}-oil" for heat in (600, 700, 800) for hours in (1, 4, 16, 64)]
TARGET = "mean_chord_length_um"
AT = {"heat": 700, "bath": "oil"}


@pytest.fixture(scope="module")
def real():
    return discs(CONDITIONS, origin="real", specimens=3, fields=2)


@pytest.fixture(scope="module")
def generated():
    made = ["700-1-oil", "700-8-oil", "700-64-oil", "600-4-oil", "800-4-oil", "800-32-oil"]
    made = discs(made, origin="generated", specimens=1, fields=5, seed=3)
    made.attrs["process_space"] = discs(CONDITIONS[:1], fields=1).attrs["process_space"]
    return made


@pytest.fixture(scope="module")
def linkage(real):
    return Linkage(1, "ridge", (TARGET,)).fit(real)


@pytest.fixture(scope="module")
def followed(real, generated, linkage):
    return psp.evolution(
        real, generated, along="hours", at=AT, target=TARGET, linkage=linkage, kinetics=True, exponent=3.0
    )


def test_points_are_means_of_specimens_with_student_s_interval(followed, real):
    measured = measure_statistics(real)[0]
    table = by_specimen(measured, TARGET)
    assert set(table["micrographs"]) == {2}
    points = followed[followed["series"] == "real"]
    assert points["hours"].tolist() == [1, 4, 16, 64]
    assert points["specimens"].tolist() == [3] * 4
    assert points["micrographs"].tolist() == [6] * 4
    for _, point in points.iterrows():
        values = table.loc[table["condition"] == point["condition"], "value"]
        half = t.ppf(0.95, 2) * values.std(ddof=1) / np.sqrt(3)
        np.testing.assert_allclose(point["mean"], values.mean())
        np.testing.assert_allclose([point["low"], point["high"]], values.mean() + half * np.array([-1, 1]))


def test_generated_points_count_micrographs_and_say_how_far_they_are(followed):
    points = followed[followed["series"] == "generated"].set_index("hours")
    assert points.index.tolist() == [1, 8, 64]
    assert points["specimens"].tolist() == [5] * 3
    assert points["observed"].tolist() == [True, False, True]
    assert points["distance"].tolist() == [0.0, 0.5, 0.0]


def test_curves_are_those_of_the_linkage_and_of_the_law(followed, linkage):
    curve = followed[followed["series"] == "linkage"]
    with pytest.warns(UserWarning, match="was seen"):
        predicted = linkage.predict(curve["condition"].tolist(), level=0.9).sel(target=TARGET)
    for name in ("mean", "low", "high"):
        np.testing.assert_allclose(curve[name], predicted[name])
    assert (curve["specimens"] == 0).all()
    fitted = followed.attrs["kinetics"]["real"]
    assert (fitted.rows, fitted.exponent, fitted.temperature) == (36, 3.0, "heat")
    line = followed[followed["series"] == "law of real"]
    np.testing.assert_allclose(line["mean"], fitted.predict(line["hours"].to_numpy(), 973.15))
    assert ((line["low"] < line["mean"]) & (line["mean"] < line["high"])).all()
    assert set(followed.attrs["kinetics"]) == {"real", "generated"}
    assert followed.attrs["at"] == AT


def test_growth_of_discs_is_followed(followed):
    points = followed[followed["series"] == "real"]
    radius = [law(700, hours) for hours in points["hours"]]
    assert np.corrcoef(points["mean"], radius)[0, 1] > 0.97


def test_without_values_the_longest_series_is_taken(real):
    part = real.isel(sample=np.flatnonzero(~np.isin(real["condition"], ["600-1-oil", "700-64-oil"])))
    found = psp.evolution(part, along="hours", target=TARGET)
    assert found.attrs["at"] == {"heat": 800.0, "bath": "oil"}
    across = psp.evolution(part, along="heat", target=TARGET, at={"hours": 4})
    assert across["heat"].tolist() == [600, 700, 800]


def test_a_single_specimen_has_no_interval(real):
    one = real.isel(sample=np.flatnonzero(np.char.endswith(real["specimen"].values.astype(str), "/0")))
    found = psp.evolution(one, along="hours", target=TARGET, at=AT)
    assert found["low"].isna().all()
    axes = figures.evolution(found).axes[0]
    assert axes.get_legend_handles_labels()[1] == ["real"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"along": "bath"}, "bath is nominal"),
        ({"along": "hours", "at": {"hours": 4}}, "cannot both change and be fixed"),
        ({"along": "hours", "at": {"heat": 500}}, "nothing was measured at heat 500"),
        ({"along": "hours", "at": {"heat": 900}}, "heat 900 lies outside"),
        ({"along": "hours", "target": "hardness"}, 'no descriptor "hardness"'),
    ],
)
def test_paths_that_are_none(real, settings, message):
    with pytest.raises(ValueError, match=message):
        psp.evolution(real, **({"target": TARGET} | settings))


def test_two_ensembles_of_one_origin(real):
    with pytest.raises(ValueError, match="2 ensembles are real"):
        psp.evolution(real, real, along="hours", target=TARGET)


def test_figure_shows_every_series(followed):
    axes = figures.evolution(followed).axes[0]
    labels = axes.get_legend_handles_labels()[1]
    assert labels == ["real", "generated", "linkage", "law of real", "law of generated"]
    assert axes.get_xlabel() == "hours (h)"
    assert axes.get_ylabel() == "mean chord length (µm)"
    with pytest.raises(ValueError, match=r"none that pspgan\.evolution gives"):
        figures.evolution(followed.assign().pipe(lambda f: type(f)(f.to_dict())))


def test_map_of_suggestions(linkage):
    wanted = {TARGET: linkage.predict("700-16-oil")["mean"].sel(target=TARGET).item()}
    axes = figures.suggestions(linkage, wanted).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("heat (°C)", "hours (h)")
    chance = axes.collections[0].get_array()
    assert 0 < chance.max() <= 1
    best = linkage.suggest(wanted, between=5)["probability"].iloc[0]
    assert chance.max() == pytest.approx(best)
    bath = figures.suggestions(linkage, wanted, factors=("bath", "heat")).axes[0]
    assert [label.get_text() for label in bath.get_xticklabels()] == ["oil", "water"]


def run(*words):
    return CliRunner().invoke(cli.app, [str(word) for word in words])


def test_commands(tmp_path, real, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_ensemble(real, "real.zarr", progress=False)
    compute_statistics("real.zarr", progress=False)
    made = run(
        "link", "real.zarr", "--regressor", "ridge", "--n-components", 1, "--descriptors", TARGET,
        "--feature", "hours=linear", "--feature", "heat=reciprocal",
    )  # fmt: skip
    assert made.exit_code == 0, made.exception
    loaded = Linkage.load("linkage")
    assert loaded.features == {"hours": "linear", "heat": "reciprocal"}
    assert loaded.features_of(loaded.conditions("600-4-oil"))[0, :2].tolist() == [1 / 600, 4.0]
    wanted = loaded.predict("700-16-oil")["mean"].sel(target=TARGET).item()
    words = "suggest", "linkage", "--target", f"{TARGET}={wanted}", "--figure", "map.png"
    table = run(*words)
    assert table.exit_code == 0, table.exception
    assert "probability" in table.stdout
    assert "nearest seen" in table.stdout
    assert (tmp_path / "map.png").stat().st_size > 1000
    rows = json.loads(run(*words, "--json", "--most", 3).stdout)["suggestions"]
    assert len(rows) == 3
    assert {"condition", "probability", "observed", "distance", "nearest"} < set(rows[0])
    assert isinstance(run("suggest", "linkage", "--target", TARGET).exception, ValueError)
    assert "is no number" in str(run("suggest", "linkage", "--target", f"{TARGET}=big").exception)
    words = "evolution", "real.zarr", "--along", "hours", "--at", "heat=700", "--descriptor", TARGET
    told = run(*words, "--linkage", "linkage", "--kinetics", "--exponent", 3)
    assert told.exit_code == 0, told.exception
    assert "activation energy Q" in told.stdout
    assert (tmp_path / "evolution.png").stat().st_size > 1000
    found = json.loads(run(*words, "--kinetics", "--exponent", 3, "--json").stdout)
    assert found["at"] == {"heat": 700.0, "bath": "oil"}
    assert found["kinetics"]["real"]["exponent"] == 3.0
