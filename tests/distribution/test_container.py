"""The container recipe, which no test can build: files, commands and versions are this repository's."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "containers" / "Dockerfile").read_text()
STATEMENTS = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", TEXT, flags=re.MULTILINE)).splitlines()
ARGUMENTS = dict(line.removeprefix("ARG ").split("=", 1) for line in STATEMENTS if line.startswith("ARG "))


@pytest.fixture(scope="module")
def constraints():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def of(kind):
    return [line.split(maxsplit=1)[1] for line in STATEMENTS if line.startswith(f"{kind} ")]


def test_versions_are_those_that_are_tested(constraints):
    assert ARGUMENTS["TORCH"] == constraints["torch"]
    named = re.findall(r"([a-z]+)==([\d.]+)", TEXT)
    assert all(constraints[name] == version for name, version in named)
    installed = [line for line in of("RUN") if "pip install" in line]
    assert installed
    for line in installed:
        for command in re.findall(r"pip install ([^&]*)", line):
            assert "-c constraints.txt" in command or "torch==${TORCH}" in command, command


def test_cuda_is_of_one_major_version():
    (major,) = re.findall(r"/whl/cu(\d+)\d$", ARGUMENTS["TORCH_INDEX"])
    assert ARGUMENTS["CUDA"].split(".")[0] == major
    images = of("FROM")
    assert len(images) == 2
    assert images[0].startswith("nvidia/cuda:${CUDA}-devel-")
    assert images[1].startswith("nvidia/cuda:${CUDA}-runtime-")
    # The environment's Python is a link to the system's.
    assert images[0].split("-devel-")[1].split()[0] == images[1].split("-runtime-")[1]


def test_files_and_commands_are_there():
    copied = [line.split() for line in of("COPY")]
    here = [source for *sources, _ in copied for source in sources if not sources[0].startswith("--")]
    assert here == ["constraints.txt", "."]
    assert all((ROOT / source).exists() for source in here)
    assert f"docker build -f containers/{(ROOT / 'containers' / 'Dockerfile').name} " in TEXT
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert of("ENTRYPOINT") == [f'["{name}"]' for name in project["scripts"]]
    (extra,) = re.findall(r'"\.\[(\w+)\]"', TEXT)
    assert extra in project["optional-dependencies"]
    assert "PSPGAN_CUDA=1" in TEXT
    assert "PSPGAN_CUDA" in (ROOT / "setup.py").read_text()


def test_what_is_built_from_is_not_left_out():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    needed = (
        "csrc",
        "pspgan",
        "setup.py",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "MANIFEST.in",
        "constraints.txt",
    )
    assert not set(needed) & set(ignored)
    assert all((ROOT / name).exists() for name in needed)
