"""Builds the native operators; everything else about the package is in pyproject.toml.

The extension uses LibTorch's stable ABI and no Python API, so that one build serves every CPython from
3.11 and every torch from 2.10. Without a C++ compiler the package is built pure Python and runs on its
reference operators; a compiler that is there but fails stops the build.
"""

import os
import shlex
import shutil
import sys
import sysconfig
from pathlib import Path

from setuptools import setup

try:
    from torch.utils.cpp_extension import BuildExtension, CppExtension
except ImportError:
    sys.exit(
        "pspgan: torch is needed to build the native operators and was not found.\n"
        "Install torch first, then `pip install --no-build-isolation .`\n"
        "(pip's isolated build would download another torch and build against that one)."
    )

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


def compiler() -> str | None:
    """The C++ compiler to build with, or None where there is none."""
    named = os.environ.get("CXX")
    candidates = [named] if named else [sysconfig.get_config_var("CXX"), "c++", "g++", "clang++"]
    return next((name for name in candidates if name and shutil.which(shlex.split(name)[0])), None)


def native_operators() -> list[CppExtension]:
    """The extension module `pspgan._C`, or nothing where it cannot be compiled."""
    found = compiler()
    if found is None or sys.platform == "win32":
        print(
            "pspgan: WARNING: no C++ compiler found (set CXX to name one); no native operators are built,\n"
            "pspgan: WARNING: and pspgan will run on its slower reference operators in plain PyTorch.",
            file=sys.stderr,
        )
        return []
    os.environ["CXX"] = found  # torch and setuptools would each look for one of their own
    return [
        CppExtension(
            "pspgan._C",
            sorted(str(path) for path in Path("csrc/cpu").glob("*.cpp")),
            include_dirs=[str(Path("csrc").resolve())],
            depends=sorted(str(path) for path in Path("csrc").rglob("*.h")),
            extra_compile_args={"cxx": COMPILE_ARGS},
            py_limited_api=True,
        )
    ]


setup(
    ext_modules=native_operators(),
    cmdclass={"build_ext": BuildExtension},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
