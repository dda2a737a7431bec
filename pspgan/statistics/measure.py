"""Measuring ensembles alike: settings that several share, and the statistics of each in bounded memory.

Micrographs of several ensembles are compared at the same pixel: each is area-averaged up to the coarsest
reduction among them, cut into phases, and measured without assuming periodicity, up to the same cutoff. One
correlation is enough for two phases: (0, 0), (0, 1) and (1, 0) follow from (1, 1) and the area fraction,
exactly in a periodic field and but for the pixels along the border in any other.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from .. import __version__
from ..sources.imaging import area_average
from .descriptors import descriptors
from .phases import BACKGROUND, METHODS, one_hot, segment
from .two_point import ENGINES, import_pymks, largest_cutoff, two_point_statistics

LONGEST_CUTOFF = 32  # px, unless asked for

_BLOCK_PIXELS = 2**23  # measured at once
_CHECKED_BY_PYMKS = 3  # micrographs an ensemble
_N_PHASES = 2


class StatisticsError(ValueError):
    """Statistics that are absent, stale or not comparable, or cannot be computed with such settings."""


def common_settings(
    ensembles: Sequence[xr.Dataset],
    *,
    reduction: int | None = None,
    cutoff: int | None = None,
    method: str = "otsu",
    background: float = BACKGROUND,
    correlations: Sequence[tuple[int, int]] = ((1, 1),),
    engine: str = "native",
) -> dict[str, Any]:
    """Settings with which all these ensembles can be measured; the arguments are `compute_statistics`'s.

    Raises:
        StatisticsError: an ensemble is empty or too small, its reduction does not divide the asked one, or a
            setting is none that can be chosen.
    """
    if not ensembles:
        raise StatisticsError("no ensemble was given: pspgan stats real.zarr gen.zarr")
    if method not in METHODS:
        raise StatisticsError(f'method "{method}" is none of {", ".join(METHODS)}')
    if engine not in ENGINES:
        raise StatisticsError(f'engine "{engine}" is none of {", ".join(ENGINES)}')
    pairs = [[int(state) for state in pair] for pair in correlations]
    for pair in pairs:
        if len(pair) != 2 or not all(0 <= state < _N_PHASES for state in pair):
            raise StatisticsError(f"correlation {pair} is no pair of the phases 0 (dark) and 1 (bright)")
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
    return {
        "reduction": int(reduction),
        "cutoff": min(limit, LONGEST_CUTOFF) if cutoff is None else int(cutoff),
        "method": method,
        "background": float(background),
        "correlations": pairs,
        "periodic": False,
        "engine": engine,
        "version": __version__,
    }


def measure_statistics(*ensembles: xr.Dataset, settings: Mapping[str, Any] | None = None) -> list[xr.Dataset]:
    """Compute in memory what `compute_statistics` writes, of datasets that need not lie in a store.

    Args:
        ensembles: datasets of the schema; give together those that are to be compared.
        settings: as `settings_of` reads them, to measure as other statistics were measured; by default those
            of `common_settings`.

    Returns:
        One dataset an ensemble, as `open_statistics` gives it.

    Raises:
        StatisticsError: an ensemble cannot be measured with these settings.
    """
    if settings is None:
        settings = common_settings(ensembles)
    else:
        common_settings(ensembles, reduction=settings["reduction"], cutoff=settings["cutoff"])
    return [
        with_conditions(
            measure_part(ensemble, slice(0, ensemble.sizes["sample"]), settings), ensemble, settings
        )
        for ensemble in ensembles
    ]


def measure_part(ensemble: xr.Dataset, part: slice, settings: Mapping[str, Any]) -> xr.Dataset:
    """Statistics of consecutive samples: ``two_point`` (sample, dy, dx, correlation), descriptors (sample,).

    Args:
        ensemble: dataset of the schema, lazy or in memory.
        part: samples to measure, with explicit ``start`` and ``stop``.
        settings: as `common_settings` gives them.
    """
    block = max(1, _BLOCK_PIXELS // math.prod(ensemble["micrograph"].shape[1:]))
    starts = range(part.start, part.stop, block)
    blocks = [_measure(ensemble, slice(i, min(i + block, part.stop)), settings) for i in starts]
    attrs = {"settings": json.dumps(dict(settings)), "micrographs": ensemble.sizes["sample"]}
    return xr.concat(blocks, "sample").assign_attrs(attrs)


def with_conditions(statistics: xr.Dataset, ensemble: xr.Dataset, settings: Mapping[str, Any]) -> xr.Dataset:
    """Add the ensemble's coordinates along ``sample``, ``um_per_px`` being that of the measured pixel."""
    along_sample = {name: c for name, c in ensemble.coords.items() if c.dims == ("sample",)}
    scale = ensemble["um_per_px"].values * _factor(ensemble, settings["reduction"])
    along_sample["um_per_px"] = ensemble["um_per_px"].copy(data=scale)
    return statistics.assign_coords(along_sample)


def pymks_deviation(ensemble: xr.Dataset, settings: Mapping[str, Any]) -> float:
    """Largest difference between the two engines on a few micrographs; NaN where PyMKS is not installed."""
    try:
        import_pymks()
    except ImportError:
        return math.nan
    n = ensemble.sizes["sample"]
    samples = np.unique(np.linspace(0, n - 1, min(n, _CHECKED_BY_PYMKS)).astype(int))
    phase = _phases(ensemble, samples, settings)
    native, pymks = (_two_point(phase, {**settings, "engine": engine}) for engine in ("native", "pymks"))
    return float(np.abs(native - pymks).max())


def _name(ensemble: xr.Dataset) -> str:
    return ensemble.encoding.get("source", "an ensemble in memory")


def _factor(ensemble: xr.Dataset, reduction: int) -> int:
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
    height, width = (length // _factor(ensemble, reduction) for length in shape)
    if min(height, width) < 2:
        raise StatisticsError(f"{_name(ensemble)}: reduction {reduction} leaves {height} x {width} px")
    return largest_cutoff((height, width))


def _phases(ensemble: xr.Dataset, samples: slice | np.ndarray, settings: Mapping[str, Any]) -> np.ndarray:
    """Phases of some micrographs at the measured pixel, (sample, y, x)."""
    factor = _factor(ensemble, settings["reduction"])
    micrograph = area_average(ensemble["micrograph"][samples].values, factor)
    return segment(micrograph, settings["method"], background=settings["background"])


def _two_point(phase: np.ndarray, settings: Mapping[str, Any]) -> np.ndarray:
    states = one_hot(phase, _N_PHASES)
    periodic, cutoff, engine = (settings[name] for name in ("periodic", "cutoff", "engine"))
    return two_point_statistics(states, settings["correlations"], periodic, cutoff, engine=engine)


def _measure(ensemble: xr.Dataset, part: slice, settings: Mapping[str, Any]) -> xr.Dataset:
    phase = _phases(ensemble, part, settings)
    um_per_px = ensemble["um_per_px"].values[part] * _factor(ensemble, settings["reduction"])
    component = np.arange(-settings["cutoff"], settings["cutoff"] + 1)
    attrs = {"long_name": "two-point statistics", "units": "1"}
    values = _two_point(phase, settings).astype(np.float32)
    two_point = xr.DataArray(
        values,
        {
            "dy": ("dy", component, {"units": "px"}),
            "dx": ("dx", component, {"units": "px"}),
            "correlation": [",".join(map(str, pair)) for pair in settings["correlations"]],
        },
        ("sample", "dy", "dx", "correlation"),
        attrs=attrs,
    )
    return xr.Dataset({"two_point": two_point, **descriptors(phase, um_per_px).data_vars})
