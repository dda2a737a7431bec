"""A store is opened lazily, and only if all of it is there."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import xarray as xr
import zarr

from .damage import naming_its_damage, read, samples_in_words
from .schema import IMAGES, EnsembleError, validate


def open_ensemble(path: str | os.PathLike[str], *, allow_incomplete: bool = False) -> xr.Dataset:
    """Open a store lazily: arrays are read when they are used, a micrograph at a time.

    Args:
        path: the zarr store.
        allow_incomplete: open a store that is still being written, too.

    Raises:
        FileNotFoundError: nothing is there.
        EnsembleError: it is no ensemble, of another schema version, invalid, or half-written.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such ensemble")
    with warnings.catch_warnings(action="ignore"):  # what zarr and xarray warn of is an error here
        dataset = _read_valid(path)
    if not allow_incomplete:
        _check_whole(path, dataset)
    for name in dataset.variables:
        if name in IMAGES or dataset[name].ndim > 1:
            dataset[name] = naming_its_damage(
                dataset.variables[name], path, name, every_chunk=_holds_every_chunk(path, dataset, name)
            )
    dataset.encoding["source"] = str(path)
    return dataset


def _read_valid(path: Path) -> xr.Dataset:
    """A store's dataset, its columns in memory, checked against the schema."""
    try:
        dataset = xr.open_zarr(path, consolidated=False, chunks=None)
    except Exception as error:  # damaged metadata let zarr and xarray fail in any way
        why = _unequal_lengths(path) or f"{type(error).__name__}: {error}"
        raise EnsembleError(f"{path} is no zarr store, or damaged ({why})") from None
    # Columns that zarr's metadata does not name as coordinates come back as data variables.
    of_samples = [name for name in dataset.variables if "sample" in dataset[name].dims and name not in IMAGES]
    dataset = dataset.set_coords(of_samples)
    for name in of_samples:
        if dataset[name].ndim > 1:
            continue  # a list a sample, such as the diameters of its particles: read when it is used
        every_chunk = _holds_every_chunk(path, dataset, name)
        values = read(path, name, every_chunk=every_chunk)
        text = (
            np.array(values.tolist(), dtype=str)
            if isinstance(values.dtype, np.dtypes.StringDType)
            else values
        )
        dataset[name] = ("sample", text, dataset[name].attrs)
    try:
        validate(dataset)
    except EnsembleError as error:
        raise EnsembleError(f"{path}: {error}") from None
    return dataset


def _holds_every_chunk(path: Path, dataset: xr.Dataset, name: str) -> bool:
    """Whether a chunk that is not there has been lost; it may hold the fill value in stores of version 1."""
    if dataset.attrs["schema_version"] > 1:
        return True
    return name in IMAGES and zarr.open_array(path / name, mode="r").shards is not None


def _unequal_lengths(path: Path) -> str:
    """Which variables of a store are not as long as its micrographs; empty if all are or nobody can tell."""
    try:
        arrays = dict(zarr.open_group(path, mode="r").arrays())
        n = arrays["micrograph"].shape[0]
        return ", ".join(
            f'variable "{name}" has {array.shape[0]} samples, "micrograph" {n}'
            for name, array in sorted(arrays.items())
            if (array.metadata.dimension_names or ("",))[0] == "sample" and array.shape[0] != n
        )
    except Exception:  # damaged metadata, again
        return ""


def pending(path: str | os.PathLike[str]) -> list[slice]:
    """Sample ranges, one a shard, that a store laid out by `create` still lacks."""
    array = zarr.open_group(path, mode="r")["micrograph"]
    shard = array.shards[0]
    ranges = [slice(i, min(i + shard, array.shape[0])) for i in range(0, array.shape[0], shard)]
    files = [Path(path) / "micrograph" / "c" / str(i) / "0" / "0" for i in range(len(ranges))]
    # zarr takes an empty file, as a crash may leave, for a shard of zeros.
    return [r for r, file in zip(ranges, files, strict=True) if not (file.exists() and file.stat().st_size)]


def _check_whole(path: Path, dataset: xr.Dataset) -> None:
    if dataset.attrs["complete"] and zarr.open_array(path / "micrograph", mode="r").shards is None:
        return  # written by others, whose empty chunks need no file
    total, lacking = dataset.sizes["sample"], pending(path)
    left = sum(part.stop - part.start for part in lacking)
    if dataset.attrs["complete"] and left:
        first = samples_in_words(lacking[0].start, lacking[0].stop - 1)
        raise EnsembleError(
            f'{path}, variable "micrograph": {left} of {total} micrographs are gone from the complete store, '
            f"the first are {first}; put a copy of the store back, or make it anew"
        )
    if not dataset.attrs["complete"]:
        raise EnsembleError(
            f"{path} is half-written: {total - left} of {total} micrographs are there. Run the command that "
            "wrote it again to finish it, or open it with allow_incomplete=True"
        )
