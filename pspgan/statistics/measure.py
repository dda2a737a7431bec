"""Measuring ensembles alike: settings that several share, and the statistics of each in bounded memory.

Micrographs of several ensembles are compared at the same pixel: each is area-averaged up to the coarsest
reduction among them, cut into phases, and measured without assuming periodicity, up to the same cutoff. One
correlation is enough for two phases: (0, 0), (0, 1) and (1, 0) follow from (1, 1) and the area fraction,
exactly in a periodic field and but for the pixels along the border in any other. Of more phases the
autocorrelation of each but the first is kept, unless others are asked for.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from .. import __version__
from ..sources.imaging import area_average
from .descriptors import check_zone, chosen_plugins, descriptors, distributions, recorded_plugins
from .phases import Phases, phases_of
from .two_point import ENGINES, import_pymks, largest_cutoff, two_point_statistics

LONGEST_CUTOFF = 32  # px, unless asked for

_BLOCK_PIXELS = 2**21  # measured at once
_CHECKED_BY_PYMKS = 3  # micrographs an ensemble


class StatisticsError(ValueError):
    """Statistics that are absent, stale or not comparable, or cannot be computed with such settings."""


def common_settings(
    ensembles: Sequence[xr.Dataset],
    *,
    reduction: int | None = None,
    cutoff: int | None = None,
    phases: Phases | str | os.PathLike[str] = "otsu",
    correlations: Sequence[tuple[int, int]] | None = None,
    zone: tuple[str, str] | None = None,
    plugins: Sequence[str] | None = None,
    engine: str = "native",
) -> dict[str, Any]:
    """Settings with which all these ensembles can be measured; the arguments are `compute_statistics`'s.

    Raises:
        StatisticsError: an ensemble is empty or too small, its reduction does not divide the asked one, or a
            setting is none that can be chosen.
        PluginError: a descriptor of another package is not there or does not work.
    """
    if not ensembles:
        raise StatisticsError("no ensemble was given: pspgan stats real.zarr gen.zarr")
    if engine not in ENGINES:
        raise StatisticsError(f'engine "{engine}" is none of {", ".join(ENGINES)}')
    try:
        phases = phases_of(phases)
        if zone is not None:
            check_zone(zone, phases.names)
    except ValueError as error:
        raise StatisticsError(str(error)) from None
    if reduction is None:
        reduction = max(int(ensemble.attrs["reduction"]) for ensemble in ensembles)
    if reduction < 1:
        raise StatisticsError(f"reduction {reduction} is no number of pixels; 1 averages nothing")
    allowed = [_largest_cutoff(ensemble, reduction) for ensemble in ensembles]
    limit = min(allowed)
    if cutoff is not None and not 0 <= cutoff <= limit:
        name = _name(ensembles[allowed.index(limit)])
        raise StatisticsError(
            f"cutoff {cutoff} does not fit: {name} allows 0 to {limit} at reduction {reduction}"
        )
    chosen = chosen_plugins(plugins)
    for ensemble in ensembles:
        if both := chosen.keys() & ensemble.coords:
            raise StatisticsError(
                f'{_name(ensemble)}: "{min(both)}" is one of its coordinates, and a descriptor of '
                f"{chosen[min(both)]['distribution']}; measure without: --plugins none, or NAME,... of others"
            )
    return {
        "reduction": int(reduction),
        "cutoff": min(limit, LONGEST_CUTOFF) if cutoff is None else int(cutoff),
        "phases": phases.settings(),
        "names": list(phases.names),
        "correlations": _pairs(correlations, phases.names),
        "zone": None if zone is None else list(zone),
        "plugins": chosen,
        "periodic": False,
        "engine": engine,
        "version": __version__,
    }


def measure_statistics(
    *ensembles: xr.Dataset,
    settings: Mapping[str, Any] | None = None,
    phases: Phases | None = None,
    plugins: Sequence[str] | None = None,
) -> list[xr.Dataset]:
    """Compute in memory what `compute_statistics` writes, of datasets that need not lie in a store.

    Args:
        ensembles: datasets of the schema; give together those that are to be compared.
        settings: as `settings_of` reads them, to measure as other statistics were measured; by default those
            of `common_settings`.
        phases: how micrographs become phases; by default as the settings say, or Otsu's method.
        plugins: where there are no settings, descriptors of other packages to measure; by default all that
            are installed.

    Returns:
        One dataset an ensemble, as `open_statistics` gives it.

    Raises:
        StatisticsError: an ensemble cannot be measured with these settings.
        PluginError: a descriptor of another package is not there or fails.
    """
    if settings is None:
        settings = common_settings(ensembles, phases=phases or "otsu", plugins=plugins)
    else:
        common_settings(ensembles, reduction=settings["reduction"], cutoff=settings["cutoff"], plugins=())
    phases = phases or Phases.from_settings(settings["phases"])
    return [
        with_conditions(
            measure(
                ensemble["micrograph"],
                ensemble["um_per_px"].values,
                factor_of(ensemble, settings["reduction"]),
                settings,
                phases,
            ),
            ensemble,
            settings,
        )
        for ensemble in ensembles
    ]


def measure(
    micrograph: np.ndarray | xr.DataArray,
    um_per_px: np.ndarray,
    factor: int,
    settings: Mapping[str, Any],
    phases: Phases,
) -> xr.Dataset:
    """Statistics of micrographs, of a few at a time.

    Args:
        micrograph: grey levels, (sample, y, x) uint8; read as they are needed where they are lazy.
        um_per_px: size of their pixels, (sample,).
        factor: pixels, along each axis, in one that is measured.
        settings: as `common_settings` gives them.
        phases: how they become phases.

    Returns:
        ``two_point`` (sample, dy, dx, correlation) float32, and what `descriptors` and `distributions` give.
    """
    block = max(1, _BLOCK_PIXELS // math.prod(micrograph.shape[1:]))
    parts = [slice(i, i + block) for i in range(0, len(micrograph), block)]
    blocks = [
        _measure(np.asarray(micrograph[one]), um_per_px[one], factor, settings, phases) for one in parts
    ]
    return xr.concat(blocks, "sample", data_vars="minimal", coords="minimal", combine_attrs="override")


def _measure(
    micrograph: np.ndarray, um_per_px: np.ndarray, factor: int, settings: Mapping[str, Any], phases: Phases
) -> xr.Dataset:
    phase, states = _phases(area_average(micrograph, factor), phases)
    scale = np.asarray(um_per_px, float) * factor
    cutoff, names = settings["cutoff"], settings["names"]
    component = np.arange(-cutoff, cutoff + 1)
    two_point = xr.DataArray(
        _two_point(states, settings).astype(np.float32),
        {
            "dy": ("dy", component, {"units": "px"}),
            "dx": ("dx", component, {"units": "px"}),
            "correlation": [",".join(map(str, pair)) for pair in settings["correlations"]],
        },
        ("sample", "dy", "dx", "correlation"),
        attrs={"long_name": "two-point statistics", "units": "1"},
    )
    zone = settings["zone"] and tuple(settings["zone"])
    lengths = distributions(phase, scale, phases=names, longest=max(cutoff, 1)).drop_vars("um_per_px")
    plugins = recorded_plugins(settings.get("plugins", {}))  # a linkage of an earlier release names none
    numbers = descriptors(phase, scale, phases=names, zone=zone, plugins=plugins)
    return lengths.assign(two_point=two_point, **numbers.data_vars)


def with_conditions(statistics: xr.Dataset, ensemble: xr.Dataset, settings: Mapping[str, Any]) -> xr.Dataset:
    """Add the ensemble's coordinates along ``sample``, ``um_per_px`` being that of the measured pixel.

    ``attrs`` keep the settings, and how many micrographs there are.
    """
    along_sample = {name: c for name, c in ensemble.coords.items() if c.dims == ("sample",)}
    scale = ensemble["um_per_px"].values * factor_of(ensemble, settings["reduction"])
    along_sample["um_per_px"] = ensemble["um_per_px"].copy(data=scale)
    return statistics.assign_coords(along_sample).assign_attrs(attributes(ensemble, settings))


def attributes(ensemble: xr.Dataset, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What statistics say of themselves."""
    return {"settings": json.dumps(dict(settings)), "micrographs": ensemble.sizes["sample"]}


def pymks_deviation(ensemble: xr.Dataset, settings: Mapping[str, Any], phases: Phases) -> float:
    """Largest difference between the two engines on a few micrographs; NaN where PyMKS is not installed."""
    try:
        import_pymks()
    except ImportError:
        return math.nan
    n = ensemble.sizes["sample"]
    samples = np.unique(np.linspace(0, n - 1, min(n, _CHECKED_BY_PYMKS)).astype(int))
    micrograph = ensemble["micrograph"][samples].values
    _, states = _phases(area_average(micrograph, factor_of(ensemble, settings["reduction"])), phases)
    native, pymks = (_two_point(states, {**settings, "engine": engine}) for engine in ENGINES)
    return float(np.abs(native - pymks).max())


def _name(ensemble: xr.Dataset) -> str:
    return ensemble.encoding.get("source", "an ensemble in memory")


def factor_of(ensemble: xr.Dataset, reduction: int) -> int:
    """Pixels of the ensemble, along each axis, in one that is measured."""
    return reduction // int(ensemble.attrs["reduction"])


def _largest_cutoff(ensemble: xr.Dataset, reduction: int) -> int:
    own = int(ensemble.attrs["reduction"])
    if reduction < own or reduction % own:
        raise StatisticsError(
            f"{_name(ensemble)} has reduction {own}, which does not divide {reduction}: "
            "choose a common multiple of every ensemble's own (--reduction)"
        )
    n, *shape = ensemble["micrograph"].shape
    if not n:
        raise StatisticsError(f"{_name(ensemble)} holds no micrographs")
    height, width = (length // factor_of(ensemble, reduction) for length in shape)
    if min(height, width) < 2:
        raise StatisticsError(f"{_name(ensemble)}: reduction {reduction} leaves {height} x {width} px")
    return largest_cutoff((height, width))


def _pairs(correlations: Sequence[tuple[int, int]] | None, names: Sequence[str]) -> list[list[int]]:
    if correlations is None:
        return [[state, state] for state in range(1, len(names))]
    pairs = [[int(state) for state in pair] for pair in correlations]
    for pair in pairs:
        if len(pair) != 2 or not all(0 <= state < len(names) for state in pair):
            known = ", ".join(f"{i} ({name})" for i, name in enumerate(names))
            raise StatisticsError(f"correlation {pair} is no pair of the phases {known}")
    if not pairs:
        raise StatisticsError("correlations is empty: give at least one pair of phases, such as (1, 1)")
    return pairs


def _phases(micrograph: np.ndarray, phases: Phases) -> tuple[np.ndarray, np.ndarray]:
    """Phase of every pixel, (sample, y, x), and share of every state, (sample, y, x, state)."""
    if phases.method == "primitive":
        shares = phases.transform(micrograph)
        return shares.argmax(axis=-1).astype(np.uint8), shares
    phase = phases.segment(micrograph)
    return phase, phase[..., None] == np.arange(phases.n_states)


def _two_point(states: np.ndarray, settings: Mapping[str, Any]) -> np.ndarray:
    periodic, cutoff, engine = (settings[name] for name in ("periodic", "cutoff", "engine"))
    return two_point_statistics(states, settings["correlations"], periodic, cutoff, engine=engine)
