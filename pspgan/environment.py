"""What this installation consists of, for bug reports."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
from typing import Any

_PACKAGES = ("torch", "numpy", "xarray", "zarr", "pymks", "scikit-image", "scikit-learn", "pydantic")


def facts() -> dict[str, Any]:
    """Versions, devices, and which operators are compiled and why."""
    import torch

    from . import __version__, ops

    return {
        "pspgan": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "cpu_threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "operators": str(ops.native_status()),
    }


def info() -> str:
    """The `facts`, in a few lines."""
    found = facts()
    lines = [
        f"pspgan {found['pspgan']}, Python {found['python']}, {found['platform']}",
        ", ".join(f"{name} {version}" for name, version in found["packages"].items()),
        f"devices: {found['cpu_threads']} CPU threads, {', '.join(found['gpus']) or 'no GPU'}",
        f"operators: {found['operators']}",
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
