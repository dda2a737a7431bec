"""The conda recipe asks for what pyproject.toml asks for, and builds the version that the package has."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import pspgan

ROOT = Path(__file__).resolve().parents[2]
RECIPE = yaml.safe_load((ROOT / "recipe" / "recipe.yaml").read_text())
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
# What a package is called on conda-forge, where that is not its name on PyPI. Its dask brings all extras.
CONDA = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
BUILD_TOOLS = {"python", "pip"}  # which pip's own builds do not list


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def asked(texts, python="3.11"):
    """Requirements of PyPI that hold on a Python, by their conda names: the versions that will do."""
    found = {}
    for requirement in map(Requirement, texts):
        if not requirement.marker or requirement.marker.evaluate({"python_version": python}):
            name = normal(requirement.name)
            found[CONDA.get(name, name)] = requirement.specifier
    return found


def listed(requirements, python="3.11"):
    """Requirements of the recipe that hold on a Python: name -> the versions that will do."""
    found = {}
    for entry in requirements:
        if isinstance(entry, dict):
            (bound,) = re.fullmatch(r'match\(python, "(.+)"\)', entry["if"]).groups()
            found |= listed(entry["then"], python) if SpecifierSet(bound).contains(python) else {}
        elif not entry.startswith("${{"):  # a compiler
            name, _, versions = entry.partition(" ")
            found[name] = SpecifierSet(versions)
    return found


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_run_requirements_are_those_of_the_package(python):
    run = listed(RECIPE["requirements"]["run"], python)
    assert run.pop("python") == PYPROJECT["project"]["requires-python"]
    assert run == asked(PYPROJECT["project"]["dependencies"], python)


def test_host_requirements_are_those_of_the_build():
    host = listed(RECIPE["requirements"]["host"])
    torch = asked(PYPROJECT["project"]["dependencies"])["pytorch"]
    assert {name: of for name, of in host.items() if name not in BUILD_TOOLS} == asked(
        PYPROJECT["build-system"]["requires"]
    ) | {"pytorch": torch}
    assert host.keys() >= BUILD_TOOLS


def test_version_licence_and_files():
    assert RECIPE["context"]["version"] == pspgan.__version__
    assert RECIPE["about"]["license"] == PYPROJECT["project"]["license"]
    assert PYPROJECT["project"]["description"].startswith(RECIPE["about"]["summary"])
    assert (ROOT / "recipe" / RECIPE["source"]["path"]).resolve() == ROOT
    names = [RECIPE["about"]["license_file"], *RECIPE["tests"][1]["files"]["source"]]
    assert all((ROOT / name).is_file() for name in names)
    oldest = PYPROJECT["project"]["requires-python"].removeprefix(">=")
    assert f'match(python, "<{oldest}")' in RECIPE["build"]["skip"]


def test_a_requirement_that_drifts_is_found():
    drifted = [*PYPROJECT["project"]["dependencies"], "h5py>=3"]
    assert listed(RECIPE["requirements"]["run"]).keys() - {"python"} != asked(drifted).keys()
    assert listed(["numpy >=2.0"]) != asked(["numpy>=2.1"])
    assert "pymks" not in listed(RECIPE["requirements"]["run"], "3.12")
