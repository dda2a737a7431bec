"""Finding, loading and refusing the native module."""

import re
import shutil
import subprocess
import sys
import warnings

import pytest
import torch

from pspgan import ops
from pspgan.ops import _native


def test_status_reads_as_a_sentence():
    status = ops.native_status()
    assert str(status).startswith("native operators")
    assert str(status.path) in str(status)


def test_a_missing_module_is_explained(tmp_path):
    status = _native.load(tmp_path / "_C.abi3.so")
    assert not status.available
    assert re.search(r"_C\.abi3\.so is not there.*pip install --no-build-isolation", str(status))


def test_a_module_that_does_not_load_is_explained(tmp_path):
    (tmp_path / "_C.abi3.so").write_bytes(b"not a library")
    status = _native.load(tmp_path / "_C.abi3.so")
    assert not status.available
    assert re.search(rf"does not load \(.*\).*{re.escape(torch.__version__)}", str(status))


def test_without_the_module_it_warns_once_and_uses_the_reference(monkeypatch, tmp_path):
    monkeypatch.setattr(_native, "status", _native.load(tmp_path / "_C.abi3.so"))
    _native._warn_once.cache_clear()
    scores, labels = torch.zeros(2, 3), torch.zeros(2, 3, dtype=torch.int8)
    with pytest.warns(RuntimeWarning, match="is not there.*reference operators are used") as caught:
        ops.omni_loss(scores, labels)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ops.omni_loss(scores, labels)
    with pytest.raises(RuntimeError, match="impl='native', but native operators are not available"):
        ops.omni_loss(scores, labels, impl="native")


def test_the_package_works_where_the_module_was_not_built():
    program = (
        "import pathlib, warnings\n"
        "exists = pathlib.Path.exists\n"
        "pathlib.Path.exists = lambda self, **kw: self.name != '_C.abi3.so' and exists(self, **kw)\n"
        "warnings.simplefilter('ignore')\n"
        "import torch\n"
        "from pspgan import ops\n"
        "assert not ops.native_status().available\n"
        "print(ops.omni_loss(torch.zeros(1, 4), torch.zeros(1, 4, dtype=torch.int8)).item())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert float(done.stdout) == pytest.approx(1.6094, abs=1e-4)


@pytest.mark.skipif(not ops.native_status().available, reason=str(ops.native_status()))
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
