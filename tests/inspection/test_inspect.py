"""`pspgan inspect`: findings in words, tables and figures."""

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import pspgan as psp
from pspgan import cli, ensemble
from pspgan.process import Factor, ProcessSpace

SPACE = ProcessSpace((Factor("time", (5, 90), "ordinal", unit="min", scale="log"),))


@pytest.fixture(scope="module")
def data(surface, taken):
    """Two micrographs of one place under two names, specimens and conditions, and four others."""
    fields = [taken(surface(0), 0, 0), *(taken(surface(seed), 0, 0) for seed in (1, 2, 3, 4))]
    fields.append(taken(surface(0), 30, 40, gain=0.5, seed=9))
    return ensemble.build(
        np.stack(fields),
        [[5], [5], [5], [90], [90], [90]],
        SPACE,
        origin="real",
        specimen=["a", "a", "b", "c", "c", "c"],
        um_per_px=[0.1, 0.1, 0.1, 2.0, 2.0, 2.0],
        image=[f"raw/{k}.tif" for k in range(6)],
    )


def test_findings_in_words(data):
    lines = psp.inspect(data, progress=False).summary().splitlines()
    assert lines == [
        "6 micrographs, 2 of 2 combinations of levels, 3 specimens",
        "micrographs a combination: 3 (5) to 3 (5), median 3",
        "pixel size: 0.1 to 2 um/px, 1 : 20",
        "warning: 1 of 2 combinations rest on one specimen, so that what sets it apart cannot be told from "
        "its condition (90)",
        "warning: time settles 100% of um_per_px (by chance at most 100%)",
        "2 micrographs in 1 group seem to show the same place, whole or in part; look at duplicates.png: "
        "0.tif = 5.tif",
        "warning: 1 of these pairs belong to different specimens: a split by specimen would leak "
        "(0.tif = 5.tif)",
        "warning: 1 of these pairs have different conditions: one of the labels is wrong (0.tif = 5.tif)",
    ]


def test_command_writes_tables_and_figures(data, tmp_path):
    ensemble.write_ensemble(data, tmp_path / "real.zarr", progress=False)
    words = ["inspect", str(tmp_path / "real.zarr"), "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(cli.app, words)
    assert result.exit_code == 0, result.output
    assert "0.tif = 5.tif" in result.output
    pairs = pd.read_csv(tmp_path / "out" / "duplicates.csv")
    assert pairs[["first_name", "second_name"]].to_numpy().tolist() == [["raw/0.tif", "raw/5.tif"]]
    assert pairs["shift_x"].item() == pytest.approx(40, abs=2)
    for name in ("coverage_time", "pixel_sizes", "duplicates"):
        assert (tmp_path / "out" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert len(pd.read_csv(tmp_path / "out" / "combinations.csv")) == 2


def test_without_duplicates_names_or_pixel_sizes(data, tmp_path):
    plain = data.drop_vars("image")
    plain["um_per_px"] = plain["um_per_px"] * np.nan
    quick = psp.inspect(plain, duplicates=False, progress=False)
    assert quick.duplicates is None
    assert "were not looked for" in quick.summary()
    assert "pixel size" not in quick.summary()
    assert not (tmp_path / "pixel_sizes.png").exists()
    assert {file.name for file in quick.write(tmp_path)} == {
        "combinations.csv",
        "confounding.csv",
        "coverage_time.png",
    }
    assert psp.inspect(plain, progress=False).duplicates["first_name"].item() == "sample 0"
    apart = psp.inspect(plain.isel(sample=[1, 2, 3]), progress=False).summary()
    assert apart.splitlines()[-1] == "no two micrographs show the same place"


def test_pairs_of_very_many_are_compared_when_asked_for(data, monkeypatch):
    monkeypatch.setattr("pspgan.inspection._PAIRED", 5)
    quick = psp.inspect(data, progress=False)
    assert quick.duplicates is None
    assert "were not looked for (--duplicates compares all 15 pairs)" in quick.summary()
    assert len(psp.inspect(data, duplicates=True, progress=False).duplicates) == 1
