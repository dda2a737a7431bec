"""Nothing is lost whatever happens: kills, damaged checkpoints, full disks, Ctrl-C."""

import os
import random
import resource
import shlex
import signal
import subprocess
import sys
import time

import pytest
import torch
from ready_processes import ReadyProcess

import pspgan as psp
from pspgan import ensemble
from pspgan.networks import CheckpointError, load_weights
from pspgan.training import Run, TrainingInterrupted, loop, train
from pspgan.training.monitor import Monitor

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


def start(store, folder, settings, **options):
    """A training in a process of its own."""
    code = f"import pspgan; pspgan.train({str(store)!r}, 'demo', {str(folder)!r}, **{settings | options!r})"
    return ReadyProcess(code, ENVIRONMENT)


def until(process, reached):
    deadline = time.monotonic() + 120
    while not reached() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)


def kill(process):
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def losses_at(run):
    return [line["images"] for line in run.log if "loss_g" in line]


@pytest.fixture
def real(make_ensemble, tmp_path):
    return ensemble.write_ensemble(make_ensemble(), tmp_path / "real.zarr", progress=False)


@pytest.mark.usefixtures("one_thread")
def test_a_killed_training_resumes(real, small, tmp_path, same):
    run = Run(tmp_path / "run")
    process = start(real, run.folder, small, images=100_000)
    until(process, lambda: any(run.folder.glob("checkpoints/state-*[1-9].safetensors")))
    until(process, lambda: not list(run.folder.glob("checkpoints/state-000000000.safetensors")))
    assert kill(process)
    reached = load_weights(run.checkpoints()[-1])[1]["images"]
    assert reached >= 64
    train(real, "demo", run.folder, resume=True, images=reached + 32, progress=False)
    images = losses_at(run)
    assert images == sorted(set(images))
    assert images[-1] == reached + 32
    fresh = train(real, "demo", tmp_path / "fresh", **(small | {"images": reached + 32}))
    same(run.checkpoints()[-1], fresh.checkpoints()[-1])
    same(run.generator_file, fresh.generator_file)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_kills_at_any_moment_change_nothing(real, small, tmp_path, same):
    # A checkpoint after every step, so that many a kill comes in the middle of writing one.
    settings = small | {"images": 960, "checkpoint_every": 16, "sample_every": 160}
    run, draw = Run(tmp_path / "run"), random.Random(0)
    for _ in range(3):
        before = len(losses_at(run))
        process = start(real, run.folder, settings, resume=True)
        until(process, lambda before=before: len(losses_at(run)) > before)
        time.sleep(draw.uniform(0, 0.4))
        assert kill(process), "the training ended before it could be killed"
    train(real, "demo", run.folder, resume=True, progress=False)
    whole = train(real, "demo", tmp_path / "whole", **settings)
    assert [path.name for path in run.checkpoints()] == [path.name for path in whole.checkpoints()]
    for ours, theirs in zip(run.checkpoints(), whole.checkpoints(), strict=True):
        same(ours, theirs)
    same(run.generator_file, whole.generator_file)
    assert losses_at(run) == losses_at(whole)
    assert not list(run.folder.rglob(".*.partial"))


def test_a_run_killed_before_its_first_checkpoint_starts_anew(make_ensemble, small, tmp_path):
    run = train(make_ensemble(), "demo", tmp_path / "run", **(small | {"images": 32}))
    for path in (*run.checkpoints(), run.generator_file):
        path.unlink()
    train(make_ensemble(), out=run.folder, resume=True, progress=False)
    assert run.description["preset"] == "demo"
    assert losses_at(run) == [16, 32]


def test_a_log_cut_off_by_a_crash(make_ensemble, small, tmp_path):
    run = train(make_ensemble(), "demo", tmp_path / "run", **small)
    with (run.folder / "log.jsonl").open("a") as log:
        log.write('{"images": 1')
    assert len(run.log) > 0
    train(make_ensemble(), "demo", run.folder, resume=True, images=112, progress=False)
    assert losses_at(run) == [16, 32, 48, 64, 80, 96, 112]


def truncated(content):
    return content[:100]


def altered(content):
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize("damage", [truncated, altered])
def test_a_damaged_checkpoint_is_set_aside(make_ensemble, small, tmp_path, capsys, rated, same, damage):
    rated(1.0, 2.0, 2.0)  # the best of a run is its first
    run = train(make_ensemble(), "demo", tmp_path / "run", **small)
    newest = run.checkpoints()[-1]
    bad = damage(newest.read_bytes())
    newest.write_bytes(bad)
    train(make_ensemble(), "demo", run.folder, resume=True, images=112, progress=False)
    assert losses_at(run) == [16, 32, 48, 64, 80, 96, 112]
    assert (newest.parent / f"{newest.name}.damaged").read_bytes() == bad
    (warning,) = run.warnings
    assert f"at 64 images: {newest}" in warning
    assert f"is now {newest.name}.damaged, and the run goes on from state-000000004.safetensors" in warning
    assert warning.removeprefix("at 64 images: ") in capsys.readouterr().err
    whole = train(make_ensemble(), "demo", tmp_path / "whole", **(small | {"images": 112}))
    same(run.checkpoints()[-1], whole.checkpoints()[-1])


def test_without_a_readable_checkpoint_nothing_is_touched(make_ensemble, small, tmp_path):
    run = train(make_ensemble(), "demo", tmp_path / "run", **small)
    files = run.checkpoints()
    for path in files:
        path.write_bytes(b"")
    for _ in range(2):
        with pytest.raises(CheckpointError, match=r"no checkpoint to resume from .*state-000000006"):
            train(make_ensemble(), "demo", run.folder, resume=True, images=960, progress=False)
        assert run.checkpoints() == files


def test_a_best_newer_than_the_newest_is_resumed_from(make_ensemble, small, tmp_path, rated, same):
    rated(1.0, 2.0, 2.0)
    run = train(make_ensemble(), "demo", tmp_path / "run", **small)
    best, *states = run.checkpoints()
    for path in states:
        path.unlink()
    train(make_ensemble(), "demo", run.folder, resume=True, progress=False)
    whole = train(make_ensemble(), "demo", tmp_path / "whole", **small)
    assert best.name == "best-000000003.safetensors"
    same(run.checkpoints()[-1], whole.checkpoints()[-1])


def test_the_best_samples_are_kept(make_ensemble, small, tmp_path, rated):
    rated(3.0, 1.0, 2.0, 0.5, 1.5, 0.9, least=[1.0, 1.0, 1.0, 0.1, 1.0, 1.0])
    settings = small | {"sample_every": 16, "images": 48}
    run = train(make_ensemble(), "demo", tmp_path / "run", **settings)
    best = run.checkpoints()[0]
    assert best.name == "best-000000002.safetensors"
    content = best.read_bytes()
    # One nearer to the data, but with seeds that are alike, and one that is farther than the best.
    train(make_ensemble(), "demo", run.folder, resume=True, images=80, progress=False)
    assert [path.name for path in run.checkpoints()] == [
        "best-000000002.safetensors",
        "state-000000004.safetensors",
        "state-000000005.safetensors",
    ]
    assert best.read_bytes() == content
    at_that_time = train(make_ensemble(), "demo", tmp_path / "short", **(small | {"images": 32}))
    ours, theirs = psp.load(best), psp.load(at_that_time)
    assert (ours.name, ours.provenance["images"]) == ("run", 32)
    assert torch.equal(ours.sample(["0.1-oil"]), theirs.sample(["0.1-oil"]))


def limited(code, size):
    """Runs code in a process whose files may not grow beyond ``size`` bytes: a disk that is full."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
    )


def test_a_full_disk_names_the_checkpoint(tmp_path):
    path = tmp_path / "w.safetensors"
    code = (
        "import torch; from pspgan.networks import save_weights; "
        f"save_weights({str(path)!r}, {{'a': torch.zeros(100_000)}}, {{}})"
    )
    failed = limited(code, 4096)
    assert f"OSError: {path} cannot be written" in failed.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("one_thread")
def test_a_full_disk_at_a_checkpoint_leaves_the_one_before(real, small, tmp_path, same):
    settings = small | {"sample_every": 10_000}
    run = train(real, "demo", tmp_path / "run", **(settings | {"images": 32}))
    code = (
        f"import pspgan; pspgan.train({str(real)!r}, out={str(run.folder)!r}, resume=True, images=96, "
        "sample_every=10_000, progress=False)"
    )
    before = run.checkpoints()
    failed = limited(code, 100_000)
    assert failed.returncode == 1
    last = failed.stderr.splitlines()[-1]
    assert last.startswith(f"OSError: {run.folder / 'checkpoints' / 'state-000000004.safetensors'} cannot be")
    assert last.endswith("is the disk full?")
    assert run.checkpoints() == before
    train(real, "demo", run.folder, resume=True, images=96, progress=False)
    whole = train(real, "demo", tmp_path / "whole", **settings)
    same(run.checkpoints()[-1], whole.checkpoints()[-1])


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux that is always full")
def test_a_full_disk_names_the_log(tmp_path):
    (tmp_path / "log.jsonl").symlink_to("/dev/full")
    (tmp_path / "config.json").write_text("{}")
    monitor = Monitor(tmp_path, 10, 0, progress=False)
    for act in (lambda: monitor.write(1, {"loss_d_real": 1.0}), monitor.close):
        with pytest.raises(OSError, match=r"log\.jsonl cannot be written.*is the disk full\?"):
            act()


def press_at(monkeypatch, step, times):
    """Ctrl-C in the middle of a generator step."""
    update = loop.generator_step

    def generator_step(config, fakes, state, *others):
        if state.step == step:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
        return update(config, fakes, state, *others)

    monkeypatch.setattr(loop, "generator_step", generator_step)


@pytest.fixture(autouse=True)
def listening_to_control_c():
    """Where the tests run in the background, Ctrl-C is ignored, here and in processes started from here."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_control_c_saves_the_step_it_comes_in(make_ensemble, small, tmp_path, monkeypatch, capfd, same):
    handler = signal.getsignal(signal.SIGINT)
    run = Run(tmp_path / "run")
    with monkeypatch.context() as patch:
        press_at(patch, step=2, times=1)
        with pytest.raises(TrainingInterrupted) as stop:
            train(make_ensemble(), "demo", run.folder, **(small | {"sample_every": 10_000}))
    assert str(stop.value) == (
        "stopped after step 3 (48 images), which is saved; call train again with these data, "
        f"out={str(run.folder)!r} and resume=True"
    )
    assert "Ctrl-C once more stops at once" in capfd.readouterr().err
    assert signal.getsignal(signal.SIGINT) is handler
    assert load_weights(run.checkpoints()[-1])[1]["images"] == 48
    assert losses_at(run) == [16, 32, 48]
    train(make_ensemble(), "demo", run.folder, resume=True, progress=False)
    whole = train(make_ensemble(), "demo", tmp_path / "whole", **(small | {"sample_every": 10_000}))
    same(run.checkpoints()[-1], whole.checkpoints()[-1])


def test_the_command_that_goes_on_survives_spaces(make_ensemble, small, tmp_path, monkeypatch):
    store, folder = tmp_path / "my real.zarr", tmp_path / "first run"
    ensemble.write_ensemble(make_ensemble(), store, progress=False)
    press_at(monkeypatch, step=0, times=1)
    with pytest.raises(TrainingInterrupted) as stop:
        train(store, "demo", folder, **small)
    command = str(stop.value).partition("go on with: ")[2]
    assert shlex.split(command) == ["pspgan", "train", str(store), "-o", str(folder), "--resume"]


def test_a_second_control_c_stops_at_once(make_ensemble, small, tmp_path, monkeypatch):
    handler = signal.getsignal(signal.SIGINT)
    press_at(monkeypatch, step=3, times=2)
    with pytest.raises(KeyboardInterrupt) as stop:
        train(make_ensemble(), "demo", tmp_path / "run", **small)
    assert not isinstance(stop.value, TrainingInterrupted)
    assert signal.getsignal(signal.SIGINT) is handler
    run = Run(tmp_path / "run")
    assert losses_at(run) == [16, 32, 48]
    assert load_weights(run.checkpoints()[-1])[1]["images"] == 48  # the best; nothing of the step cut short


def test_control_c_in_the_last_step_lets_the_training_end(make_ensemble, small, tmp_path, monkeypatch):
    press_at(monkeypatch, step=5, times=1)
    run = train(make_ensemble(), "demo", tmp_path / "run", **small)
    assert losses_at(run)[-1] == 96
    assert run.generator_file.exists()


def test_control_c_in_the_shell(real, small, tmp_path):
    settings = [f"--set={key}={value}" for key, value in small.items() if key not in ("images", "progress")]
    words = ["train", str(real), "--preset", "demo", "--images", "1000000", "-o", str(tmp_path / "run")]
    code = f"import sys; from pspgan.cli import main; sys.argv[1:] = {words + settings!r}; main()"
    process = ReadyProcess(code, ENVIRONMENT)
    run = Run(tmp_path / "run")
    until(process, lambda: len(losses_at(run)) > 2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    meta = load_weights(run.checkpoints()[-1])[1]
    assert meta["images"] == losses_at(run)[-1]
    assert err.splitlines()[-1] == (
        f"stopped after step {meta['step']} ({meta['images']} images), which is saved; go on with: "
        f"pspgan train {real} -o {run.folder} --resume"
    )
