"""The benchmarks run, small, and write what they print."""

import json
from pathlib import Path

import pytest

from pspgan import ops

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.mark.skipif(not ops.native_status().available, reason=str(ops.native_status()))
def test_benchmark_of_operators(run_script, tmp_path):
    options = ["--seconds", 0.01, "--images", 2, "--json", tmp_path / "ops.json"]
    printed = run_script(BENCHMARKS / "ops.py", *options)
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
    printed = run_script(BENCHMARKS / "training.py", *options, "--json", tmp_path / "training.json")
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
    options = ["--samples", 2, "--rounds", 1, "--micrographs", 100, "--json", tmp_path / "statistics.json"]
    printed = run_script(BENCHMARKS / "statistics.py", *options)
    rows = json.loads((tmp_path / "statistics.json").read_text())["rows"]
    assert any("not periodic, masked" in row["name"] for row in rows)
    assert rows[-1]["name"].startswith("pspgan stats, 100 x 128 x 128, memory")
    for row in rows:
        assert row["name"] in printed
        assert row["ratio"] == pytest.approx(row["ours"] / row["reference"])
