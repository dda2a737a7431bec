"""Builds the native operators; everything else about the package is in pyproject.toml.

`pspgan._C` has the operators' schemas and CPU kernels, `pspgan._C_cuda` their CUDA kernels. Both use
LibTorch's stable ABI and no Python API, so that one build serves every CPython from 3.11 and every torch from
2.10. Without a C++ compiler the package is built pure Python and runs on its reference operators; a compiler
that is there but fails stops the build. From the environment:

    PSPGAN_NATIVE         0: build no native operators, whatever is installed; default 1
    PSPGAN_CUDA           1: build `_C_cuda` or fail; 0: leave it out; default auto: build it where torch is a
                          CUDA build and a toolkit is found. Whether a GPU is there does not matter.
    CXX, CUDA_HOME        compiler and toolkit, where those found by themselves are not meant
    TORCH_CUDA_ARCH_LIST  GPUs to build for, in torch's notation; default: DEFAULT_GPUS
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from setuptools import setup

TORCH_2_10 = "0x020a000000000000"  # oldest torch whose stable ABI is used
COMPILE_ARGS = [
    f"-DTORCH_TARGET_VERSION={TORCH_2_10}",
    "-std=c++20",
    "-O3",
    "-g0",  # Python's own flags ask for debug information, which would be most of the module
    "-fopenmp-simd",  # `#pragma omp simd` only: threads come from torch
    "-fno-trapping-math",  # nobody reads exception flags; without it selections stay branches. Same results.
    "-fvisibility=hidden",
    "-Wall",
]
NVCC_ARGS = ["-std=c++20", "-O3", "-Xcompiler=-fvisibility=hidden"]

# Objects stay where the next build finds them, and ninja knows which are out of date: after an installation a
# wheel costs no second compilation.
OBJECTS = "build/native"

# Compute capabilities of A100, H100, B200, RTX 50; the last one's PTX serves later GPUs. Without a list torch
# would take those of the builder's own, who often has none.
DEFAULT_GPUS = ((8, 0), (9, 0), (10, 0), (12, 0))


def setting(name: str, default: str, *others: str) -> str:
    """The value of an environment variable; another one than those named stops the build."""
    value = os.environ.get(name, default)
    if value not in (default, *others):
        sys.exit(f"pspgan: {name}={value} is none of {', '.join((default, *others))}")
    return value


def warn(message: str) -> None:
    """Print a warning, once: pip runs this file for metadata as well as for the build."""
    if not {"egg_info", "dist_info"}.intersection(sys.argv):
        print("\n".join(f"pspgan: WARNING: {line}" for line in message.splitlines()), file=sys.stderr)


def compiler() -> str | None:
    """The C++ compiler to build with, or None where there is none."""
    if named := os.environ.get("CXX"):
        if not shutil.which(shlex.split(named)[0]):
            sys.exit(f"pspgan: CXX={named} is not there; PSPGAN_NATIVE=0 builds without a compiler.")
        return named
    candidates = [sysconfig.get_config_var("CXX"), "c++", "g++", "clang++"]
    return next((name for name in candidates if name and shutil.which(shlex.split(name)[0])), None)


def cuda_toolkit() -> Path | None:
    """Folder of the CUDA toolkit, or None where there is none.

    The `nvcc` on PATH may be a script elsewhere that calls the real one, which tells its folder in a dry run.
    """
    named = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH")
    if named:
        candidates = [named]
    elif nvcc := shutil.which("nvcc"):
        dry_run = subprocess.run([nvcc, "--dryrun", "none.cu"], capture_output=True, text=True).stderr
        candidates = [Path(nvcc).resolve().parents[1], *re.findall(r"^#\$ TOP=(.+)$", dry_run, re.MULTILINE)]
    else:
        candidates = ["/usr/local/cuda"]
    for folder in map(Path, candidates):
        if (folder / "include" / "cuda_runtime.h").exists() and (folder / "bin" / "nvcc").exists():
            return folder.resolve()
    if named:
        sys.exit(
            f"pspgan: CUDA_HOME={named} has no bin/nvcc and include/cuda_runtime.h; PSPGAN_CUDA=0 needs none."
        )
    return None


def ask_nvcc(toolkit: Path, option: str, pattern: str) -> list[int]:
    """Numbers that `pattern` finds in what the toolkit's compiler answers to `option`."""
    command = [toolkit / "bin" / "nvcc", option]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [int(number) for number in re.findall(pattern, answer)]


def no_native_because() -> str | None:
    """Why no native operators are built, or None where they are."""
    if setting("PSPGAN_NATIVE", "1", "0") == "0":
        return "PSPGAN_NATIVE=0: no native operators are built"
    if compiler() is None or sys.platform == "win32":
        return "no C++ compiler found (set CXX to name one); no native operators are built"
    return None


def no_cuda_because(torch_cuda: str | None, toolkit: Path | None) -> str | None:
    """What is missing to build the CUDA module, or None where nothing is."""
    if torch_cuda is None:
        return "the installed torch is a build without CUDA"
    major = int(torch_cuda.split(".")[0])
    if toolkit is None:
        return (
            f"this torch needs a toolkit of CUDA {major}, and none was found, that is, no folder with\n"
            "bin/nvcc and include/cuda_runtime.h in it (set CUDA_HOME, or have nvcc on PATH)"
        )
    (release,) = ask_nvcc(toolkit, "--version", r"release (\d+)\.\d+")
    if release != major:
        return f"this torch needs a toolkit of CUDA {major}, and that at {toolkit} is of CUDA {release}"
    return None


def choose_gpus(toolkit: Path) -> None:
    """Set TORCH_CUDA_ARCH_LIST, unless it is set, to those default GPUs that the toolkit compiles for."""
    known = ask_nvcc(toolkit, "--list-gpu-arch", r"compute_(\d+)")
    gpus = [f"{major}.{minor}" for major, minor in DEFAULT_GPUS if 10 * major + minor in known]
    os.environ["TORCH_CUDA_ARCH_LIST"] = os.environ.get("TORCH_CUDA_ARCH_LIST") or ";".join(gpus) + "+PTX"


def prepare_cuda(wanted: str) -> bool:
    """Whether the CUDA module is built; if so, torch's build tools are told what they would guess wrong."""
    import torch

    if wanted == "0":
        return False
    toolkit = cuda_toolkit() if torch.version.cuda else None
    if lacking := no_cuda_because(torch.version.cuda, toolkit):
        if wanted == "1":
            sys.exit(f"pspgan: PSPGAN_CUDA=1, but {lacking}.")
        if torch.version.cuda:
            warn(f"no CUDA operators are built: {lacking}.")
        return False
    # Torch's build tools read this when they are imported, so that must not happen before.
    os.environ["CUDA_HOME"] = str(toolkit)
    choose_gpus(toolkit)
    return True


def extensions(with_cuda: bool) -> list:
    """The extension modules."""
    from torch.utils.cpp_extension import CppExtension, CUDAExtension

    common = {
        "include_dirs": [str(Path("csrc").resolve())],
        "depends": sorted(str(path) for pattern in ("*.h", "*.cuh") for path in Path("csrc").rglob(pattern)),
        "py_limited_api": True,
    }
    sources = sorted(str(path) for path in Path("csrc/cpu").glob("*.cpp"))
    modules = [CppExtension("pspgan._C", sources, extra_compile_args={"cxx": COMPILE_ARGS}, **common)]
    if with_cuda:
        sources = ["csrc/cuda/glue.cpp", *sorted(str(path) for path in Path("csrc/cuda").glob("*.cu"))]
        arguments = {"cxx": [*COMPILE_ARGS, "-DUSE_CUDA"], "nvcc": NVCC_ARGS}
        modules.append(CUDAExtension("pspgan._C_cuda", sources, extra_compile_args=arguments, **common))
    return modules


def native_operators() -> dict:
    """What setuptools has to know to build the native operators; nothing where they are not built."""
    cuda = setting("PSPGAN_CUDA", "auto", "0", "1")
    if problem := no_native_because():
        if cuda == "1":
            sys.exit(f"pspgan: PSPGAN_CUDA=1, but {problem}.")
        warn(f"{problem},\nand pspgan will run on its slower reference operators in plain PyTorch.")
        return {}
    os.environ["CXX"] = compiler()  # torch and setuptools would each look for one of their own
    try:
        with_cuda = prepare_cuda(cuda)
        from torch.utils.cpp_extension import BuildExtension
    except ImportError:
        sys.exit(
            "pspgan: torch is needed to build the native operators and was not found.\n"
            "Install torch first, then `pip install --no-build-isolation .`\n"
            "(pip's isolated build would download another torch and build against that one)."
        )

    class BuildIntoOneFolder(BuildExtension):
        # An option of setup() would be forgotten where bdist_wheel initialises its commands again.
        def finalize_options(self) -> None:
            self.build_temp = self.build_temp or OBJECTS
            super().finalize_options()

    return {"ext_modules": extensions(with_cuda), "cmdclass": {"build_ext": BuildIntoOneFolder}}


if __name__ == "__main__":
    setup(**native_operators(), options={"bdist_wheel": {"py_limited_api": "cp311"}})
