"""Stores resume."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import pspgan as psp
from pspgan import ensemble


def test_a_store_in_the_way_and_one_that_is_finished(run, tmp_path):
    out = tmp_path / "gen.zarr"
    psp.generate(run, n=2, out=out, progress=False)
    with pytest.raises(FileExistsError, match="--overwrite"):
        psp.generate(run, n=3, out=out, progress=False)
    assert psp.generate(run, n=3, out=out, overwrite=True, progress=False).sizes["sample"] == 6


def test_half_a_store_of_other_seeds_is_not_continued(run, tmp_path):
    out = tmp_path / "gen.zarr"
    layout = psp.generate(run, n=300, seed=1, progress=False)
    ensemble.create(layout, out)
    with pytest.raises(FileExistsError):
        psp.generate(run, n=300, seed=2, out=out, progress=False)
    psp.generate(run, n=300, seed=1, out=out, progress=False)
    np.testing.assert_array_equal(psp.open_ensemble(out)["micrograph"], layout["micrograph"])


def test_a_killed_generation_is_finished_by_the_same_command(run, tmp_path):
    out = tmp_path / "gen.zarr"
    arguments = {"n": 1024, "batch": 16, "progress": False}
    code = f"import pspgan; pspgan.generate({str(run)!r}, out={str(out)!r}, **{arguments!r})"
    process = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"OMP_NUM_THREADS": "1"})
    shards = out / "micrograph" / "c"
    deadline = time.monotonic() + 120
    while len(list(shards.glob("*"))) < 2 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    with pytest.raises(psp.EnsembleError, match=r"half-written: \d+ of 2048 micrographs"):
        psp.open_ensemble(out)
    before = {path: path.stat().st_mtime_ns for path in shards.glob("*/0/0")}
    assert 0 < len(before) < 8
    made = psp.generate(run, out=out, **arguments)
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in before.items())
    psp.validate(made)
    assert made.sizes["sample"] == 2048
    again = psp.generate(run, n=1024, batch=64, progress=False)
    difference = np.abs(made["micrograph"].values.astype(int) - again["micrograph"].values)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3
