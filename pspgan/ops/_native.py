"""Finds and loads the compiled operators, and decides when they are used."""

import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

MODULE = Path(__file__).resolve().parent.parent / "_C.abi3.so"


@dataclass(frozen=True)
class NativeStatus:
    """What became of the native module; `str()` of it is a sentence for people.

    Attributes:
        available: whether the module is loaded and its operators can be called.
        path: where the module is, or would have to be.
        operators: names of the operators that it has, with the devices they run on.
        reason: why it is not available, and the way out; empty where it is.
    """

    available: bool
    path: Path
    operators: tuple[str, ...] = ()
    reason: str = ""

    def __str__(self) -> str:
        if self.available:
            return f"native operators: {', '.join(self.operators)} (from {self.path})"
        return f"native operators are not available: {self.reason}"


def load(path: Path) -> NativeStatus:
    """Load the native module at `path` into torch's operator registry and tell how that went."""
    if not path.exists():
        return NativeStatus(
            False,
            path,
            reason=f"{path} is not there, so pspgan was built without a C++ compiler, or not built at all; "
            "install one and run `pip install --no-build-isolation .` again",
        )
    try:
        torch.ops.load_library(path)
    except OSError as error:
        return NativeStatus(
            False,
            path,
            reason=f"{path} does not load ({error}); it needs torch 2.10 or later, "
            f"this is {torch.__version__}; build it again with `pip install --no-build-isolation .`",
        )
    return NativeStatus(True, path, operators=("omni_loss (cpu)",))


status = load(MODULE)


def native_status() -> NativeStatus:
    """What was found of the native operators, and if nothing, why.

    Returns:
        The status; `print(pspgan.ops.native_status())` shows it as a sentence.
    """
    return status


@cache
def _warn_once() -> None:
    warnings.warn(f"pspgan: {status}; the slower reference operators are used", RuntimeWarning, stacklevel=4)


def use_native(operator: str, impl: str, unsupported: str | None) -> bool:
    """Whether a call of `operator` goes to the native module.

    Args:
        operator: the operator's name, for messages.
        impl: what the caller asked for: "auto", "native" or "reference".
        unsupported: why the native operator cannot take these arguments, or None where it can.

    Raises:
        ValueError: for another `impl`.
        RuntimeError: where `impl` is "native" and the operator is not there or cannot take the arguments.
    """
    if impl == "reference":
        return False
    if impl not in ("auto", "native"):
        raise ValueError(f"{operator}: impl={impl!r} is none of 'auto', 'native', 'reference'")
    problem = unsupported if status.available else str(status)
    if problem is None:
        return True
    if impl == "native":
        raise RuntimeError(f"{operator}: impl='native', but {problem}; impl='auto' uses the reference")
    if not status.available and not torch.compiler.is_compiling():
        _warn_once()
    return False
