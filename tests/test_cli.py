"""The command line: the whole path as a user types it, and errors in one line."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import pspgan as psp
from pspgan import ensemble
from pspgan.cli import app

VERBS = ("simulate", "train", "generate", "stats", "link", "report", "demo", "info", "import", "phases")
SMALL = [
    f"--set={setting}"
    for setting in (
        "resolution=32",
        "ch=4",
        "latent=8",
        "embedding=4",
        "batch=8",
        "reduction=1",
        "log_every=16",
    )
]


def test_help_of_every_verb_teaches():
    runner = CliRunner()
    everything = runner.invoke(app, ["--help"])
    assert everything.exit_code == 0
    assert all(verb in everything.output for verb in VERBS)
    for verb in VERBS[:6]:
        shown = runner.invoke(app, [verb, "--help"])
        assert shown.exit_code == 0
        assert f"pspgan {verb}" in shown.output


def test_help_does_not_load_torch():
    code = "import sys, pspgan.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_whole_path(run, tmp_path):
    real, gen, folder, linkage = (tmp_path / name for name in ("real.zarr", "gen.zarr", "run", "linkage"))
    conditions = "800-5-Q,800-90-Q,800-24H-Q,900-5-AR,970-24H-FC,700-5-Q"
    code, out, _ = run("simulate", "-n", 60, "--size", 32, "--conditions", conditions, "-o", real)
    assert (code, "60 micrographs, 6 combinations" in out) == (0, True)
    code, out, err = run("train", real, "--preset", "demo", "--images", 64, *SMALL, "-o", folder)
    assert code == 0, err
    assert f"next: pspgan generate {folder}" in out
    assert run("train", real, "-o", folder, "--resume", "--images", 96)[0] == 0
    code, out, _ = run("generate", folder, "--conditions", "observed", "-n", 4, "-o", gen)
    assert (code, "24 micrographs" in out) == (0, True)
    code, out, _ = run("stats", real, gen)
    assert (code, "PyMKS" in out) == (0, True)
    code, out, err = run("link", real, gen, "-o", linkage)
    assert code == 0, err
    page = tmp_path / "report.html"
    code, out, err = run("report", real, gen, "--linkage", linkage, "--run", folder, "-o", page)
    assert code == 0, err
    text = page.read_text()
    assert text.startswith("<!DOCTYPE html>")
    assert "Losses" in text
    assert "Variety within a condition" in text
    assert psp.open_ensemble(gen)["observed"].values.all()


def test_import_table(run, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    rng = np.random.default_rng(0)
    for name in "abc":
        Image.fromarray(rng.integers(0, 255, (40, 50), dtype=np.uint8)).save(images / f"{name}.png")
    table = tmp_path / "heat.csv"
    table.write_text(
        "file,T,min,cool,heat\na.png,800,5,WQ,1\nb.png,900,60,air,1\nc.png,800,60,air,2\nd.png,900,5,air,2\n"
    )
    words = ["--factor", "temperature=T:degC", "--factor", "time=min:min:log", "--factor", "cooling=cool"]
    out = tmp_path / "real.zarr"
    code, text, err = run(
        "import", "table", table, images, *words, "--map", "cooling:WQ=Q", "--specimen", "heat", "-o", out
    )
    assert code == 0, err
    assert "3 micrographs, 3 combinations, 2 specimens" in text
    assert "left out 1: row without an image" in text
    imported = psp.open_ensemble(out)
    assert imported["condition"].values.tolist() == ["800-5-Q", "900-60-air", "800-60-air"]
    assert ensemble.space_of(imported)["time"].scale == "log"
    assert 'factor time (column "min"): ordinal, 2 levels, 5 to 60 min, log axis' in text

    code, text, err = run("import", "table", table, images, "--specimen", "heat", "-o", out, "--overwrite")
    assert code == 0, err
    assert "factor cool: nominal, 2 levels: WQ, air" in text
    assert "factors are what the columns say; the same: --factor T --factor min --factor cool\n" in text
    factors = tmp_path / "factors.yaml"
    factors.write_text("cooling: {column: cool, levels: [Q, air]}\n")
    words = ["import", "table", table, images, "--factors", factors, "--specimen", "heat", "-o", out]
    code, text, err = run(*words, "--map", "cooling:WQ=Q", "--overwrite")
    assert (code, 'factor cooling (column "cool"): nominal, 2 levels: Q, air' in text) == (0, True), err
    before = psp.open_ensemble(out)["condition"].values.tolist()
    code, text, err = run(*words, "--overwrite")
    assert (code, text) == (1, "")
    assert 'heat.csv, row 2: cooling "WQ" is none of the levels Q, air; map it, for example with' in err
    assert psp.open_ensemble(out)["condition"].values.tolist() == before == ["Q", "air", "air"]
    code, _, err = run(*words, "--factor", "min", "--overwrite")
    assert (code, "--factor and --factors both name factors" in err) == (1, True)


def test_import_of_uhcsdb(run, shared, tmp_path):
    stores = []
    for name in ("microstructures.sqlite", "uhcs-metadata.csv"):
        out = tmp_path / f"{name}.zarr"
        code, text, err = run(
            "import", "uhcsdb", shared / "uhcsdb", "--metadata", shared / "uhcsdb" / name, "-o", out
        )
        assert code == 0, err
        assert "429 micrographs, 21 combinations, 25 specimens" in text
        assert "left out 169" in text
        stores.append(psp.open_ensemble(out))
    first, second = stores
    assert first.drop_attrs(deep=False).load().identical(second.drop_attrs(deep=False).load())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "none.zarr"], "none.zarr: no such ensemble"),
        (["import", "uhcsdb", "none"], "none: no such folder"),
        (["generate", "none"], "none: no such run"),
        (["simulate", "--conditions", "800-5-WQX", "-o", "s.zarr"], 'cooling "WQX" is none of'),
        (["simulate", "--conditions", "1500-5-Q", "-o", "s.zarr"], "temperature 1500 lies outside"),
        (["stats", "none.zarr"], "none.zarr: no such ensemble"),
        (["import", "table", "none.csv", ".", "--factor", "a"], "none.csv"),
    ],
)
def test_errors_are_one_line_and_name_the_thing(run, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*words)
    assert (code, out) == (1, "")
    lines = err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert message in lines[0]
    assert not list(tmp_path.iterdir())


def test_unknown_settings_name_the_nearest(run, tmp_path):
    real = ensemble.write_ensemble(
        psp.simulate(18, 32, progress=False), tmp_path / "real.zarr", progress=False
    )
    code, _, err = run("train", real, "--set", "latant=8", "-o", tmp_path / "run")
    assert (code, 'unknown setting "latant"; did you mean "latent"?' in err) == (1, True)
    config = tmp_path / "config.yaml"
    config.write_text("preset: demo\n")
    code, _, err = run("train", real, "--config", config, "-o", tmp_path / "run")
    assert (code, 'unknown setting "preset"' in err) == (1, True)
    config.write_text("batch: [8\n")
    assert "config.yaml is no YAML" in run("train", real, "--config", config, "-o", tmp_path / "run")[2]
    config.write_text("batchs: 8\n")
    code, _, err = run("train", real, "--config", config, "-o", tmp_path / "run")
    assert (code, 'did you mean "batch"?' in err) == (1, True)
    assert run("train", real, "--set", "latent", "-o", tmp_path / "run")[2].startswith(
        'error: --set "latent" is not KEY=VALUE'
    )
    assert not (tmp_path / "run").exists()


def test_info_says_what_is_in_use(run):
    code, out, _ = run("info")
    assert code == 0
    assert f"pspgan {psp.__version__}" in out
    assert "operators:" in out


def test_public_names():
    # Those of DESIGN: what users type, and what examples and docs rely on.
    for path in (
        "ProcessSpace.uhcsdb",
        "sources.uhcsdb.read",
        "sources.table.read",
        "simulate",
        "train",
        "load",
        "generate",
        "two_point_statistics",
        "Linkage",
        "evaluate",
        "open_ensemble",
        "ops.diff_augment",
        "ops.draw_diff_augment",
        "ops.omni_loss",
        "networks.Generator",
        "networks.Discriminator",
    ):
        found = psp
        for name in path.split("."):
            found = getattr(found, name)
        assert callable(found), path
    for name in psp.__all__:
        assert getattr(psp, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = psp.nothing
