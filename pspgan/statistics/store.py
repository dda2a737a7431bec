"""Statistics of whole ensembles, kept in the group ``statistics/`` of their stores.

The group holds ``two_point`` (sample, dy, dx, correlation) float32 and the descriptors, (sample,) each. It is
computed shard by shard under another name, and renamed when it is complete.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from tqdm import tqdm

from ..ensemble import SHARD, open_ensemble
from ..ensemble.damage import naming_its_damage
from .measure import StatisticsError, common_settings, measure_part, pymks_deviation, with_conditions
from .phases import BACKGROUND

GROUP = "statistics"
# Settings that must agree between statistics that are compared.
COMPARED = ("reduction", "cutoff", "method", "background", "correlations", "periodic")

_PARTIAL, _REPLACED = "statistics.partial", "statistics.replaced"


def compute_statistics(
    *stores: str | os.PathLike,
    reduction: int | None = None,
    cutoff: int | None = None,
    method: str = "otsu",
    background: float = BACKGROUND,
    correlations: Sequence[tuple[int, int]] = ((1, 1),),
    engine: str = "native",
    overwrite: bool = False,
    progress: bool = True,
) -> list[xr.Dataset]:
    """Compute two-point statistics and descriptors of ensembles alike, and write them into their stores.

    Stores that hold statistics of the same settings and of all their micrographs are left as they are.

    Args:
        stores: paths of ensembles; give together those that are to be compared.
        reduction: source pixels a pixel, along each axis, at which to measure; by default the coarsest among
            the stores. A multiple of every store's own.
        cutoff: longest component of a vector, in those pixels; by default the longest that every store
            allows, at most 32.
        method, background: how micrographs become phases, see `segment`.
        correlations: pairs of phases, 0 dark and 1 bright.
        engine: ``"native"`` or ``"pymks"``, see `two_point_statistics`. Where PyMKS can be imported, a few
            micrographs of each store are computed by both, and ``attrs["pymks_max_deviation"]`` keeps how far
            they differ.
        overwrite: compute again what is already there.
        progress: show a bar on a terminal, and say what is skipped.

    Returns:
        One dataset a store, as `open_statistics` gives it.

    Raises:
        StatisticsError: an ensemble is empty or too small, its reduction does not divide the asked one, or a
            cutoff, method, correlation or engine does not fit.
        EnsembleError: a store is no ensemble, or half-written.
    """
    ensembles = [open_ensemble(store) for store in stores]
    settings = common_settings(
        ensembles,
        reduction=reduction,
        cutoff=cutoff,
        method=method,
        background=background,
        correlations=correlations,
        engine=engine,
    )
    for store, ensemble in zip(stores, ensembles, strict=True):
        if overwrite or not _is_current(ensemble, settings):
            _compute(Path(store), ensemble, settings, progress)
        elif progress:
            tqdm.write(f"{store}: statistics of these settings are there, nothing to do", file=sys.stderr)
    return [open_statistics(store) for store in stores]


def open_statistics(ensemble: str | os.PathLike | xr.Dataset) -> xr.Dataset:
    """Open the statistics of an ensemble lazily.

    Args:
        ensemble: path of a store, or the dataset that `open_ensemble` gave; always the whole store is meant.

    Returns:
        ``two_point`` (sample, dy, dx, correlation), the descriptors (sample,), and the ensemble's coordinates
        (conditions, specimen), with ``um_per_px`` of the pixel that was measured. `settings_of` reads the
        settings.

    Raises:
        StatisticsError: there are none, they are damaged, or micrographs were added since.
        EnsembleError: the store is no ensemble, or half-written.
    """
    path = _source(ensemble) if isinstance(ensemble, xr.Dataset) else Path(ensemble)
    ensemble = open_ensemble(path)
    if not (path / GROUP / "zarr.json").exists():
        raise StatisticsError(f"{path} holds no statistics; compute them: pspgan stats {path}")
    again = f"compute them again: pspgan stats {path}"
    try:
        statistics = xr.open_zarr(path, group=GROUP, consolidated=False, chunks=None)
        names, settings = statistics["correlation"].values.tolist(), settings_of(statistics)
        missing = {"two_point", *COMPARED} - {*statistics.data_vars, *settings}
    except Exception as error:  # damaged metadata let zarr and xarray fail in any way
        raise StatisticsError(
            f"{path}: the statistics cannot be read ({type(error).__name__}: {error}); {again}"
        ) from None
    if missing:
        raise StatisticsError(f"{path}: the statistics lack {', '.join(sorted(missing))}; {again}")
    for name in statistics.data_vars:
        statistics[name] = naming_its_damage(statistics.variables[name], path, f"{GROUP}/{name}")
    measured, n = statistics.attrs.get("micrographs"), ensemble.sizes["sample"]
    if measured != n:
        raise StatisticsError(
            f"{path}: the statistics are of {measured} micrographs, the store holds {n}; {again}"
        )
    statistics = with_conditions(statistics, ensemble, settings)
    statistics["correlation"] = np.array(names, dtype=str)
    statistics.encoding["source"] = str(path)
    return statistics


def settings_of(statistics: xr.Dataset) -> dict[str, Any]:
    """The settings that statistics were computed with."""
    return json.loads(statistics.attrs["settings"])


def check_comparable(*statistics: xr.Dataset) -> None:
    """Make sure that statistics were computed alike.

    Raises:
        StatisticsError: a setting differs; the message holds the command that computes all of them alike.
    """
    settings = [settings_of(one) for one in statistics]
    paths = [one.encoding.get("source", "STORE") for one in statistics]
    for name in COMPARED:
        values = [one[name] for one in settings]
        if any(value != values[0] for value in values):
            listing = ", ".join(f"{value} in {path}" for value, path in zip(values, paths, strict=True))
            raise StatisticsError(
                f"statistics cannot be compared: {name} is {listing}; compute them together: "
                f"pspgan stats {' '.join(paths)}"
            )


def _source(ensemble: xr.Dataset) -> Path:
    if "source" not in ensemble.encoding:
        raise StatisticsError("this dataset comes from no store: write it first (pspgan.write_ensemble)")
    return Path(ensemble.encoding["source"])


def _is_current(ensemble: xr.Dataset, settings: dict[str, Any]) -> bool:
    try:
        return settings_of(open_statistics(ensemble)) == settings
    except StatisticsError:
        return False


def _compute(path: Path, ensemble: xr.Dataset, settings: dict[str, Any], progress: bool) -> None:
    """Write the group under another name, and give it its own when it is complete."""
    partial, final, replaced = (path / name for name in (_PARTIAL, GROUP, _REPLACED))
    for leftover in (partial, replaced):
        shutil.rmtree(leftover, ignore_errors=True)
    n = ensemble.sizes["sample"]
    deviation = pymks_deviation(ensemble, settings)
    try:
        with tqdm(
            total=n, unit="image", desc=f"{path.name} statistics", disable=None if progress else True
        ) as bar:
            for start in range(0, n, SHARD):
                measured = measure_part(ensemble, slice(start, min(start + SHARD, n)), settings)
                _append(measured.assign_attrs(pymks_max_deviation=deviation), path)
                bar.update(measured.sizes["sample"])
        if final.exists():
            final.rename(replaced)
        partial.rename(final)
    finally:
        for leftover in (partial, replaced):
            shutil.rmtree(leftover, ignore_errors=True)


def _append(measured: xr.Dataset, path: Path) -> None:
    """Add a shard's samples to the partial group, which the first shard begins."""
    if (path / _PARTIAL).exists():
        measured.drop_vars(["dy", "dx", "correlation"]).to_zarr(
            path, group=_PARTIAL, append_dim="sample", consolidated=False
        )
        return
    measured["correlation"] = measured["correlation"].astype(np.dtypes.StringDType())
    encoding = {name: {"chunks": variable.shape} for name, variable in measured.data_vars.items()}
    measured.to_zarr(path, group=_PARTIAL, mode="w-", zarr_format=3, consolidated=False, encoding=encoding)
