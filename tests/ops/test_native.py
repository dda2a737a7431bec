"""Finding, loading and refusing the native modules."""

import os
import re
import shutil
import subprocess
import sys
import warnings

import pytest
import torch

from pspgan import ops
from pspgan.ops import _native

CPU, CUDA, META = torch.device("cpu"), torch.device("cuda"), torch.device("meta")
SCORES, LABELS = torch.zeros(2, 3), torch.zeros(2, 3, dtype=torch.int8)
needs_native = pytest.mark.skipif(not ops.native_status().available, reason=str(ops.native_status()))


@pytest.fixture
def switched_on(monkeypatch):
    """Whatever the environment says, and with no warning given before."""
    monkeypatch.delenv("PSPGAN_NATIVE", raising=False)
    _native._warn_once.cache_clear()


@pytest.fixture
def cuda_torch(monkeypatch, tmp_path, switched_on):
    """A folder with the CPU module, under a torch that seems to be a CUDA build."""
    if not _native.status.available:
        pytest.skip(str(_native.status))
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    (tmp_path / "_C.abi3.so").symlink_to(_native.status.path)
    return tmp_path


def test_status_reads_as_a_sentence():
    status = ops.native_status()
    assert str(status).startswith("native operators")
    if status.available:
        assert str(status.path) in str(status)
        assert [name.partition(" ")[0] for name in status.operators] == ["diff_augment", "omni_loss"]


@needs_native
@pytest.mark.parametrize("key", ["CPU", "CUDA"])
def test_status_names_the_devices_that_the_dispatcher_has(key):
    promised = key.lower() in ops.native_status().devices
    for operator in _native.OPERATORS:
        for name in (f"pspgan::{operator}", f"pspgan::{operator}_backward"):
            assert torch._C._dispatch_has_kernel_for_dispatch_key(name, key) == promised


def test_a_missing_module_is_explained(tmp_path, switched_on):
    status = _native.load(tmp_path)
    assert not status.available
    assert not status.operators
    assert re.search(r"_C\.abi3\.so is not there.*pip install --no-build-isolation", str(status))


def test_a_module_that_does_not_load_is_explained(tmp_path, switched_on):
    (tmp_path / "_C.abi3.so").write_bytes(b"not a library")
    status = _native.load(tmp_path)
    assert not status.available
    assert re.search(rf"does not load \(.*\).*{re.escape(torch.__version__)}", str(status))


def test_switched_off_by_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("PSPGAN_NATIVE", "0")
    status = _native.load(_native.FOLDER)
    assert not status.available
    assert str(status) == "native operators are not available: PSPGAN_NATIVE=0 in the environment"


def test_an_unknown_setting_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("PSPGAN_NATIVE", "off")
    with pytest.raises(ValueError, match="PSPGAN_NATIVE=off in the environment is neither 0 nor 1"):
        _native.load(tmp_path)


def test_cuda_on_a_torch_without_it(cuda_torch, monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", None)
    (cuda_torch / "_C_cuda.abi3.so").write_bytes(b"not a library")  # nor is it opened
    status = _native.load(cuda_torch)
    assert status.devices == ("cpu",)
    assert f"not on cuda: torch {torch.__version__} is built without CUDA" in str(status)


def test_cuda_that_was_not_built(cuda_torch):
    status = _native.load(cuda_torch)
    assert status.devices == ("cpu",)
    assert re.search(r"not on cuda: .*_C_cuda\.abi3\.so is not there; with a CUDA 13\.0 toolkit", str(status))


def test_cuda_that_does_not_load(cuda_torch):
    (cuda_torch / "_C_cuda.abi3.so").write_bytes(b"not a library")
    status = _native.load(cuda_torch)
    assert status.devices == ("cpu",)
    assert re.search(r"not on cuda: .*_C_cuda\.abi3\.so does not load \(.*\)", str(status))


def test_cuda_that_loads(cuda_torch):
    (cuda_torch / "_C_cuda.abi3.so").symlink_to(_native.status.path)
    status = _native.load(cuda_torch)
    assert status.devices == ("cpu", "cuda")
    assert status.operators == ("diff_augment (cpu, cuda)", "omni_loss (cpu, cuda)")
    assert "not on" not in str(status)


def test_without_the_module_it_warns_once_and_uses_the_reference(monkeypatch, tmp_path, switched_on):
    monkeypatch.setattr(_native, "status", _native.load(tmp_path))
    with pytest.warns(RuntimeWarning, match="is not there.*reference operators are used") as caught:
        ops.omni_loss(SCORES, LABELS)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ops.omni_loss(SCORES, LABELS)
    with pytest.raises(RuntimeError, match="impl='native', but native operators are not available"):
        ops.omni_loss(SCORES, LABELS, impl="native")


def test_each_device_is_decided_by_itself(monkeypatch, tmp_path, switched_on):
    monkeypatch.setattr(_native, "status", _native.NativeStatus(tmp_path, ("cpu",), without_cuda="not built"))
    assert _native.use_native("name", "auto", CPU)
    assert _native.use_native("name", "native", CPU)
    with pytest.warns(RuntimeWarning, match="not available on cuda: not built; the slower reference"):
        assert not _native.use_native("name", "auto", CUDA)
    with pytest.raises(RuntimeError, match=r"impl='native', but .* not available on cuda: not built"):
        _native.use_native("name", "native", CUDA)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nobody could do anything about it
        assert not _native.use_native("name", "auto", META)
    with pytest.raises(RuntimeError, match="run on cpu, and the tensors are on meta"):
        _native.use_native("name", "native", META)


def test_arguments_that_only_the_reference_takes():
    assert not _native.use_native("name", "auto", META, "it is too large")
    assert not _native.use_native("name", "reference", CPU, "it is too large")


@needs_native
def test_arguments_that_the_native_operator_refuses():
    assert not _native.use_native("name", "auto", CPU, "it is too large")
    with pytest.raises(RuntimeError, match="name: impl='native', but it is too large; impl='auto' uses"):
        _native.use_native("name", "native", CPU, "it is too large")


def test_the_package_works_with_the_native_modules_switched_off():
    program = (
        "import torch, warnings\n"
        "from pspgan import ops\n"
        "assert not hasattr(torch.ops.pspgan, 'omni_loss')\n"
        "compiled = torch.compile(ops.omni_loss, fullgraph=True, backend='eager')\n"
        "for loss in (ops.omni_loss, compiled):\n"
        "    print(loss(torch.zeros(1, 4), torch.zeros(1, 4, dtype=torch.int8)).item())\n"
    )
    environment = {**os.environ, "PSPGAN_NATIVE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    assert [float(line) for line in done.stdout.split()] == pytest.approx([1.6094, 1.6094], abs=1e-4)
    assert done.stderr.count("PSPGAN_NATIVE=0 in the environment; the slower reference") == 1


@needs_native
@pytest.mark.skipif(not shutil.which("nm"), reason="nm (binutils) is not installed")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads ELF symbols")
def test_module_needs_only_the_stable_abi():
    command = ["nm", "--dynamic", "--undefined-only", str(ops.native_status().path)]
    symbols = {line.split()[-1] for line in subprocess.check_output(command, text=True).splitlines()}
    allowed = re.compile(
        "aoti_torch_|torch_"  # the stable ABI
        "|.*@"  # versioned: libc, libm, libgcc, libstdc++
        "|_ZN?[KRO]*St|_ZT[ISV]N?St"  # namespace std, which torch's libraries export as well
        "|_ITM_|__gmon_start__"  # the linker's optional hooks
    )
    assert not {symbol for symbol in symbols if not allowed.match(symbol)}
