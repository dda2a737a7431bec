"""Compiles the CUDA sources once, as users' builds do but stricter, for tests that look at what comes out."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sysconfig
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType

import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "csrc" / "cuda").glob("*.cu"))
GPUS = ("80", "90", "100", "120")
STRICT = ("-v", "-warn-spills", "-warn-lmem-usage", "-Werror")  # for ptxas


@dataclass(frozen=True)
class Kernel:
    """A kernel as compiled for one GPU.

    Attributes:
        function: its name without namespaces and template arguments.
        signature: its name with them, for messages and to tell instances apart.
        gpu: what it is compiled for: "90" is sm_90.
    """

    function: str
    signature: str
    gpu: str

    @property
    def numbers(self) -> list[int]:
        """Its template arguments that are numbers."""
        arguments = re.search(r"\w<(.*?)>\(", self.signature)
        return [int(number) for number in re.findall(r"(?<![\w])\d+", arguments[1])] if arguments else []


@dataclass(frozen=True)
class Compiled:
    """One source, compiled for all GPUs.

    Attributes:
        source: the .cu file.
        object: what the compiler made of it.
        problem: what the compiler had to say where it refused, else None.
        log: what it said.
        cuobjdump: path of the disassembler, or None where it is not installed.
    """

    source: Path
    object: Path
    problem: str | None
    log: str
    cuobjdump: Path | None

    @cached_property
    def registers(self) -> dict[Kernel, int]:
        """Registers that a thread of each kernel takes, as ptxas says."""
        assert self.problem is None, self.problem
        found = re.findall(
            r"Compiling entry function '(\w+)' for 'sm_(\d+)'(?:.|\n)*?Used (\d+) registers", self.log
        )
        names = demangle([name for name, _, _ in found])
        return {kernel(name, gpu): int(n) for name, (_, gpu, n) in zip(names, found, strict=True)}

    @cached_property
    def instructions(self) -> dict[Kernel, list[str]]:
        """The machine instructions of each kernel, with their modifiers: "LDG.E.128"."""
        assert self.problem is None, self.problem
        if self.cuobjdump is None:
            pytest.skip("cuobjdump and nvdisasm are not installed; pspgan's extra [dev] has them")
        listing = subprocess.run(
            [self.cuobjdump, "--dump-sass", self.object],
            capture_output=True,
            text=True,
            check=True,
            env={"PATH": str(self.cuobjdump.parent)},
        ).stdout
        names, gpus, codes = [], [], []
        for part in re.split(r"(?=\t\tFunction : )|(?=\tcode for sm_\d+)", listing):
            if match := re.match(r"\tcode for sm_(\d+)", part):
                gpu = match[1]
            elif match := re.match(r"\t\tFunction : (\w+)", part):
                names.append(match[1])
                gpus.append(gpu)
                codes.append(
                    re.findall(r"^\s+/\*[0-9a-f]{4,}\*/\s+(?:@!?\w+\s+)?([A-Z][\w.]*)", part, re.MULTILINE)
                )
        signatures = demangle(names)
        return {kernel(*key): code for *key, code in zip(signatures, gpus, codes, strict=True)}


def demangle(names: list[str]) -> list[str]:
    if not shutil.which("c++filt"):
        pytest.skip("c++filt (binutils) is not installed")
    return subprocess.run(
        ["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True
    ).stdout.split("\n")[: len(names)]


def kernel(signature: str, gpu: str) -> Kernel:
    short = re.sub(r"\(anonymous namespace\)::|\w+::", "", signature).removeprefix("void ")
    return Kernel(re.match(r"\w+", short)[0], short, gpu)


@pytest.fixture(scope="session")
def build() -> ModuleType:
    """setup.py as a module: what users' builds decide and pass to compilers."""
    specification = importlib.util.spec_from_file_location("pspgan_setup", ROOT / "setup.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def toolkit(build: ModuleType) -> Path:
    """Folder of the CUDA toolkit."""
    found = build.cuda_toolkit()
    if found is None:
        pytest.skip("no CUDA toolkit (nvcc) is installed: CUDA sources are not compiled")
    if not shutil.which("g++"):
        pytest.skip("g++ is not installed, which nvcc needs")
    return found


@pytest.fixture(scope="session")
def compile_strictly(build: ModuleType, toolkit: Path, tmp_path_factory):
    """A function from a .cu file to `Compiled`."""
    from torch.utils.cpp_extension import COMMON_NVCC_FLAGS  # which users' builds pass as well

    folder = tmp_path_factory.mktemp("cuda")
    installed = Path(sysconfig.get_path("platlib")).glob("nvidia/cu*/bin/cuobjdump")
    disassembler = next((path for path in (*installed, toolkit / "bin" / "cuobjdump") if path.exists()), None)

    def run(source: Path, doubles: bool, gpus: tuple[str, ...] = GPUS) -> Compiled:
        ptxas = [*STRICT, *([] if doubles else ["-warn-double-usage"])]
        target = folder / f"{source.stem}.o"
        command = [toolkit / "bin" / "nvcc", "-c", source, "-o", target, f"-I{ROOT / 'csrc'}"]
        command += [*COMMON_NVCC_FLAGS, *build.NVCC_ARGS, "-Xcompiler=-fPIC"]
        command += ["-Werror=all-warnings", f"-Xptxas={','.join(ptxas)}", "--threads=2"]
        command += [f"-gencode=arch=compute_{gpu},code=sm_{gpu}" for gpu in gpus]
        done = subprocess.run(command, capture_output=True, text=True)
        log = done.stdout + done.stderr
        complaints = [line for line in log.splitlines() if "error" in line or "warning" in line]
        problem = "\n".join([f"{source.name}:", *demangle(complaints)]) if done.returncode else None
        return Compiled(source, target, problem, log, disassembler)

    return run


@pytest.fixture(scope="session")
def compiled(compile_strictly, tmp_path_factory) -> list[Compiled]:
    """Every CUDA source of ours. Doubles may be computed with in those named for them."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # which the workers share: a minute's compiling serves all
    kept = folder / "compiled.json"
    with FileLock(f"{kept}.lock"):
        if not kept.exists():
            units = [compile_strictly(source, doubles=source.stem.endswith("_double")) for source in SOURCES]
            kept.write_text(json.dumps([asdict(unit) for unit in units], default=str))
    paths = ("source", "object", "cuobjdump")
    return [
        Compiled(**unit | {name: unit[name] and Path(unit[name]) for name in paths})
        for unit in json.loads(kept.read_text())
    ]


@pytest.fixture(scope="session")
def torch_folder() -> Path:
    """Where torch's headers and libraries are."""
    return Path(importlib.util.find_spec("torch").origin).parent


@pytest.fixture(scope="session")
def glue(build: ModuleType, toolkit: Path, torch_folder: Path, tmp_path_factory) -> Path:
    """The glue's object file, compiled as users' builds do, warnings being errors."""
    target = tmp_path_factory.mktemp("glue") / "glue.o"
    command = ["g++", "-c", ROOT / "csrc" / "cuda" / "glue.cpp", "-o", target, "-fPIC", "-DUSE_CUDA"]
    command += [*build.COMPILE_ARGS, "-Wextra", "-Werror", f"-I{ROOT / 'csrc'}"]
    command += ["-isystem", torch_folder / "include", "-isystem", toolkit / "include"]
    subprocess.run(command, check=True)
    return target


@pytest.fixture(scope="session")
def link_with_torch(torch_folder: Path):
    """A function that links objects to a module; every symbol has to be found."""

    def run(objects: list[Path], target: Path, *options: str) -> Path:
        command = ["g++", "-shared", "-Wl,-z,defs", *objects, "-o", target, *options]
        subprocess.run([*command, f"-L{torch_folder / 'lib'}", "-ltorch_cpu", "-lc10"], check=True)
        return target

    return run
