"""How far predictions are from what was seen, in predictions and suggestions; and what factors enter as."""

import warnings

import numpy as np
import pytest
from synthetic import SPACE, discs, grid_conditions

import pspgan as psp
from pspgan.linkage import Linkage
from pspgan.linkage.distance import nearest_observed
from pspgan.linkage.features import check_features, feature_names, process_features
from pspgan.process import Factor, ProcessSpace


def test_steps_are_counted_along_axes_and_summed():
    space = SPACE.observing(["500-1-oil", "800-64-water"])
    asked = {
        "500-1-oil": (0.0, "500-1-oil"),
        "550-1-oil": (0.5, "500-1-oil"),
        "500-2-oil": (0.5, "500-1-oil"),  # half-way on a log axis from 1 to 4 h
        "600-4-water": (3.0, "500-1-oil"),
        "800-16-oil": (2.0, "800-64-water"),
    }
    steps, nearest = nearest_observed(space, space.conditions(list(asked)))
    np.testing.assert_allclose(steps, [step for step, _ in asked.values()])
    assert [str(c) for c in nearest] == [name for _, name in asked.values()]


def test_order_of_levels_does_not_matter():
    """UHCSDB's levels stand in the order of its checkpoint, not of their values."""
    space = psp.ProcessSpace.uhcsdb().observing(["700-5-Q"])
    (steps,), _ = nearest_observed(space, space.conditions(["800-5-Q"]))
    assert steps == 2


def test_nominal_factors_alone():
    space = ProcessSpace((Factor("route", ("cast", "forged", "printed"), "nominal"),)).observing(["cast"])
    steps, _ = nearest_observed(space, space.conditions(["cast", "printed"]))
    assert steps.tolist() == [0, 1]


@pytest.fixture(scope="module")
def fitted():
    return Linkage(1, "ridge", ("mean_chord_length",)).fit(discs(grid_conditions(4), fields=2))


def test_predictions_and_suggestions_say_how_far(fitted):
    seen = str(fitted.space_.observed_conditions[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that one is unseen is the point
        predicted = fitted.predict([seen, "650-8-water"], return_std=True, level=0.9)
    assert predicted["distance"].values[0] == 0
    assert predicted["distance"].values[1] > 0
    assert predicted["nearest"].values[0] == seen
    assert (predicted["low"] < predicted["mean"]).all()
    assert (predicted["mean"] < predicted["high"]).all()
    wide = fitted.predict([seen], level=0.99)
    assert (wide["high"] - wide["low"] > (predicted["high"] - predicted["low"]).isel(condition=[0])).all()
    wanted = float(predicted["mean"].sel(target="mean_chord_length")[0])
    table = fitted.suggest({"mean_chord_length": wanted})
    assert ((table["distance"] == 0) == table["observed"]).all()
    with pytest.raises(ValueError, match="level is 90"):
        fitted.predict(seen, level=90)


def test_a_misspelt_target_is_put_right(fitted):
    with pytest.raises(ValueError, match=r'did you mean "mean_chord_length"\?'):
        fitted.suggest({"mean_chord_lenght": 4.0})


def test_factors_enter_as_the_user_says():
    chosen = {"hours": "linear", "heat": "log"}
    assert feature_names(SPACE, chosen)[:2] == ["ln heat (degC)", "hours (h)"]
    features = process_features(SPACE, SPACE.conditions(["500-4-oil"]), chosen)
    np.testing.assert_allclose(features, [[np.log(500), 4, 1, 0]])
    inverse = process_features(SPACE, SPACE.conditions(["500-4-oil"]), {"hours": "reciprocal"})
    np.testing.assert_allclose(inverse[0, :2], [1 / 773.15, 0.25])


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"pressure": "log"}, 'no factor "pressure"'),
        ({"bath": "log"}, "bath is nominal"),
        ({"hours": "cubic"}, '"cubic" is none of linear, log, reciprocal, arrhenius'),
        ({"hours": "arrhenius"}, 'unit "h"; take reciprocal'),
    ],
)
def test_features_that_cannot_be(features, message):
    with pytest.raises(ValueError, match=message):
        check_features(SPACE, features)
    with pytest.raises(ValueError, match=message):
        Linkage(features=features).fit(discs(["500-1-oil", "600-1-oil"], fields=1))


def test_a_split_with_a_specimen_on_both_sides_is_refused():
    leaking = psp.split(discs(grid_conditions(4), specimens=3, fields=2), held_out=0.3)
    values = leaking["split"].values.copy()
    first = np.flatnonzero(values == "held_out")[0]
    values[first] = "train"
    leaking["split"] = ("sample", values)
    with pytest.raises(psp.EnsembleError, match=leaking["specimen"].values[first]):
        Linkage(1, "ridge", ()).fit(leaking)
