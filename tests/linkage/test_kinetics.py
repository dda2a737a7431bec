"""Growth laws: exact for exact data, right within their intervals, silent about what data do not tell."""

import math

import numpy as np
import pytest
from scipy.stats import t
from steel_tables import ALL, CONDITIONS, SPACE, fields_of
from synthetic import SPACE as BATHS, discs

from pspgan.linkage import fit_growth, fit_kinetics
from pspgan.linkage.growth_law import R, ln_size, slopes
from pspgan.sources.steel import Steel


def rows(conditions, specimens):
    """Times and temperatures (K) of specimens."""
    points = SPACE.conditions(conditions)
    return (
        np.repeat([p["time"] for p in points], specimens),
        np.repeat([p["temperature"] + 273.15 for p in points], specimens),
    )


def law_of(conditions):
    return np.array(
        [Steel().mean_diameter(c["temperature"], c["time"]) for c in SPACE.conditions(conditions)]
    )


def test_exact_sizes_give_the_exact_law():
    found = fit_growth(law_of(CONDITIONS), *rows(CONDITIONS, 1))
    assert found.exponent == pytest.approx(3.0, abs=1e-5)
    assert found.activation_energy == pytest.approx(234.0, abs=1e-3)
    assert found.initial == pytest.approx(0.12, rel=1e-5)
    # k at 800 degC as the simulator defines it: 0.27 um after 180 min.
    at_800 = found.k0 * math.exp(-found.activation_energy / (R * 1073.15))
    assert at_800 == pytest.approx((0.27**3 - 0.12**3) / 180, rel=1e-4)
    assert found.rate == pytest.approx(
        found.k0 * math.exp(-found.activation_energy / (R * found.reference_temperature)), rel=1e-9
    )
    np.testing.assert_allclose(found.predict(480.0, 1173.15), Steel().mean_diameter(900, 480), rtol=1e-6)
    assert found.predict(0.0) == pytest.approx(0.12, rel=1e-5)


def test_slopes_are_those_of_the_law():
    theta = np.array([2.7, math.log(0.1), math.log(3e-4), 190.0])
    ln_time, inverse = np.log([5.0, 90.0, 5100.0]), np.array([-3e-3, 0.0, 0.02])
    numeric = [
        (ln_size(theta + step, ln_time, inverse) - ln_size(theta - step, ln_time, inverse)) / 2e-5
        for step in 1e-5 * np.eye(4)
    ]
    np.testing.assert_allclose(slopes(theta, ln_time, inverse), np.stack(numeric, -1), rtol=1e-6, atol=1e-9)


@pytest.mark.slow
def test_intervals_hold_exponent_and_energy_as_often_as_they_say():
    """90 %; of 40 simulated data sets fewer than 31 would hold it once in 200."""
    time, kelvin = rows(CONDITIONS, 4)
    held = []
    for seed in range(40):
        size = fields_of(CONDITIONS, 4, 3, np.random.default_rng(seed)).mean(axis=2)[..., 0].ravel()
        found = fit_growth(size, time, kelvin)
        truth = {"exponent": 3.0, "activation_energy": 234.0}
        held.append([found.intervals[n][0] <= value <= found.intervals[n][1] for n, value in truth.items()])
        widths = [high - low for low, high in (found.intervals[name] for name in truth)]
        assert widths[0] < 1.2
        assert widths[1] < 80
    assert np.all(np.mean(held, axis=0) >= 0.775)
    assert np.all(np.mean(held, axis=0) < 1.0)


def test_profile_agrees_with_straight_lines_where_the_law_is_one():
    """With d0 nothing and n given, ln d^n is a line in 1/T, whose interval is a textbook's."""
    rng = np.random.default_rng(0)
    kelvin, time = np.tile([1000.0, 1100.0, 1200.0], 10), np.geomspace(1, 100, 30)
    size = (1e-6 + 5e6 * np.exp(-150 / (R * kelvin)) * time) ** (1 / 3) * np.exp(rng.normal(0, 0.05, 30))
    found = fit_growth(size, time, kelvin, exponent=3.0, initial=1e-6)
    y, x = 3 * np.log(size) - np.log(time), -1 / (R * kelvin)
    slope, covariance = np.polyfit(x, y, 1, cov="unscaled")
    residual = y - np.polyval(slope, x)
    half = t.ppf(0.95, 28) * math.sqrt(covariance[0, 0] * np.sum(residual**2) / 28)
    assert found.activation_energy == pytest.approx(slope[0], rel=1e-5)
    np.testing.assert_allclose(
        found.intervals["activation_energy"], (slope[0] - half, slope[0] + half), rtol=2e-3
    )
    assert found.dof == 28


def test_an_exponent_that_cannot_be_told_is_not():
    """Two times leave n and d0 to each other."""
    rng = np.random.default_rng(1)
    time = np.repeat([5.0, 90.0], 6)
    size = (0.12**3 + 1e-4 * time) ** (1 / 3) * np.exp(rng.normal(0, 0.1, 12))
    found = fit_growth(size, time)
    assert "exponent" in found.unidentified
    assert any("Not identifiable: exponent" in sentence for sentence in found.caveats())
    assert "not to be had" in found.summary()
    assert math.isnan(found.activation_energy)
    given = fit_growth(size, time, exponent=3.0)
    assert given.intervals["exponent"] == (3.0, 3.0)
    assert "exponent" not in given.unidentified
    assert "(given)" in given.summary()


def test_what_is_no_growth_law_is_found_out():
    time, kelvin = rows(CONDITIONS, 4)
    rng = np.random.default_rng(0)
    wrong = np.repeat(1 + 0.8 * np.sin(3 * np.log(law_of(CONDITIONS))), 4) * np.exp(rng.normal(0, 0.05, 92))
    found = fit_growth(wrong, time, kelvin)
    assert found.lack_of_fit < 1e-3
    assert any("does not describe the means" in sentence for sentence in found.caveats())
    right = fit_growth(np.repeat(law_of(CONDITIONS), 4) * np.exp(rng.normal(0, 0.05, 92)), time, kelvin)
    assert right.lack_of_fit > 0.01
    assert right.caveats() == []


def test_a_band_narrows_where_the_data_are():
    time, kelvin = rows(ALL[:20], 2)
    size = fields_of(ALL[:20], 2, 3, np.random.default_rng(0)).mean(axis=2)[..., 0].ravel()
    found = fit_growth(size, time, kelvin)
    low, high = found.band(np.array([90.0, 1e6]))
    assert np.all(low < found.predict(np.array([90.0, 1e6])))
    assert high[1] / low[1] > 1.5 * high[0] / low[0]


@pytest.mark.parametrize(
    ("size", "time", "more", "message"),
    [
        ([1, 2, 0], [1, 2, 3], {}, "size: row 2 is 0"),
        ([1, 2], [1, 2, 3], {}, "2 sizes, 3 times"),
        ([1, 2, 3], [5, 5, 5], {}, "all times are the same"),
        ([1, 2, 3], [1, 2, 3], {}, "3 specimens for 3 parameters"),
        ([1, 2, 3], [1, 2, 3], {"exponent": -1.0}, "exponent is -1"),
        ([1, 2, 3], [1, 2, 3], {"level": 90}, "level is 90"),
    ],
)
def test_data_that_cannot_be(size, time, more, message):
    with pytest.raises(ValueError, match=message):
        fit_growth(size, time, **more)


def test_roles_follow_from_units():
    """Factors called heat and hours: a temperature and a time all the same."""
    conditions = [f"{heat}-{hours}-oil" for heat in (500, 600, 700, 800) for hours in (1, 4, 16, 64)]
    steel = discs(conditions, fields=2)
    found = fit_kinetics(steel, "mean_chord_length_um", at={"bath": "oil"}, exponent=2.0)
    assert (found.time, found.temperature, found.time_unit, found.unit) == ("hours", "heat", "h", "um")
    assert found.rows == 32
    mixed = discs([*conditions, "800-64-water"], fields=1)
    with pytest.raises(ValueError, match=r"differ in bath \(oil, water\)"):
        fit_kinetics(mixed, "mean_chord_length_um")
    with pytest.raises(ValueError, match="no specimen with bath water"):
        fit_kinetics(steel, "mean_chord_length_um", at={"bath": "water"})
    with pytest.raises(ValueError, match="bath cannot be the time"):
        fit_kinetics(steel, "mean_chord_length_um", at={"bath": "oil"}, time="bath")
    with pytest.raises(ValueError, match='no descriptor "hardness"'):
        fit_kinetics(steel, "hardness")
    assert BATHS.names == ("heat", "hours", "bath")


@pytest.mark.parametrize("seed", [4, 6, 18, 20])
def test_sizes_that_follow_no_law_have_intervals_all_the_same(seed):
    """Scatter alone, as of few real specimens: hardly anything is excluded, and the best fit lies within."""
    rng = np.random.default_rng(seed)
    time = rng.choice([5, 90, 180, 480, 1440, 5100.0], 15)
    kelvin = 273.15 + rng.choice([700, 800, 900, 970, 1000.0], 15)
    found = fit_growth(np.exp(rng.normal(0, 0.5, 15)), time, kelvin)
    for name, value in {"exponent": found.exponent, "activation_energy": found.activation_energy}.items():
        low, high = found.intervals[name]
        assert low <= value <= high
