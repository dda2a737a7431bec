"""The folder of a run: what is removed of it, and what in it is the user's and stays."""

import errno
import os

import pytest

from pspgan.networks import CheckpointError
from pspgan.training import Run, train

OTHERS = (
    "real.zarr/zarr.json",
    ".real.zarr.1f.partial/zarr.json",
    "samples/etched.png",
    "checkpoints/notes.txt",
)


def content(files):
    return {file: file.read_bytes() for file in files}


@pytest.fixture
def run(make_ensemble, small, tmp_path):
    """A finished run, in a folder that holds other things, too."""
    for name in OTHERS:
        (tmp_path / "run" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "run" / name).write_text(name)
    return train(make_ensemble(), "demo", tmp_path / "run", **(small | {"images": 32}))


def others(run):
    return {name: (run.folder / name).read_text() for name in OTHERS}


def lose_checkpoints(run):
    for path in run.checkpoints():
        path.unlink()


def test_a_run_knows_all_its_files(run):
    there = {path for path in run.folder.rglob("*") if path.is_file()}
    assert there - set(run.files()) == {run.folder / name for name in OTHERS}
    assert run.files()[-1] == run.folder / "config.json"


def test_overwriting_leaves_what_is_not_the_runs(run, make_ensemble, small):
    damaged = run.checkpoints()[0].rename(run.checkpoints()[0].with_suffix(".safetensors.damaged"))
    partial = run.folder / "checkpoints" / ".state-000000004.safetensors.0f.partial"
    partial.touch()
    train(make_ensemble(), "demo", run.folder, overwrite=True, **(small | {"images": 16}))
    assert others(run) == dict(zip(OTHERS, OTHERS, strict=True))
    assert not damaged.exists()
    assert not partial.exists()
    assert [line["images"] for line in run.log if "loss_g" in line] == [16]
    assert [path.name for path in run.checkpoints()] == [
        "state-000000000.safetensors",
        "best-000000001.safetensors",
        "state-000000001.safetensors",
    ]


def test_starting_anew_leaves_what_is_not_the_runs(run, make_ensemble):
    lose_checkpoints(run)
    run.generator_file.unlink()
    train(make_ensemble(), out=run.folder, resume=True, progress=False)
    assert others(run) == dict(zip(OTHERS, OTHERS, strict=True))


def test_an_exported_generator_is_not_thrown_away_by_resuming(run, make_ensemble):
    lose_checkpoints(run)
    before = content(run.files())
    with pytest.raises(CheckpointError, match=r"no checkpoint to resume from, but generator.*--from"):
        train(make_ensemble(), out=run.folder, resume=True, images=64, progress=False)
    assert content(run.files()) == before


def test_a_run_inside_the_folder_outlives_what_starts_from_it(run, make_ensemble, small):
    inner = train(make_ensemble(), "demo", run.folder / "old", **(small | {"images": 16}))
    before = content(inner.files())
    options = small | {"images": 16, "start_from": inner}
    train(make_ensemble(), "demo", run.folder, overwrite=True, **options)
    lose_checkpoints(run)
    run.generator_file.unlink()
    train(make_ensemble(), out=run.folder, resume=True, progress=False)
    assert content(inner.files()) == before


def test_clearing_that_is_cut_short_still_leaves_a_run(run, make_ensemble, small, monkeypatch):
    files = run.files()
    with monkeypatch.context() as patch:
        unlink = type(files[0]).unlink

        def stop_at_last_but_one(path, *arguments, **options):
            if path == files[-2]:
                raise KeyboardInterrupt
            unlink(path, *arguments, **options)

        patch.setattr(type(files[0]), "unlink", stop_at_last_but_one)
        with pytest.raises(KeyboardInterrupt):
            run.clear()
    assert run.files() == files[-2:]
    with pytest.raises(FileExistsError, match="holds a run"):
        train(make_ensemble(), "demo", run.folder, **small)
    train(make_ensemble(), "demo", run.folder, overwrite=True, **(small | {"images": 16}))
    assert [line["images"] for line in run.log if "loss_g" in line] == [16]


@pytest.mark.parametrize("options", [{}, {"resume": True}, {"overwrite": True}])
def test_parts_of_a_run_without_config_are_not_mixed_with_a_new_one(run, make_ensemble, small, options):
    (run.folder / "config.json").unlink()
    before = content(run.files())
    with pytest.raises(FileExistsError, match=r"state-\d+\.safetensors would pass for .*no config\.json"):
        train(make_ensemble(), "demo", run.folder, **(small | options))
    assert content(run.files()) == before


def test_a_linked_folder_is_cleared_where_it_is(run, make_ensemble, small, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(run.folder, target_is_directory=True)
    train(make_ensemble(), "demo", link, overwrite=True, **(small | {"images": 16, "seed": 7}))
    assert link.is_symlink()
    assert Run(run.folder).config.seed == 7


@pytest.mark.parametrize("text", ["", '{"preset": "demo", "con', "[1]"])
@pytest.mark.parametrize("options", [{}, {"resume": True}, {"overwrite": True}])
def test_a_damaged_config_is_named_and_nothing_is_touched(make_ensemble, small, tmp_path, text, options):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(CheckpointError, match=rf"^{path} cannot be read .* put a copy of it back.*--from"):
        train(make_ensemble(), "demo", tmp_path, **(small | options))
    assert path.read_text() == text


def test_a_full_disk_leaves_the_config_of_before(run, monkeypatch):
    old, before = run.description, run.files()
    path = run.folder / "config.json"

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=rf"^{path} cannot be written: .*No space left.*is the disk full\?"):
        run.describe(run.config, "another", run.space, old["data"], None)
    assert run.description == old
    assert run.files() == before
    assert not list(run.folder.glob(".config*"))
