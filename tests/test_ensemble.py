"""The store: layout, laziness, regions, appending, and errors that name the variable."""

import errno
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from pspgan import ensemble
from pspgan.ensemble import EnsembleError
from pspgan.process import ProcessSpace

SPACE = ProcessSpace.uhcsdb().observing(["800-5-Q", "970-90-FC"])


def make(n=10, side=8, seed=0, **changes):
    rng = np.random.default_rng(seed)
    arguments = {
        "origin": "real",
        "specimen": [f"s{i % 3}" for i in range(n)],
        "um_per_px": 0.1,
        "provenance": {"source": "test"},
        "licence": "CC0",
    }
    conditions = [("800-5-Q", "970-90-FC")[i % 2] for i in range(n)]
    images = rng.integers(0, 256, (n, side, side), dtype=np.uint8)
    return ensemble.build(images, conditions, SPACE, **(arguments | changes))


def test_what_is_written_comes_back(tmp_path):
    dataset = make(
        n=9,
        phase=np.ones((9, 8, 8), np.uint8),
        phases=["matrix", "carbide"],
        microconstituent=["network"] * 9,
    )
    ensemble.write_ensemble(dataset, tmp_path / "a.zarr")
    again = ensemble.open_ensemble(tmp_path / "a.zarr")
    xr.testing.assert_identical(again.load().drop_attrs(deep=False), dataset.drop_attrs(deep=False))
    assert again.attrs == dataset.attrs
    assert ensemble.space_of(again) == SPACE
    assert again["temperature"].attrs["units"] == "degC"
    assert again["phase"].attrs["phases"] == ["matrix", "carbide"]


@pytest.mark.parametrize(
    ("n", "side", "chunk", "shard"),
    [(600, 4, 16, 256), (20, 4, 16, 32), (300, 64, 16, 256), (5, 100, 4, 8), (3, 200, 1, 3), (2, 256, 1, 2)],
)
def test_a_chunk_holds_up_to_16_small_micrographs_and_a_shard_up_to_256(tmp_path, n, side, chunk, shard):
    path = ensemble.create(make(n=n, side=side), tmp_path / "a.zarr")
    array = zarr.open_group(path, mode="r")["micrograph"]
    assert array.metadata.zarr_format == 3
    assert array.chunks == (chunk, side, side)
    assert array.shards == (shard, side, side)


def test_a_shard_is_a_file(tmp_path):
    ensemble.write_ensemble(make(n=600, side=4), tmp_path / "a.zarr")
    assert len(list((tmp_path / "a.zarr" / "micrograph" / "c").glob("*/0/0"))) == 3


def test_opening_reads_no_image(tmp_path):
    path = ensemble.write_ensemble(make(), tmp_path / "a.zarr")
    shutil.rmtree(path / "micrograph" / "c")
    assert ensemble.open_ensemble(path, allow_incomplete=True)["condition"].values[1] == "970-90-FC"


def test_regions_fill_a_store_in_any_order(tmp_path):
    dataset = make(n=300)
    path = ensemble.create(dataset, tmp_path / "a.zarr")
    first, second = ensemble.pending(path)
    assert (first, second) == (slice(0, 256), slice(256, 300))
    ensemble.write_region(path, 256, micrograph=dataset["micrograph"].values[second])
    assert ensemble.pending(path) == [first]
    with pytest.raises(EnsembleError, match="half-written: 44 of 300"):
        ensemble.open_ensemble(path)
    ensemble.write_region(path, 0, micrograph=dataset["micrograph"].values[first])
    assert ensemble.pending(path) == []
    ensemble.finish(path)
    np.testing.assert_array_equal(ensemble.open_ensemble(path)["micrograph"], dataset["micrograph"])


def test_regions_that_do_not_fit_are_refused(tmp_path):
    path = ensemble.create(make(n=4), tmp_path / "a.zarr")
    with pytest.raises(EnsembleError, match='variable "micrograph": uint8'):
        ensemble.write_region(path, 2, micrograph=np.zeros((3, 8, 8), np.uint8))
    with pytest.raises(EnsembleError, match="not whole shards of 16"):
        ensemble.write_region(path, 2, micrograph=np.zeros((2, 8, 8), np.uint8))
    with pytest.raises(EnsembleError, match="float64"):
        ensemble.write_region(path, 0, micrograph=np.zeros((2, 8, 8)))
    with pytest.raises(EnsembleError, match='"phase" is no image variable'):
        ensemble.write_region(path, 0, phase=np.zeros((2, 8, 8), np.uint8))


def test_appending_joins_samples_and_observations(tmp_path):
    path = ensemble.write_ensemble(make(n=5), tmp_path / "a.zarr")
    zarr.open_group(path, mode="r+").create_group("statistics")
    more = make(n=300, seed=1)
    more.attrs["process_space"] = SPACE.observing(["1100-60-650-1H"]).to_json()
    ensemble.append(more, path)
    joined = ensemble.open_ensemble(path)
    assert joined.sizes["sample"] == 305
    np.testing.assert_array_equal(joined["micrograph"][5:], more["micrograph"])
    assert joined["specimen"].values[5:].tolist() == more["specimen"].values.tolist()
    assert len(ensemble.space_of(joined).observed) == 3
    assert "statistics" not in zarr.open_group(path, mode="r")


@pytest.mark.parametrize("lengths", [(3, 5), (5, 3), (4, 4)])
def test_appending_lengthens_the_shorter_lists(tmp_path, lengths):
    parts = [
        make(specimen=[f"{k}:{i}" for i in range(10)]).assign_coords(
            particle_diameter=(("sample", "particle"), np.full((10, length), k + 1.0, np.float32))
        )
        for k, length in enumerate(lengths)
    ]
    path = ensemble.write_ensemble(parts[0], tmp_path / "a.zarr", progress=False)
    ensemble.append(parts[1], path)
    found = ensemble.open_ensemble(path)
    lists = found["particle_diameter"]
    assert "particle_diameter" in found.coords
    assert lists.shape == (20, max(lengths))
    for k, length in enumerate(lengths):
        mine = lists.values[found["specimen"].str.startswith(f"{k}:").values]
        assert (mine[:, :length] == k + 1).all()
        assert np.isnan(mine[:, length:]).all()


def test_appending_what_does_not_fit_changes_nothing(tmp_path):
    path = ensemble.write_ensemble(make(n=5), tmp_path / "a.zarr")
    with pytest.raises(EnsembleError, match=r'variable "micrograph": \(9, 9\) px does not fit \(8, 8\)'):
        ensemble.append(make(side=9), path)
    with pytest.raises(EnsembleError, match="microconstituent"):
        ensemble.append(make(microconstituent=["network"] * 10), path)
    assert ensemble.open_ensemble(path).sizes["sample"] == 5


def test_a_black_shard_counts_as_written(tmp_path):
    path = ensemble.create(make(n=4), tmp_path / "a.zarr")
    ensemble.write_region(path, 0, micrograph=np.zeros((4, 8, 8), np.uint8))
    assert ensemble.pending(path) == []


@pytest.mark.parametrize("changes", [{"origin": "simulated"}, {"reduction": 3}, {"licence": "CC BY-NC"}])
def test_ensembles_of_another_kind_are_not_appended(tmp_path, changes):
    path = ensemble.write_ensemble(make(n=5), tmp_path / "a.zarr")
    with pytest.raises(EnsembleError, match=next(iter(changes))):
        ensemble.append(make(**changes), path)


def test_what_is_no_ensemble_is_never_replaced(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.tif").write_bytes(b"precious")
    for function in (ensemble.write_ensemble, ensemble.create):
        with pytest.raises(FileExistsError, match="is no ensemble; it is not replaced"):
            function(make(), tmp_path / "photos", overwrite=True)
    assert (tmp_path / "photos" / "a.tif").read_bytes() == b"precious"


def test_a_failed_replacement_leaves_the_old_store(tmp_path, monkeypatch):
    path = ensemble.write_ensemble(make(n=5), tmp_path / "a.zarr")

    def fail(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    broken = {ensemble.write_ensemble: "store.finish", ensemble.append: "appending.for_disk"}
    for function, name in broken.items():
        with monkeypatch.context() as patch:
            patch.setattr(f"pspgan.ensemble.{name}", fail)
            options = {"overwrite": True} if function is ensemble.write_ensemble else {}
            with pytest.raises(OSError):
                function(make(n=3), path, **options)
        assert ensemble.open_ensemble(path).sizes["sample"] == 5
        assert [entry.name for entry in tmp_path.iterdir()] == ["a.zarr"]


def test_nothing_is_overwritten_unasked(tmp_path):
    path = ensemble.write_ensemble(make(), tmp_path / "a.zarr")
    for function in (ensemble.write_ensemble, ensemble.create):
        with pytest.raises(FileExistsError, match=r"a\.zarr exists"):
            function(make(), path)
    ensemble.write_ensemble(make(n=3), path, overwrite=True)
    assert ensemble.open_ensemble(path).sizes["sample"] == 3


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: d.drop_vars("micrograph"), 'variable "micrograph" is missing'),
        (
            lambda d: d.assign(micrograph=d["micrograph"].astype("float32")),
            'variable "micrograph" has dtype float32',
        ),
        (lambda d: d.rename(y="row"), 'variable "micrograph" has dimensions'),
        (lambda d: d.drop_vars("time"), 'variable "time" is missing'),
        (
            lambda d: d.assign_coords(specimen=("sample", np.arange(10))),
            'variable "specimen" has dtype int64',
        ),
        (
            lambda d: d.assign_coords(specimen=("sample", np.array([""] * 10))),
            'coordinate "specimen": sample 0 is empty',
        ),
        (lambda d: d.assign_coords(um_per_px=("sample", np.full(10, -1.0))), 'coordinate "um_per_px"'),
        (lambda d: d.assign_coords(time=("sample", np.full(10, 1.0))), "time 1 lies outside 5 to 5100 min"),
        (
            lambda d: d.assign_coords(time=("sample", np.full(10, 90.0))),
            'coordinate "condition": sample 0 says "800-5-Q"',
        ),
        (lambda d: d.assign_attrs(origin="drawn"), 'attribute "origin"'),
        (lambda d: d.assign_attrs(origin="generated"), 'coordinate "seed" is missing'),
        (lambda d: d.assign_attrs(schema="other"), "no ensemble of pspgan"),
        (lambda d: d.assign_attrs(schema_version=99), "upgrade pspgan"),
        (lambda d: d.drop_attrs(), "no ensemble of pspgan"),
    ],
)
def test_a_broken_schema_is_named(damage, message):
    with pytest.raises(EnsembleError) as error:
        ensemble.validate(damage(make()))
    assert message in str(error.value)


@pytest.mark.parametrize("reduction", [1, 3])
def test_conditions_say_the_pixel_size_that_is_so(reduction):
    """Of the pixels that the micrographs have, however many source pixels are in one."""
    space = SPACE.with_pixel_sizes([0.1, 0.4])
    conditions, sizes = ["800-5-Q-0.1", "800-5-Q-0.4", "800-5-Q-0.2"], [0.1, 0.4, 0.2]
    images = np.zeros((3, 4, 4), np.uint8)
    options = {"origin": "real", "specimen": ["a"] * 3, "reduction": reduction}
    made = ensemble.build(images, conditions, space, um_per_px=sizes, **options)
    assert made["pixel_size"].values.tolist() == sizes
    for wrong in ([0.1, 0.4, 0.2 * 3], [0.1, np.nan, 0.2]):
        with pytest.raises(EnsembleError, match=r"sample [12] has pixels of .* condition says pixel_size"):
            ensemble.build(images, conditions, space, um_per_px=wrong, **options)


def test_stores_of_another_schema_are_refused_by_path(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such ensemble"):
        ensemble.open_ensemble(tmp_path / "none.zarr")
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(EnsembleError, match=r"empty\.zarr is no zarr store"):
        ensemble.open_ensemble(tmp_path / "empty.zarr")
    xr.Dataset({"a": ("x", [1])}).to_zarr(tmp_path / "other.zarr", zarr_format=3, consolidated=False)
    with pytest.raises(EnsembleError, match=r"other\.zarr.*no ensemble of pspgan"):
        ensemble.open_ensemble(tmp_path / "other.zarr")


def test_lengths_must_agree():
    with pytest.raises(EnsembleError, match="unequal length"):
        make(specimen=["a"])


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = (
        shutil.which("mount")
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True, check=False
        ).returncode
    )
    if not mounted:
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_said_and_leaves_nothing_behind(small_disk):
    dataset = make(n=600, side=64)
    with pytest.raises(OSError, match="the disk is full while writing") as error:
        ensemble.write_ensemble(dataset, small_disk / "a.zarr")
    assert error.value.errno == errno.ENOSPC
    assert list(small_disk.iterdir()) == []
    ensemble.write_ensemble(dataset.isel(sample=slice(0, 20)), small_disk / "a.zarr")
    assert ensemble.open_ensemble(small_disk / "a.zarr").sizes["sample"] == 20


def test_a_full_disk_while_filling_regions_keeps_what_was_written(tmp_path, monkeypatch):
    # The same where no file system can be mounted: the store's own writing fails as the kernel would.
    dataset = make(n=300)
    path = ensemble.create(dataset, tmp_path / "a.zarr")
    ensemble.write_region(path, 256, micrograph=dataset["micrograph"].values[256:])

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(OSError, match="free some space and run the same command again"):
            ensemble.write_region(path, 0, micrograph=dataset["micrograph"].values[:256])
    assert ensemble.pending(path) == [slice(0, 256)]
