"""What `make dist` asks of an sdist and a wheel finds what is wrong with one."""

import importlib.util
import io
import tarfile
import zipfile
from pathlib import Path

import build_and_check as checks
import pytest

import pspgan

NAMES = [
    "setup.py",
    "csrc/cpu/a.cpp",
    "pspgan/__init__.py",
    "pspgan/report/page.css",
    ".gitignore",
    ".ci/run",
]
ABOUT = f"pspgan-{pspgan.__version__}.dist-info"
WHEEL = {
    "pspgan/__init__.py": b"",
    "pspgan/report/page.css": b"",
    checks.MODULE: b"",
    f"{ABOUT}/METADATA": f"Name: pspgan\nVersion: {pspgan.__version__}\nLicense-Expression: MIT\n".encode(),
    f"{ABOUT}/WHEEL": b"Root-Is-Purelib: false\nTag: cp311-abi3-linux_x86_64\n",
    f"{ABOUT}/entry_points.txt": b"[console_scripts]\npspgan = pspgan.cli:main\n",
    f"{ABOUT}/licenses/LICENSE": b"",
}


def sdist_of(folder, names):
    file = folder / "pspgan-1.0.tar.gz"
    with tarfile.open(file, "w:gz") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(f"pspgan-1.0/{name}"), io.BytesIO())
    return file


def wheel_of(folder, files, tag="cp311-abi3-linux_x86_64"):
    file = folder / f"pspgan-{pspgan.__version__}-{tag}.whl"
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file


@pytest.mark.parametrize(
    ("less", "more", "message"),
    [
        ("csrc/cpu/a.cpp", None, r"lacks what git tracks; see MANIFEST.in:\n  csrc/cpu/a.cpp$"),
        (None, "pspgan/_C.abi3.so", r"holds what git does not track.*:\n  pspgan/_C.abi3.so$"),
        (None, ".ci/run", r"holds what git does not track.*:\n  .ci/run$"),
    ],
)
def test_an_sdist_holds_what_is_tracked(tmp_path, less, more, message):
    whole = {name for name in NAMES if not name.startswith(checks.NOT_SHIPPED)} | {"PKG-INFO"}
    checks.check_sdist(sdist_of(tmp_path, whole), NAMES)
    with pytest.raises(SystemExit, match=message):
        checks.check_sdist(sdist_of(tmp_path, whole - {less} | ({more} if more else set())), NAMES)


@pytest.mark.parametrize(
    ("changed", "tag", "message"),
    [
        ({"pspgan/report/page.css": None}, "", r"lacks parts of the package:\n  pspgan/report/page.css$"),
        ({checks.MODULE: None}, "", r"lacks parts of the package:\n  pspgan/_C.abi3.so$"),
        ({"tests/test_cli.py": b""}, "", r"no part of the package:\n  tests/test_cli.py$"),
        ({f"{ABOUT}/WHEEL": b"Root-Is-Purelib: true\nTag: py3-none-any\n"}, "py3-none-any", "is tagged"),
        (
            {f"{ABOUT}/METADATA": b"Name: pspgan\nVersion: 0.0\nLicense-Expression: MIT\n"},
            "",
            "of version 0.0",
        ),
        ({f"{ABOUT}/licenses/LICENSE": None}, "", "has no licence"),
        ({f"{ABOUT}/entry_points.txt": b""}, "", "has no command"),
    ],
)
def test_a_wheel_holds_the_package(tmp_path, changed, tag, message):
    checks.check_wheel(wheel_of(tmp_path, WHEEL), NAMES)
    files = {name: content for name, content in (WHEEL | changed).items() if content is not None}
    with pytest.raises(SystemExit, match=message):
        checks.check_wheel(wheel_of(tmp_path, files, tag or "cp311-abi3-linux_x86_64"), NAMES)


def test_a_module_beyond_the_stable_abi_is_found(tmp_path):
    # Built for one CPython, whatever it is called here.
    other = Path(importlib.util.find_spec("markupsafe._speedups").origin)
    with pytest.raises(SystemExit, match="does not keep to CPython's stable ABI"):
        checks.check_abi(wheel_of(tmp_path, {checks.MODULE: other.read_bytes()}))


@pytest.mark.skipif(not (checks.ROOT / ".git").exists(), reason="an unpacked sdist: git tracks nothing here")
def test_what_git_tracks_is_listed():
    names = checks.tracked()
    assert {"setup.py", "pspgan/__init__.py", "MANIFEST.in"} <= set(names)
    assert not [name for name in names if name.endswith(".so")]
