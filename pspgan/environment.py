"""What this installation consists of, for bug reports."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
from typing import Any

_PACKAGES = ("torch", "numpy", "xarray", "zarr", "pymks", "scikit-image", "scikit-learn", "pydantic")


def facts() -> dict[str, Any]:
    """Versions, devices, which operators are compiled and why, and plugins."""
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
        "plugins": _plugins(),
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
    for one in found["plugins"]:
        what = f"{one['kind']} {one['name']} ({one['distribution']} {one['version']})"
        lines.append(f"plugin: {what}" + (f" does not work: {one['problem']}" if one["problem"] else ""))
    return "\n".join(lines)


def _plugins() -> list[dict[str, str | None]]:
    """Sources and descriptors of other packages: whose each is, and what is wrong with it, if anything."""
    from .plugins import PluginError
    from .sources import SOURCES, InstalledSource
    from .statistics import DESCRIPTOR_PLUGINS, InstalledDescriptor

    found = []
    for point, kind in ((SOURCES, InstalledSource), (DESCRIPTOR_PLUGINS, InstalledDescriptor)):
        for plugin in point.all():
            try:
                kind.named(plugin.name)
                problem = None
            except PluginError as error:
                problem = str(error)
            found.append({"kind": plugin.kind, **plugin.identity, "problem": problem})
    return found


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "missing"
