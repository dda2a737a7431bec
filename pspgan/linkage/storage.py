"""A linkage on disk: JSON, npz and CSV, no pickle. Loading fits the regressors again from the table."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from .. import __version__, writing
from ..process import ProcessSpace
from ..statistics import CLASSIFIER, Phases
from .regression import RegressorName
from .structure import SpecimenTable, StructureBasis
from .validation import SCORES

if TYPE_CHECKING:
    from .estimator import Linkage

SCHEMA = "pspgan-linkage"
SCHEMA_VERSION = 5


@dataclass(frozen=True)
class Stored:
    """What a folder holds: enough to fit the same linkage again."""

    settings: dict[str, Any]
    space: ProcessSpace
    basis: StructureBasis
    table: SpecimenTable
    regressors: list[RegressorName]
    validation: pd.DataFrame
    variances: pd.DataFrame
    statistics: dict[str, Any]
    phases: Phases


def check_free(folder: Path, overwrite: bool) -> None:
    """Raise FileExistsError where a folder would be replaced without ``overwrite``, or is something else."""
    writing.check_free(folder, overwrite, "linkage.json", "linkage")


def save(linkage: Linkage, folder: Path, *, overwrite: bool) -> Path:
    """Write under a temporary name beside ``folder``, then rename."""
    check_free(folder, overwrite)
    basis = linkage.basis_
    meta = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "version": __version__,
        "settings": linkage.get_params(),
        "process_space": json.loads(linkage.space_.to_json()),
        "descriptors": list(basis.descriptors),
        "units": list(basis.units),
        "ranges": [[bound if np.isfinite(bound) else None for bound in both] for both in basis.ranges],
        "statistics": linkage.settings_,
        "regressors": [linkage.regressors_[target] for target in linkage.targets_],
    }
    arrays = {f"table_{f.name}": getattr(linkage.table_, f.name) for f in dataclasses.fields(SpecimenTable)}
    arrays |= {"components": basis.components, "explained": basis.explained, "mean": basis.mean.values}
    arrays |= {name: basis.mean[name].values for name in ("dy", "dx")}
    arrays["correlation"] = np.array(basis.mean["correlation"].values.tolist(), dtype=str)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with writing.replacing_folder(folder) as partial:
        partial.mkdir()
        (partial / "linkage.json").write_text(json.dumps(meta, indent=1, default=list))
        np.savez_compressed(partial / "table.npz", **arrays)
        linkage.validation_.to_csv(partial / "validation.csv", index=False)
        linkage.variances_.to_csv(partial / "variances.csv", index=False)
        (partial / "summary.txt").write_text(linkage.summary() + "\n")
        linkage.phases_.save_classifier(partial / CLASSIFIER)
    return folder


def load(folder: Path) -> Stored:
    """Read a folder that `save` wrote.

    Raises:
        FileNotFoundError: there is no linkage in the folder.
        ValueError: it was written by another version, or is damaged.
    """
    if not (folder / "linkage.json").is_file():
        raise FileNotFoundError(f"{folder}: no linkage there (linkage.json is missing)")
    try:
        meta = json.loads((folder / "linkage.json").read_text())
        if (meta["schema"], meta["schema_version"]) != (SCHEMA, SCHEMA_VERSION):
            raise ValueError(
                f"{meta['schema']} {meta['schema_version']}, this release reads {SCHEMA} {SCHEMA_VERSION}"
            )
        with np.load(folder / "table.npz", allow_pickle=False) as arrays:
            table = SpecimenTable(
                **{f.name: arrays[f"table_{f.name}"] for f in dataclasses.fields(SpecimenTable)}
            )
            coords = {name: arrays[name] for name in ("dy", "dx", "correlation")}
            mean = xr.DataArray(arrays["mean"], coords, ("dy", "dx", "correlation"), name="two_point")
            basis = StructureBasis(
                mean,
                arrays["components"],
                arrays["explained"],
                tuple(meta["descriptors"]),
                tuple(meta["units"]),
                tuple(_range(low, high) for low, high in meta["ranges"]),
            )
        validation = _read_table(folder / "validation.csv", SCORES, ("groups",))
        variances = _read_table(
            folder / "variances.csv", ("variance", "low", "high", "std"), ("conditions", "specimens")
        )
        space = ProcessSpace.from_json(json.dumps(meta["process_space"]))
        copy = folder / CLASSIFIER
        statistics = meta["statistics"]
        phases = Phases.from_settings(statistics["phases"], classifier=copy if copy.is_file() else None)
        return Stored(
            meta["settings"],
            space,
            basis,
            table,
            meta["regressors"],
            validation,
            variances,
            statistics,
            phases,
        )
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{folder} cannot be read as a linkage: {error}; fit it again (pspgan link)"
        ) from None


def _range(low: float | None, high: float | None) -> tuple[float, float]:
    return (-np.inf if low is None else low, np.inf if high is None else high)


def _read_table(file: Path, numbers: Sequence[str], counts: Sequence[str]) -> pd.DataFrame:
    """A table whose named columns are numbers, all others text."""
    # As text first: pandas' own reading of numbers may be off in the last digit.
    table = pd.read_csv(file, dtype=str, keep_default_na=False)
    for name in numbers:
        table[name] = [float(text) if text else np.nan for text in table[name]]
    return table.astype(dict.fromkeys(counts, int))
