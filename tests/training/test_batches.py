"""Batches: where crops come from, which micrographs are drawn, and that a step repeats."""

import hashlib
from collections import Counter

import numpy as np
import pytest
import torch

from pspgan.ensemble import space_of
from pspgan.training.batches import Batches, FakeConditions, TrainingDataError
from pspgan.training.config import make_config


def config(**settings):
    return make_config("paper", **({"resolution": 32, "balance": "none"} | settings))


def test_crops_are_pieces_of_the_micrographs(make_ensemble):
    dataset = make_ensemble(n=6)
    batches = Batches(dataset, config())
    real = batches.real(0, 16)
    assert real.image.shape == (16, 1, 32, 32)
    micrographs = dataset["micrograph"].values
    for image, target in zip(real.image[:, 0].numpy(), real.target, strict=True):
        grey = np.round((image + 1) * 127.5).astype(np.uint8)
        flips = [grey, grey[::-1], grey[:, ::-1], grey[::-1, ::-1]]
        found = [
            i
            for i, micrograph in enumerate(micrographs)
            for view in np.lib.stride_tricks.sliding_window_view(micrograph, (32, 32)).reshape(-1, 32, 32)
            if any(np.array_equal(view, flip) for flip in flips)
        ]
        assert len(set(found)) == 1
        expected = batches.space.target(dataset["condition"].values[found[0]])
        np.testing.assert_array_equal(target, expected)


def test_a_step_repeats_and_differs_from_others(make_ensemble):
    batches = Batches(make_ensemble(), config())
    first, again, other = batches.real(3, 8), batches.real(3, 8), batches.real(4, 8)
    torch.testing.assert_close(first.image, again.image, rtol=0, atol=0)
    assert not torch.equal(first.image, other.image)


@pytest.mark.parametrize(("balance", "shares"), [("none", (2 / 3, 1 / 3)), ("microconstituent", (0.5, 0.5))])
def test_balance(make_ensemble, balance, shares):
    # Two thirds of the micrographs are fine, one third coarse, and coarse is condition 0.4-air.
    batches = Batches(make_ensemble(), config(balance=balance))
    coarse = batches.space.target("0.4-air")
    drawn = torch.cat([batches.real(step, 100).target for step in range(30)])
    share = (drawn == torch.from_numpy(coarse)).all(dim=1).float().mean().item()
    # 3000 draws: one standard error is 0.009.
    assert share == pytest.approx(shares[1], abs=0.04)


def test_the_fingerprint_covers_what_decides_the_draws(make_ensemble):
    dataset = make_ensemble(n=6)
    labels = dataset["microconstituent"].values
    other = make_ensemble(n=6, microconstituent=[*labels[:3], "coarse", *labels[4:]])
    shas = {
        balance: [Batches(d, config(balance=balance)).sha256 for d in (dataset, other)]
        for balance in ("none", "condition", "microconstituent")
    }
    assert shas["microconstituent"][0] != shas["microconstituent"][1]
    # Where no label is read, runs that are there go on.
    text = "\n".join(dataset["condition"].values)
    plain = hashlib.sha256(dataset["micrograph"].values.tobytes() + text.encode()).hexdigest()
    assert shas["none"] == shas["condition"] == [plain, plain]


def test_balance_by_condition_is_even(make_ensemble):
    dataset = make_ensemble(n=30).isel(sample=[*range(0, 30, 3), 1, 2])
    batches = Batches(dataset, config(balance="condition"))
    drawn = torch.cat([batches.real(step, 100).target for step in range(30)])
    counts = Counter(tuple(row.tolist()) for row in drawn)
    assert len(counts) == 3
    assert max(counts.values()) - min(counts.values()) < 200


def test_reduction_is_the_area_average(make_ensemble):
    dataset = make_ensemble(n=3, side=64)
    batches = Batches(dataset, config(reduction=2))
    means = dataset["micrograph"].values.reshape(3, 32, 2, 32, 2).mean(axis=(2, 4))
    assert np.abs(batches.micrographs - means).max() <= 0.5


def test_fake_conditions(make_ensemble):
    space = Batches(make_ensemble(), config()).space
    assert len(FakeConditions(space, "observed", 0).weights) == 3
    independent = FakeConditions(space, "independent", 0)
    assert len(independent.weights) == 6
    weights, targets = independent.draw(0, 300, stream=1)
    torch.testing.assert_close(weights, targets[:, :-2].float())
    assert (targets[:, -2:] == torch.tensor([1, 0])).all()
    assert len(weights.unique(dim=0)) == 6


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        ({}, {"resolution": 64}, "smaller than a crop of 64 px"),
        ({}, {"reduction": 2}, "reduced 2 times, are smaller than a crop"),
        ({"reduction": 3}, {"reduction": 4}, "no multiple of the ensemble's own, 3"),
        ({"microconstituent": None}, {"balance": "microconstituent"}, "set balance=condition"),
    ],
)
def test_data_that_do_not_serve(make_ensemble, change, settings, message):
    with pytest.raises(TrainingDataError, match=message):
        Batches(make_ensemble(**change), config(**settings))


def test_pixels_stay_what_their_condition_says(make_ensemble):
    sizes = [0.1, 0.1, 0.4] * 10
    dataset = make_ensemble(
        side=64,
        space=space_of(make_ensemble()).with_pixel_sizes([0.1, 0.4]),
        conditions=["0.1-oil-0.1", "0.2-oil-0.1", "0.4-air-0.4"],
        um_per_px=sizes,
    )
    with pytest.raises(TrainingDataError, match=r"2 times as large as their conditions say.*reduction=1,"):
        Batches(dataset, config(reduction=2))
    batches = Batches(dataset, config())
    assert [batches.um_per_px_of(c) for c in batches.space.observed_conditions] == [0.1, 0.1, 0.4]


def test_the_pixel_size_of_a_condition_where_it_has_one(make_ensemble):
    dataset = make_ensemble(side=64, um_per_px=[0.1, 0.1, 0.4, 0.1, 0.2, np.nan] * 5)
    batches = Batches(dataset, config(reduction=2))
    sizes = [batches.um_per_px_of(c) for c in batches.space.observed_conditions]
    np.testing.assert_array_equal(sizes, [0.2, np.nan, np.nan])


def test_an_empty_ensemble_is_refused(make_ensemble):
    with pytest.raises(TrainingDataError, match="no micrograph"):
        Batches(make_ensemble().isel(sample=slice(0, 0)), config())
