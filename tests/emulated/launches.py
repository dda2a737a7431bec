"""The CUDA launchers, executed by the emulator on CPU tensors: what benchmarks and tests call from Python."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from pspgan.ops import DiffAugmentDraws

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "cmake"  # where `make test` builds, too


class Unavailable(Exception):
    """The module of emulated kernels cannot be built here; the message says why."""


@cache
def emulated_kernels() -> ModuleType:
    """The module `emulated_kernels` (module.cpp), built before if its sources have changed.

    Raises:
        Unavailable: where a tool for building it is missing.
    """
    missing = [tool for tool in ("cmake", "g++") if not shutil.which(tool)]
    missing += [] if importlib.util.find_spec("pybind11") else ["pybind11"]
    if missing:
        raise Unavailable(f"the kernels are not emulated: {' and '.join(missing)} not installed")
    if platform.machine() not in ("x86_64", "AMD64"):
        raise Unavailable("the kernels are not emulated: the emulator is written for x86-64")

    def cmake(*arguments: str | Path) -> None:
        done = subprocess.run(["cmake", *arguments], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"cmake {' '.join(map(str, arguments))}:\n{done.stdout}{done.stderr}")

    if not (BUILD / "CMakeCache.txt").exists():
        cmake("-S", ROOT, "-B", BUILD, f"-DPython3_EXECUTABLE={sys.executable}")
    cmake("--build", BUILD, "--target", "emulated_kernels")
    path = BUILD / "tests" / "emulated" / f"emulated_kernels{sysconfig.get_config_var('EXT_SUFFIX')}"
    if not path.exists():
        raise RuntimeError(f"{path} was not built, but for another Python; remove {BUILD}")
    specification = importlib.util.spec_from_file_location("emulated_kernels", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def element_type(tensor: Tensor):
    """The launchers' name of a tensor's dtype."""
    return getattr(emulated_kernels().Type, str(tensor.dtype).removeprefix("torch."))


def omni_loss(scores: Tensor, labels: Tensor, margin: float, gamma: float, reduction: str) -> Tensor:
    """Like `pspgan.ops.omni_loss`; rows must be dense."""
    module = emulated_kernels()
    real = torch.float64 if scores.dtype == torch.float64 else torch.float32
    losses, loss = torch.empty(len(scores), dtype=real), torch.empty((), dtype=real)
    module.omni_loss(_omni_loss_call(scores, labels, margin, gamma), losses.data_ptr())
    if reduction == "none":
        return losses
    mean = reduction == "mean"
    module.omni_loss_reduce(losses.data_ptr(), element_type(scores), len(scores), mean, loss.data_ptr())
    return loss


def omni_loss_backward(
    grad: Tensor, scores: Tensor, labels: Tensor, margin: float, gamma: float, reduction: str
) -> Tensor:
    """The gradient by `scores`, given that of what `omni_loss` returns."""
    grad_scores = torch.empty(scores.shape, dtype=scores.dtype)
    emulated_kernels().omni_loss_backward(
        _omni_loss_call(scores, labels, margin, gamma),
        grad.data_ptr(),
        grad_stride=grad.stride(0) if reduction == "none" else 0,
        grad_scale=1 / max(len(scores), 1) if reduction == "mean" else 1,
        grad_scores=grad_scores.data_ptr(),
    )
    return grad_scores


def _omni_loss_call(scores: Tensor, labels: Tensor, margin: float, gamma: float):
    return emulated_kernels().OmniLoss(
        scores=scores.data_ptr(),
        labels=labels.data_ptr(),
        type=element_type(scores),
        wide_labels=labels.dtype == torch.int64,
        n_row=scores.shape[0],
        n_class=scores.shape[1],
        score_stride=scores.stride(0),
        label_stride=labels.stride(0),
        margin=margin,
        gamma=gamma,
    )


def diff_augment(x: Tensor, draws: DiffAugmentDraws) -> Tensor:
    """Like `pspgan.ops.diff_augment`, of contiguous or channels-last images and contiguous draws."""
    call, scratch = _diff_augment_call(x, draws)
    y = torch.empty_like(x)
    emulated_kernels().diff_augment(call, x.data_ptr(), y.data_ptr(), scratch.data_ptr())
    return y


def diff_augment_backward(grad: Tensor, draws: DiffAugmentDraws) -> Tensor:
    """The gradient by the images, given that of what `diff_augment` returns."""
    call, scratch = _diff_augment_call(grad, draws)
    grad_x = torch.empty_like(grad)
    emulated_kernels().diff_augment_backward(call, grad.data_ptr(), grad_x.data_ptr(), scratch.data_ptr())
    return grad_x


def _diff_augment_call(x: Tensor, draws: DiffAugmentDraws):
    module = emulated_kernels()
    batch, channels, height, width = x.shape
    call = module.DiffAugment(
        type=element_type(x),
        batch=batch,
        channels=channels,
        height=height,
        width=width,
        channels_last=not x.is_contiguous(),
        **{operation: getattr(draws, operation).data_ptr() for operation in draws.drawn},
    )
    real = torch.float64 if x.dtype == torch.float64 else torch.float32
    return call, torch.empty(module.diff_augment_scratch(call), dtype=real)
