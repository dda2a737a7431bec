"""What README and docs print is true: code runs, commands parse, settings, links and figures exist.

Tutorials and how-to pages are run whole, in `test_tutorials.py` and `test_how_to.py`.
"""

import doctest
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import typer.main
from PIL import Image
from printed import DOCS, FENCE, ROOT, blocks
from side_by_side import with_table

import pspgan as psp
from pspgan.cli import app
from pspgan.sources.factors import ColumnFactor, given_factors
from pspgan.training.config import PRESETS, TrainingConfig

PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
BENCHMARKS = sorted((DOCS / "benchmarks").glob("*.json"))


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
    # VERB stands for any.
    while hasattr(command, "commands") and not (words and (words[0] == "VERB" or words[0].startswith("--"))):
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


def test_writing_regions_as_printed(tmp_path, monkeypatch):
    whole = psp.simulate(n=18, size=16, progress=False)
    names = {"template": whole.drop_vars("phase"), "images": whole["micrograph"].values}
    monkeypatch.chdir(tmp_path)
    (code,) = blocks(DOCS / "concepts" / "ensemble.md", "python")
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
    thresholds, learning = blocks(DOCS / "phases.md", "python")
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
    (text,) = blocks(DOCS / "importing.md", "yaml")
    (tmp_path / "factors.yaml").write_text(text)
    factors = given_factors(tmp_path / "factors.yaml").columns
    assert list(factors) == ["temperature", "time", "cooling", "grade"]
    assert factors["cooling"].spelled("WQ") == "Q"
    assert factors["cooling"].spelled("n/a") == ""
    table = (DOCS / "importing.md").read_text().partition("| key |")[2].partition("All keys")[0]
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == list(ColumnFactor.model_fields)


def listed(page, after, before):
    """Names in the first column of tables."""
    part = page.read_text().partition(after)[2].partition(before)[0]
    rows = re.findall(r"^\| (`.*?) \|", part, re.MULTILINE)
    return {word for row in rows for word in re.findall(r"`([\w-]+)`", row)}


def test_every_setting_and_preset_is_listed():
    settings = listed(DOCS / "reference" / "settings.md", "# Settings", "no end")
    assert settings == set(TrainingConfig.model_fields)
    assert listed(DOCS / "training.md", "## Presets", "\n## ") == set(PRESETS)


@pytest.mark.parametrize("file", BENCHMARKS, ids=lambda file: file.stem)
def test_tables_of_benchmarks_are_those_of_their_files(file):
    page, result = file.with_suffix(".md").read_text(), json.loads(file.read_text())
    assert with_table(page, result) == page
    for row in result["rows"]:
        assert row["ratio"] == pytest.approx(row["ours"] / row["reference"], rel=0.02)  # of three digits each


def test_there_are_benchmarks():
    assert len(BENCHMARKS) >= 3


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)]+)\)", FENCE.sub("", page.read_text())):
        if not target.startswith("http"):
            assert (page.parent / target.partition("#")[0]).exists(), target
