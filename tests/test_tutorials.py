"""Tutorials run as printed, from an empty folder; sizes and minutes are cut."""

import ast
import warnings

import pytest
import xarray as xr
from printed import DOCS, FEW, ROOT, TINY, TINY_SETTINGS, Reader, blocks, commands_of

import pspgan as psp

TUTORIALS = DOCS / "tutorials"


@pytest.fixture
def reader(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    return Reader(monkeypatch, capsys)


def statements(page):
    return [ast.unparse(part) for code in blocks(page, "python") for part in ast.parse(code).body]


def test_the_readme_prints_what_the_tutorials_run():
    python = statements(TUTORIALS / "simulated-steel.md")
    assert [part for part in python if part in statements(ROOT / "README.md")] == statements(
        ROOT / "README.md"
    )
    shell = [
        line
        for page in ("uhcsdb.md", "own-images.md")
        for code in blocks(TUTORIALS / page, "sh")
        for line in commands_of(code)
    ]
    printed = [line for code in blocks(ROOT / "README.md", "sh") for line in commands_of(code)]
    assert set(printed) - set(shell) == {
        "make demo",
        "make test",
        "pip install torch",
        'pip install "setuptools>=77,<81" ninja',
        "pip install --no-build-isolation .",
        "pspgan info",
        "pspgan app run --gen gen.zarr --linkage linkage",  # serves until it is stopped; see tests/explorer
    }


@pytest.mark.slow
def test_simulated_steel(reader, tmp_path):
    settings = ", ".join(f"{key}={value}" for key, value in TINY_SETTINGS.items())
    never_seen = {"training": "never saw 850-6H-Q", "linkage": "no micrograph of 850-6H-Q was seen"}
    with (
        pytest.warns(UserWarning, match=never_seen["training"]),
        pytest.warns(UserWarning, match=never_seen["linkage"]),
    ):
        reader.follow(
            TUTORIALS / "simulated-steel.md",
            {
                "n=600, size=64": (f"n=60, size=64, conditions={FEW}", 1),
                'out="run", minutes=2': (f'out="run", {settings}', 1),
                "n=16": ("n=4", 1),
            },
        )
    names = reader.names
    assert names["x"].shape == (2, 1, names["gen"].sizes["y"], names["gen"].sizes["x"])
    assert names["gen"].sizes["sample"] == len(FEW) * 4
    assert names["structure"]["std"].notnull().all()
    assert (tmp_path / "report.html").exists()
    pages = [DOCS / name for name in ("statistics.md", "linkage.md")]  # they go on from there
    code = "\n".join(code for page in pages for code in blocks(page, "python"))
    with pytest.warns(UserWarning, match=never_seen["linkage"]):
        reader.python(code)
    assert names["scores"].shape == (names["gen"].sizes["sample"], 3)
    assert names["two_point"].sizes["dx"] == 15
    xr.testing.assert_allclose(names["predicted"], names["structure"])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_uhcsdb(reader, few_of_uhcsdb, tmp_path):
    reader.follow(
        TUTORIALS / "uhcsdb.md",
        {
            "--preset uhcs-64 --minutes 20": (f"--preset uhcs-64 {TINY}", 1),
            "-n 32": ("-n 3", 2),
        },
    )
    assert not psp.open_ensemble("asked.zarr")["observed"].any()
    assert psp.open_ensemble("gen.zarr")["observed"].all()
    for name in (
        "inspection",
        "linkage/linkage.json",
        "evolution.png",
        "evaluation/findings.txt",
        "report.html",
    ):
        assert (tmp_path / name).exists(), name


@pytest.mark.slow
def test_own_images(reader, tmp_path):
    shorter = {
        "n=108, size=128": ("n=36, size=64", 1),
        "108 micrographs, 6 combinations, 18 specimens (128 x 128 px)": (
            "36 micrographs, 6 combinations, 18 specimens (64 x 64 px)",
            1,
        ),
        "--preset demo --minutes 4": (f"--preset demo {TINY}", 1),
        "-n 16": ("-n 3", 1),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reader.follow(TUTORIALS / "own-images.md", shorter)
    space = psp.ensemble.space_of(psp.open_ensemble("real.zarr"))
    assert [(factor.name, factor.unit, factor.scale) for factor in space.factors][:2] == [
        ("temperature", "degC", "linear"),
        ("time", "min", "log"),
    ]
    for name in ("phases.png", "linkage/linkage.json", "report.html"):
        assert (tmp_path / name).exists(), name
