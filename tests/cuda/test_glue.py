"""The CUDA glue compiles and links against torch without CUDA, takes only the stable ABI, and registers."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pspgan import ops

STATUS = ops.native_status()
STUB = Path(__file__).parent / "torch_cuda_stub.cpp"
OF_THE_STUB = {
    "aoti_torch_get_current_cuda_stream",
    "torch_c10_cuda_check_msg",
    "torch_c10_cuda_free_error_msg",
}
ALLOWED = re.compile(
    r"aoti_torch_|torch_"  # torch's stable ABI
    r"|\w+@libcudart\.so"  # the CUDA runtime
    r"|\w+@(GLIBC|GLIBCXX|CXXABI|GCC)_"  # libc, libm, libstdc++, libgcc
    r"|_ZN?[KRO]*St|_ZT[ISV]N?St"  # namespace std, which torch's libraries export as well
    r"|_ITM_|__gmon_start__"  # the linker's optional hooks
)


@pytest.fixture(scope="module")
def module(glue, compiled, toolkit, link_with_torch):
    """The whole CUDA module, linked against torch without CUDA and a stub for what that lacks."""
    stub = glue.parent / "libtorch_cuda.so"
    subprocess.run(["g++", "-shared", "-fPIC", STUB, "-o", stub], check=True)
    runtime = next(toolkit / name for name in ("lib64", "lib") if (toolkit / name / "libcudart.so").exists())
    options = [f"-L{stub.parent}", "-ltorch_cuda", f"-Wl,-rpath,{stub.parent}"]
    options += [f"-L{runtime}", "-lcudart", f"-Wl,-rpath,{runtime}"]
    return link_with_torch([glue, *(unit.object for unit in compiled)], glue.parent / "_C_cuda.so", *options)


@pytest.mark.skipif(not shutil.which("nm"), reason="nm (binutils) is not installed")
def test_needs_only_the_stable_abi_and_the_cuda_runtime(module):
    listing = subprocess.check_output(["nm", "--dynamic", "--undefined-only", module], text=True)
    symbols = {line.split()[-1] for line in listing.splitlines()}
    assert not {symbol for symbol in symbols if not ALLOWED.match(symbol)}
    assert symbols >= OF_THE_STUB
    assert any("cudaLaunchKernel" in symbol for symbol in symbols)


@pytest.mark.skipif(STATUS.devices != ("cpu",), reason=f"needs the CPU module alone: {STATUS}")
def test_registers_every_operator_for_cuda(module):
    program = (
        "import sys, torch\n"
        "from pspgan.ops import _native\n"
        "torch.ops.load_library(sys.argv[1])\n"
        "for operator in _native.OPERATORS:\n"
        "    for name in (operator, operator + '_backward'):\n"
        "        assert torch._C._dispatch_has_kernel_for_dispatch_key('pspgan::' + name, 'CUDA'), name\n"
    )
    subprocess.run([sys.executable, "-c", program, module], check=True)
