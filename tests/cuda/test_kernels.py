"""The CUDA kernels as machine code: no warning, no local memory, few registers, whole vectors."""

import tomllib
from pathlib import Path

import pytest

BUDGET = tomllib.loads((Path(__file__).parent / "registers.toml").read_text())
FAULTY = {
    "uses local memory": "float x[99]; for (int i = 0; i < 99; ++i) x[int(in[i])] = i; out[0] = x[int(*in)];",
    "computes in double": "out[threadIdx.x] = float(double(in[threadIdx.x]) * 0.1);",
    "leaves a variable unused": "int unused; out[0] = in[0];",
}


def is_double(kernel):
    return "<double" in kernel.signature


@pytest.fixture(scope="module")
def registers(compiled):
    return {kernel: n for unit in compiled for kernel, n in unit.registers.items()}


@pytest.fixture(scope="module")
def instructions(compiled):
    return {kernel: code for unit in compiled for kernel, code in unit.instructions.items()}


def test_compile_without_a_warning_for_every_gpu(compiled):
    problems = "\n".join(unit.problem for unit in compiled if unit.problem)
    assert not problems, problems


@pytest.mark.parametrize("fault", FAULTY)
def test_a_faulty_kernel_would_not_compile(fault, compile_strictly, tmp_path):
    source = tmp_path / "faulty.cu"
    source.write_text(f"__global__ void faulty(const float* in, float* out) {{ {FAULTY[fault]} }}\n")
    assert compile_strictly(source, doubles=False, gpus=("90",)).problem


def test_registers_stay_within_the_budget(registers):
    over = []
    for kernel, n in registers.items():
        budget = BUDGET[kernel.function]["double" if is_double(kernel) else "registers"]
        if n > budget:
            over.append(f"{kernel.signature} on sm_{kernel.gpu}: {n} registers, budget {budget}")
    assert not over, "\n".join(over)


def test_the_budget_names_the_kernels_that_there_are(registers):
    assert {kernel.function for kernel in registers} == set(BUDGET)
    for function in BUDGET:
        gpus = {kernel.gpu for kernel in registers if kernel.function == function}
        assert gpus == {"80", "90", "100", "120"}


def test_machine_code_is_that_of_the_compiled_kernels(instructions, registers):
    assert instructions.keys() == registers.keys()
    assert all(code[-1] in ("NOP", "BRA") and "EXIT" in code for code in instructions.values())


def test_no_local_memory(instructions):
    touching = {
        kernel for kernel, code in instructions.items() for name in code if name.startswith(("LDL", "STL"))
    }
    assert not touching


def test_only_double_kernels_compute_in_double(instructions):
    arithmetic = ("DFMA", "DADD", "DMUL", "DSETP", "DMNMX")
    doubles = {
        kernel for kernel, code in instructions.items() for name in code if name.startswith(arithmetic)
    }
    assert not {kernel for kernel in doubles if not is_double(kernel)}
    assert doubles  # that they would be seen


def test_vector_kernels_move_sixteen_bytes_at_once(instructions):
    for function, budget in BUDGET.items():
        vectorised = [k for k in instructions if k.function == function and max(k.numbers, default=1) > 1]
        assert bool(vectorised) == bool(budget["vectors"]), function
        for kernel in vectorised:
            for direction in budget["vectors"]:
                wide = [name for name in instructions[kernel] if name.startswith(f"{direction}.E.128")]
                assert wide, f"{kernel.signature} on sm_{kernel.gpu} has no {direction}.E.128"
