"""Statistics of an ensemble of any size, shard by shard: bounded memory, in parallel, resumed after a kill.

They are written into a group of another name, which is renamed when it is complete. Its ``two_point`` is
final; all the rest is small, and would be a file a shard and variable. So each shard's descriptors and
distributions are packed into one array a kind, and unpacked into few files at the end. The file of a shard
of ``two_point`` is written last and says that the shard is done.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import xarray as xr
import zarr

from ..ensemble import SHARD, EnsembleError
from ..ensemble.damage import COMPRESSORS, read
from ..plugins import PluginError
from ..progress import progress_bar
from ..scheduling import run_parts
from .measure import attributes, factor_of, measure, pymks_deviation
from .phases import CLASSIFIER, Phases

GROUP = "statistics"

_PARTIAL, _REPLACED, _PACKED = "statistics.partial", "statistics.replaced", "packed"
_UNPACKED = "unpacked"
_NUMBERS = "descriptors"  # name of the packed array of all that is one number a micrograph
_CHUNK_BYTES = 4 * 2**20
_FORMAT = {"zarr_format": 3, "consolidated": False, "write_empty_chunks": True}


def write_statistics(
    path: Path,
    ensemble: xr.Dataset,
    settings: Mapping[str, Any],
    phases: Phases,
    *,
    scheduler: str,
    workers: int | None,
    progress: bool,
) -> None:
    """Measure every micrograph of a store, and put the group ``statistics/`` in place of an older one.

    What an interrupted call with the same settings has done is kept.

    Args:
        path, ensemble: of the store.
        settings: as `common_settings` gives them.
        phases: how micrographs become phases.
        scheduler, workers: where shards are measured, see `run_parts`.
        progress: show a bar on a terminal.

    Raises:
        EnsembleError: a micrograph cannot be read; nothing is left behind.
        PluginError: a descriptor of another package fails; nothing is left behind.
    """
    partial, final, replaced = (path / name for name in (_PARTIAL, GROUP, _REPLACED))
    shutil.rmtree(replaced, ignore_errors=True)
    n = ensemble.sizes["sample"]
    if not _is_of(partial, attributes(ensemble, settings)):
        shutil.rmtree(partial, ignore_errors=True)
        _lay_out(partial, ensemble, settings, phases)
    left = _pending(partial)
    missing = sum(stop - start for start, stop in left)
    factor, um_per_px = factor_of(ensemble, settings["reduction"]), ensemble["um_per_px"].values
    place = path.resolve()  # workers of a cluster may be in another folder
    parts = ((place, a, b, um_per_px[a:b], factor, dict(settings), phases) for a, b in left)
    bar = progress_bar(
        total=n, initial=n - missing, unit="image", desc=f"{path.name} statistics", shown=progress
    )
    try:
        with bar:
            for count in run_parts(_measure_shard, parts, scheduler, workers):
                bar.update(count)
    except (EnsembleError, PluginError):
        shutil.rmtree(partial, ignore_errors=True)
        raise
    if (partial / _PACKED).exists():  # else a call that was killed has come as far
        _unpack(partial)
    shutil.rmtree(partial / _UNPACKED, ignore_errors=True)
    phases.save_classifier(partial / CLASSIFIER)
    if final.exists():
        final.rename(replaced)
    partial.rename(final)
    shutil.rmtree(replaced, ignore_errors=True)


def _is_of(partial: Path, attrs: Mapping[str, Any]) -> bool:
    """Whether a group that an interrupted call left is of these micrographs and settings."""
    try:
        found = zarr.open_group(partial, mode="r").attrs
        return all(found.get(name) == value for name, value in attrs.items()) and found["laid_out"]
    except Exception:  # none is there, or what a kill left of it
        return False


def _lay_out(partial: Path, ensemble: xr.Dataset, settings: Mapping[str, Any], phases: Phases) -> None:
    """The group with all its arrays, empty but for their coordinates."""
    n = ensemble.sizes["sample"]
    attrs = attributes(ensemble, settings) | {
        "pymks_max_deviation": pymks_deviation(ensemble, settings, phases)
    }
    factor, um_per_px = factor_of(ensemble, settings["reduction"]), ensemble["um_per_px"].values
    one = measure(ensemble["micrograph"][:1], um_per_px[:1], factor, settings, phases)
    one["correlation"], one["phase"], one["direction"] = (
        one[name].astype(np.dtypes.StringDType()) for name in ("correlation", "phase", "direction")
    )
    bytes_each = one["two_point"].nbytes
    chunk = 1
    while chunk < SHARD and 2 * chunk * bytes_each <= _CHUNK_BYTES:
        chunk *= 2
    whole = _empty(one[["two_point"]], n).assign_coords(one.coords)
    encoding = {
        "chunks": (chunk, *one["two_point"].shape[1:]),
        "shards": (SHARD, *one["two_point"].shape[1:]),
    }
    whole.attrs = attrs
    whole.to_zarr(
        partial,
        mode="w-",
        compute=False,
        encoding={"two_point": encoding | {"compressors": COMPRESSORS}},
        **_FORMAT,
    )
    packed = _empty(_pack(one), n)
    packed.attrs = {"variables": json.dumps({name: one[name].attrs for name in _numbers(one)})}
    packed.to_zarr(
        partial,
        group=_PACKED,
        compute=False,
        encoding={
            name: {"chunks": (SHARD, *v.shape[1:]), "compressors": COMPRESSORS}
            for name, v in packed.data_vars.items()
        },
        **_FORMAT,
    )
    zarr.open_group(partial, mode="r+").attrs["laid_out"] = True


def _empty(one: xr.Dataset, n: int) -> xr.Dataset:
    """The same variables, of n samples, without values."""
    return xr.Dataset(
        {
            name: (
                v.dims,
                dask.array.full((n, *v.shape[1:]), np.nan, dtype=v.dtype, chunks=(SHARD, *v.shape[1:])),
                v.attrs,
            )
            for name, v in one.data_vars.items()
        }
    )


def _numbers(measured: xr.Dataset) -> list[str]:
    return [str(name) for name, v in measured.data_vars.items() if v.dims == ("sample",)]


def _pack(measured: xr.Dataset) -> xr.Dataset:
    """All but ``two_point``, and of single numbers one array (sample, descriptor)."""
    names = _numbers(measured)
    numbers = np.stack([measured[name].values for name in names], axis=1)
    rest = measured.drop_vars([*names, "two_point", *measured.coords])
    return rest.assign({_NUMBERS: (("sample", "descriptor"), numbers)})


def _pending(partial: Path) -> list[tuple[int, int]]:
    """First sample and end of the shards that are not done."""
    array = zarr.open_array(partial / "two_point", mode="r")
    n = array.shape[0]
    ranges = [(start, min(start + SHARD, n)) for start in range(0, n, SHARD)]
    files = [
        partial / "two_point" / array.metadata.encode_chunk_key((i, 0, 0, 0)) for i in range(len(ranges))
    ]
    return [r for r, file in zip(ranges, files, strict=True) if not (file.exists() and file.stat().st_size)]


def _measure_shard(
    path: Path,
    start: int,
    stop: int,
    um_per_px: np.ndarray,
    factor: int,
    settings: dict[str, Any],
    phases: Phases,
) -> int:
    """Measure a shard and write it into the partial group; how many micrographs it has."""
    micrograph = read(path, "micrograph", (slice(start, stop), slice(None), slice(None)))
    measured = measure(micrograph, um_per_px, factor, settings, phases)
    group = zarr.open_group(path / _PARTIAL, mode="r+")
    for name, packed in _pack(measured).data_vars.items():
        _write(group[_PACKED][name], start, stop, packed.values)
    _write(group["two_point"], start, stop, measured["two_point"].values)
    return stop - start


def _write(array: zarr.Array[Any], start: int, stop: int, values: np.ndarray) -> None:
    array.with_config({"write_empty_chunks": True})[start:stop] = values


def _unpack(partial: Path) -> None:
    """Put descriptors and distributions beside ``two_point``, in few files."""
    packed = xr.open_zarr(partial, group=_PACKED, consolidated=False, chunks={"sample": 16 * SHARD})
    attrs = json.loads(packed.attrs["variables"])
    numbers = packed[_NUMBERS].values
    unpacked = packed.drop_vars(_NUMBERS).drop_encoding()
    unpacked = unpacked.assign(
        {name: ("sample", numbers[:, k], of) for k, (name, of) in enumerate(attrs.items())}
    )
    unpacked.attrs = dict(zarr.open_group(partial, mode="r").attrs)
    encoding = {name: {"compressors": COMPRESSORS} for name in unpacked.data_vars}
    for name in attrs:
        encoding[name] |= {"chunks": (max(len(numbers), 1),)}
    unpacked.to_zarr(partial, mode="a", encoding=encoding, **_FORMAT)
    # Gone at once: of half-removed arrays zarr would read the rest as NaN.
    (partial / _PACKED).rename(partial / _UNPACKED)
