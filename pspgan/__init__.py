"""Conditional BigGAN-deep for materials science: learn process -> microstructure, and link the two.

>>> import pspgan as psp
>>> psp.ProcessSpace.uhcsdb().condition("800-24H-Q")["time"]
1440.0
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what `_NAMES` and `_MODULES` load on first use, for type checkers and editors
    from . import (
        classification as classification,
        ensemble as ensemble,
        evaluation as evaluation,
        figures as figures,
        generation as generation,
        inspection as inspection,
        networks as networks,
        ops as ops,
        process as process,
        sources as sources,
        statistics as statistics,
        training as training,
    )
    from .classification import (
        SyntheticMix as SyntheticMix,
        classify as classify,
        export_folders as export_folders,
    )
    from .demonstration import demo as demo
    from .ensemble import (
        EnsembleError as EnsembleError,
        open_ensemble as open_ensemble,
        split as split,
        validate as validate,
        write_ensemble as write_ensemble,
    )
    from .environment import info as info
    from .evaluation import evaluate as evaluate
    from .evaluation_folder import write_evaluation as write_evaluation
    from .generation import (
        Model as Model,
        generate as generate,
        load as load,
    )
    from .inspection import inspect as inspect
    from .linkage import (
        Linkage as Linkage,
        fit_kinetics as fit_kinetics,
        link as link,
    )
    from .linkage.evolution import evolution as evolution
    from .live import app as app
    from .phase_learning import learn_phases as learn_phases
    from .plugins import PluginError as PluginError
    from .process import (
        ConditionError as ConditionError,
        Factor as Factor,
        ProcessCondition as ProcessCondition,
        ProcessSpace as ProcessSpace,
    )
    from .report import write_report as write_report
    from .sources.heat_treatment import simulate as simulate
    from .statistics import (
        Phases as Phases,
        compute_statistics as compute_statistics,
        open_statistics as open_statistics,
        two_point_statistics as two_point_statistics,
    )
    from .training import (
        Run as Run,
        train as train,
    )

__version__ = "0.1.0"

# Public name -> module that defines it. Loaded on first use, so that `pspgan --help` need not import torch.
_NAMES = {
    "ConditionError": "process",
    "EnsembleError": "ensemble",
    "Factor": "process",
    "Linkage": "linkage",
    "Model": "generation",
    "Phases": "statistics",
    "PluginError": "plugins",
    "ProcessCondition": "process",
    "ProcessSpace": "process",
    "Run": "training",
    "SyntheticMix": "classification",
    "app": "live",
    "classify": "classification",
    "compute_statistics": "statistics",
    "demo": "demonstration",
    "evaluate": "evaluation",
    "evolution": "linkage.evolution",
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
