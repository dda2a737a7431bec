"""Statistics of many micrographs: wherever shards are measured, interrupted or not, numbers are the same."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import xarray as xr

from pspgan import ensemble
from pspgan.process import ProcessSpace
from pspgan.statistics import Phases, StatisticsError, compute_statistics, open_statistics, streaming

N = 600  # three shards, the last one not full


@pytest.fixture(scope="module")
def template():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:24, :24]
    images = rng.normal(90, 8, (N, 24, 24))
    for image in images:
        for cy, cx in rng.uniform(0, 24, (6, 2)):
            image[np.hypot(y - cy, x - cx) < 3] += 70
    return ensemble.build(
        images.clip(0, 255).astype(np.uint8),
        ["800-90-Q"] * N,
        ProcessSpace.uhcsdb(),
        origin="real",
        specimen=[f"S{i % 7}" for i in range(N)],
        um_per_px=np.linspace(0.1, 0.2, N),
    )


@pytest.fixture
def many(template, tmp_path):
    return ensemble.write_ensemble(template, tmp_path / "many.zarr", progress=False)


@pytest.fixture(scope="module")
def expected(template, tmp_path_factory):
    path = ensemble.write_ensemble(template, tmp_path_factory.mktemp("once") / "once.zarr", progress=False)
    return compute_statistics(path, workers=1, progress=False)[0].load()


def groups(path):
    return sorted(found.name for found in path.glob("statistics*"))


def test_two_threads_give_the_numbers_of_one(many, expected):
    (statistics,) = compute_statistics(many, workers=2, progress=False)
    xr.testing.assert_identical(statistics.load().drop_encoding(), expected)
    assert groups(many) == ["statistics"]


def test_two_dask_workers_give_the_same_numbers(many, expected, cluster):
    (statistics,) = compute_statistics(many, scheduler=cluster, progress=False)
    xr.testing.assert_identical(statistics.load().drop_encoding(), expected)
    assert groups(many) == ["statistics"]


def test_a_group_is_few_files(many, expected):
    compute_statistics(many, progress=False)
    chunks = [file for file in (many / "statistics").rglob("c/**/*") if file.is_file()]
    # Three of two-point statistics, one of every other variable, however many shards there are.
    assert len(chunks) == 3 + len(set(expected.variables) - set(ensemble.open_ensemble(many).variables)) - 1


# Runs compute_statistics in a process that is killed when it begins its second shard.
KILLED = """
    import os, signal, sys
    from pspgan.statistics import streaming
    measure, shards = streaming.measure, []
    def killed(micrograph, *others):
        shards.append(len(micrograph))
        if len(shards) == 3:  # the first was one micrograph, for the layout
            os.kill(os.getpid(), signal.SIGKILL)
        return measure(micrograph, *others)
    streaming.measure = killed
    sys.modules["pymks"] = None
    from pspgan.statistics import compute_statistics
    compute_statistics(sys.argv[1], workers=1)
"""


def kill_at_the_second_shard(path):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), path],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert done.returncode == -9
    assert groups(path) == ["statistics.partial"]


def counting(monkeypatch):
    """How many micrographs each call of `measure` gets from now on."""
    measure, counts = streaming.measure, []

    def counted(micrograph, *others):
        counts.append(len(micrograph))
        return measure(micrograph, *others)

    monkeypatch.setattr(streaming, "measure", counted)
    return counts


def test_a_killed_run_goes_on_where_it_was(many, expected, monkeypatch):
    kill_at_the_second_shard(many)
    with pytest.raises(StatisticsError, match="holds no statistics"):
        open_statistics(many)
    ensemble.open_ensemble(many)
    counts = counting(monkeypatch)
    (statistics,) = compute_statistics(many, workers=1, progress=False)
    assert counts == [256, 88]  # not the first shard, and no new layout
    assert groups(many) == ["statistics"]
    assert np.isnan(statistics.attrs["pymks_max_deviation"])  # PyMKS was kept from the killed run
    xr.testing.assert_equal(statistics.load(), expected)


def test_what_was_begun_with_other_settings_begins_anew(many, monkeypatch):
    kill_at_the_second_shard(many)
    counts = counting(monkeypatch)
    (statistics,) = compute_statistics(many, cutoff=5, workers=1, progress=False)
    assert counts == [1, 256, 256, 88]
    assert statistics.sizes["dy"] == 11
    assert np.isfinite(statistics["two_point"]).all()
    assert groups(many) == ["statistics"]


@pytest.mark.parametrize("last", ["_unpack", "save_classifier"])
def test_what_was_stopped_at_its_very_end_is_finished(many, expected, monkeypatch, last):
    def stopped(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(streaming if last == "_unpack" else Phases, last, stopped)
        with pytest.raises(KeyboardInterrupt):
            compute_statistics(many, workers=1, progress=False)
    assert groups(many) == ["statistics.partial"]
    counts = counting(monkeypatch)
    (statistics,) = compute_statistics(many, workers=1, progress=False)
    assert counts == []
    xr.testing.assert_identical(statistics.load().drop_encoding(), expected)
    assert sorted(found.name for found in (many / "statistics").iterdir() if "pack" in found.name) == []


def test_older_statistics_stay_until_the_new_ones_are_complete(many, monkeypatch):
    (before,) = compute_statistics(many, progress=False)
    before = before.load()

    def stopped(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(streaming, "_write", stopped)
        with pytest.raises(KeyboardInterrupt):
            compute_statistics(many, cutoff=3, workers=1, progress=False)
    xr.testing.assert_identical(before, open_statistics(many).load())
    (after,) = compute_statistics(many, cutoff=3, workers=1, progress=False)
    assert after.sizes["dy"] == 7
    assert groups(many) == ["statistics"]


def test_a_damaged_micrograph_is_named_and_nothing_is_left(many):
    shard = many / "micrograph" / "c" / "1" / "0" / "0"
    content = bytearray(shard.read_bytes())
    content[len(content) // 3] ^= 0xFF
    shard.write_bytes(content)
    with pytest.raises(ensemble.EnsembleError, match=r'many\.zarr, variable "micrograph", samples? \d+'):
        compute_statistics(many, progress=False)
    assert groups(many) == []


def test_damaged_statistics_are_named(many):
    compute_statistics(many, progress=False)
    (many / "statistics" / "two_point" / "c" / "2" / "0" / "0" / "0").unlink()
    statistics = open_statistics(many)
    assert statistics["two_point"][:512].shape[0] == 512
    with pytest.raises(ensemble.EnsembleError, match=r'"statistics/two_point", samples 512 to 599'):
        statistics["two_point"].load()
