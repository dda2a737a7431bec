"""Statistics of whole ensembles: computed shard by shard, kept in the group ``statistics/`` of their stores.

Micrographs of several stores are compared at the same pixel: each store is area-averaged up to the coarsest
reduction among them, cut into phases, and measured without assuming periodicity, up to the same cutoff. The
group holds ``two_point`` (sample, dy, dx, correlation) float32 and the descriptors, (sample,) each. One
correlation is enough for two phases: (0, 0), (0, 1) and (1, 0) follow from (1, 1) and the area fraction,
exactly in a periodic field and but for the pixels along the border in any other.
"""

from __future__ import annotations

import json
import math
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
from ..sources.imaging import area_average
from .descriptors import descriptors
from .phases import BACKGROUND, METHODS, one_hot, segment
from .two_point import ENGINES, import_pymks, largest_cutoff, two_point_statistics

GROUP = "statistics"
LONGEST_CUTOFF = 32  # px, unless asked for
# Settings that must agree between statistics that are compared.
COMPARED = ("reduction", "cutoff", "method", "background", "correlations", "periodic")

_PARTIAL, _REPLACED = "statistics.partial", "statistics.replaced"
_BLOCK_PIXELS = 2**23  # measured at once
_PYMKS_SAMPLES = 3  # micrographs a store that the other engine computes again
_N_PHASES = 2


class StatisticsError(ValueError):
    """Statistics that are absent, out of date, or not comparable; the message holds the command to run."""


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
        StatisticsError: an ensemble is empty, or its reduction does not divide the asked one.
        ValueError: a cutoff, method, correlation or engine that does not fit.
        EnsembleError: a store is no ensemble, or half-written.
    """
    if not stores:
        raise StatisticsError("no store was given: pspgan stats real.zarr gen.zarr")
    if method not in METHODS:
        raise ValueError(f'method "{method}" is none of {", ".join(METHODS)}')
    if engine not in ENGINES:
        raise ValueError(f'engine "{engine}" is none of {", ".join(ENGINES)}')
    ensembles = [open_ensemble(store) for store in stores]
    reduction = _common_reduction(ensembles, reduction)
    cutoff = _common_cutoff(ensembles, reduction, cutoff)
    settings = {
        "reduction": reduction,
        "cutoff": cutoff,
        "method": method,
        "background": float(background),
        "correlations": [list(map(int, pair)) for pair in correlations],
        "periodic": False,
        "engine": engine,
        "version": _version(),
    }
    for store, ensemble in zip(stores, ensembles, strict=True):
        if not overwrite and _is_current(ensemble, settings):
            if progress:
                tqdm.write(f"{store}: statistics of these settings are there, nothing to do", file=sys.stderr)
            continue
        _compute(Path(store), ensemble, settings, progress)
    return [open_statistics(store) for store in stores]


def open_statistics(ensemble: str | os.PathLike | xr.Dataset) -> xr.Dataset:
    """Open the statistics of an ensemble lazily.

    Args:
        ensemble: path of a store, or the dataset that `open_ensemble` gave; always the whole store is meant.

    Returns:
        ``two_point`` (sample, dy, dx, correlation), the descriptors (sample,), and the ensemble's coordinates
        (conditions, specimen), with ``um_per_px`` of the pixel that was measured. ``settings_of`` reads the
        settings.

    Raises:
        StatisticsError: there are none, or micrographs were added since.
        EnsembleError: the store is no ensemble, or half-written.
    """
    path = _source(ensemble) if isinstance(ensemble, xr.Dataset) else Path(ensemble)
    ensemble = open_ensemble(path)
    if not (path / GROUP / "zarr.json").exists():
        raise StatisticsError(f"{path} holds no statistics; compute them: pspgan stats {path}")
    statistics = xr.open_zarr(path, group=GROUP, consolidated=False, chunks=None)
    measured, n = statistics.attrs.get("micrographs"), ensemble.sizes["sample"]
    if measured != n:
        raise StatisticsError(
            f"{path}: the statistics are of {measured} micrographs, the store holds {n}; "
            f"compute them again: pspgan stats {path}"
        )
    along_sample = {name: c for name, c in ensemble.coords.items() if c.dims == ("sample",)}
    scale = settings_of(statistics)["reduction"] // int(ensemble.attrs["reduction"])
    along_sample["um_per_px"] = ensemble["um_per_px"].copy(data=ensemble["um_per_px"].values * scale)
    statistics = statistics.assign_coords(along_sample)
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


def _version() -> str:
    from .. import __version__

    return __version__


def _source(ensemble: xr.Dataset) -> Path:
    if "source" not in ensemble.encoding:
        raise StatisticsError("this dataset comes from no store: write it first (pspgan.ensemble.write)")
    return Path(ensemble.encoding["source"])


def _common_reduction(ensembles: list[xr.Dataset], reduction: int | None) -> int:
    own = [int(ensemble.attrs["reduction"]) for ensemble in ensembles]
    if reduction is None:
        reduction = max(own)
    for ensemble, value in zip(ensembles, own, strict=True):
        if reduction < value or reduction % value:
            raise StatisticsError(
                f"{_source(ensemble)} has reduction {value}, which does not divide {reduction}: "
                "choose a common multiple of every store's own (--reduction)"
            )
    return int(reduction)


def _common_cutoff(ensembles: list[xr.Dataset], reduction: int, cutoff: int | None) -> int:
    largest = {}
    for ensemble in ensembles:
        if 0 in ensemble["micrograph"].shape:
            raise StatisticsError(f"{_source(ensemble)} holds no micrographs")
        factor = reduction // int(ensemble.attrs["reduction"])
        field = tuple(n // factor for n in ensemble["micrograph"].shape[1:])
        if min(field) < 2:
            raise StatisticsError(
                f"{_source(ensemble)}: reduction {reduction} leaves {field[0]} x {field[1]} px"
            )
        largest[str(_source(ensemble))] = largest_cutoff(field)
    store, limit = min(largest.items(), key=lambda item: item[1])
    if cutoff is not None and not 0 <= cutoff <= limit:
        raise ValueError(
            f"cutoff {cutoff} does not fit: {store} allows 0 to {limit} at reduction {reduction}"
        )
    return min(limit, LONGEST_CUTOFF) if cutoff is None else int(cutoff)


def _is_current(ensemble: xr.Dataset, settings: dict[str, Any]) -> bool:
    try:
        return settings_of(open_statistics(ensemble)) == settings
    except StatisticsError:
        return False


def _phases(ensemble: xr.Dataset, samples: slice | np.ndarray, settings: dict[str, Any]) -> np.ndarray:
    """Phases of some micrographs at the common reduction, (sample, y, x)."""
    factor = settings["reduction"] // int(ensemble.attrs["reduction"])
    micrograph = area_average(ensemble["micrograph"][samples].values, factor)
    return segment(micrograph, settings["method"], background=settings["background"])


def _two_point(phase: np.ndarray, settings: dict[str, Any], engine: str) -> np.ndarray:
    pairs = [tuple(pair) for pair in settings["correlations"]]
    states = one_hot(phase, _N_PHASES)
    return two_point_statistics(states, pairs, settings["periodic"], settings["cutoff"], engine=engine)


def _measure(ensemble: xr.Dataset, part: slice, settings: dict[str, Any]) -> xr.Dataset:
    phase = _phases(ensemble, part, settings)
    scale = settings["reduction"] // int(ensemble.attrs["reduction"])
    two_point = _two_point(phase, settings, settings["engine"]).astype(np.float32)
    component = np.arange(-settings["cutoff"], settings["cutoff"] + 1)
    names = [",".join(map(str, pair)) for pair in settings["correlations"]]
    measured = descriptors(phase, ensemble["um_per_px"].values[part] * scale)
    attrs = {"long_name": "two-point statistics", "units": "1"}
    measured["two_point"] = (("sample", "dy", "dx", "correlation"), two_point, attrs)
    return measured.assign_coords(
        dy=("dy", component, {"units": "px"}),
        dx=("dx", component, {"units": "px"}),
        correlation=("correlation", np.array(names, dtype=np.dtypes.StringDType())),
    )


def _compute(path: Path, ensemble: xr.Dataset, settings: dict[str, Any], progress: bool) -> None:
    """Write the group under another name, and give it its own when it is complete."""
    partial, final, replaced = (path / name for name in (_PARTIAL, GROUP, _REPLACED))
    for leftover in (partial, replaced):
        shutil.rmtree(leftover, ignore_errors=True)
    n, *field = ensemble["micrograph"].shape
    block = max(1, _BLOCK_PIXELS // math.prod(field))
    attrs = {
        "settings": json.dumps(settings),
        "micrographs": n,
        "pymks_max_deviation": _pymks_deviation(ensemble, settings),
    }
    try:
        with tqdm(
            total=n, unit="image", desc=f"{path.name} statistics", disable=None if progress else True
        ) as bar:
            for start in range(0, n, SHARD):
                blocks, stop = [], min(start + SHARD, n)
                for first in range(start, stop, block):
                    blocks.append(_measure(ensemble, slice(first, min(first + block, stop)), settings))
                    bar.update(blocks[-1].sizes["sample"])
                _append(xr.concat(blocks, "sample").assign_attrs(attrs), path)
        if final.exists():
            final.rename(replaced)
        partial.rename(final)
    finally:
        for leftover in (partial, replaced):
            shutil.rmtree(leftover, ignore_errors=True)


def _append(measured: xr.Dataset, path: Path) -> None:
    """Add a shard's samples to the partial group, which the first shard begins."""
    if (path / _PARTIAL).exists():
        measured.to_zarr(path, group=_PARTIAL, append_dim="sample", consolidated=False)
        return
    encoding = {name: {"chunks": variable.shape} for name, variable in measured.data_vars.items()}
    measured.to_zarr(path, group=_PARTIAL, mode="w-", zarr_format=3, consolidated=False, encoding=encoding)


def _pymks_deviation(ensemble: xr.Dataset, settings: dict[str, Any]) -> float:
    """Largest difference between the two engines on a few micrographs; NaN where PyMKS is not installed."""
    try:
        import_pymks()
    except ImportError:
        return float("nan")
    n = ensemble.sizes["sample"]
    samples = np.unique(np.linspace(0, n - 1, min(n, _PYMKS_SAMPLES)).astype(int))
    phase = _phases(ensemble, samples, settings)
    native, pymks = (_two_point(phase, settings, engine) for engine in ("native", "pymks"))
    return float(np.abs(native - pymks).max())
