"""The examples run as a user runs them: in a folder of their own, from nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pspgan as psp
from pspgan import ops

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"


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


def test_every_example_is_tested_here():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {
        "other_material",
        "own_images",
        "simulated_steel",
        "uhcsdb",
    }


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_examples_open_as_notebooks(path):
    lines = path.read_text().splitlines()
    assert lines[0] == "# %% [markdown]"
    assert lines[1].startswith("# # ")


def test_own_images(run_script, tmp_path):
    printed = run_script(EXAMPLES / "own_images.py")
    assert "54 micrographs, 9 combinations, 27 specimens" in printed
    assert (tmp_path / "own_images" / "linkage" / "linkage.json").exists()
    # What was made up: 20 % of pores lie halfway between 1200 (25 %) and 1300 degC (15 %).
    suggested = printed[printed.index("probability") :].splitlines()[1]
    assert 1200 < float(suggested.split()[1]) < 1300


@pytest.mark.slow
def test_simulated_steel(run_script, tmp_path):
    printed = run_script(EXAMPLES / "simulated_steel.py")
    assert "850-6H-Q: never observed in training" in printed
    out = tmp_path / "simulated_steel"
    for name in ("gallery.png", "side_by_side.png", "coarsening.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    assert (out / "report.html").read_text().startswith("<!DOCTYPE html>")


def test_uhcsdb(run_script, tmp_path, shared):
    printed = run_script(EXAMPLES / "uhcsdb.py", shared / "uhcsdb")
    assert "429 micrographs, 21 combinations, 25 specimens" in printed
    assert "249 tiles of 256 x 256 px at 0.1 um/px, from 140 images" in printed
    assert "show the same place" in printed
    assert (tmp_path / "uhcsdb_example" / "real_beside_simulated.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_other_material(run_script, tmp_path):
    printed = run_script(EXAMPLES / "other_material.py")
    # Inferred: what the columns say, and what is offered.
    assert (
        '(column "quench rate (K/s)"): ordinal, 3 levels, 1 to 100 K/s, linear axis; a log axis may'
        in printed
    )
    assert "--factor 'quench_rate=quench rate (K/s):K/s:log'" in printed
    assert "no factor: ageing (aged 8 h in every row)" in printed
    assert "no factor: remark (blank in 59 of 60 rows)" in printed
    # From the file.
    assert 'factor rate (column "quench rate (K/s)"): ordinal, 3 levels, 1 to 100 K/s, log axis' in printed
    out = tmp_path / "other_material"
    space = psp.ensemble.space_of(psp.open_ensemble(out / "alloy.zarr"))
    assert space.names == ("content", "rate")
    assert len(space.observed) == 10
    generated = psp.open_ensemble(out / "gen.zarr")
    seen = dict(
        zip(generated["condition"].values.tolist(), generated["observed"].values.tolist(), strict=True)
    )
    assert [condition for condition, observed in seen.items() if not observed] == ["7-10", "6-30"]

    # The laws that were put in. Over twelve seeds, fields of 5 um gave exponents of -0.186 +- 0.007 (borders
    # cut the largest precipitates) and slopes of 0.0250 +- 0.0006.
    linkage = psp.Linkage.load(out / "linkage")
    contents, rates = np.array([3, 5, 7, 9]), np.array([1, 10, 100])
    with pytest.warns(UserWarning, match="no micrograph of 5-100, 7-10"):
        mean = linkage.predict([f"{c}-{r}" for c in contents for r in rates])["mean"]
    fraction, diameter = (
        mean.sel(target=name).values.reshape(4, 3)
        for name in ("area_fraction", "mean_equivalent_diameter_um")
    )
    law = (contents[:, None] - 1) / 40 * np.ones(3)
    assert fraction == pytest.approx(law, abs=0.02)
    assert np.polyfit(contents, fraction.mean(axis=1), 1)[0] == pytest.approx(1 / 40, abs=0.0025)
    exponents = np.polyfit(np.log(rates), np.log(diameter).T, 1)[0]
    assert exponents.mean() == pytest.approx(-0.2, abs=0.04)
    assert np.exp(np.log(diameter).mean(axis=0)) == pytest.approx(0.5 * rates**-0.2, rel=0.1)
    assert f"exponent of the quench rate: put in -0.20, found {exponents.mean():.3f}" in printed
    assert (out / "report.html").read_text().startswith("<!DOCTYPE html>")


@pytest.mark.skipif(not ops.native_status().available, reason=str(ops.native_status()))
def test_benchmark_of_operators(run_script, tmp_path):
    printed = run_script(ROOT / "benchmarks" / "ops.py", "--seconds", 0.01, "--json", tmp_path / "ops.json")
    result = json.loads((tmp_path / "ops.json").read_text())
    assert result["machine"] in printed
    assert any(row["name"].startswith("diff_augment") for row in result["rows"])
    for row in result["rows"]:
        assert row["name"] in printed
        assert row["ratio"] == pytest.approx(row["ours"] / row["reference"])
        assert row["unit"] == ("B" if "memory traffic" in row["name"] else "us")


def test_benchmark_of_training(run_script, tmp_path):
    small = {"resolution": 64, "ch": 4, "batch": 2, "images": 2, "memory-batch": 2, "rounds": 1}
    options = [word for key, value in small.items() for word in (f"--{key}", value)]
    printed = run_script(ROOT / "benchmarks" / "training.py", *options, "--json", tmp_path / "training.json")
    rows = json.loads((tmp_path / "training.json").read_text())["rows"]
    names = [row["name"] for row in rows]
    assert len(set(names)) == len(names)
    for what in ("discriminator step", "generator step", "sampling", "memory at batch 2"):
        assert f"{what}, float32, sagan" in names
        assert f"{what}, bfloat16, biggan" in names
    for row in rows:
        assert row["name"] in printed
        assert row["ratio"] == pytest.approx(row["ours"] / row["reference"])


def test_benchmark_of_statistics(run_script, tmp_path):
    pytest.importorskip("pymks", reason="PyMKS is not installed: nothing to compare with")
    options = ["--samples", 2, "--rounds", 1, "--micrographs", 300, "--json", tmp_path / "statistics.json"]
    printed = run_script(ROOT / "benchmarks" / "statistics.py", *options)
    rows = json.loads((tmp_path / "statistics.json").read_text())["rows"]
    assert any("not periodic, masked" in row["name"] for row in rows)
    assert rows[-1]["name"].startswith("pspgan stats, 300 x 128 x 128, memory")
    for row in rows:
        assert row["name"] in printed
        assert row["ratio"] == pytest.approx(row["ours"] / row["reference"])
