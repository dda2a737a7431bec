"""What README and docs print is true: code runs, commands parse, settings and links exist."""

import doctest
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import typer.main
import xarray as xr
from PIL import Image

import pspgan as psp
from pspgan.cli import app
from pspgan.sources.factors import ColumnFactor, given_factors
from pspgan.sources.heat_treatment import CONDITIONS
from pspgan.training.config import PRESETS, TrainingConfig

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TINY = "images=32, ch=4, latent=8, embedding=4, batch=8"  # instead of minutes of training


def blocks(page, language):
    return [code for tag, code in FENCE.findall(page.read_text()) if tag == language]


def full_commands():
    """Command lines of shell blocks, continuation lines joined."""
    found = []
    for page in PAGES:
        for code in blocks(page, "sh"):
            for line in code.replace("\\\n", " ").splitlines():
                # By itself, or started by torchrun.
                if match := re.match(r"(?:.*torchrun .* -m )?(pspgan .*)", line):
                    line = match[1]
                    found.append(pytest.param(line, id=f"{page.name}: {line.partition(' -o')[0][:60]}"))
    return found


def mentioned_commands():
    """Commands in running text, which may leave arguments out."""
    found = []
    for page in PAGES:
        for line in sorted(set(re.findall(r"`(pspgan [^`]+)`", FENCE.sub("", page.read_text())))):
            found.append(pytest.param(line, id=f"{page.name}: {line}"))
    return found


def resolve(line):
    """The command that a line names, and the words after it."""
    words = shlex.split(line, comments=True)[1:]
    command = typer.main.get_command(app)
    while hasattr(command, "commands") and words[:1] != ["--help"]:
        assert words, f"{line}: names no verb"
        assert words[0] in command.commands, f"{line}: there is no {words[0]}"
        command = command.commands[words.pop(0)]
    return command, words


def test_there_are_commands_to_check():
    assert len(full_commands()) >= 10
    assert len(mentioned_commands()) >= 4


@pytest.mark.parametrize("line", full_commands())
def test_command_lines_parse(line):
    command, words = resolve(line)
    if "--help" not in words:
        command.make_context(command.name, words)


@pytest.mark.parametrize("line", mentioned_commands())
def test_mentioned_commands_exist(line):
    command, words = resolve(line)
    known = {"--help"}.union(*(parameter.opts for parameter in command.params))
    assert known.issuperset(word.partition("=")[0] for word in words if word.startswith("-"))


def test_a_wrong_command_would_be_found():
    command, words = resolve("pspgan train real.zarr --no-such-option 3")
    with pytest.raises(Exception, match="no-such-option"):
        command.make_context(command.name, words)
    with pytest.raises(AssertionError, match="there is no trian"):
        resolve("pspgan trian real.zarr")


@pytest.mark.slow
def test_python_of_the_readme_runs(tmp_path, monkeypatch):
    (code,) = blocks(ROOT / "README.md", "python")
    for long, short in {"minutes=2": TINY, "n=600": "n=90", "n=16": "n=4"}.items():
        assert code.count(long) == 1, long
        code = code.replace(long, short)
    monkeypatch.chdir(tmp_path)
    names = {}
    never_seen = {"training": "never saw 850-6H-Q", "linkage": "no micrograph of 850-6H-Q was seen"}
    with (
        pytest.warns(UserWarning, match=never_seen["training"]),
        pytest.warns(UserWarning, match=never_seen["linkage"]),
    ):
        exec(code, names)
    assert names["x"].shape == (2, 1, names["gen"].sizes["y"], names["gen"].sizes["x"])
    assert names["gen"].sizes["sample"] == len(CONDITIONS) * 4
    assert names["structure"]["std"].notnull().all()
    assert (tmp_path / "report.html").exists()
    pages = [ROOT / "docs" / name for name in ("statistics.md", "linkage.md")]  # they go on from there
    code = "\n".join(code for page in pages for code in blocks(page, "python"))
    with pytest.warns(UserWarning, match=never_seen["linkage"]):
        exec(code, names)
    assert names["scores"].shape == (names["gen"].sizes["sample"], 3)
    assert names["two_point"].sizes["dx"] == 15
    xr.testing.assert_allclose(names["predicted"], names["structure"])


def test_writing_regions_as_printed(tmp_path, monkeypatch):
    whole = psp.simulate(n=18, size=16, progress=False)
    names = {"template": whole.drop_vars("phase"), "images": whole["micrograph"].values}
    monkeypatch.chdir(tmp_path)
    (code,) = blocks(ROOT / "docs" / "ensemble.md", "python")
    exec(code, names)
    written = psp.open_ensemble("big.zarr")
    np.testing.assert_array_equal(written["micrograph"], whole["micrograph"])


def test_phases_as_printed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
        for name in ("a", "b"):
            Image.fromarray(np.repeat(np.arange(4, dtype=np.uint8), 16)[None].repeat(64, 0)).save(
                f"{folder}/{name}.png"
            )
    Path("uhcs-metadata.csv").write_text("path,sample_id\na.tif,1\nb.tif,2\n")
    thresholds, learning = blocks(ROOT / "docs" / "phases.md", "python")
    names = {}
    exec(thresholds, names)
    assert names["phases"].names == ("dark", "grey", "bright")
    exec(learning.replace('"classifier")', '"classifier", steps=1)', 1), names)
    assert names["phases"].names == ("matrix", "network", "spheroidite", "widmanstatten")
    assert names["learned"].validation.confusion.sum() == 2 * 64 * 64


def test_sessions_in_the_docs_show_what_happens():
    sessions = [(page, code) for page in PAGES for code in blocks(page, "pycon")]
    assert sessions
    for page, code in sessions:
        test = doctest.DocTestParser().get_doctest(code, {}, page.name, str(page), 0)
        told = []
        failed = doctest.DocTestRunner(verbose=False).run(test, out=told.append).failed
        assert not failed, "".join(told)


def test_files_of_factors_are_read(tmp_path):
    (text,) = blocks(ROOT / "docs" / "importing.md", "yaml")
    (tmp_path / "factors.yaml").write_text(text)
    factors = given_factors(tmp_path / "factors.yaml").columns
    assert list(factors) == ["temperature", "time", "cooling", "grade"]
    assert factors["cooling"].spelled("WQ") == "Q"
    assert factors["cooling"].spelled("n/a") == ""
    table = (ROOT / "docs" / "importing.md").read_text().partition("| key |")[2].partition("All keys")[0]
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == list(ColumnFactor.model_fields)


def test_page_on_training_lists_every_setting_and_preset():
    text = (ROOT / "docs" / "training.md").read_text()
    settings, presets = (
        {
            word
            for row in re.findall(r"^\| (`.*?) \|", part, re.MULTILINE)
            for word in re.findall(r"`([\w-]+)`", row)
        }
        for part in (
            text.partition("## Settings")[2].partition("## The run folder")[0],
            text.partition("## Settings")[0],
        )
    )
    assert settings == set(TrainingConfig.model_fields)
    assert presets == set(PRESETS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target.partition("#")[0]).exists(), target
