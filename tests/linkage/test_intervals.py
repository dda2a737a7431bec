"""Intervals of predictions: as wide as they say, on the scale that the scatter asks for."""

import numpy as np
import pytest
from scipy.stats import t
from steel_tables import ALL, CONDITIONS, RANGES, SPACE, TARGETS, UNITS, fields_of, table_of

from pspgan.linkage.features import factor_of_column, process_features
from pspgan.linkage.regression import BoostingRegressor, TargetRegressor, scatters_in_proportion
from pspgan.linkage.validation import validate

FACTOR = factor_of_column(SPACE)
SEEN = process_features(SPACE, SPACE.conditions(CONDITIONS))
EVERYWHERE = process_features(SPACE, SPACE.conditions(ALL))
IS_SEEN = np.isin(ALL, [str(c) for c in SPACE.conditions(CONDITIONS)])


def coverage(regressor, repeats, specimens=2, fields=3):
    """Share of new specimens inside their 90 % interval: (target, seen or unseen condition)."""
    inside = {name: [] for name in TARGETS}
    X, groups = np.repeat(SEEN, specimens, axis=0), np.arange(len(SEEN) * specimens)
    for seed in range(repeats):
        k, rng = seed % 2, np.random.default_rng(seed)
        seen = fields_of(CONDITIONS, specimens, fields, rng).mean(axis=2)[..., k].ravel()
        new = fields_of(ALL, 1, fields, rng).mean(axis=2)[:, 0, k]
        model = TargetRegressor(FACTOR, regressor).fit(X, seen, groups)
        low, high = model.interval(EVERYWHERE, 0.9)
        held = (low <= new) & (new <= high)
        inside[TARGETS[k]].append((held[IS_SEEN].mean(), held[~IS_SEEN].mean()))
    return np.array([np.mean(inside[name], axis=0) for name in TARGETS])


@pytest.mark.slow
def test_ninety_per_cent_intervals_cover_over_200_simulations():
    """New specimens of the 23 conditions that were seen, and of the 97 that were not."""
    found = coverage("gaussian_process", 200)
    assert np.all((found > 0.85) & (found < 0.96)), found
    assert 0.85 < found.mean() < 0.95


def test_student_s_quantile_belongs_to_few_rows():
    """Of a mean of five normal values, an interval is the textbook's for one more value."""
    y = np.random.default_rng(0).normal(-3.0, 2.0, 5)
    model = TargetRegressor(np.zeros(1, int), "mean").fit(np.zeros((5, 1)), y, np.arange(5))
    half = t.ppf(0.95, 4) * y.std(ddof=1) * np.sqrt(1 + 1 / 5)
    low, high = model.interval(np.zeros((1, 1)), 0.9)
    np.testing.assert_allclose([low[0], high[0]], [y.mean() - half, y.mean() + half])
    assert model.dof_ == 4
    np.testing.assert_allclose(model.probability(np.zeros((1, 1)), low[0], high[0]), 0.9)


def test_nothing_is_predicted_beyond_what_a_target_can_be():
    """A straight line through rising shares would leave [0, 1] at both ends."""
    X = np.linspace(0.1, 0.9, 20)[:, None]
    y = X[:, 0] + np.random.default_rng(0).normal(0, 0.02, 20)
    free, held = (
        TargetRegressor(np.zeros(1, int), "ridge", bounds).fit(X, y, np.arange(20))
        for bounds in ((-np.inf, np.inf), (0.0, 1.0))
    )
    wide = np.linspace(-1, 2, 7)[:, None]
    np.testing.assert_array_equal(held.predict(wide), np.clip(free.predict(wide), 0, 1))
    for beyond, within in zip(free.interval(wide, 0.9), held.interval(wide, 0.9), strict=True):
        assert beyond.min() < 0
        assert beyond.max() > 1
        np.testing.assert_array_equal(within, np.clip(beyond, 0, 1))


def test_scatter_decides_on_the_logarithm():
    rng = np.random.default_rng(0)
    X = np.repeat(np.arange(10.0), 6)[:, None]
    mean = 2.0 ** X[:, 0]
    assert scatters_in_proportion(X, mean * np.exp(rng.normal(0, 0.2, 60)))
    assert not scatters_in_proportion(X, 100 + mean + rng.normal(0, 20, 60))
    assert not scatters_in_proportion(X, rng.normal(0, 1, 60))  # not positive
    assert not scatters_in_proportion(np.arange(60.0)[:, None], np.exp(rng.normal(size=60)))  # no repeats


def test_means_of_skewed_targets_are_means():
    """The mean of exp(normal) is exp(mu + sigma^2 / 2), and its interval is that of the normal."""
    rng = np.random.default_rng(1)
    X = np.tile([[0.0], [1.0]], (500, 1))
    y = np.exp(1.0 + X[:, 0] + rng.normal(0, 0.5, 1000))
    model = TargetRegressor(np.zeros(1, int), "ridge").fit(X, y, np.arange(1000))
    assert model.log_
    mean, std = model.predict(np.array([[0.0], [1.0]]), return_std=True)
    np.testing.assert_allclose(mean, np.exp([1.125, 2.125]), rtol=0.06)
    np.testing.assert_allclose(std / mean, np.sqrt(np.expm1(0.25)), rtol=0.08)
    low, high = model.interval(np.array([[0.0]]), 0.9)
    np.testing.assert_allclose(np.log([low[0], high[0]]), 1 + 0.5 * 1.645 * np.array([-1, 1]), atol=0.08)


def step_data(rng, n=400):
    """What trees are made for: a corner in two factors."""
    X = rng.uniform(-1, 1, (n, 2))
    return X, np.where((X[:, 0] > 0) & (X[:, 1] > 0), 2.0, -2.0) + rng.normal(0, 0.3, n)


def test_trees_are_chosen_for_steps_and_know_their_error():
    rng = np.random.default_rng(0)
    X, y = step_data(rng)
    model = TargetRegressor(np.arange(2), "auto").fit(X, y, np.arange(len(y)))
    assert model.regressor_ == "gradient_boosting"
    new, truth = step_data(rng, 2000)
    mean, std = model.predict(new, return_std=True)
    assert np.sqrt(np.mean((truth - mean) ** 2)) == pytest.approx(std[0], rel=0.35)
    low, high = model.interval(new, 0.9)
    assert 0.85 < np.mean((low <= truth) & (truth <= high)) < 0.98


def test_the_error_of_trees_is_of_held_out_groups():
    """Rows of one group are copies: held out by row, trees would seem to know them."""
    rng = np.random.default_rng(0)
    X = np.repeat(rng.normal(size=(30, 3)), 4, axis=0)
    y = np.repeat(rng.normal(size=30), 4)
    by_group = BoostingRegressor().fit(X, y, np.repeat(np.arange(30), 4)).std_
    by_row = BoostingRegressor().fit(X, y, np.arange(120)).std_
    assert by_group > 0.8 * y.std() > by_row


def test_trees_that_are_wrong_between_levels_are_not_chosen():
    """Few levels, many specimens: held-out specimens alone would reward learning the levels by heart."""
    rng = np.random.default_rng(2)
    X = np.repeat(np.linspace(-1.5, 1.5, 8), 30)[:, None]
    y = 5 * X[:, 0] + rng.normal(0, 0.2, len(X))
    assert TargetRegressor(np.zeros(1, int), "auto").fit(X, y, np.arange(len(y))).regressor_ in (
        "ridge",
        "gaussian_process",
    )


def test_lengths_of_features_differ_where_rows_call_for_it():
    """A sharp edge in one feature and a plane in the other; half of the places are held out."""
    rng = np.random.default_rng(0)
    x = np.linspace(-2, 2, 13)
    X = np.stack(np.meshgrid(x, x), axis=-1).reshape(-1, 2)
    truth = np.tanh(4 * X[:, 0]) + 0.3 * X[:, 1]
    y = truth + rng.normal(0, 0.1, len(X))
    held = rng.permutation(len(X)) < len(X) // 2
    model = TargetRegressor(np.arange(2), "gaussian_process").fit(
        X[~held], y[~held], np.arange(np.sum(~held))
    )
    edge, plane = model.model_.kernel_.k1.k2.length_scale
    assert edge < 0.6 < 3 < plane
    assert np.sqrt(np.mean((model.predict(X[held]) - truth[held]) ** 2)) < 0.12
    smooth = np.sin(X[:, 0]) + np.sin(X[:, 1])  # both alike: one length is as good
    alike = TargetRegressor(np.arange(2), "gaussian_process").fit(
        X, smooth + rng.normal(0, 0.1, len(X)), np.arange(len(X))
    )
    assert np.ndim(alike.model_.kernel_.k1.k2.length_scale) == 0


def test_between_few_levels_is_what_lies_between():
    """Of three levels that decide, beside a factor that does not, none is a group of its own."""
    rng = np.random.default_rng(0)
    X = np.repeat([[a, b] for a in (0.0, 1.0, 2.0) for b in (0.0, 1.0, 2.0)], 3, axis=0)
    y = 0.35 - 0.1 * X[:, 0] + rng.normal(0, 0.02, len(X))
    model = TargetRegressor(np.arange(2), "gaussian_process").fit(X, y, np.arange(len(y)))
    between = model.predict(np.array([[0.5, 1.0], [1.5, 1.0]]))
    np.testing.assert_allclose(between, [0.30, 0.20], atol=0.02)


def test_few_rows_have_no_trees():
    X = np.linspace(0, 1, 12)[:, None]
    model = TargetRegressor(np.zeros(1, int), "auto").fit(X, X[:, 0], np.arange(12))
    assert set(model.errors_) == {"mean", "ridge", "gaussian_process"}


@pytest.mark.slow
def test_held_out_conditions_of_the_simulated_steel_are_predicted():
    """All 120 combinations, two specimens of six fields: scatter is then a tenth of what process does."""
    table = table_of(fields_of(ALL, 2, 6, np.random.default_rng(0)), ALL)
    X = process_features(SPACE, SPACE.conditions(table.condition.tolist()))
    scores = validate(X, FACTOR, table, TARGETS, UNITS, RANGES, "gaussian_process", 0)
    held_out = scores[scores["held_out"] == "conditions"].set_index("target")
    assert held_out["groups"].tolist() == [120, 120]
    assert (held_out["r2"] >= 0.9).all()
    assert held_out["coverage"].between(0.85, 0.95).all()
