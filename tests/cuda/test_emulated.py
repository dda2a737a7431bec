"""The CUDA operators as a whole, glue, launchers and kernels, give what the CPU operators give.

There is no GPU: the emulator executes the kernels, and the tensors are on the CPU, under CUDA's dispatch key.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from pspgan import ops

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
STATUS = ops.native_status()
SEEDS = 240  # each some eight calls


@pytest.mark.skipif(STATUS.devices != ("cpu",), reason=f"needs the CPU module alone: {STATUS}")
def test_agree_with_the_cpu_operators(glue, link_with_torch):
    objects = [glue]
    for source in [*sorted((ROOT / "csrc" / "cuda").glob("*.cu")), HERE / "torch_cuda_stub.cpp"]:
        objects.append(glue.parent / f"{source.stem}.emulated.o")
        command = ["g++", "-std=c++20", "-O2", "-fPIC", "-fvisibility=hidden", "-DEMULATED", "-x", "c++"]
        command += [f"-I{ROOT / 'csrc'}", f"-I{ROOT / 'tests' / 'emulator'}", "-c", source, "-o", objects[-1]]
        subprocess.run(command, check=True)
    module = link_with_torch(objects, glue.parent / "emulated.so")
    done = subprocess.run(
        [sys.executable, HERE / "run_emulated.py", module, str(SEEDS)], capture_output=True, text=True
    )
    assert done.stdout == "passed\n", done.stderr
