"""An ensemble on disk: a zarr v3 store that is opened lazily and written shard by shard."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path

import dask.array
import numpy as np
import xarray as xr
import zarr
from tqdm import tqdm
from xarray.backends import BackendArray
from xarray.core import indexing

from .schema import SCHEMA, EnsembleError, space_of, validate

SHARD = 256  # micrographs a shard

_IMAGES = (
    "phase",
    "micrograph",
)  # written in this order: a shard of `micrograph` says that all of it is there
# On disk; in memory text is numpy's fixed-width str, which pandas and scikit-learn take.
_TEXT = np.dtypes.StringDType()


def open_ensemble(path: str | os.PathLike, *, allow_incomplete: bool = False) -> xr.Dataset:
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
    for name in (name for name in _IMAGES if name in dataset):
        dataset[name] = naming_its_damage(dataset.variables[name], path, name)
    dataset.encoding["source"] = str(path)
    return dataset


def create(template: xr.Dataset, path: str | os.PathLike, *, overwrite: bool = False) -> Path:
    """Lay out an empty store, incomplete until `finish`: all coordinates, no image yet.

    Args:
        template: dataset of the schema; of ``micrograph`` and ``phase`` only shape and dtype are used.
        path: where the store goes.
        overwrite: replace an existing store.

    Raises:
        FileExistsError: ``path`` exists and ``overwrite`` is off, or it is no ensemble.
    """
    path = Path(path)
    _check_free(path, overwrite)
    validate(template)
    images = {
        name: (variable.dims, dask.array.zeros(variable.shape, dtype=variable.dtype), variable.attrs)
        for name, variable in template.data_vars.items()
        if name in _IMAGES
    }
    layout = template.drop_vars(list(images)).assign(images).assign_attrs(complete=False)
    n, y, x = template["micrograph"].shape
    shard = max(min(n, SHARD), 1)
    encoding = {name: {"chunks": (1, y, x), "shards": (shard, y, x)} for name in images}
    layout = _for_disk(layout.chunk({"sample": shard}))
    path.parent.mkdir(parents=True, exist_ok=True)
    with _reporting_full_disk(path), _replacing(path) as partial:
        layout.to_zarr(
            partial, mode="w-", compute=False, zarr_format=3, consolidated=False, encoding=encoding
        )
    return path


def write_region(path: str | os.PathLike, start: int, **images: np.ndarray) -> None:
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
    # An all-zero shard, too, has to be there as a file.
    with _reporting_full_disk(path), zarr.config.set({"array.write_empty_chunks": True}):
        group = zarr.open_group(path, mode="r+")
        for name in images:
            if name not in _IMAGES or name not in group:
                raise EnsembleError(f'variable "{name}" is no image variable of {path}')
        for name in (name for name in _IMAGES if name in images):
            array, values = group[name], np.asarray(images[name])
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


def pending(path: str | os.PathLike) -> list[slice]:
    """Sample ranges, one a shard, that a store laid out by `create` still lacks."""
    array = zarr.open_group(path, mode="r")["micrograph"]
    shard = array.shards[0]
    ranges = [slice(i, min(i + shard, array.shape[0])) for i in range(0, array.shape[0], shard)]
    files = [Path(path) / "micrograph" / "c" / str(i) / "0" / "0" for i in range(len(ranges))]
    # zarr takes an empty file, as a crash may leave, for a shard of zeros.
    return [r for r, file in zip(ranges, files, strict=True) if not (file.exists() and file.stat().st_size)]


def finish(path: str | os.PathLike) -> None:
    """Mark a store as complete."""
    with _reporting_full_disk(path):
        zarr.open_group(path, mode="r+").attrs["complete"] = True


def write_ensemble(
    dataset: xr.Dataset, path: str | os.PathLike, *, overwrite: bool = False, progress: bool = True
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
    _check_free(path, overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _replacing(path) as partial:
        create(dataset, partial)
        names = [name for name in _IMAGES if name in dataset]
        with tqdm(
            total=dataset.sizes["sample"], unit="image", desc=path.name, disable=None if progress else True
        ) as bar:
            for part in pending(partial):
                block = dataset[names].isel(sample=part).load()
                write_region(partial, part.start, **{name: block[name].values for name in names})
                bar.update(part.stop - part.start)
        finish(partial)
    return path


def write_coordinate(path: str | os.PathLike, coordinate: xr.DataArray) -> None:
    """Put a coordinate (sample,) into a store, in place of an older one of that name.

    Raises:
        OSError: it cannot be written; the store stays as it was.
    """
    alone = _for_disk(xr.Dataset(coords={coordinate.name: coordinate.variable}))
    with _reporting_full_disk(path), _replacing(Path(path) / str(coordinate.name)) as partial:
        beside = partial.with_suffix(".store")
        try:
            alone.to_zarr(beside, mode="w-", zarr_format=3, consolidated=False)
            (beside / str(coordinate.name)).rename(partial)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def append(dataset: xr.Dataset, path: str | os.PathLike) -> None:
    """Add samples to the end of a complete store; statistics computed before are dropped.

    The longer store is made beside the old one and takes its place when it is complete.

    Raises:
        EnsembleError: factors, origin, reduction, licence, image size or variables differ from the store's.
        OSError: the disk is full; the store stays as it was.
    """
    validate(dataset)
    store = open_ensemble(path)
    difference = space_of(store).difference(space_of(dataset))
    if difference:
        raise EnsembleError(f'attribute "process_space": {path} and what is appended differ in {difference}')
    there, added = (d["micrograph"].shape[1:] for d in (store, dataset))
    if there != added:
        raise EnsembleError(f'variable "micrograph": {added} px does not fit {there} px of {path}')
    if set(store.variables) != set(dataset.variables):
        different = sorted(map(str, set(store.variables) ^ set(dataset.variables)))
        raise EnsembleError(
            f"{path} and what is appended do not hold the same variables: {', '.join(different)}"
        )
    for key in ("origin", "reduction", "licence", "attribution"):
        if store.attrs[key] != dataset.attrs[key]:
            raise EnsembleError(
                f'attribute "{key}": {store.attrs[key]!r} of {path}, not {dataset.attrs[key]!r}'
            )
    space = space_of(store)
    merged = space.observing([*space.observed_conditions, *space_of(dataset).observed_conditions])
    provenance = json.loads(store.attrs["provenance"])
    provenance.setdefault("appended", []).append(json.loads(dataset.attrs["provenance"]))
    path = Path(path)
    with _reporting_full_disk(path), _replacing(path) as partial:
        shutil.copytree(path, partial, ignore=shutil.ignore_patterns("statistics*"))
        more = _for_disk(dataset.copy().load())
        more.attrs = {}
        with zarr.config.set({"array.write_empty_chunks": True}):  # the file of a shard says that it is there
            more.to_zarr(partial, append_dim="sample", consolidated=False)
        group = zarr.open_group(partial, mode="r+")
        group.attrs.update(
            {**store.attrs, "process_space": merged.to_json(), "provenance": json.dumps(provenance)}
        )


def _read_valid(path: Path) -> xr.Dataset:
    """A store's dataset, its columns in memory, checked against the schema."""
    try:
        dataset = xr.open_zarr(path, consolidated=False, chunks=None)
    except Exception as error:  # damaged metadata let zarr and xarray fail in any way
        why = f"{type(error).__name__}: {error}"
        raise EnsembleError(f"{path} is no zarr store, or damaged ({why})") from None
    # Columns that zarr's metadata does not name as coordinates come back as data variables.
    columns = [name for name in dataset.variables if dataset[name].dims == ("sample",)]
    dataset = dataset.set_coords(columns)
    for name in columns:
        with _naming(path, name):
            values = dataset[name].values
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


def naming_its_damage(variable: xr.Variable, path: Path, name: str) -> xr.Variable:
    """A variable of a store, read when it is used, whose errors then name it.

    Args:
        variable: as zarr gives it.
        path, name: of the store, and of the array in it.
    """
    array = _Stored(path, name, variable.shape, variable.dtype)
    return xr.Variable(variable.dims, indexing.LazilyIndexedArray(array), variable.attrs, variable.encoding)


class _Stored(BackendArray):
    """An array of a store; one that cannot be read is an error that names it."""

    def __init__(self, path: Path, name: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.path, self.name, self.shape, self.dtype = path, name, shape, dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> np.ndarray:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[int | slice | np.ndarray, ...]) -> np.ndarray:
        with _naming(self.path, self.name):
            return zarr.open_array(self.path / self.name, mode="r").oindex[key]


@contextlib.contextmanager
def _naming(path: Path, name: str) -> Iterator[None]:
    """Errors of reading an array name it.

    Raises:
        EnsembleError: it cannot be read.
    """
    try:
        yield
    except Exception as error:  # a damaged file lets a codec fail in any way
        raise EnsembleError(
            f'{path}, variable "{name}" cannot be read: it is damaged ({type(error).__name__}: {error}). '
            "Put a copy of the store back, or make it anew"
        ) from None


def _check_whole(path: Path, dataset: xr.Dataset) -> None:
    if dataset.attrs["complete"] and zarr.open_array(path / "micrograph", mode="r").shards is None:
        return  # written by others, whose empty chunks need no file
    total = dataset.sizes["sample"]
    left = sum(part.stop - part.start for part in pending(path))
    if dataset.attrs["complete"] and left:
        raise EnsembleError(
            f'{path}, variable "micrograph": {left} of {total} micrographs are gone from the complete store; '
            "put a copy of the store back, or make it anew"
        )
    if not dataset.attrs["complete"]:
        raise EnsembleError(
            f"{path} is half-written: {total - left} of {total} micrographs are there. Run the command that "
            "wrote it again to finish it, or open it with allow_incomplete=True"
        )


def _check_free(path: Path, overwrite: bool) -> None:
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


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A name beside ``path`` to write under, which takes its place at the end, or disappears on an error."""
    partial, old = (
        path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.{kind}") for kind in ("partial", "old")
    )
    try:
        yield partial
        if path.exists():
            path.rename(old)
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _for_disk(dataset: xr.Dataset) -> xr.Dataset:
    """Coordinates in memory, text as zarr's variable-length strings, no encodings of an earlier store."""
    dataset = dataset.drop_encoding()
    for name in dataset.coords:
        values = dataset[name].values
        text = values.astype(_TEXT) if values.dtype.kind in "UO" else values
        dataset[name] = (dataset[name].dims, text, dataset[name].attrs)
    return dataset


@contextlib.contextmanager
def _reporting_full_disk(path: str | os.PathLike) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OSError(
            error.errno,
            f"the disk is full while writing {path}; free some space and run the same command again",
        ) from error
