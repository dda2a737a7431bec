"""What happened to a store is never read as zeros or as other values: errors name variable and samples."""

import json
import shutil

import numpy as np
import pytest
import xarray as xr
import zarr

from pspgan import ensemble
from pspgan.ensemble import EnsembleError
from pspgan.ensemble.damage import naming_its_damage
from pspgan.process import ProcessSpace

SPACE = ProcessSpace.uhcsdb()


def make(n, side=8, **more):
    rng = np.random.default_rng(0)
    return ensemble.build(
        rng.integers(1, 256, (n, side, side), dtype=np.uint8),
        ["800-5-Q"] * n,
        SPACE,
        origin="generated",
        specimen=[f"s{i}" for i in range(n)],
        seed=np.zeros(n, int),
        phase=rng.integers(1, 3, (n, side, side), dtype=np.uint8),
        **more,
    )


@pytest.fixture
def store(tmp_path):
    """Two shards and a little; coordinates that hold nothing but zarr's fill value: observed, seed."""
    return ensemble.write_ensemble(make(300), tmp_path / "gen.zarr", progress=False)


def shard(store, number, name="micrograph"):
    return store / name / "c" / str(number) / "0" / "0"


def halved(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def without_chunk(store, name):
    """A shard as zarr writes it where its first chunk is all zeros: the index says that there is none."""
    array = zarr.open_array(store / name, mode="r+")
    assert array.chunks[0] == 16
    values = array[:256]
    values[:16] = 0
    array[:256] = values


DAMAGE = {
    "missing": (lambda s, name: shard(s, 1, name).unlink(), "samples 256 to 299.*c/1/0/0 is missing", 256),
    "empty": (
        lambda s, name: shard(s, 1, name).write_bytes(b""),
        "samples 256 to 299.*c/1/0/0 is empty",
        256,
    ),
    "cut short": (
        lambda s, name: halved(shard(s, 1, name)),
        "samples 256 to 299 cannot be read: it is damaged",
        256,
    ),
    "a stump": (
        lambda s, name: shard(s, 1, name).write_bytes(b"zarr"),
        "samples 256 to 299 cannot be read: it is damaged .*0 is cut short",
        256,
    ),
    "a chunk missing": (
        lambda s, name: without_chunk(s, name),
        "samples 0 to 15: damaged, c/0/0/0 does not hold them",
        7,
    ),
}


@pytest.mark.parametrize("name", ["micrograph", "phase"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_images_that_are_gone_are_named(store, name, damage):
    change, message, sample = DAMAGE[damage]
    change(store, name)
    if name == "micrograph" and damage in ("missing", "empty"):  # which is seen at once
        with pytest.raises(EnsembleError, match=r"44 of 300 micrographs are gone .* samples 256 to 299"):
            ensemble.open_ensemble(store)
    found = ensemble.open_ensemble(store, allow_incomplete=True)
    for selection in (slice(None), slice(sample, None), [sample, 0, -1]):
        with pytest.raises(EnsembleError, match=rf'gen\.zarr, variable "{name}", {message}'):
            found[name][selection].load()
    alone = rf'gen\.zarr, variable "{name}", (sample {sample}\b|samples {sample // 16 * 16} to )'
    with pytest.raises(EnsembleError, match=alone):
        found[name][sample].load()
    # What lies elsewhere is still read.
    elsewhere = slice(20, 200)
    np.testing.assert_array_equal(found[name][elsewhere], make(300)[name][elsewhere])


def test_no_byte_of_an_array_can_change_unnoticed(tmp_path):
    dataset = make(20)
    store = ensemble.write_ensemble(dataset, tmp_path / "gen.zarr", progress=False)
    files = sorted(path for path in store.rglob("c/**/*") if path.is_file())
    assert len(files) >= 10
    rng = np.random.default_rng(1)
    for file in files:
        content = file.read_bytes()
        places = rng.choice(len(content), min(25, len(content)), replace=False)
        for place in places if file.parent.parent.parent.name in ("micrograph", "phase") else places[:3]:
            changed = bytearray(content)
            changed[place] ^= 1 << int(rng.integers(8))
            file.write_bytes(changed)
            said = ""
            try:
                found = ensemble.open_ensemble(store).load()
            except EnsembleError as error:
                said = str(error)
            assert file.relative_to(store).parts[0] in said if said else found.equals(dataset), (file, place)
        file.write_bytes(content)
    assert ensemble.open_ensemble(store).load().equals(dataset)


def test_the_damaged_micrographs_of_a_shard_are_named(store):
    file = shard(store, 0)
    content = bytearray(file.read_bytes())
    offset, length = np.frombuffer(content[-260:-4], "<u8").reshape(16, 2)[4].tolist()
    content[offset + length // 2] ^= 4
    file.write_bytes(content)
    found = ensemble.open_ensemble(store)["micrograph"]
    with pytest.raises(EnsembleError, match=r'variable "micrograph", samples 64 to 79 cannot be read'):
        found.load()
    np.testing.assert_array_equal(found[:64], make(300)["micrograph"][:64])


@pytest.mark.parametrize("name", ["observed", "seed", "temperature", "condition", "um_per_px"])
def test_columns_that_are_gone_are_named(store, name):
    (store / name / "c" / "0").unlink()
    with pytest.raises(EnsembleError, match=rf'variable "{name}", samples 0 to 299: damaged, c/0 is missing'):
        ensemble.open_ensemble(store)


def test_columns_of_another_length_are_named(store):
    for name, length in (("time", 299), ("seed", 512)):
        zarr.open_array(store / name, mode="r+").resize(length)
    with pytest.raises(
        EnsembleError, match='"seed" has 512 samples, "micrograph" 300, variable "time" has 299'
    ):
        ensemble.open_ensemble(store)


def test_stores_of_version_1_are_read(store):
    """They have no checksums, and a column of zarr's fill value alone has no file."""
    zarr.open_group(store, mode="r+").attrs["schema_version"] = 1
    shutil.rmtree(store / "observed" / "c")
    found = ensemble.open_ensemble(store)
    assert not found["observed"].any()
    np.testing.assert_array_equal(found["micrograph"], make(300)["micrograph"])
    without_chunk(store, "micrograph")  # which version 1 never did
    with pytest.raises(EnsembleError, match="samples 0 to 15"):
        found["micrograph"].load()
    again = ensemble.write_ensemble(
        found[["phase"]].assign(micrograph=make(300)["micrograph"]), store.with_name("b.zarr"), progress=False
    )
    assert json.loads((again / "zarr.json").read_text())["attributes"]["schema_version"] == 2


def test_arrays_without_shards_are_watched_as_well(store):
    """As statistics are: a chunk a file."""
    group = zarr.open_group(store, mode="r+").create_group("statistics")
    array = group.create_array("two_point", shape=(300, 5, 5, 1), chunks=(128, 5, 5, 1), dtype="float32")
    array[:] = 1
    variable = xr.Variable(("sample", "dy", "dx", "correlation"), array)
    watched = naming_its_damage(variable, store, "statistics/two_point")
    assert (watched.to_numpy() == 1).all()
    (store / "statistics" / "two_point" / "c" / "1" / "0" / "0" / "0").unlink()
    with pytest.raises(
        EnsembleError, match='"statistics/two_point", samples 128 to 255: damaged, c/1/0/0/0 is missing'
    ):
        watched.to_numpy()
    assert (watched[256:].to_numpy() == 1).all()


def test_a_store_is_finished_only_when_it_is_whole(tmp_path):
    path = ensemble.create(make(300), tmp_path / "gen.zarr")
    whole = make(300)
    ensemble.write_region(
        path, 0, micrograph=whole["micrograph"].values[:256], phase=whole["phase"].values[:256]
    )
    with pytest.raises(EnsembleError, match="cannot be finished: 44 micrographs have not been written"):
        ensemble.finish(path)
