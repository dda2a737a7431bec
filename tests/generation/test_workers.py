"""However many share the work, and however they were started, the ensemble is the same."""

import dataclasses
import signal

import pytest
from ranks import Processes

import pspgan as psp
from pspgan.generation.writing import Source, _loaded

RANK = """
import os, time
import pspgan
from pspgan.generation.job import Job
sample = Job.sample
def slowly(self, model, samples, after_batch):
    time.sleep({delay})
    return sample(self, model, samples, after_batch)
Job.sample = slowly
"""


def rank_code(run, out, delay=0.0, **options):
    words = ["generate", str(run), "-n", "512", "-o", str(out)]
    words += [f"--{key}={value}" for key, value in options.items()]
    return (
        RANK.format(delay=delay)
        + f"import sys; from pspgan.cli import main; sys.argv[1:] = {words!r}; main()"
    )


@pytest.mark.parametrize("batch", [1, 7, 64, 2000])
def test_batches_do_not_matter(run, whole, tmp_path, assert_equal, batch):
    assert_equal(psp.generate(run, n=512, out=tmp_path / "gen.zarr", batch=batch, progress=False), whole)


def test_threads_share_the_work(run, whole, tmp_path, assert_equal):
    model = dataclasses.replace(psp.load(run), path=None)  # which threads do not need
    options = {"workers": 3, "scheduler": "threads", "phases": "otsu"}
    made = psp.generate(model, n=512, out=tmp_path / "gen.zarr", progress=False, **options)
    assert_equal(made, whole)
    expected = psp.statistics.Phases("otsu").segment(made["micrograph"].values)
    assert (made["phase"].values == expected).all()


@pytest.mark.slow
def test_workers_of_a_cluster_share_the_work(run, whole, tmp_path, monkeypatch, assert_equal, cluster):
    monkeypatch.chdir(tmp_path)  # the workers are elsewhere
    assert_equal(psp.generate(run, n=512, out="gen.zarr", scheduler=cluster, progress=False), whole)
    assert psp.open_ensemble(tmp_path / "gen.zarr").attrs["complete"]


@pytest.mark.slow
def test_a_killed_rank_ends_all_and_ranks_finish_the_store(run, whole, tmp_path, assert_equal):
    out = tmp_path / "gen.zarr"
    ranks = Processes(rank_code(run, out, delay=0.5), 2)
    ranks.until(lambda: list(out.glob("micrograph/c/*/0/0")))
    ranks.signal(1, signal.SIGKILL)
    codes, errors = ranks.end(timeout=120)
    assert codes == [1, -signal.SIGKILL], errors
    assert "error: another rank has stopped or is out of reach" in errors[0]
    with pytest.raises(psp.EnsembleError, match="half-written"):
        psp.open_ensemble(out)
    before = {path: path.stat().st_mtime_ns for path in out.glob("micrograph/c/*/0/0")}
    assert 0 < len(before) < 4
    ranks = Processes(rank_code(run, out, batch=9), 2)
    codes, errors = ranks.end(timeout=300)
    assert codes == [0, 0], errors
    assert errors[1] == ""  # rank 0 alone talks
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in before.items())
    assert_equal(psp.open_ensemble(out), whole)


@pytest.mark.slow
def test_what_all_ranks_would_stumble_over_is_told_once(run, tmp_path):
    ranks = Processes(rank_code(run, tmp_path / "gen.zarr", conditions="800-5-WQX", workers=2), 2)
    codes, errors = ranks.end(timeout=300)
    assert codes == [1, 1]
    assert "the ranks of torchrun share the work already" in errors[0]
    assert errors[1] == ""
    assert not (tmp_path / "gen.zarr").exists()


def test_another_file_at_the_same_place_is_refused(run, make_run, tmp_path):
    source = Source.of(psp.load(run))
    assert _loaded(source).name == psp.load(run).name
    with pytest.raises(ValueError, match="is another file to this worker"):
        _loaded(dataclasses.replace(source, sha256="0" * 64))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers 0 is no number of processes"),
        ({"workers": 2, "scheduler": "tcp://localhost:1"}, "a cluster has its own workers"),
        ({"workers": 2, "scheduler": "fork"}, 'scheduler "fork" is none of threads, processes'),
        ({"scheduler": "fork"}, 'scheduler "fork" is none of threads, processes'),
        ({"workers": 2, "out": None}, "workers share the writing of a store"),
        ({"scheduler": "tcp://localhost:1", "out": None}, "workers share the writing of a store"),
        ({"device": "cpu"}, "this model is loaded already; give device and precision to load"),
        ({"precision": "float32"}, "this model is loaded already"),
    ],
)
def test_workers_that_cannot_help_are_refused(run, tmp_path, options, message):
    arguments = {"out": tmp_path / "gen.zarr", "progress": False} | options
    with pytest.raises(ValueError, match=message):
        psp.generate(psp.load(run), **arguments)
    assert not (tmp_path / "gen.zarr").exists()


def test_a_model_from_memory_cannot_go_to_other_processes(run, tmp_path):
    model = dataclasses.replace(psp.load(run), path=None)
    with pytest.raises(ValueError, match=r'was not loaded from a file, .* or take scheduler "threads"'):
        psp.generate(model, out=tmp_path / "gen.zarr", workers=2, progress=False)
    assert not (tmp_path / "gen.zarr").exists()
