"""Splits: whole groups, nothing that training needs, the same whatever the order of micrographs."""

import numpy as np
import pytest
from typer.testing import CliRunner

import pspgan as psp
from pspgan import cli, ensemble
from pspgan.process import Factor, ProcessSpace

SPACE = ProcessSpace((Factor("heat", (500, 600), "ordinal"), Factor("bath", ("oil", "air"), "nominal")))


def make(specimens_of, fields=3):
    """So many specimens of each combination, so many micrographs of each."""
    rows = [
        (name, f"{name}/{k}") for name, n in specimens_of.items() for k in range(n) for _ in range(fields)
    ]
    grey = np.random.default_rng(0).integers(256, size=(len(rows), 8, 8), dtype=np.uint8)
    return ensemble.build(
        grey, [r[0] for r in rows], SPACE, origin="real", specimen=[r[1] for r in rows], um_per_px=0.1
    )


EVEN = {"500-oil": 4, "500-air": 4, "600-oil": 4, "600-air": 4}


def sides(dataset, of):
    apart = dataset["split"].values == "held_out"
    return set(dataset[of].values[apart].tolist()), set(dataset[of].values[~apart].tolist())


@pytest.mark.parametrize("seed", range(5))
def test_by_specimen_training_keeps_every_condition(seed):
    dataset = psp.split(make(EVEN), "specimen", 0.5, seed)
    held, kept = sides(dataset, "specimen")
    assert held
    assert not held & kept
    assert sides(dataset, "condition")[1] == set(EVEN)
    assert np.mean(dataset["split"] == "held_out") == 0.5
    assert dataset["split"].attrs == {"by": "specimen", "held_out": 0.5, "seed": seed}


@pytest.mark.parametrize("seed", range(5))
def test_by_condition_training_keeps_every_level(seed):
    dataset = psp.split(make(EVEN), "condition", 0.9, seed)
    held, kept = sides(dataset, "condition")
    assert not held & kept
    assert not set.intersection(*sides(dataset, "specimen"))
    assert len(held) == 2  # of a square its diagonal stays
    for name in SPACE.names:
        assert sides(dataset, name)[1] == set(SPACE[name].levels)


def test_a_combination_is_held_out_at_all_pixel_sizes():
    space = SPACE.with_pixel_sizes([0.1, 0.4])
    rows = [(f"{name}-{size}", name, size) for name in EVEN for size in (0.1, 0.4) for _ in range(3)]
    conditions, specimen, sizes = zip(*rows, strict=True)
    grey = np.zeros((len(rows), 8, 8), np.uint8)
    dataset = ensemble.build(grey, conditions, space, origin="real", specimen=specimen, um_per_px=sizes)
    held, kept = sides(psp.split(dataset, "condition", 0.3), "condition")
    assert len(held) == 2
    assert {name.rpartition("-")[0] for name in held}.isdisjoint(name.rpartition("-")[0] for name in kept)


def test_neither_order_nor_chance_decides():
    dataset = make(EVEN)
    shuffled = dataset.isel(sample=np.random.default_rng(1).permutation(dataset.sizes["sample"]))
    first = sides(psp.split(dataset, seed=3), "specimen")[0]
    assert sides(psp.split(shuffled, seed=3), "specimen")[0] == first
    assert any(sides(psp.split(dataset, seed=k), "specimen")[0] != first for k in range(4))


def test_the_share_is_not_exceeded():
    dataset = psp.split(make(EVEN), held_out=0.2)
    assert np.mean(dataset["split"] == "held_out") == pytest.approx(
        9 / 48
    )  # three specimens; four would be 0.25
    # One alone is larger than the share.
    assert np.mean(psp.split(make(EVEN, fields=30), held_out=0.01)["split"] == "held_out") == 1 / 16


def test_what_cannot_be_split():
    single = make({"500-oil": 1, "600-air": 1})
    for by in ("specimen", "condition"):
        with pytest.raises(psp.EnsembleError, match="nothing can be held out"):
            psp.split(single, by)
    mixed = make(EVEN)
    mixed["specimen"] = ("sample", np.array(["one"] * mixed.sizes["sample"]))
    with pytest.raises(psp.EnsembleError, match=r'"one" has the conditions .*500-oil.*Split by specimen'):
        psp.split(mixed, "condition")
    with pytest.raises(ValueError, match='by "image" is neither'):
        psp.split(mixed, "image")
    with pytest.raises(ValueError, match="held_out 1 is no share"):
        psp.split(mixed, held_out=1)


def test_a_store_keeps_its_split(tmp_path):
    path = ensemble.write_ensemble(make(EVEN), tmp_path / "real.zarr", progress=False)
    before = psp.open_ensemble(path).load()
    words = ["split", str(path), "--by", "condition", "--seed", "1"]
    for held_out in ("0.5", "0.25"):  # the second takes the place of the first
        result = CliRunner().invoke(cli.app, [*words, "--held-out", held_out])
        assert result.exit_code == 0, result.output
    stored = psp.open_ensemble(path)
    expected = psp.split(before, "condition", 0.25, 1)
    assert "12 of 48 micrographs held out, condition " in result.output
    assert stored.load().identical(expected)
    assert sorted(p.name for p in path.iterdir() if p.name.startswith(".")) == []
    # A copy keeps it, too, and more micrographs of another split do not come in unasked.
    copy = ensemble.write_ensemble(stored, tmp_path / "copy.zarr", progress=False)
    assert psp.open_ensemble(copy)["split"].values.tolist() == expected["split"].values.tolist()
    with pytest.raises(psp.EnsembleError, match="same variables: split"):
        ensemble.append(before, path)


def test_a_split_that_cannot_be_written_changes_nothing(tmp_path, monkeypatch):
    path = ensemble.write_ensemble(make(EVEN), tmp_path / "real.zarr", progress=False)
    psp.split(path)
    before = psp.open_ensemble(path).load()
    monkeypatch.setattr("pspgan.ensemble.store.xr.Dataset.to_zarr", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        psp.split(path, seed=5)
    monkeypatch.undo()
    assert psp.open_ensemble(path).load().identical(before)


def test_values_of_a_split_are_checked():
    dataset = psp.split(make(EVEN))
    dataset["split"] = ("sample", np.where(dataset["split"] == "train", "train", "test"))
    with pytest.raises(psp.EnsembleError, match='"split": "test" is none of train, held_out'):
        psp.validate(dataset)


def test_parts():
    dataset = psp.split(make(EVEN))
    assert ensemble.part_of(dataset, "all") is dataset
    parts = [ensemble.part_of(dataset, name) for name in ("train", "held_out")]
    assert [part.sizes["sample"] for part in parts] == [39, 9]
    with pytest.raises(psp.EnsembleError, match=r"no coordinate \"split\".*pspgan split real\.zarr"):
        ensemble.part_of(make(EVEN), "train")


def test_a_planted_leak_is_refused():
    dataset = psp.split(make(EVEN))
    parts = [ensemble.part_of(dataset, name) for name in ("train", "held_out")]
    ensemble.check_disjoint(*parts)
    leaking = dataset.copy()
    values = leaking["split"].values.copy()
    values[np.flatnonzero(values == "held_out")[0]] = "train"
    name = dataset["specimen"].values[np.flatnonzero(leaking["split"].values != values)[0]]
    leaking["split"] = ("sample", values)
    for part in ("train", "held_out"):
        with pytest.raises(psp.EnsembleError, match=f'specimen "{name}" is on both sides'):
            ensemble.part_of(leaking, part)
    with pytest.raises(psp.EnsembleError, match=r"specimens .* and 11 more are on both sides"):
        ensemble.check_disjoint(dataset, dataset)


def test_conditions_are_compared_without_their_pixel_size():
    space = SPACE.with_pixel_sizes([0.1, 0.4])
    grey = np.zeros((1, 8, 8), np.uint8)
    near, far = (
        ensemble.build(grey, [f"500-oil-{size}"], space, origin="real", specimen=[name], um_per_px=[size])
        for name, size in (("a", 0.1), ("b", 0.4))
    )
    ensemble.check_disjoint(near, far)
    with pytest.raises(psp.EnsembleError, match='condition "500-oil" is on both sides'):
        ensemble.check_disjoint(near, far, by="condition")
    with pytest.raises(ValueError, match="neither specimen nor condition"):
        ensemble.check_disjoint(near, far, by="image")
