"""What gives away what: shares against closed forms, and what chance alone makes of few specimens."""

import numpy as np
import pytest
from scipy.stats import entropy, f_oneway

from pspgan import ensemble
from pspgan.inspection import confounding
from pspgan.process import Factor, ProcessSpace

SPACE = ProcessSpace((Factor("bath", ("oil", "air", "salt"), "nominal"),))


def dataset(bath, size, label, specimen=None):
    n = len(bath)
    return ensemble.build(
        np.zeros((n, 8, 8), np.uint8),
        [[name] for name in bath],
        SPACE,
        origin="real",
        specimen=specimen or [str(k) for k in range(n)],
        um_per_px=size,
        microconstituent=label,
    )


def row(data, of, by):
    table = confounding(data).set_index(["property", "told_by"])
    return table.loc[(of, by)]


def test_shares_are_those_of_variance_and_of_entropy():
    rng = np.random.default_rng(0)
    bath = rng.choice(["oil", "air", "salt"], 90)
    size = np.exp(rng.normal(0, 1, 90) + 0.8 * (bath == "oil"))
    label = np.where(rng.random(90) < np.where(bath == "air", 0.9, 0.2), "fine", "coarse")
    data = dataset(bath, size, label)
    groups = [np.log(size[bath == name]) for name in SPACE["bath"].levels]
    f = f_oneway(*groups).statistic
    assert row(data, "um_per_px", "bath")["share"] == pytest.approx(2 * f / (2 * f + 87))
    left = sum(
        np.mean(bath == name)
        * entropy([np.mean(label[bath == name] == which) for which in ("fine", "coarse")])
        for name in SPACE["bath"].levels
    )
    whole = entropy([np.mean(label == which) for which in ("fine", "coarse")])
    assert row(data, "microconstituent", "bath")["share"] == pytest.approx(1 - left / whole)


def test_what_settles_everything_and_what_nothing():
    bath = ["oil", "air", "salt"] * 20
    label = ["fine"] * 30 + ["coarse"] * 30
    data = dataset(bath, [0.1 if name == "fine" else 2.0 for name in label], label)
    assert row(data, "um_per_px", "microconstituent")["share"] == pytest.approx(1)
    assert row(data, "um_per_px", "microconstituent")["by_chance"] < 0.15
    nothing = row(data, "um_per_px", "bath")
    assert nothing["share"] == pytest.approx(0, abs=1e-9)
    assert nothing["micrographs"] == 60


def test_chance_deals_out_whole_specimens():
    # Every specimen has a pixel size of its own: three specimens "settle" it, and would whatever their bath.
    specimen = [name for name in "abcdef" for _ in range(10)]
    bath = [("oil", "air", "salt")[ord(name) % 3] for name in specimen]
    size = [0.1 * 1.7 ** ord(name) for name in specimen]
    found = row(dataset(bath, size, ["fine", "coarse"] * 30, specimen), "um_per_px", "bath")
    assert 0.1 < found["share"] < found["by_chance"]
    alone = row(dataset(bath, size, ["fine", "coarse"] * 30), "um_per_px", "bath")
    assert alone["share"] == found["share"]
    assert alone["by_chance"] < 0.15


def test_unknown_values_and_what_does_not_vary_are_left_out():
    bath = ["oil", "air"] * 10
    data = dataset(bath, [np.nan] * 4 + [0.1, 0.2] * 8, ["", "fine"] + ["fine", "coarse"] * 9)
    table = confounding(data).set_index(["property", "told_by"])
    assert table.loc[("um_per_px", "bath"), "micrographs"] == 16
    assert table.loc[("microconstituent", "bath"), "micrographs"] == 19
    same = dataset(["oil"] * 6, [0.1] * 6, ["fine"] * 6)
    assert confounding(same).empty


def test_factors_that_go_together_are_found():
    """Salt baths were only ever hot: the bath follows from half of the temperatures."""
    space = ProcessSpace((Factor("heat", (700, 800, 900), "ordinal"), SPACE.factors[0]))
    heat, bath = [700, 800] * 20 + [900] * 20, ["oil", "oil", "air", "air"] * 10 + ["salt"] * 20
    data = ensemble.build(
        np.zeros((60, 8, 8), np.uint8),
        list(zip(heat, bath, strict=True)),
        space,
        origin="real",
        specimen=[str(k) for k in range(60)],
    )
    table = confounding(data).set_index(["property", "told_by"])
    assert set(table.index) == {("heat", "bath"), ("bath", "heat")}
    # Three equal thirds each, of which one is settled and two are told apart no better than by a coin.
    assert table["share"].tolist() == pytest.approx([1 - (2 / 3) * np.log(2) / np.log(3)] * 2)
    assert (table["by_chance"] < 0.2).all()


def test_a_pixel_size_that_is_a_factor_is_no_finding_of_itself():
    space = SPACE.with_pixel_sizes([0.1, 0.4])
    sizes = [0.1, 0.4] * 6
    data = ensemble.build(
        np.zeros((12, 8, 8), np.uint8),
        [("oil", size) for size in sizes],
        space,
        origin="real",
        specimen=[str(k) for k in range(12)],
        um_per_px=sizes,
        microconstituent=["fine", "coarse"] * 6,
    )
    table = confounding(data).set_index(["property", "told_by"])
    assert set(table.index) == {("um_per_px", "microconstituent"), ("microconstituent", "pixel_size")}
    assert table.loc[("microconstituent", "pixel_size"), "share"] == pytest.approx(1)
