"""What setup.py decides to build, and what it says where it cannot."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FAKE_NVCC = """#!/bin/sh
case "$1" in
--dryrun) echo '#$ TOP={home}' >&2 ;;
--version) echo 'Cuda compilation tools, release {release}, V{release}.1' ;;
--list-gpu-arch) printf 'compute_75\\ncompute_80\\ncompute_86\\ncompute_90\\n' ;;
esac
"""


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    for name in ("PSPGAN_NATIVE", "PSPGAN_CUDA", "CXX", "CUDA_HOME", "CUDA_PATH", "TORCH_CUDA_ARCH_LIST"):
        monkeypatch.setenv(name, "")  # so that it is put back, whatever the build sets it to
        monkeypatch.delenv(name)


def script(path, text):
    path.parent.mkdir(parents=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def fake_toolkit(tmp_path):
    """A toolkit of CUDA 12.9 that knows GPUs up to sm_90."""
    home = tmp_path / "toolkit"
    script(home / "bin" / "nvcc", FAKE_NVCC.format(home=home, release="12.9"))
    (home / "include").mkdir()
    (home / "include" / "cuda_runtime.h").touch()
    return home


@pytest.mark.parametrize("name", ["PSPGAN_NATIVE", "PSPGAN_CUDA"])
def test_unknown_settings_stop_the_build(build, monkeypatch, name):
    monkeypatch.setenv(name, "yes")
    with pytest.raises(SystemExit, match=f"{name}=yes is none of"):
        build.native_operators()


def test_a_named_compiler_or_toolkit_has_to_be_there(build, monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(SystemExit, match="CXX=no-such-compiler is not there"):
        build.native_operators()
    monkeypatch.setattr("torch.version.cuda", "13.0")
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    with pytest.raises(SystemExit, match=f"CUDA_HOME={tmp_path} has no bin/nvcc"):
        build.prepare_cuda("auto")


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("PSPGAN_NATIVE", "0", "PSPGAN_NATIVE=0: no native operators are built"),
        ("PATH", "/nowhere", "no C\\+\\+ compiler found"),
    ],
)
def test_without_native_operators(build, monkeypatch, capsys, variable, value, message):
    monkeypatch.setenv(variable, value)
    assert build.native_operators() == {}
    assert "will run on its slower reference operators" in capsys.readouterr().err
    monkeypatch.setenv("PSPGAN_CUDA", "1")
    with pytest.raises(SystemExit, match=f"PSPGAN_CUDA=1, but {message}"):
        build.native_operators()


def test_cuda_needs_a_torch_with_cuda_and_its_toolkit(build, fake_toolkit):
    assert "torch is a build without CUDA" in build.no_cuda_because(None, fake_toolkit)
    assert "needs a toolkit of CUDA 12, and none was found" in build.no_cuda_because("12.4", None)
    assert build.no_cuda_because("12.4", fake_toolkit) is None  # minor versions are compatible
    assert "of CUDA 13, and that at" in build.no_cuda_because("13.0", fake_toolkit)
    assert "of CUDA 9, and that at" in build.no_cuda_because("9.0", fake_toolkit)


@pytest.mark.parametrize("torch_cuda", [None, "13.0"])
def test_cuda_that_cannot_be_built(build, monkeypatch, capsys, fake_toolkit, torch_cuda):
    monkeypatch.setattr("torch.version.cuda", torch_cuda)
    monkeypatch.setenv("CUDA_HOME", str(fake_toolkit))
    assert not build.prepare_cuda("auto")
    assert ("no CUDA operators are built" in capsys.readouterr().err) == (torch_cuda is not None)
    assert not build.prepare_cuda("0")
    assert not capsys.readouterr().err
    with pytest.raises(SystemExit, match="PSPGAN_CUDA=1, but"):
        build.prepare_cuda("1")


def test_cuda_that_can_be_built(build, monkeypatch, fake_toolkit):
    monkeypatch.setattr("torch.version.cuda", "12.4")
    monkeypatch.setattr("torch.cuda.is_available", lambda: pytest.fail("a builder needs no GPU"))
    monkeypatch.setenv("PATH", str(fake_toolkit / "bin"), prepend=os.pathsep)
    monkeypatch.setenv("TORCH_CUDA_ARCH_LIST", "")
    assert build.prepare_cuda("auto")
    assert os.environ["CUDA_HOME"] == str(fake_toolkit)
    assert os.environ["TORCH_CUDA_ARCH_LIST"] == "8.0;9.0+PTX"
    monkeypatch.setenv("TORCH_CUDA_ARCH_LIST", "8.6")
    assert build.prepare_cuda("1")
    assert os.environ["TORCH_CUDA_ARCH_LIST"] == "8.6"


def test_a_script_that_calls_nvcc_leads_to_the_toolkit(build, monkeypatch, tmp_path, fake_toolkit):
    script(tmp_path / "local" / "bin" / "nvcc", f'#!/bin/sh\nexec {fake_toolkit}/bin/nvcc "$@"\n')
    monkeypatch.setenv("PATH", str(tmp_path / "local" / "bin"), prepend=os.pathsep)
    assert build.cuda_toolkit() == fake_toolkit


def test_a_named_toolkit_is_taken_or_none(build, monkeypatch, tmp_path, fake_toolkit):
    monkeypatch.setenv("CUDA_HOME", str(fake_toolkit))
    assert build.cuda_toolkit() == fake_toolkit
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(fake_toolkit / "bin"), prepend=os.pathsep)
    with pytest.raises(SystemExit, match="has no bin/nvcc"):
        build.cuda_toolkit()


def test_without_native_operators_the_wheel_is_pure(tmp_path, monkeypatch):
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    ignored = shutil.ignore_patterns("*.so", "__pycache__")
    shutil.copytree(ROOT / "pspgan", tmp_path / "pspgan", ignore=ignored)
    monkeypatch.setenv("PSPGAN_NATIVE", "0")
    done = subprocess.run(
        [sys.executable, "setup.py", "--quiet", "bdist_wheel"], cwd=tmp_path, capture_output=True, text=True
    )
    (wheel,) = (tmp_path / "dist").iterdir()
    assert wheel.name.endswith("-py3-none-any.whl")
    assert done.stderr.count("PSPGAN_NATIVE=0: no native operators are built") == 1
