"""Mixes of real and generated micrographs: how many of what, of which class, and what is refused."""

import numpy as np
import pytest
import torch
from textures import SPACE, generated_ensemble, real_ensemble, texture

from pspgan.classification import SyntheticMix, label_by_condition, mixed_parts
from pspgan.ensemble import EnsembleError, build


@pytest.fixture(scope="module")
def real():
    return real_ensemble({"round": [6, 4], "coarse": [2, 1]})


@pytest.fixture(scope="module")
def generated():
    return generated_ensemble({"A": "round", "B": "coarse"}, 20, ["round-0", "coarse-0"])


@pytest.mark.parametrize(
    ("ratio", "wanted"),
    [
        (0.0, {"round": 0, "coarse": 0}),
        (0.5, {"round": 5, "coarse": 2}),
        (1, {"round": 10, "coarse": 3}),
        ({"coarse": 3.0}, {"round": 0, "coarse": 9}),
        ({"round": 0.2, "coarse": 6}, {"round": 2, "coarse": 18}),
    ],
)
def test_ratios_are_met_class_by_class(real, generated, ratio, wanted):
    mix = SyntheticMix(real, generated, ratio)
    assert mix.counts == {"coarse": (3, wanted["coarse"]), "round": (10, wanted["round"])}
    assert len(mix) == 13 + sum(wanted.values())
    for item in mix.generated_items:
        kind = mix.classes[mix.label[item]]
        assert mix.origin[item] == "generated"
        assert mix.condition[item] == {"round": "A", "coarse": "B"}[kind]
        np.testing.assert_array_equal(mix.micrograph[item], generated["micrograph"].values[mix.index[item]])
    assert len(set(mix.index[mix.generated_items].tolist())) == sum(wanted.values())  # none twice


def test_items_are_what_torch_takes(real, generated):
    mix = SyntheticMix(real, generated, transform=lambda image: image.flip(-1))
    image, label = mix[0]
    assert image.shape == (1, 32, 32)
    assert image.dtype == torch.float32
    np.testing.assert_array_equal(image.flip(-1)[0] * 127.5 + 127.5, real["micrograph"].values[0])
    assert mix.classes[label] == "round"
    images, labels = next(iter(torch.utils.data.DataLoader(mix, batch_size=26)))
    assert images.shape == (26, 1, 32, 32)
    assert labels.bincount().tolist() == [6, 20]


def test_a_seed_is_a_draw_and_lower_ratios_lie_within_higher(real, generated):
    draws = [set(SyntheticMix(real, generated, 1.0, seed=s).index[13:].tolist()) for s in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    assert set(SyntheticMix(real, generated, 0.5, seed=0).index[13:].tolist()) < draws[0]


def test_real_ones_are_brought_to_the_pixel_and_size_of_generated_ones(generated):
    large = real_ensemble({"round": [1, 1], "coarse": [1, 1]}, size=96)
    mix = SyntheticMix(large, generated, 0.5)
    assert mix.micrograph.shape == (36 + 18, 32, 32)  # nine tiles each
    assert mix.counts["round"] == (18, 9)
    fine = real_ensemble({"round": [1, 1], "coarse": [1, 1]}, size=64)
    coarse = generated.assign_attrs(reduction=2)
    assert SyntheticMix(fine, coarse, 1).um_per_px[:4] == pytest.approx(0.2)


def test_too_few_is_an_error_and_none_at_all_is_said(real, generated):
    with pytest.raises(ValueError, match=r"round: a ratio of 3 takes 30 .* of 20 .*generate more"):
        SyntheticMix(real, generated, 3.0)
    only = generated.isel(sample=np.flatnonzero(generated["condition"].values == "A"))
    mix = SyntheticMix(real, only, 1.0)
    assert mix.without == ("coarse",)
    assert "no generated micrograph shows coarse" in mix.summary()
    with pytest.raises(ValueError, match=r"coarse: a ratio of 1 takes 3 .* of 0"):
        SyntheticMix(real, only, {"coarse": 1.0})
    with pytest.raises(ValueError, match='"martensite", which is none of coarse, round'):
        SyntheticMix(real, generated, {"martensite": 1.0})
    with pytest.raises(ValueError, match="ratio -1 of coarse"):
        SyntheticMix(real, generated, -1)
    with pytest.raises(EnsembleError, match='no coordinate "microconstituent"'):
        SyntheticMix(real.drop_vars("microconstituent"), generated)


def mixed_condition():
    """Condition A: two specimens of six and one, labelled round, round and coarse; B: half and half."""
    rows = [("A", "s1", "round")] * 6 + [("A", "s2", "coarse"), ("A", "s3", "round")]
    rows += [("B", "s4", "round"), ("B", "s5", "coarse"), ("C", "s6", "")]
    return build(
        np.concatenate([texture("round", 1, np.random.default_rng(0))] * len(rows)),
        [route for route, _, _ in rows],
        SPACE.observing(["A", "B", "C"]),
        origin="real",
        specimen=[specimen for _, specimen, _ in rows],
        microconstituent=[label for _, _, label in rows],
    )


def test_a_condition_is_what_most_of_its_specimens_are():
    table = label_by_condition(mixed_condition()).set_index("condition")
    assert table.loc["A"].tolist() == ["round", pytest.approx(2 / 3), 3, 8]  # specimens, not micrographs
    assert table.loc["B", ["label", "share"]].tolist() == ["", 0.5]
    assert "C" not in table.index  # nothing is labelled
    assert label_by_condition(mixed_condition(), agreement=0.7)["label"].tolist() == ["", ""]
    generated = generated_ensemble({"A": "round", "B": "round", "C": "round"}, 9, [])
    mix = SyntheticMix(mixed_condition(), generated, {"round": 1.0})
    assert set(mix.condition[mix.generated_items]) == {"A"}
    with pytest.raises(ValueError, match="agreement 0"):
        label_by_condition(mixed_condition(), agreement=0)


def test_labels_of_their_own_go_first(real, generated):
    told = generated.assign_coords(microconstituent=("sample", ["coarse"] * 20 + ["round"] * 20))
    mix = SyntheticMix(real, told, 1.0)
    assert set(mix.condition[mix.generated_items][mix.label[mix.generated_items] == 0]) == {"A"}
    by_route = SyntheticMix(real, generated, 1.0, label="route")  # a factor is a label, too
    assert by_route.classes == ("A", "B")


def test_parts_of_a_split_stay_apart(real, generated):
    side = np.where(np.char.endswith(real["specimen"].values.astype(str), "-0"), "train", "held_out")
    parts = mixed_parts(real.assign_coords(split=("sample", side)), generated, 1.0)
    assert set(parts["held_out"].origin) == {"simulated"}
    assert parts["train"].counts == {"coarse": (2, 2), "round": (6, 6)}
    assert not set(parts["train"].specimen) & set(parts["held_out"].specimen)
    leaky = generated_ensemble({"A": "round", "B": "coarse"}, 20, ["round-0", "round-1"])
    with pytest.raises(EnsembleError, match='"round-1" is on both sides'):
        mixed_parts(real.assign_coords(split=("sample", side)), leaky, 1.0)
