"""An ensemble on disk: a zarr v3 store that is laid out first and written shard by shard."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import dask.array
import numpy as np
import xarray as xr
import zarr

from ..progress import progress_bar
from ..writing import replacing_folder
from .damage import COMPRESSORS
from .opening import pending
from .schema import IMAGES, SCHEMA, SCHEMA_VERSION, EnsembleError, validate

SHARD = 256  #: micrographs a shard
# Small micrographs share a chunk, up to this many and up to as many as have the pixels of one of 256 px: on a
# chunk of its own, zarr spends a sixth of the time that a GAN spends on a micrograph of 64 px.
_MOST_A_CHUNK, _CHUNK_PIXELS = 16, 2**16
_CHUNKS_AT_ONCE = 16  # compressed; one by one, zarr spends twice as long on small micrographs

_FORMAT = {"zarr_format": 3, "consolidated": False, "write_empty_chunks": True}
# On disk; in memory text is numpy's fixed-width str, which pandas and scikit-learn take.
_TEXT = np.dtypes.StringDType()


def create(template: xr.Dataset, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Lay out an empty store, incomplete until `finish`: all coordinates, no image yet.

    Args:
        template: dataset of the schema; of ``micrograph`` and ``phase`` only shape and dtype are used.
        path: where the store goes.
        overwrite: replace an existing store.

    Raises:
        FileExistsError: ``path`` exists and ``overwrite`` is off, or it is no ensemble.
    """
    path = Path(path)
    check_free(path, overwrite)
    validate(template)
    images = {
        name: (variable.dims, dask.array.zeros(variable.shape, dtype=variable.dtype), variable.attrs)
        for name, variable in template.data_vars.items()
        if name in IMAGES
    }
    layout = template.drop_vars(list(images)).assign(images)
    layout = layout.assign_attrs(schema_version=SCHEMA_VERSION, complete=False)
    n, y, x = template["micrograph"].shape
    chunk = _chunk(y, x)
    shard = chunk * math.ceil(max(min(n, SHARD), 1) / chunk)
    encoding = {name: {"compressors": COMPRESSORS} for name in layout.variables}
    for name in images:
        encoding[name] |= {"chunks": (chunk, y, x), "shards": (shard, y, x)}
    layout = for_disk(layout.chunk({"sample": shard}))
    path.parent.mkdir(parents=True, exist_ok=True)
    with reporting_full_disk(path), replacing_folder(path) as partial:
        layout.to_zarr(partial, mode="w-", compute=False, encoding=encoding, **_FORMAT)
    return path


def _chunk(y: int, x: int) -> int:
    """Micrographs a chunk: a power of two, of which a shard holds a whole number."""
    fitting = min(max(_CHUNK_PIXELS // (y * x), 1), _MOST_A_CHUNK)
    return 1 << fitting.bit_length() - 1


def write_region(path: str | os.PathLike[str], start: int, **images: np.ndarray) -> None:
    """Write one or more whole shards of a store, as `pending` lists them.

    A shard is written atomically, and its file is the sign that it is there; so several processes may fill a
    store, each its own shards, and a killed one leaves none half-written.

    Args:
        path: a store laid out by `create`.
        start: first sample, where a shard begins.
        images: ``micrograph`` and, where the store has it, ``phase``: (sample, y, x) uint8.

    Raises:
        EnsembleError: an unknown variable, one of the wrong shape or dtype, or part of a shard.
        OSError: the disk is full, or cannot be written.
    """
    with reporting_full_disk(path), zarr.config.set({"codec_pipeline.batch_size": _CHUNKS_AT_ONCE}):
        group = zarr.open_group(path, mode="r+")
        for name in images:
            if name not in IMAGES or name not in group:
                raise EnsembleError(f'variable "{name}" is no image variable of {path}')
        for name in (name for name in IMAGES if name in images):
            array = group[name].with_config({"write_empty_chunks": True})
            values = np.asarray(images[name])
            if (
                values.dtype != array.dtype
                or values.shape[1:] != array.shape[1:]
                or start + len(values) > array.shape[0]
            ):
                raise EnsembleError(
                    f'variable "{name}": {values.dtype} {values.shape} from sample {start} on does not fit '
                    f"{array.dtype} {array.shape} of {path}"
                )
            stop, shard = start + len(values), array.shards[0]
            if start % shard or (stop % shard and stop != array.shape[0]):
                raise EnsembleError(
                    f'variable "{name}": samples {start} to {stop} of {path} are not whole shards of '
                    f"{shard}; write the ranges that `pending` lists"
                )
            array[start:stop] = values


def finish(path: str | os.PathLike[str]) -> None:
    """Mark a store as complete.

    Raises:
        EnsembleError: micrographs are missing.
    """
    if left := pending(path):
        count = sum(part.stop - part.start for part in left)
        raise EnsembleError(f"{path} cannot be finished: {count} micrographs have not been written")
    with reporting_full_disk(path):
        zarr.open_group(path, mode="r+").attrs["complete"] = True


def write_ensemble(
    dataset: xr.Dataset, path: str | os.PathLike[str], *, overwrite: bool = False, progress: bool = True
) -> Path:
    """Write a whole dataset: under a temporary name, renamed when it is complete.

    Args:
        dataset: an ensemble, lazy or in memory.
        path: where the store goes.
        overwrite: replace an existing store.
        progress: show a bar on a terminal.

    Raises:
        FileExistsError: ``path`` exists and ``overwrite`` is off, or it is no ensemble.
        OSError: the disk is full; nothing is left behind, and what was there before stays.
    """
    path = Path(path)
    check_free(path, overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing_folder(path) as partial:
        create(dataset, partial)
        names = [name for name in IMAGES if name in dataset]
        with progress_bar(total=dataset.sizes["sample"], unit="image", desc=path.name, shown=progress) as bar:
            for part in pending(partial):
                block = dataset[names].isel(sample=part).load()
                write_region(partial, part.start, **{name: block[name].values for name in names})
                bar.update(part.stop - part.start)
        finish(partial)
    return path


def write_coordinate(path: str | os.PathLike[str], coordinate: xr.DataArray) -> None:
    """Put a coordinate (sample, ...) into a store, in place of an older one of that name.

    Raises:
        OSError: it cannot be written; the store stays as it was.
    """
    alone = for_disk(xr.Dataset(coords={coordinate.name: coordinate.variable}))
    encoding = {coordinate.name: {"compressors": COMPRESSORS}}
    target = Path(path) / str(coordinate.name)
    with reporting_full_disk(path), replacing_folder(target) as partial:
        beside = partial.with_suffix(".store")
        try:
            alone.to_zarr(beside, mode="w-", encoding=encoding, **_FORMAT)
            (beside / str(coordinate.name)).rename(partial)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def check_free(path: Path, overwrite: bool) -> None:
    """Refuse to write over a store unasked, and over anything else at all."""
    if not path.exists():
        return
    if not overwrite:
        raise FileExistsError(f"{path} exists; choose another name or pass overwrite (--overwrite)")
    try:
        is_ensemble = zarr.open_group(path, mode="r").attrs.get("schema") == SCHEMA
    except (OSError, KeyError, ValueError):
        is_ensemble = False
    if not is_ensemble:
        raise FileExistsError(f"{path} exists and is no ensemble; it is not replaced, choose another name")


def for_disk(dataset: xr.Dataset) -> xr.Dataset:
    """Coordinates in memory, text as zarr's variable-length strings, no encodings of an earlier store."""
    dataset = dataset.drop_encoding()
    for name in dataset.coords:
        values = dataset[name].values
        text = values.astype(_TEXT) if values.dtype.kind in "UO" else values
        dataset[name] = (dataset[name].dims, text, dataset[name].attrs)
    return dataset


@contextlib.contextmanager
def reporting_full_disk(path: str | os.PathLike[str]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OSError(
            error.errno,
            f"the disk is full while writing {path}; free some space and run the same command again",
        ) from error
