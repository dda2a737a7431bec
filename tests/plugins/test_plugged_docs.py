"""The page on plugins prints the packages of this folder, and its commands run."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import pspgan as psp

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "plugins.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", ["steel-scans", "particle-sides"])
def test_packages_are_printed_as_they_are(name):
    (module,) = (HERE / name).glob("*.py")
    assert module.read_text() in blocks("python")
    assert (HERE / name / "pyproject.toml").read_text() in blocks("toml")


def test_commands_run_as_printed(example, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    grey = np.random.default_rng(0).integers(0, 256, (4, 16, 16), np.uint8)
    np.savez("scans.npz", micrograph=grey, minutes=[5, 90, 5, 90])
    lines = [line.removeprefix("$ ") for block in blocks("console") for line in block.splitlines()]
    assert len(lines) == 4
    for line in lines:
        if line.startswith("pip install ./"):
            example(line.rpartition("/")[2])
        else:
            code, _, err = run(*shlex.split(line)[1:])
            assert code == 0, err
    assert "mean_longest_side_um" in psp.open_statistics("real.zarr")
    (snippet,) = [block for block in blocks("python") if "psp.sources" in block]
    names = {"psp": psp}
    exec(snippet, names)
    np.testing.assert_array_equal(names["real"]["micrograph"], grey)
