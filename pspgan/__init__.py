"""Conditional BigGAN-deep for materials science: learn process -> microstructure, and link the two.

>>> import pspgan as psp
>>> psp.ProcessSpace.uhcsdb().condition("800-24H-Q")["time"]
1440.0
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

# Public name -> module that defines it. Loaded on first use, so that `pspgan --help` need not import torch.
_NAMES = {
    "ConditionError": "process",
    "EnsembleError": "ensemble",
    "Factor": "process",
    "Linkage": "linkage",
    "Model": "generation",
    "Phases": "statistics",
    "ProcessCondition": "process",
    "ProcessSpace": "process",
    "Run": "training",
    "SyntheticMix": "classification",
    "app": "live",
    "classify": "classification",
    "compute_statistics": "statistics",
    "demo": "demonstration",
    "evaluate": "evaluation",
    "evolution": "linkage",
    "export_folders": "classification",
    "fit_kinetics": "linkage",
    "generate": "generation",
    "info": "environment",
    "inspect": "inspection",
    "learn_phases": "phase_learning",
    "link": "linkage",
    "load": "generation",
    "open_ensemble": "ensemble",
    "open_statistics": "statistics",
    "split": "ensemble",
    "simulate": "sources.heat_treatment",
    "train": "training",
    "two_point_statistics": "statistics",
    "validate": "ensemble",
    "write_ensemble": "ensemble",
    "write_evaluation": "evaluation_folder",
    "write_report": "report",
}
_MODULES = (
    "classification",
    "ensemble",
    "evaluation",
    "figures",
    "generation",
    "inspection",
    "networks",
    "ops",
    "process",
    "sources",
    "statistics",
    "training",
)

__all__ = ["__version__", *sorted(_NAMES), *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        module = importlib.import_module(f".{_NAMES[name]}", __name__)
        value = getattr(module, name)
    elif name in _MODULES:
        value = importlib.import_module(f".{name}", __name__)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    importlib.import_module(".accessor", __name__)  # datasets have .psp as soon as there can be one
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
