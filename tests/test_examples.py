"""The examples run as a user runs them: in a folder of their own, from nothing."""

from pathlib import Path

import numpy as np
import pytest
from printed import FEW, shortened

import pspgan as psp
from pspgan.classification import NetworkClassifier

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.fixture
def run_shortened(run_script, tmp_path):
    """Runs an example in which sizes are cut; gives what it printed."""

    def run(name, replacements, *arguments):
        script = tmp_path / name
        script.write_text(shortened((EXAMPLES / name).read_text(), replacements))
        return run_script(script, *arguments)

    return run


def test_every_example_is_tested_here():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {
        "augment_classifier",
        "foreign_pipeline",
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
def test_augment_classifier(run_script, tmp_path):
    printed = run_script(EXAMPLES / "augment_classifier.py")
    assert "real alone" in printed
    assert "Ratio 1: " in printed
    out = tmp_path / "augment_classifier"
    assert len(list((out / "augmented" / "generators").iterdir())) == 2
    parts = {path.name for path in (out / "dataset").iterdir()}
    assert parts == {"train", "held_out", "manifest.csv"}
    assert not list((out / "dataset" / "held_out").rglob("generated_*.png"))
    assert list((out / "dataset" / "train").rglob("generated_*.png"))
    assert NetworkClassifier.load(out / "network.safetensors").view == 32


@pytest.mark.slow
def test_simulated_steel(run_shortened, tmp_path):
    printed = run_shortened(
        "simulated_steel.py",
        {
            "n=360, size=64, seed=0": (f"n=60, size=64, seed=0, conditions={FEW}", 1),
            "images=1_000": ("images=128", 1),
            '"700-5-Q", "800-90-Q", "800-24H-Q", "970-5-FC"]': ('"800-90-Q", "800-24H-Q", "970-5-FC"]', 1),
            "n=8, out": ("n=4, out", 1),
        },
    )
    assert "850-6H-Q: never observed in training" in printed
    out = tmp_path / "simulated_steel"
    for name in ("gallery.png", "side_by_side.png", "coarsening.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    assert (out / "report.html").read_text().startswith("<!DOCTYPE html>")


def test_uhcsdb(run_script, tmp_path, few_of_uhcsdb):
    printed = run_script(EXAMPLES / "uhcsdb.py", few_of_uhcsdb)
    assert "33 micrographs, 9 combinations, 11 specimens" in printed
    assert "tiles of 256 x 256 px at 0.1 um/px" in printed
    assert (tmp_path / "uhcsdb_example" / "real_beside_simulated.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_foreign_pipeline(run_shortened, tmp_path):
    printed = run_shortened("foreign_pipeline.py", {"STEPS = 1500": ("STEPS = 60", 1), "n=320": ("n=80", 1)})
    assert "step 60: discriminator" in printed
    apart, among_real = (float(line.split()[-1]) for line in printed.splitlines() if " from real: " in line)
    assert apart > among_real  # after sixty steps
    if "PyMKS is not installed" not in printed:
        (difference,) = (line.split()[-1] for line in printed.splitlines() if "differ by at most" in line)
        assert float(difference) < 1e-10
    assert (tmp_path / "foreign_pipeline" / "components.png").read_bytes().startswith(b"\x89PNG")


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
