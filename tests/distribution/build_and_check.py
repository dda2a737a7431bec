"""Builds the sdist and the wheel, and proves that both hold what they should: `make dist`, `make wheel`.

The sdist is made of a copy of what git tracks, and has to hold all of it but NOT_SHIPPED. The wheel has to
hold the package, its licence and the native operators, with a tag that says so, and keep to CPython's stable
ABI.

    python build_and_check.py dist                the wheel from this tree; compiled objects are reused
    python build_and_check.py dist --from-sdist   the wheel from the unpacked sdist, in an empty folder
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from email.parser import Parser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOT_SHIPPED = (".ci/", ".gitignore")
PYTHON_TAG, ABI_TAG, OLDEST_PYTHON = "cp311", "abi3", "3.11"
MADE_BY_SETUPTOOLS = ("PKG-INFO", "setup.cfg", "pspgan.egg-info/")
MODULE = "pspgan/_C.abi3.so"


def tracked() -> list[str]:
    """What git tracks and is there."""
    listing = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True)
    return [name for name in listing.split("\0") if name and (ROOT / name).is_file()]


def run(folder: Path, *words: str | Path) -> None:
    """Call a module of this interpreter in a folder, with the build tools of its environment."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # ninja is there
    environment = os.environ | {"PATH": path, "PSPGAN_NATIVE": "1"}
    subprocess.run([sys.executable, *map(str, words)], cwd=folder, env=environment, check=True)


def build_sdist(names: list[str], out: Path, scratch: Path) -> Path:
    """The sdist of a clean copy of these files."""
    copy = scratch / "tracked"
    for name in names:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy / name)
    quiet = {"--global-option": "--quiet"}
    run(copy, "-c", f"from setuptools.build_meta import build_sdist; build_sdist({str(out)!r}, {quiet})")
    return only(out, "pspgan-*.tar.gz")


def build_wheel(folder: Path, out: Path) -> Path:
    """The wheel of a source tree; of an earlier build compiled objects alone are reused."""
    for stale in (folder / "build").glob("lib*"):
        shutil.rmtree(stale)
    quiet = ("--quiet", "--disable-pip-version-check")
    run(folder, "-m", "pip", "wheel", *quiet, "--no-deps", "--no-build-isolation", "--wheel-dir", out, ".")
    return only(out, "pspgan-*.whl")


def only(folder: Path, pattern: str) -> Path:
    """The one file of that name."""
    (found,) = folder.glob(pattern)
    return found


def check_sdist(sdist: Path, names: list[str]) -> None:
    """Make sure that the sdist holds all that is tracked, but what ships no user, and nothing else."""
    with tarfile.open(sdist) as archive:
        members = [one.name.partition("/")[2] for one in archive.getmembers() if one.isfile()]
    held = {name for name in members if not name.startswith(MADE_BY_SETUPTOOLS)}
    wanted = {name for name in names if not name.startswith(NOT_SHIPPED)}
    complain(f"{sdist.name} lacks what git tracks; see MANIFEST.in", wanted - held)
    complain(
        f"{sdist.name} holds what git does not track, or what is not shipped; see MANIFEST.in", held - wanted
    )


def check_wheel(wheel: Path, names: list[str]) -> None:
    """Make sure that the wheel holds the package whole, its licence and the native operators, and says so."""
    with zipfile.ZipFile(wheel) as archive:
        held = {name: archive.getinfo(name).file_size for name in archive.namelist()}
        (about,) = {name.partition("/")[0] for name in held if ".dist-info/" in name}
        metadata = Parser().parsestr(archive.read(f"{about}/METADATA").decode())
        tags = Parser().parsestr(archive.read(f"{about}/WHEEL").decode())
        entries = archive.read(f"{about}/entry_points.txt").decode()
    package = {name for name in names if name.startswith("pspgan/")} | {MODULE}
    found = {name for name in held if not name.startswith(about)} - {"pspgan/_C_cuda.abi3.so"}
    complain(f"{wheel.name} lacks parts of the package", package - found)
    complain(f"{wheel.name} holds what is no part of the package", found - package)
    expected = f"{PYTHON_TAG}-{ABI_TAG}-"
    if not all(tag.startswith(expected) for tag in tags.get_all("Tag")) or f"-{expected}" not in wheel.name:
        sys.exit(f"{wheel.name} is tagged {tags.get_all('Tag')}, not {expected}...")
    if tags["Root-Is-Purelib"] != "false":
        sys.exit(f"{wheel.name} says that it is pure Python")
    (version,) = re.findall(
        r'^__version__ = "(.+)"$', (ROOT / "pspgan" / "__init__.py").read_text(), re.MULTILINE
    )
    if metadata["Version"] != version:
        sys.exit(f"{wheel.name} is of version {metadata['Version']}, the package of {version}")
    if f"{about}/licenses/LICENSE" not in held or metadata["License-Expression"] != "MIT":
        sys.exit(f"{wheel.name} has no licence")
    if "pspgan = pspgan.cli:main" not in entries:
        sys.exit(f"{wheel.name} has no command pspgan")


def check_abi(wheel: Path) -> None:
    """Make sure, by abi3audit, that modules keep to CPython's stable ABI of the oldest Python."""
    command = [sys.executable, "-m", "abi3audit", "--strict", "--summary", str(wheel)]
    audit = subprocess.run(command, capture_output=True, text=True, check=False)
    told = " ".join((audit.stdout + audit.stderr).split())
    if audit.returncode or "0 ABI version mismatches and 0 ABI violations" not in told:
        sys.exit(f"{wheel.name} does not keep to CPython's stable ABI of {OLDEST_PYTHON}:\n{told}")


def complain(what: str, names: set[str]) -> None:
    """Stop with a list of names, if there are any."""
    if names:
        sys.exit("\n  ".join([f"{what}:", *sorted(names)]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="folder for both; older ones in it are removed")
    parser.add_argument("--from-sdist", action="store_true", help="build the wheel from the unpacked sdist")
    arguments = parser.parse_args()
    out = arguments.out.resolve()
    for old in (*out.glob("pspgan-*.whl"), *out.glob("pspgan-*.tar.gz")):
        old.unlink()
    names = tracked()
    with tempfile.TemporaryDirectory() as made:
        scratch = Path(made)
        sdist = build_sdist(names, out, scratch)
        check_sdist(sdist, names)
        source = ROOT
        if arguments.from_sdist:
            with tarfile.open(sdist) as archive:
                archive.extractall(scratch / "unpacked", filter="data")
            source = only(scratch / "unpacked", "pspgan-*")
        wheel = build_wheel(source, out)
        check_wheel(wheel, names)
        check_abi(wheel)
    for file in (sdist, wheel):
        print(f"{os.path.relpath(file)}: {file.stat().st_size / 1024:.0f} KiB, complete")


if __name__ == "__main__":
    main()
