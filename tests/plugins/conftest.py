"""Installs packages with plugins, those beside this file and broken ones, where only one test sees them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pspgan.statistics.descriptors import plugged

# Not looked through for doctests: modules of packages, which are imported where a test installs them.
collect_ignore_glob = ["*/*.py", "conftest.py"]

HERE = Path(__file__).parent
PREPARE = "from setuptools.build_meta import prepare_metadata_for_build_wheel as prepare; prepare({!r})"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A folder on the path of this process and of those that it starts, forgotten after the test."""
    folder = tmp_path / "installed"
    folder.mkdir()
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{HERE.parents[1]}")
    plugged._recorded.cache_clear()
    yield folder
    plugged._recorded.cache_clear()
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(folder)):
            del sys.modules[name]


@pytest.fixture
def example(installed, tmp_path):
    """Installs a package of this folder, as pip would: what its pyproject.toml says, and its module."""

    def install(name):
        source = shutil.copytree(HERE / name, tmp_path / "source" / name)
        prepared = tmp_path / "prepared" / name  # setuptools wants a folder without another package
        prepared.mkdir(parents=True)
        prepare = [sys.executable, "-c", PREPARE.format(str(prepared))]
        subprocess.run(prepare, cwd=source, check=True, capture_output=True)
        (about,) = prepared.glob("*.dist-info")
        shutil.move(about, installed)
        for module in source.glob("*.py"):
            shutil.copy(module, installed)
        return name

    return install


@pytest.fixture
def package(installed):
    """Installs a package of one module: what it offers, and its code."""

    def install(name, version="1.0", *, code="", **entry_points):
        about = installed / f"{name}-{version}.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        groups = [
            f"[pspgan.{kind}]\n" + "".join(f"{entry} = {target}\n" for entry, target in entries.items())
            for kind, entries in entry_points.items()
        ]
        (about / "entry_points.txt").write_text("\n".join(groups))
        (installed / f"{name}.py").write_text(code)
        return about

    return install
