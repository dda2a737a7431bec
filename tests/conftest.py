"""What all tests share."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import pspgan as psp

# For the networks written plainly, which tests compare with, too. Last, because of the name of statistics.py.
ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "benchmarks"))


collect_ignore = ["typed_script.py"]  # which a type checker reads; nothing runs it
collect_ignore_glob = ["*/conftest.py"]  # for doctests they would all be one module

# Files that take longest begin first: else a core is left with one of them, alone, at the end.
_LONGEST = (
    "examples",
    "distributed",
    "tutorials",
    "benchmarks",
    "plugged_descriptors",
    "faults",
    "how_to",
    "cli",
    "kernels",
    "loop",
    "transfer",
)


def pytest_collection_modifyitems(items):
    rank = {f"test_{name}": i for i, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


@pytest.fixture(autouse=True)
def same_draws_every_time():
    """Tests that draw from torch's global generator draw the same whichever tests ran before."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with the recordings of published implementations; it lies beside the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("PSPGAN_SHARED", beside))
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent: no recordings to compare with (PSPGAN_SHARED names another folder)")
    return folder


# Of every constituent, and quenched from 970 degC after several times.
_FEW_SPECIMENS = ("2", "5", "11", "12", "23", "24", "33", "34", "37", "38", "40")


@pytest.fixture
def few_of_uhcsdb(shared, tmp_path):
    """Folder ``uhcsdb`` in the temporary one: the database, and links to 33 of its micrographs."""
    folder = tmp_path / "uhcsdb"
    (folder / "micrographs").mkdir(parents=True)
    database = shared / "uhcsdb" / "microstructures.sqlite"
    (folder / database.name).symlink_to(database)
    whole = psp.sources.uhcsdb.read(shared / "uhcsdb")
    for specimen in _FEW_SPECIMENS:
        of_it = whole.isel(sample=whole["specimen"].values == specimen).sortby("um_per_px")
        images = of_it["image"].values  # the finest, the coarsest, and one between them
        for image in images[[0, len(images) // 2, -1]]:
            (folder / image).symlink_to(shared / "uhcsdb" / image)
    return folder


@pytest.fixture(scope="session")
def cluster():
    """Address of a dask scheduler with two workers, processes of their own."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, processes=True
    ) as started:
        yield started.scheduler_address


@pytest.fixture
def run_script(tmp_path):
    """Runs a script in the temporary folder; gives what it printed."""

    def run(script, *arguments):
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "MPLBACKEND": "Agg"}
        done = subprocess.run(
            [sys.executable, script, *map(str, arguments)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def run(monkeypatch, capfd):
    """Runs one command through the entry point: (exit code, standard output, standard error)."""
    from pspgan.cli import main

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["pspgan", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        out = capfd.readouterr()
        return code, out.out, out.err

    return run
