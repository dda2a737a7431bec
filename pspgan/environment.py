"""What this installation consists of, for bug reports."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform

_PACKAGES = ("torch", "numpy", "xarray", "zarr", "pymks", "scikit-image", "scikit-learn", "pydantic")


def info() -> str:
    """Versions, devices, and which operators are compiled and why, in a few lines."""
    import torch

    from . import __version__, ops

    lines = [
        f"pspgan {__version__}, Python {platform.python_version()}, {platform.platform()}",
        ", ".join(f"{name} {_version(name)}" for name in _PACKAGES),
        f"devices: {torch.get_num_threads()} CPU threads, "
        + (", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())) or "no GPU"),
        f"operators: {ops.native_status()}",
    ]
    if importlib.util.find_spec("pymks") is None:
        lines.append(
            "pymks is missing: statistics are computed, but not checked against it (it needs Python 3.11)"
        )
    return "\n".join(lines)


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "missing"
