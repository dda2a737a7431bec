"""Stores are written behind sampling, shard by shard, and whatever ended that, the same call finishes it."""

import errno
import itertools
import os
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from ranks import ENVIRONMENT

import pspgan as psp
from pspgan import ensemble
from pspgan.generation.job import Job
from pspgan.generation.writing import Behind


def test_a_store_in_the_way_and_one_that_is_finished(run, tmp_path):
    out = tmp_path / "gen.zarr"
    psp.generate(run, n=2, out=out, progress=False)
    with pytest.raises(FileExistsError, match="--overwrite"):
        psp.generate(run, n=3, out=out, progress=False)
    assert psp.generate(run, n=3, out=out, overwrite=True, progress=False).sizes["sample"] == 6


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": 2}, "seed"),
        ({"psi": 0.5}, "psi"),
        ({"n": 3}, "n"),
        ({"phases": "otsu"}, "phases"),
        ({"conditions": ["800-5-Q"]}, "conditions"),
        ({"precision": "bfloat16"}, "precision"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_half_a_store_of_another_call_is_not_continued(run, tmp_path, changes, named):
    out = tmp_path / "gen.zarr"
    arguments = {"n": 2, "seed": 1, "out": out, "progress": False}
    ensemble.create(psp.generate(run, n=2, seed=1, progress=False), out)
    before = sorted(out.rglob("*"))
    with pytest.raises(FileExistsError, match=rf"half-written, and not by this call: {named} differ"):
        psp.generate(run, **(arguments | changes))
    assert sorted(out.rglob("*")) == before
    made = psp.generate(run, **(arguments | changes), overwrite=True)
    assert made.attrs["complete"]
    provenance = made.attrs["provenance"]
    assert re.search(rf'"{named}": ', provenance)


class Broken(Exception):
    pass


def test_a_call_behind_runs_beside_its_caller_and_only_one_waits():
    goes_on, ended = threading.Event(), []

    def call(number):
        assert goes_on.wait(30)
        ended.append(number)

    with Behind(call) as behind:
        behind.give(1)  # returns while the call waits for what happens here
        behind.check()
        assert ended == []
        threading.Timer(0.2, goes_on.set).start()
        behind.give(2)  # waits for the first
        assert ended[:1] == [1]
    assert ended == [1, 2]


@pytest.mark.parametrize("seen_by", ["check", "give", "end"])
def test_an_error_behind_is_raised_before(seen_by):
    def call():
        raise Broken

    def use():
        with Behind(call) as behind:
            behind.give()
            while seen_by == "check":
                behind.check()
            if seen_by == "give":
                behind.give()

    before = threading.active_count()
    with pytest.raises(Broken):
        use()
    assert threading.active_count() == before


def test_a_shard_is_written_while_the_next_is_sampled(run, tmp_path, monkeypatch):
    """Each waits for the other: one after the other, they would wait for ever."""
    next_begun, sample, write = threading.Event(), Job.sample, ensemble.write_region

    def sampling(self, model, samples, after_batch):
        if samples.start == 256:
            next_begun.set()
        return sample(self, model, samples, after_batch)

    def writing_(out, start, **images):
        assert next_begun.wait(30)
        write(out, start, **images)

    monkeypatch.setattr(Job, "sample", sampling)
    monkeypatch.setattr(ensemble, "write_region", writing_)
    assert psp.generate(run, n=256, out=tmp_path / "gen.zarr", progress=False).sizes["sample"] == 512


@pytest.mark.parametrize("options", [{}, {"workers": 2, "scheduler": "threads"}], ids=["alone", "threads"])
def test_a_full_disk_ends_the_job_and_the_same_call_finishes_it(
    run, whole, tmp_path, monkeypatch, assert_equal, options
):
    out, write, calls = tmp_path / "gen.zarr", ensemble.write_region, itertools.count()

    def full(*arguments, **images):
        if next(calls):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(*arguments, **images)

    with monkeypatch.context() as patch:
        patch.setattr(ensemble, "write_region", full)
        with pytest.raises(OSError) as error:
            psp.generate(run, n=512, out=out, progress=False, **options)
    assert error.value.errno == errno.ENOSPC
    assert len(ensemble.pending(out)) == 3
    assert_equal(psp.generate(run, n=512, out=out, progress=False), whole)


# Where the tests run in the background, Ctrl-C is ignored. Every shard takes half a second at least, here
# as well as in other processes, which import this again.
SLOWLY = """
import signal, sys, time
from pspgan.generation.job import Job
sample = Job.sample
Job.sample = lambda *given: time.sleep(0.5) or sample(*given)
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from pspgan.cli import main
    main()
"""


def begin_slowly(run, out, *options):
    """`pspgan generate` for four shards, in a process of its own, once it has written some."""
    script = out.with_name("slowly.py")
    script.write_text(SLOWLY)
    words = [sys.executable, script, "generate", run, "-n", "512", "-o", out, *options]
    environment = ENVIRONMENT | {"PYTHONPATH": os.getcwd()}
    process = subprocess.Popen(
        words, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 300
    while process.poll() is None and time.monotonic() < deadline:
        if list(out.glob("micrograph/c/*/0/0")):
            return process
        time.sleep(0.01)
    raise AssertionError(process.communicate())


def test_control_c_while_sampling_or_writing(run, whole, tmp_path, monkeypatch, assert_equal):
    """What was handed over to be written is written."""
    out, sample = tmp_path / "gen.zarr", Job.sample

    def interrupted(self, model, samples, after_batch):
        if samples.start == 512:
            raise KeyboardInterrupt
        return sample(self, model, samples, after_batch)

    with monkeypatch.context() as patch:
        patch.setattr(Job, "sample", interrupted)
        with pytest.raises(KeyboardInterrupt):
            psp.generate(run, n=512, out=out, progress=False)
    assert ensemble.pending(out) == [slice(512, 768), slice(768, 1024)]
    assert_equal(psp.generate(run, n=512, out=out, progress=False), whole)


@pytest.mark.slow
def test_what_a_kill_leaves_is_kept_and_finished(run, whole, tmp_path, assert_equal):
    out = tmp_path / "gen.zarr"
    process = begin_slowly(run, out, "--batch", "16")
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    with pytest.raises(psp.EnsembleError, match=r"half-written: \d+ of 1024 micrographs"):
        psp.open_ensemble(out)
    before = {path: path.stat().st_mtime_ns for path in out.glob("micrograph/c/*/0/0")}
    assert 0 < len(before) < 4
    made = psp.generate(run, n=512, out=out, progress=False)
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in before.items())
    psp.validate(made)
    assert_equal(made, whole)


@pytest.mark.slow
def test_control_c_ends_all_workers_at_once(run, whole, tmp_path, assert_equal):
    out = tmp_path / "gen.zarr"
    process = begin_slowly(run, out, "--workers", "2")
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130, said
    assert said.splitlines()[-1] == f"stopped; the same command finishes {out}"
    assert "Traceback" not in said
    assert 0 < len(ensemble.pending(out)) < 4
    workers = {"workers": 2, "scheduler": "threads", "batch": 7}
    assert_equal(psp.generate(run, n=512, out=out, progress=False, **workers), whole)


def test_a_shard_adds_one_file_and_100_000_micrographs_are_few(tmp_path):
    """Of any size: here of 4 px."""
    conditions = ["800-5-Q"] * 100_000
    space = psp.ProcessSpace.uhcsdb()
    blank = np.broadcast_to(np.uint8(0), (100_000, 4, 4))
    layout = ensemble.build(
        blank,
        [space.condition("800-5-Q")] * 100_000,
        space,
        origin="generated",
        specimen=conditions,
        seed=range(100_000),
        phase=blank,
    )
    out = ensemble.create(layout, tmp_path / "gen.zarr")

    def files():
        return sum(path.is_file() for path in out.rglob("*"))

    begun, parts = files(), ensemble.pending(out)
    ensemble.write_region(out, 0, micrograph=blank[:256], phase=blank[:256])
    assert files() == begun + 2
    assert begun + 2 * len(parts) < 2000
