"""The names that users type: what editors are told of them, and how what they give shows itself."""

import ast
import html
import re
from pathlib import Path

import pandas as pd
import pytest
from mypy import api

import pspgan as psp
from pspgan.evaluation.findings import Finding
from pspgan.evaluation.report import Report
from pspgan.generation import Model
from pspgan.networks import FrozenGenerator, Generator
from pspgan.training import Run


def test_type_checkers_are_told_every_lazy_name_and_where_it_is_from():
    tree = ast.parse(Path(psp.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    told = {alias.name: node.module for node in block.body for alias in node.names}
    assert told == psp._NAMES | dict.fromkeys(psp._MODULES)
    assert (Path(psp.__file__).parent / "py.typed").exists()


@pytest.mark.slow
def test_a_users_script_and_the_package_pass_a_strict_type_checker(tmp_path):
    """Also a script that is wrong does not: names are not all of any type. One run, most of it imports."""
    script = Path(__file__).parent / "typed_script.py"
    wrong = tmp_path / "wrong.py"
    wrong.write_text(script.read_text() + '\npsp.load(1.5).sample("800-5-Q", seeds="0")\n')
    config = Path(__file__).parent.parent / "pyproject.toml"
    options = [f"--config-file={config}", f"--cache-dir={tmp_path}", "--no-error-summary", "--no-pretty"]
    told, errors, code = api.run([*options, str(script), str(wrong), str(Path(psp.__file__).parent)])
    assert (code, errors) == (1, "")
    lines = [line for line in told.splitlines() if ": error: " in line]
    assert len(lines) == 2, told
    assert all("wrong.py:" in line and line.endswith("[arg-type]") for line in lines), told


@pytest.mark.parametrize("name", psp.__all__)
def test_every_public_name_is_there(name):
    assert getattr(psp, name) is not None
    assert name in dir(psp)


SPACE = psp.ProcessSpace(
    (
        psp.Factor("strain", (0.4, 0.1, 0.2), "ordinal", scale="log"),
        psp.Factor("hold", (5, 90), "ordinal", unit="min"),
        psp.Factor("bath", ("oil", "<air>"), "nominal"),
    )
).observing(["0.1-90-oil"])


def test_conditions_and_spaces_say_what_they_are():
    assert repr(SPACE.condition("0.1-90-oil")) == (
        "<ProcessCondition 0.1-90-oil: strain 0.1, hold 90 min, bath oil; observed>"
    )
    assert repr(SPACE.condition("0.3-90-oil")).endswith("; not observed>")
    assert repr(SPACE) == (
        "<ProcessSpace strain 0.1 to 0.4 (3 levels), hold 5 to 90 min (2 levels), bath oil, <air>; "
        "1 of 12 combinations observed>"
    )


def cells(shown):
    """All cells of all tables in a notebook's view."""
    return [html.unescape(cell) for cell in re.findall(r"<td>(.*?)</td>", shown)]


def test_spaces_and_models_in_a_notebook():
    assert {"strain", "0.1, 0.2, 0.4", "oil, <air>", "log"} <= set(cells(SPACE._repr_html_()))
    assert "<air>" not in SPACE._repr_html_()
    generator = FrozenGenerator(Generator(SPACE, resolution=32, ch=4, latent=4, embedding=2).eval())
    shown = Model(generator, "run & <b>", 1, float("nan"), {}, licence="CC0")._repr_html_()
    assert "run &amp; &lt;b&gt;" in shown
    assert {"32 x 32 px", "unknown size", "CC0", "hold"} <= set(cells(shown))


def test_runs_say_how_far_they_are(tmp_path):
    steel = psp.simulate(n=4, size=40, conditions=["800-5-Q"], progress=False)
    small = {"resolution": 32, "ch": 4, "latent": 4, "embedding": 2, "batch": 4, "images": 8}
    run = psp.train(steel, "demo", tmp_path / "run", progress=False, **small)
    assert f"<Run {tmp_path / 'run'}: preset demo, micrographs 4, resolution 32 px, images shown 8" in repr(
        run
    )
    shown = run._repr_html_()
    assert {"demo", "32 px", "8"} <= set(cells(shown))
    assert 'src="data:image/png;base64,iVBOR' in shown
    assert repr(Run(tmp_path / "none")) == f"<Run {tmp_path / 'none'}: state no run>"


def test_findings_in_a_notebook():
    found = [Finding("scale", "found", "pixels are 2 times as large", "few <real> ones")]
    report = Report(pd.DataFrame(), [], [], (32, 32), 1, found)
    assert {"scale", "found", "few <real> ones"} <= set(cells(report._repr_html_()))
