"""Conditions: notation, interpolation, labels of Eq. 2, 3 and 5, JSON."""

import itertools

import numpy as np
import pytest

from pspgan.process import ConditionError, Factor, ProcessSpace


@pytest.fixture(scope="module")
def space():
    return ProcessSpace.uhcsdb()


@pytest.mark.parametrize(
    ("text", "values", "canonical", "label"),
    [
        ("800-5-Q", (800, 5, "Q"), "800-5-Q", "800-5-Q"),
        ("800-24H-Q", (800, 1440, "Q"), "800-1440-Q", "800-24H-Q"),
        ("970-90M-FC", (970, 90, "FC"), "970-90-FC", "970-90-FC"),
        ("1100-1H-650-1H", (1100, 60, "650-1H"), "1100-60-650-1H", "1100-1H-650-1H"),
        (" 850-6h-q ", (850, 360, "Q"), "850-360-Q", "850-6H-Q"),
        ("700.5-7.25-AR", (700.5, 7.25, "AR"), "700.5-7.25-AR", "700.5-7.25-AR"),
    ],
)
def test_notation_is_read_and_printed(space, text, values, canonical, label):
    condition = space.condition(text)
    assert condition.values == values
    assert (str(condition), condition.label) == (canonical, label)
    assert space.condition(canonical) == space.condition(label) == condition


def test_every_combination_survives_printing_and_reading(space):
    assert len(space.all_conditions) == 7 * 8 * 4
    for condition in space.all_conditions:
        assert space.condition(str(condition)) == condition
        assert space.condition(condition.label) == condition
        assert space.condition(condition.as_dict()) == condition


def test_negative_numbers_and_levels_with_hyphens():
    space = ProcessSpace(
        (
            Factor("bath", ("oil", "oil-hot", "air"), "nominal"),
            Factor("temperature", (-196, 25), "ordinal", unit="degC"),
        )
    )
    assert space.condition("oil-hot--196").values == ("oil-hot", -196)
    assert space.condition("oil--20").values == ("oil", -20)


def test_a_text_with_two_readings_is_refused():
    space = ProcessSpace((Factor("a", ("x", "x-y"), "nominal"), Factor("b", ("y-z", "z"), "nominal")))
    assert space.condition("x-z").values == ("x", "z")
    with pytest.raises(ConditionError, match="2 ways"):
        space.condition("x-y-z")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("800-5-WQX", 'cooling "WQX" is none of Q, FC, AR, 650-1H'),
        ("1200-5-Q", "temperature 1200 lies outside 700 to 1100 degC"),
        ("800-4-Q", "time 4 lies outside 5 to 5100 min"),
        ("800-5D-Q", 'unit letter "D" is unknown; write a number of min, or one with M or H'),
        ("850C-6H-Q", 'temperature "850C": unit letter "C" is unknown; write a number of degC alone'),
        ("800-5", "cooling"),
        ("hot-5-Q", 'temperature "hot" is not a number'),
        ("800-5-Q-Q", '"Q" is left over'),
        ("", "temperature"),
    ],
)
def test_what_cannot_be_read_is_named(space, text, message):
    with pytest.raises(ConditionError) as error:
        space.condition(text)
    assert message in str(error.value)
    assert f'"{text}"' in str(error.value)


def test_mappings_and_sequences_are_checked(space):
    with pytest.raises(ConditionError, match="do not match"):
        space.condition({"temperature": 800, "time": 5})
    with pytest.raises(ConditionError, match="2 values for the 3 factors"):
        space.condition([800, 5])
    with pytest.raises(KeyError, match="no factor"):
        space.condition("800-5-Q")["pressure"]


def test_encoding_is_one_hot_on_levels(space):
    weights = space.encode(space.all_conditions)
    assert weights.shape == (224, 19)
    assert weights.dtype == np.float32
    assert set(np.unique(weights)) == {0, 1}
    for part, factor in zip(space.slices, space.factors, strict=True):
        assert np.all(weights[:, part].sum(axis=1) == 1)
        for condition, row in zip(space.all_conditions, weights[:, part], strict=True):
            assert factor.levels[row.argmax()] == condition[factor.name]


def test_encoding_interpolates_along_the_axis(space):
    # 6 h lies between 180 and 480 min on a log axis, 850 degC half way between 800 and 900.
    weights = space.encode("850-6H-Q")[0]
    temperature, time, _ = (weights[part] for part in space.slices)
    assert temperature[[1, 2]].tolist() == [0.5, 0.5]
    share = np.log(360 / 180) / np.log(480 / 180)
    assert time[[2, 4]] == pytest.approx([1 - share, share], abs=1e-6)
    assert weights.sum() == pytest.approx(3)
    assert np.count_nonzero(weights) == 5


def test_interpolation_is_continuous_and_keeps_the_coordinate(space):
    factor = space["time"]
    axis = np.log(np.array(factor.levels))
    for value in np.geomspace(5, 5100, 97):
        weights = factor.weights(value)
        assert weights.min() >= 0
        assert weights @ axis == pytest.approx(np.log(value))
        assert np.count_nonzero(weights) <= 2


def test_targets_are_those_of_the_paper(space):
    # Eq. 2 and 5: temperature, 7 + time, 15 + cooling, real = 19; Eq. 3: fake = 20.
    for (i, t), (j, m), (k, c) in itertools.product(*(list(enumerate(f.levels)) for f in space.factors)):
        assert np.flatnonzero(space.target([t, m, c])).tolist() == [i, 7 + j, 15 + k, 19]
    fake = space.target("800-5-Q", real=False)
    assert np.flatnonzero(fake).tolist() == [20]
    assert fake.shape == (21,)


def test_between_levels_neither_neighbour_is_right_or_wrong(space):
    target = space.target("850-5-Q")
    assert np.flatnonzero(target == -1).tolist() == [1, 2]
    assert np.flatnonzero(target == 1).tolist() == [7 + 3, 15, 19]


def test_json_round_trip(space):
    seen = space.observing(["800-5-Q", "1100-1H-650-1H", "812.5-6H-FC"])
    again = ProcessSpace.from_json(seen.to_json())
    assert again == seen
    assert again.condition("1100-60-650-1H").observed
    assert not again.condition("800-5-FC").observed
    with pytest.raises(ValueError, match="not the JSON of a process space"):
        ProcessSpace.from_json("{}")


def test_inferred_space():
    space = ProcessSpace.infer(
        {"strain": [0.1, 0.3, 0.1], "bath": ["oil", "air", "air"]},
        units={"strain": "-"},
        scales={"strain": "log"},
    )
    assert [f.kind for f in space.factors] == ["ordinal", "nominal"]
    assert space["strain"].levels == (0.1, 0.3)
    assert [str(c) for c in space.observed_conditions] == ["0.1-air", "0.1-oil", "0.3-air"]


def test_difference_names_the_factor(space):
    other = ProcessSpace((*space.factors[:2], Factor("cooling", ("Q", "FC"), "nominal")))
    assert "cooling: Q, FC, AR, 650-1H" in space.difference(other)
    assert space.difference(ProcessSpace.uhcsdb().observing(["800-5-Q"])) == ""


@pytest.mark.parametrize(
    ("factor", "message"),
    [
        (("t", (), "ordinal"), "no levels"),
        (("t", (1, 1.0), "ordinal"), "repeats"),
        (("t", (0, 1), "ordinal", "min", "log"), "log axis"),
        (("t", (1, float("nan")), "ordinal"), "finite"),
        (("t", ("a", ""), "nominal"), "without a name"),
        (("t", (1,), "cardinal"), "neither"),
    ],
)
def test_impossible_factors_are_refused(factor, message):
    with pytest.raises(ValueError, match=message):
        Factor(*factor)


SCALED = ProcessSpace.uhcsdb().with_pixel_sizes([0.4, 0.1])


@pytest.mark.parametrize(
    "text",
    [
        "800-90M-Q-0.1",
        "800-90-q-0.1",
        "800-90M-Q@0.1",
        "800-90M-Q @ 0.1 um/px",
        "800-90M-Q at 0.1 um/px",
        "800-90M-Q at 0.1 µm",
    ],
)
def test_the_pixel_size_is_the_last_value(text):
    condition = SCALED.condition(text)
    assert condition.values == (800, 90, "Q", 0.1)
    assert (str(condition), condition.label) == ("800-90-Q-0.1", "800-90-Q-0.1")
    assert (condition.treatment, condition.pixel_size) == ("800-90-Q", 0.1)


def test_pixel_sizes_between_levels_lie_on_a_log_axis():
    assert SCALED["pixel_size"].levels == (0.1, 0.4)
    weights = SCALED.encode("1100-1H-650-1H at 0.2 um/px")[0]
    np.testing.assert_allclose(weights[SCALED.slices[3]], [0.5, 0.5])
    assert SCALED.condition("1100-1H-650-1H-0.2").treatment == "1100-60-650-1H"
    with pytest.raises(ConditionError, match=r"pixel_size 0\.5 lies outside 0\.1 to 0\.4 um"):
        SCALED.condition("800-90M-Q at 0.5 um/px")
    with pytest.raises(ConditionError, match=r"pixel_size is missing; it has 0\.1, 0\.4 \(notation: "):
        SCALED.condition("800-90M-Q")


def test_at_is_notation_of_pixel_sizes_only(space):
    assert np.isnan(space.condition("800-90-Q").pixel_size)
    assert space.condition("800-90-Q").treatment == "800-90-Q"
    with pytest.raises(ConditionError, match=r'cooling "Q at 0\.1 um/px"'):
        space.condition("800-90-Q at 0.1 um/px")
    odd = ProcessSpace((Factor("bath", ("oil at 3", "oil"), "nominal"),))
    assert odd.condition("oil at 3")["bath"] == "oil at 3"
    assert odd.with_pixel_sizes([0.1]).condition("oil at 3 at 0.1").values == ("oil at 3", 0.1)


def test_a_pixel_size_that_is_something_else_is_refused():
    assert ProcessSpace.from_json(SCALED.to_json()) == SCALED
    nominal = Factor("pixel_size", ("fine", "coarse"), "nominal")
    with pytest.raises(ValueError, match=r"is the size of a pixel, .*not nominal.*another name"):
        ProcessSpace((nominal,))
    with pytest.raises(ValueError, match='not ordinal with unit "nm"'):
        ProcessSpace((Factor("pixel_size", (100, 200), "ordinal", unit="nm"),))
    with pytest.raises(ValueError, match="has to be the last; heat comes after it"):
        ProcessSpace((SCALED["pixel_size"], Factor("heat", (1, 2), "ordinal")))
