"""Variance components against simulated ones of known size, and against the textbook's sums."""

import numpy as np
import pytest
from steel_tables import CONDITIONS, table_of

from pspgan.linkage.structure import SpecimenTable
from pspgan.linkage.variances import components_of

FIELD, SPECIMEN, CONDITION, GENERATOR = 0.5, 0.8, 1.5, 0.6


def draw(rng, specimens=6, fields=5, own=None):
    own = rng.normal(0, CONDITION, len(CONDITIONS)) if own is None else own
    values = own[:, None, None] + rng.normal(0, SPECIMEN, (len(own), specimens, 1))
    return own, (values + rng.normal(0, FIELD, (len(own), specimens, fields)))[..., None]


def of(found, component, origin="simulated"):
    return found.query("component == @component and origin == @origin").iloc[0]


def joined(*tables):
    names = SpecimenTable.__dataclass_fields__
    return SpecimenTable(*(np.concatenate([getattr(t, name) for t in tables]) for name in names))


def test_components_of_known_size():
    """Means over repeated draws are unbiased, and intervals hold the truth nearly as often as they say."""
    truth = {"field": FIELD**2, "specimen": SPECIMEN**2, "condition": CONDITION**2}
    found = {name: [] for name in truth}
    for seed in range(40):
        _, values = draw(np.random.default_rng(seed))
        table = components_of(table_of(values, CONDITIONS), ("t",), ("um",), seed=0)
        for name in truth:
            found[name].append(of(table, name)[["variance", "low", "high"]].to_numpy(float))
    for name, variance in truth.items():
        estimate, low, high = np.array(found[name]).T
        assert estimate.mean() == pytest.approx(variance, rel=0.12)
        # Resampling 23 conditions is known to cover a little too seldom.
        assert 0.7 <= np.mean((low <= variance) & (variance <= high)) <= 1.0


def test_unequal_groups_as_in_the_textbook():
    """One condition, three specimens of 4, 2 and 3 fields: Searle's sums, written out."""
    groups = [np.array([1.0, 2.0, 3.0, 2.0]), np.array([6.0, 7.0]), np.array([3.0, 5.0, 4.0])]
    n = np.array([4, 2, 3])
    mean = np.array([g.mean() for g in groups])
    inside = np.array([g.var(ddof=1) for g in groups])
    table = SpecimenTable(
        np.full(3, "real"), np.array(list("abc")), np.full(3, "x"), np.full(3, "x"), n,
        mean[:, None], n[:, None], inside[:, None], np.zeros(3, bool),
    )  # fmt: skip
    found = components_of(table, ("t",), ("",), seed=0)
    every = np.concatenate(groups)
    within = sum(((g - g.mean()) ** 2).sum() for g in groups) / (9 - 3)
    between = (n * (mean - every.mean()) ** 2).sum() / (3 - 1)
    n0 = (9 - (n**2).sum() / 9) / (3 - 1)
    assert of(found, "field", "real")["variance"] == pytest.approx(within)
    assert of(found, "specimen", "real")["variance"] == pytest.approx((between - within) / n0)
    assert np.isnan(of(found, "field", "real")["low"])  # one condition cannot be resampled
    assert np.isnan(of(found, "condition", "real")["variance"])


def test_a_generator_s_own_error_is_told_from_sampling():
    estimates, perfect = [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        own, real = draw(rng, specimens=4, fields=4)
        for error, kept in ((GENERATOR, estimates), (0.0, perfect)):
            made = own + rng.normal(0, error, len(own))
            values = made[:, None, None, None] + rng.normal(0, 0.7, (len(own), 1, 16, 1))
            table = joined(table_of(real, CONDITIONS, "real"), table_of(values, CONDITIONS, "generated"))
            found = components_of(table, ("t",), ("um",), seed=0)
            kept.append(of(found, "generator", "generated")["variance"])
            assert of(found, "field", "generated")["std"] == pytest.approx(0.7, rel=0.2)
            assert "specimen" not in set(found.query("origin == 'generated'")["component"])
    assert np.mean(estimates) == pytest.approx(GENERATOR**2, rel=0.25)
    assert np.mean(perfect) < 0.15 * GENERATOR**2


def test_single_fields_leave_one_component():
    """Nothing tells fields from specimens then, and the summary's table says nothing of fields."""
    rng = np.random.default_rng(0)
    _, values = draw(rng, specimens=8, fields=1)
    found = components_of(table_of(values, CONDITIONS), ("t",), ("",), seed=0)
    assert np.isnan(of(found, "field")["variance"])
    assert of(found, "specimen")["variance"] == pytest.approx(FIELD**2 + SPECIMEN**2, rel=0.3)
