"""Statistics of whole ensembles, kept in the group ``statistics/`` of their stores.

The group holds ``two_point`` (sample, dy, dx, correlation) float32, the descriptors, (sample,) each, and
distributions of lengths, (sample, phase, direction, length).
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..ensemble import open_ensemble
from ..ensemble.damage import naming_its_damage
from ..progress import note
from ..scheduling import check_scheduler
from .measure import StatisticsError, common_settings, with_conditions
from .phases import CLASSIFIER, Phases, phases_of
from .streaming import GROUP, write_statistics

# Settings that must agree between statistics that are compared.
COMPARED = ("reduction", "cutoff", "phases", "correlations", "zone", "plugins", "periodic")

_NO_PLUGINS: dict[str, Any] = {"plugins": {}}  # what settings of earlier releases do not say


def compute_statistics(
    *stores: str | os.PathLike[str],
    reduction: int | None = None,
    cutoff: int | None = None,
    phases: Phases | str | os.PathLike[str] = "otsu",
    correlations: Sequence[tuple[int, int]] | None = None,
    zone: tuple[str, str] | None = None,
    plugins: Sequence[str] | None = None,
    engine: str = "native",
    scheduler: str = "threads",
    workers: int | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> list[xr.Dataset]:
    """Compute two-point statistics and descriptors of ensembles alike, and write them into their stores.

    Micrographs are read, measured and written 256 at a time, so that memory does not grow with the ensemble.
    What a killed call has done is kept by the same call. Stores that hold statistics of the same settings and
    of all their micrographs are left as they are.

    Args:
        stores: paths of ensembles; give together those that are to be compared.
        reduction: source pixels a pixel, along each axis, at which to measure; by default the coarsest among
            the stores. A multiple of every store's own.
        cutoff: longest component of a vector, in those pixels; by default the longest that every store
            allows, at most 32.
        phases: how micrographs become phases: a `Phases`, the name of its method, or the file of a saved
            classifier.
        correlations: pairs of phases; by default each phase but the first with itself.
        zone: names of the network and of the particles beside it, to measure the denuded zone between them.
        plugins: descriptors of other packages to measure as well, by name; by default all that are installed.
            ``attrs["settings"]`` keep their packages and versions.
        engine: ``"native"`` or ``"pymks"``, see `two_point_statistics`. Where PyMKS can be imported, a few
            micrographs of each store are computed by both, and ``attrs["pymks_max_deviation"]`` keeps how far
            they differ.
        scheduler: ``"threads"``, ``"processes"``, or the address of a dask scheduler,
            ``"tcp://host:8786"``, whose workers see the stores under the same paths.
        workers: threads or processes; by default one a core.
        overwrite: compute again what is already there.
        progress: show a bar on a terminal, and say what is skipped.

    Returns:
        One dataset a store, as `open_statistics` gives it.

    Raises:
        StatisticsError: an ensemble is empty or too small, its reduction does not divide the asked one, or a
            cutoff, phase, correlation, zone or engine does not fit.
        EnsembleError: a store is no ensemble, half-written or damaged.
        PluginError: a descriptor of another package is not there or fails.
        ValueError: no such scheduler, or no number of workers.
    """
    ensembles = [open_ensemble(store) for store in stores]
    settings = common_settings(
        ensembles,
        reduction=reduction,
        cutoff=cutoff,
        phases=phases,
        correlations=correlations,
        zone=zone,
        plugins=plugins,
        engine=engine,
    )
    check_scheduler(scheduler, workers)
    for store, ensemble in zip(stores, ensembles, strict=True):
        if overwrite or not _is_current(ensemble, settings):
            write_statistics(
                Path(store),
                ensemble,
                settings,
                phases_of(phases),
                scheduler=scheduler,
                workers=workers,
                progress=progress,
            )
        elif progress:
            note(f"{store}: statistics of these settings are there, nothing to do")
    return [open_statistics(store) for store in stores]


def open_statistics(ensemble: str | os.PathLike[str] | xr.Dataset) -> xr.Dataset:
    """Open the statistics of an ensemble lazily.

    Args:
        ensemble: path of a store, or the dataset that `open_ensemble` gave; always the whole store is meant.

    Returns:
        ``two_point`` (sample, dy, dx, correlation), the descriptors (sample,), ``lineal_path`` and
        ``chord_length_distribution`` (sample, phase, direction, length), and the ensemble's coordinates
        (conditions, specimen), with ``um_per_px`` of the pixel that was measured. `settings_of` reads the
        settings, `stored_phases` how phases were told apart.

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
        with warnings.catch_warnings(action="ignore"):  # the file of a classifier is nothing of zarr's
            statistics = xr.open_zarr(path, group=GROUP, consolidated=False, chunks=None)
        settings = settings_of(statistics)
        texts = {name: statistics[name].values.tolist() for name in ("correlation", "phase", "direction")}
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
    for name, values in texts.items():
        statistics[name] = (statistics[name].dims, np.array(values, dtype=str))
    statistics.encoding["source"] = str(path)
    return statistics


def settings_of(statistics: xr.Dataset) -> dict[str, Any]:
    """The settings that statistics were computed with."""
    return _NO_PLUGINS | json.loads(statistics.attrs["settings"])


def stored_phases(statistics: xr.Dataset) -> Phases:
    """How the phases of statistics in a store were told apart; a classifier is the store's own copy."""
    settings = settings_of(statistics)
    copy = Path(statistics.encoding["source"]) / GROUP / CLASSIFIER
    return Phases.from_settings(settings["phases"], classifier=copy if copy.exists() else None)


def check_comparable(*statistics: xr.Dataset, settings: Mapping[str, Any] | None = None) -> None:
    """Make sure that statistics were computed alike.

    Args:
        statistics: as `open_statistics` gives them.
        settings: those of a linkage, with which they are to agree as well.

    Raises:
        StatisticsError: a setting differs; the message holds the command that computes all of them alike.
    """
    found = [_comparable(settings_of(one)) for one in statistics]
    paths = [one.encoding.get("source", "STORE") for one in statistics]
    places = list(paths)
    if settings is not None:
        found, places = [*found, _comparable(settings)], [*places, "the linkage"]
    for name in COMPARED:
        values = [one[name] for one in found]
        if any(value != values[0] for value in values):
            listing = ", ".join(f"{value} in {place}" for value, place in zip(values, places, strict=True))
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
        return _comparable(settings_of(open_statistics(ensemble))) == _comparable(settings)
    except StatisticsError:
        return False


def _comparable(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without the place of a classifier, which its SHA-256 tells from others."""
    phases = dict(settings["phases"])
    if "classifier" in phases:
        phases["classifier"] = {k: v for k, v in phases["classifier"].items() if k != "path"}
    return _NO_PLUGINS | {**settings, "phases": phases}
