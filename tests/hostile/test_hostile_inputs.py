"""Hostile inputs to the command line end in one clear line or a counted skip, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import stat
import sys
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path

import hostile_arguments
import hostile_images
import hostile_settings
import hostile_stores
import hostile_tables
import hostile_uhcsdb
import numpy as np
import pytest
from ground import Ground

import pspgan as psp
from pspgan.cli import main

_MODULES = (
    hostile_tables,
    hostile_images,
    hostile_uhcsdb,
    hostile_stores,
    hostile_settings,
    hostile_arguments,
)
EVERY = [case for module in _MODULES for case in module.cases()]
# All take minutes; of each family some are drawn, always the same. PSPGAN_HOSTILE=all runs every one.
_DRAWN = 4


def drawn(cases):
    families = {}
    for case in cases:
        families.setdefault(case.family, []).append(case)
    rng = np.random.default_rng(0)
    return [family[i] for family in families.values() for i in sorted(rng.permutation(len(family))[:_DRAWN])]


CASES = EVERY if os.environ.get("PSPGAN_HOSTILE") == "all" else drawn(EVERY)
_SECONDS = 60  # after which a command counts as hung
_LONGEST = 1100  # characters of an error: it may quote what was planted, not repeat it


@pytest.fixture(scope="module")
def templates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("templates")
    hostile_stores.make_templates(folder)
    return folder


def tree(folder):
    """Everything below a folder, and whether it is what it was."""
    found = {}
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(place, name)
            status = os.lstat(path)
            is_file = stat.S_ISREG(status.st_mode)
            found[os.path.relpath(path, folder)] = (status.st_size, status.st_mtime_ns) if is_file else None
    return found


@contextmanager
def nobody(folder):
    """Without the rights of root, for which no file is unreadable."""
    if os.geteuid():
        yield
        return
    os.chown(folder, 65534, 65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def alarm(seconds):
    def ring(*_):
        raise AssertionError(f"hung for {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def run(words, monkeypatch, capfd):
    """Exit code, standard output and standard error of a command; an exception that nobody caught goes on."""
    monkeypatch.setattr(sys, "argv", ["pspgan", *map(str, words)])
    code = 0
    with warnings.catch_warnings(record=True) as warned, alarm(_SECONDS):
        warnings.simplefilter("always")
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
    printed = capfd.readouterr()
    strange = [w for w in warned if not issubclass(w.category, UserWarning) or "pspgan" not in w.filename]
    return code, printed.out, printed.err, [f"{w.filename}: {w.message}" for w in strange]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_ends_in_a_clear_error_or_a_counted_skip(case, templates, monkeypatch, capfd):
    # Not below pytest's own folder, which only its user may enter.
    with tempfile.TemporaryDirectory(prefix="hostile-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        words = case.lay(Ground(folder, templates))
        before = tree(folder)
        monkeypatch.chdir(folder)
        if case.as_nobody:
            with nobody(folder):
                outcome = run(words, monkeypatch, capfd)
        else:
            outcome = run(words, monkeypatch, capfd)
        after = tree(folder)
        monkeypatch.undo()
        check(case, folder, before, after, *outcome)


def check(case, folder, before, after, code, out, err, warned):
    assert not warned
    if case.ends == "luck":
        assert code in (0, 1)
    else:
        assert code == {"error": 1, "usage": 2, "skip": 0}[case.ends], (code, out, err)
    if code:
        told = " ".join((err if code == 1 else (out + err).upper()).split())
        assert all((text if code == 1 else text.upper()) in told for text in case.says), told
        assert after == before, "something was left behind, or changed"
        assert "Traceback" not in err
        if code == 1:
            line = err.removesuffix("\n")
            assert line.startswith("error: ")
            assert line.isprintable(), line  # thus one line
            assert len(line) <= _LONGEST, len(line)
            assert "next:" not in out
        return
    assert "error" not in err, err
    if case.ends == "skip":
        assert all(text in out for text in case.says), out
    new = {name.split(os.sep)[0] for name in after.keys() - before.keys()}
    assert new <= {"out.zarr", "out.html"}
    if "out.zarr" in new:
        assert psp.open_ensemble(folder / "out.zarr")["micrograph"].load().sizes["sample"]


def test_they_are_as_many_as_they_should_be():
    assert len([case for case in drawn(EVERY) if case.ends != "luck"]) >= 300
    assert len({(case.family, case.name) for case in EVERY}) == len(EVERY)
