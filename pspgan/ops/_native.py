"""Finds and loads the compiled operators, and decides when they are used.

Two modules lie in the package's folder: `_C` has the operators' schemas and CPU kernels, `_C_cuda` their CUDA
kernels, and loads only into a torch that is built for CUDA. `PSPGAN_NATIVE=0` in the environment leaves both
alone, so that a whole command runs on the reference operators.
"""

import os
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch.autograd import forward_ad

FOLDER = Path(__file__).resolve().parent.parent
OPERATORS = ("diff_augment", "omni_loss")
DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)  # of images and scores
BUILD_AGAIN = "build it again with `pip install --no-build-isolation .`"


@dataclass(frozen=True)
class NativeStatus:
    """What became of the native modules; `str()` of it is a sentence for people.

    Attributes:
        path: where the module with the schemas and the CPU kernels is, or would have to be.
        devices: types of the devices that the native operators run on; empty where they are not loaded.
        reason: why they are not loaded, and the way out; empty where they are.
        without_cuda: why they do not run on GPUs, and the way out; empty where they do.
    """

    path: Path
    devices: tuple[str, ...] = ()
    reason: str = ""
    without_cuda: str = ""

    @property
    def available(self) -> bool:
        """Whether the native operators are loaded and can be called, on the CPU at least."""
        return bool(self.devices)

    @property
    def operators(self) -> tuple[str, ...]:
        """The operators, with the devices that they run on."""
        return tuple(f"{name} ({', '.join(self.devices)})" for name in OPERATORS if self.available)

    def lacks(self, device: torch.device) -> str | None:
        """Why the native operators do not run on `device`, or None where they do."""
        if device.type in self.devices:
            return None
        if not self.available:
            return f"native operators are not available: {self.reason}"
        if device.type == "cuda":
            return f"native operators are not available on cuda: {self.without_cuda}"
        return f"native operators run on {' and '.join(self.devices)}, and the tensors are on {device.type}"

    def __str__(self) -> str:
        if not self.available:
            return f"native operators are not available: {self.reason}"
        without_cuda = f"; not on cuda: {self.without_cuda}" if self.without_cuda else ""
        return f"native operators: {', '.join(self.operators)} (from {self.path}){without_cuda}"


def load(folder: Path) -> NativeStatus:
    """Load the native modules in `folder` into torch's operator registry and tell how that went.

    Raises:
        ValueError: where PSPGAN_NATIVE in the environment is neither 0 nor 1.
    """
    path = folder / "_C.abi3.so"
    setting = os.environ.get("PSPGAN_NATIVE", "1")
    if setting not in ("0", "1"):
        raise ValueError(f"PSPGAN_NATIVE={setting} in the environment is neither 0 nor 1")
    if setting == "0":
        return NativeStatus(path, reason="PSPGAN_NATIVE=0 in the environment")
    if not path.exists():
        return NativeStatus(
            path,
            reason=f"{path} is not there: pspgan was built with PSPGAN_NATIVE=0, without a C++ compiler, "
            "or not at all; run `pip install --no-build-isolation .` again",
        )
    if error := _load_module(path):
        return NativeStatus(
            path,
            reason=f"{path} does not load ({error}); it needs torch 2.10 or later, "
            f"this is {torch.__version__}; {BUILD_AGAIN}",
        )
    without_cuda = _load_cuda(folder / "_C_cuda.abi3.so")
    return NativeStatus(path, ("cpu",) if without_cuda else ("cpu", "cuda"), without_cuda=without_cuda)


def _load_cuda(path: Path) -> str:
    """Load the CUDA module; why that was not done, or empty."""
    if torch.version.cuda is None:
        return f"torch {torch.__version__} is built without CUDA"
    if not path.exists():
        return f"{path} is not there; with a CUDA {torch.version.cuda} toolkit, {BUILD_AGAIN}"
    if error := _load_module(path):
        return f"{path} does not load ({error}); {BUILD_AGAIN}"
    return ""


def _load_module(path: Path) -> str | None:
    try:
        torch.ops.load_library(path)
    except OSError as error:
        return str(error)
    return None


status = load(FOLDER)


def native_status() -> NativeStatus:
    """What was found of the native operators, and if nothing, why.

    Returns:
        The status; `print(pspgan.ops.native_status())` shows it as a sentence.
    """
    return status


@cache
def _warn_once(problem: str) -> None:
    warnings.warn(f"pspgan: {problem}; the slower reference operators are used", RuntimeWarning, stacklevel=4)


def _transformed() -> str | None:
    """What is asked of an operator besides its value and gradients, which are all that it has rules for."""
    if torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0:
        return "it has no rules for torch.func's transforms or forward-mode derivatives"
    return None


def use_native(operator: str, impl: str, device: torch.device, unsupported: str | None = None) -> bool:
    """Whether a call of `operator` goes to the native module.

    Args:
        operator: the operator's name, for messages.
        impl: what the caller asked for: "auto", "native" or "reference".
        device: where its tensors are.
        unsupported: why the native operator cannot take these arguments, or None where it can.

    Raises:
        ValueError: for another `impl`.
        RuntimeError: where `impl` is "native" and the operator is not there or cannot take the arguments.
    """
    if impl == "reference":
        return False
    if impl not in ("auto", "native"):
        raise ValueError(f"{operator}: impl={impl!r} is none of 'auto', 'native', 'reference'")
    lacking = status.lacks(device)
    problem = lacking or unsupported or _transformed()
    if problem is None:
        return True
    if impl == "native":
        raise RuntimeError(f"{operator}: impl='native', but {problem}; impl='auto' uses the reference")
    if lacking and device.type in ("cpu", "cuda") and not torch.compiler.is_compiling():
        _warn_once(lacking)
    return False
