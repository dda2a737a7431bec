"""Sources of other packages: commands and Python names once they are installed, harmless when broken."""

import json
import subprocess
import sys

import numpy as np
import pytest

import pspgan as psp
from pspgan.ensemble import EnsembleError
from pspgan.plugins import PluginError
from pspgan.sources import SOURCES

BROKEN = {
    "import": ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
    "exit": ("raise SystemExit('no licence')", "SystemExit: no licence"),
    "attribute": ("", "AttributeError"),
    "function": ("read = 3", "is of type int, not a function"),
    "annotation": ("def read(file, level: int | str = 3): ...", "Union types"),
    "name": ("def read(out: str): ...", "the command has an argument out of its own"),
    "result": ("def read(): return [1, 2]", "gave no ensemble: it is of type list"),
    "schema": ("import xarray\ndef read(): return xarray.Dataset()", "gave no ensemble: attribute .schema."),
    "bug": ("def read(): return {}['grey']", "failed .KeyError: 'grey'.; that is for its authors"),
}


@pytest.fixture
def scans(tmp_path):
    file = tmp_path / "scans.npz"
    rng = np.random.default_rng(0)
    np.savez(file, micrograph=rng.integers(0, 256, (4, 16, 16), np.uint8), minutes=[5, 90, 5, 1440])
    return file


def test_a_source_is_a_command(example, run, scans, tmp_path):
    example("steel-scans")
    code, out, _ = run("import", "--help")
    assert code == 0
    assert "scans" in out
    assert "From the package steel-scans 1.0." in out
    assert "steel_scans" not in sys.modules  # listed, not imported
    code, out, _ = run("import", "scans", "--help")
    assert code == 0
    assert "Import scans, each of a specimen of its own." in out
    assert "--um-per-px" in out
    assert "Pixel size in um." in out
    store = tmp_path / "real.zarr"
    code, out, err = run("import", "scans", scans, "--um-per-px", 0.1, "-o", store)
    assert code == 0, err
    assert "4 micrographs, 3 combinations, 4 specimens (16 x 16 px)" in out
    assert f"pspgan inspect {store}" in out
    read = psp.open_ensemble(store)
    assert read["um_per_px"].values.tolist() == [0.1] * 4
    assert json.loads(read.attrs["provenance"])["plugin"] == {
        "name": "scans",
        "distribution": "steel-scans",
        "version": "1.0",
    }
    code, _, err = run("import", "scans", scans, "-o", store)
    assert (code, "--overwrite" in err) == (1, True)
    code, out, _ = run("import", "scans", scans, "-o", store, "--overwrite", "--json")
    assert (code, json.loads(out)["micrographs"]) == (0, 4)


def test_a_source_is_a_name_in_python(example, scans):
    example("steel-scans")
    assert "scans" in dir(psp.sources)
    dataset = psp.sources.scans.read(scans, um_per_px=0.2)
    assert dataset["time"].values.tolist() == [5.0, 90.0, 5.0, 1440.0]
    with pytest.raises(FileNotFoundError):
        psp.sources.scans.read(scans.parent / "absent.npz")
    with pytest.raises(AttributeError, match="no attribute 'scan'"):
        _ = psp.sources.scan


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_source_is_named(package, run, fault, scans, tmp_path):
    code, message = BROKEN[fault]
    package("faulty", "2.1", code=code, sources={"broken": "faulty:read"})
    done, _, err = run("import", "broken", "-o", tmp_path / "broken.zarr")
    assert done == 1
    assert err.startswith('error: source "broken" of the package faulty 2.1')
    assert err.count("\n") == 1
    assert not (tmp_path / "broken.zarr").exists()
    if fault not in ("annotation", "name"):
        with pytest.raises(PluginError, match=message):
            psp.sources.broken.read()
    else:
        assert message in err
    assert run("import", "--help")[0] == run("import", "table", "--help")[0] == 0


def test_what_a_source_says_to_its_user_stays_as_it_is(package):
    code = "from pspgan.sources import SourceError\ndef read(): raise SourceError('scan 3: no time')"
    package("reader", code=code, sources={"scans": "reader:read"})
    with pytest.raises(psp.sources.SourceError, match=r"^scan 3: no time$"):
        psp.sources.scans.read()


def test_names_that_clash(package, run, tmp_path):
    for name in ("one", "two"):
        package(name, code="def read(): ...", sources={"scans": f"{name}:read"})
    package(
        "usurper", code="raise RuntimeError", sources={"table": "usurper:read", "imaging": "usurper:read"}
    )
    package("misnamed", code="def read(): ...", sources={"my scans": "misnamed:read"})
    code, _, err = run("import", "scans")
    assert code == 1
    assert 'source "scans" is offered by one 1.0 and by two 1.0; remove all but one: pip uninstall two' in err
    assert run("import", "table", "--help")[0] == 0  # pspgan's own
    assert psp.sources.imaging.__name__ == "pspgan.sources.imaging"
    assert set(SOURCES.problems()) == {"scans", "table", "imaging", "my scans"}
    assert "pspgan's own" in SOURCES.problems()["table"]
    assert SOURCES.offered() == {}
    code, out, _ = run("import", "--help")
    assert (code, "my scans" in out) == (0, False)


def test_help_loads_neither_torch_nor_plugins(package, installed):
    package("faulty", code="raise RuntimeError('imported')", sources={"broken": "faulty:read"})
    code = "import sys; from pspgan.cli import main; sys.argv = ['pspgan', *sys.argv[1:]]; sys.exit(main())"
    for words in (["--help"], ["import", "--help"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert "broken" in done.stdout
    code = "import sys, pspgan.cli, pspgan.sources; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_info_lists_plugins(example, package, run):
    example("steel-scans")
    package(
        "faulty",
        code="raise RuntimeError('too old')",
        sources={"a": "faulty:read"},
        descriptors={"b": "faulty:b"},
    )
    lines = [line for line in psp.info().splitlines() if line.startswith("plugin")]
    assert lines[1] == "plugin: source scans (steel-scans 1.0)"
    for line, what in ((lines[0], "source a"), (lines[2], "descriptor b")):
        assert line.startswith(f"plugin: {what} (faulty 1.0) does not work: ")
        assert "RuntimeError: too old" in line
    code, out, _ = run("info", "--json")
    assert code == 0
    assert [one["problem"] is None for one in json.loads(out)["plugins"]] == [False, True, False]


def test_an_ensemble_without_micrographs_is_none(package):
    code = """
import numpy as np
import pspgan as psp
from pspgan.ensemble import build
def read():
    return build(np.zeros((0, 4, 4), np.uint8), [], psp.ProcessSpace.uhcsdb(), origin="real", specimen=[])
"""
    package("reader", code=code, sources={"scans": "reader:read"})
    with pytest.raises(PluginError, match="gave no ensemble: it holds no micrographs"):
        psp.sources.scans.read()
    assert not issubclass(PluginError, EnsembleError)
