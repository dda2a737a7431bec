"""Micrographs that show one place are found, whatever was done to them; others are not."""

import re

import numpy as np
import pytest

from pspgan.inspection import groups_of, near_duplicates
from pspgan.sources import uhcsdb


def found(micrographs, **options):
    pairs = near_duplicates(micrographs, progress=False, **options)
    return {(int(a), int(b)) for a, b in zip(pairs["first"], pairs["second"], strict=True)}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"gain": 0.3, "offset": 60},
        {"gain": -0.8},
        {"light": 60},
        {"noise": 20, "seed": 1},
    ],
)
def test_the_same_field_again(surface, taken, change):
    other = [taken(surface(seed), 0, 0) for seed in (1, 2)]
    assert found([taken(surface(0), 50, 60), *other, taken(surface(0), 50, 60, **change)]) == {(0, 3)}


@pytest.mark.parametrize(("dy", "dx"), [(0, 40), (60, 0), (30, -80), (-45, 50), (-60, -90)])
def test_fields_that_overlap(surface, taken, dy, dx):
    one, other = taken(surface(0), 100, 100), taken(surface(0), 100 + dy, 100 + dx, gain=0.6, seed=1)
    pairs = near_duplicates([one, taken(surface(1), 0, 0), other], progress=False)
    ((first, second, correlation, overlap, shift_y, shift_x),) = pairs.to_numpy().tolist()
    assert (first, second) == (0, 2)
    assert correlation > 0.7
    assert overlap == pytest.approx((150 - abs(dy)) * (200 - abs(dx)) / (150 * 200), abs=0.02)
    assert (shift_y, shift_x) == pytest.approx((dy, dx), abs=2)


def test_a_contrast_turned_round_has_a_negative_correlation(surface, taken):
    pair = [taken(surface(0), 50, 60), taken(surface(0), 50, 60, gain=-1.0)]
    assert near_duplicates(pair, progress=False)["correlation"].item() < -0.8


def test_too_small_an_overlap_is_none(surface, taken):
    pair = [taken(surface(0), 0, 0), taken(surface(0), 75, 100)]  # a quarter of the field
    assert found(pair, overlap=0.35) == set()


def test_illumination_and_frames_make_no_pair(surface, taken):
    alike = [taken(surface(seed), 0, 0, light=80, gain=0.2, noise=8, seed=seed) for seed in range(8)]
    assert found(alike) == set()


def test_blank_micrographs_are_not_alike():
    assert found([np.full((50, 60), grey, np.uint8) for grey in (0, 90, 90)]) == set()


def test_more_than_are_compared_at_once(surface, taken, monkeypatch):
    monkeypatch.setattr("pspgan.inspection.duplicates._AT_ONCE", 2)
    fields = [taken(surface(seed), 0, 0) for seed in (0, 1, 2, 3, 0, 4, 1)]
    assert found(fields) == {(0, 4), (1, 6)}
    assert groups_of(near_duplicates(fields, progress=False)) == [(0, 4), (1, 6)]


def test_groups_are_joined_through_others(surface, taken):
    row = [taken(surface(0), 0, x) for x in (0, 90, 180)]
    pairs = near_duplicates(row, progress=False, overlap=0.4)
    assert {(p.first, p.second) for p in pairs.itertuples()} == {(0, 1), (1, 2)}
    assert groups_of(pairs) == [(0, 1, 2)]


def test_a_single_micrograph(surface, taken):
    assert found([taken(surface(0), 0, 0)]) == set()


@pytest.fixture(scope="module")
def steel(shared):
    return uhcsdb.read(shared / "uhcsdb", progress=False)


def test_pairs_of_uhcsdb(steel):
    number = [int(re.search(r"(\d+)\.png", name)[1]) for name in steel["image"].values]
    pairs = {(number[i], number[j]) for i, j in found(steel["micrograph"])}
    # What the README of the data names, and what it says only looks alike.
    assert {(1128, 1558), (229, 1283), (833, 1300), (626, 741)} <= pairs
    assert not {(113, 1344), (1272, 1344)} & pairs
    # One place at one scale: what else is found comes from one specimen, at one magnification.
    where = dict(
        zip(number, zip(steel["specimen"].values, steel["um_per_px"].values, strict=True), strict=True)
    )
    assert len(pairs) > 20
    assert all(where[a] == where[b] for a, b in pairs)
