"""The ensemble: one schema for real, simulated and generated micrographs, in a zarr v3 store.

An ensemble is an `xarray.Dataset` with a ``micrograph`` (sample, y, x) of uint8 grey levels, a coordinate a
process factor, and the coordinates ``condition``, ``um_per_px``, ``specimen`` and, where they apply,
``microconstituent``, ``seed``, ``observed``; optionally a ``phase`` (sample, y, x) uint8 map. Attributes keep
the origin, the process space and the provenance.

A chunk holds one micrograph and a shard hundreds, so that a million images are thousands of files. Stores are
written shard by shard: a shard appears whole or not at all, and ``attrs["complete"]`` turns true with the last.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import dask.array
import numpy as np
import xarray as xr
import zarr
from tqdm import tqdm

from .process import ConditionError, ConditionLike, ProcessSpace

SCHEMA = "pspgan-ensemble"
SCHEMA_VERSION = 1
ORIGINS = ("real", "simulated", "generated")
SHARD = 256  # micrographs a shard

_IMAGES = ("phase", "micrograph")  # written in this order: a shard of `micrograph` says that all of it is there
_TEXT = np.dtypes.StringDType()  # on disk; in memory text is numpy's fixed-width str, which pandas and scikit-learn take


class EnsembleError(ValueError):
    """A dataset or store that breaks the schema; the message names the variable or attribute."""


def build(
    micrograph: Any,
    conditions: Sequence[ConditionLike],
    space: ProcessSpace,
    *,
    origin: Literal["real", "simulated", "generated"],
    specimen: Sequence[str],
    um_per_px: Sequence[float] | float = np.nan,
    reduction: int = 1,
    microconstituent: Sequence[str] | None = None,
    seed: Sequence[int] | None = None,
    phase: Any = None,
    phases: Sequence[str] | None = None,
    provenance: Mapping[str, Any] | None = None,
    licence: str = "",
    attribution: str = "",
) -> xr.Dataset:
    """Assemble a dataset that follows the schema.

    Args:
        micrograph: grey levels, (sample, y, x) uint8, numpy or dask.
        conditions: one a sample, in any form that `ProcessSpace.condition` reads.
        space: the process space; with origin ``"generated"`` its ``observed`` says what training saw.
        origin: where the micrographs come from.
        specimen: what images must not be split across (a physical sample; a run and condition).
        um_per_px: pixel size in micrometre, one a sample or one for all; NaN where unknown.
        reduction: how many source pixels, along each axis, were averaged into one of these.
        microconstituent: label a sample; empty where there is none.
        seed: latent seed a sample, for generated micrographs.
        phase: phase index of each pixel, (sample, y, x) uint8.
        phases: names of the phase indices.
        provenance: package version, source or checkpoint SHA-256, settings: whatever JSON holds.
        licence, attribution: of the source, shown wherever its images are.

    Returns:
        A validated dataset.

    Raises:
        EnsembleError: something does not fit the schema.
    """
    points = space.conditions(conditions)
    n = len(points)
    coords: dict[str, Any] = {}
    for factor in space.factors:
        values = np.array([c[factor.name] for c in points], dtype=float if factor.kind == "ordinal" else str)
        coords[factor.name] = ("sample", values, {"units": factor.unit} if factor.unit else {})
    coords["condition"] = ("sample", np.array([str(c) for c in points], dtype=str))
    coords["specimen"] = ("sample", np.array([str(s) for s in specimen], dtype=str))
    coords["um_per_px"] = ("sample", np.broadcast_to(np.asarray(um_per_px, float), (n,)).copy(), {"units": "um"})
    if microconstituent is not None:
        coords["microconstituent"] = ("sample", np.array(list(microconstituent), dtype=str))
    if seed is not None:
        coords["seed"] = ("sample", np.asarray(seed, dtype=np.int64))
    if origin == "generated":
        coords["observed"] = ("sample", np.array([c.observed for c in points], dtype=bool))
    variables = {"micrograph": (("sample", "y", "x"), micrograph)}
    if phase is not None:
        variables["phase"] = (("sample", "y", "x"), phase, {"phases": list(phases)} if phases else {})
    attrs = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "origin": origin,
        "process_space": space.to_json(),
        "provenance": json.dumps(dict(provenance or {}), default=str),
        "licence": licence,
        "attribution": attribution,
        "reduction": int(reduction),
        "complete": True,
    }
    try:
        dataset = xr.Dataset(variables, coords, attrs)
    except ValueError as error:
        raise EnsembleError(f"variables of unequal length: {error}") from None
    validate(dataset)
    return dataset


def space_of(dataset: xr.Dataset) -> ProcessSpace:
    """The process space that an ensemble carries."""
    if "process_space" not in dataset.attrs:
        raise EnsembleError('attribute "process_space" is missing: this is no ensemble of pspgan')
    return ProcessSpace.from_json(dataset.attrs["process_space"])


def validate(dataset: xr.Dataset) -> None:
    """Check a dataset against the schema.

    Raises:
        EnsembleError: the first variable, coordinate or attribute that breaks it, and how.
    """
    schema, version = dataset.attrs.get("schema"), dataset.attrs.get("schema_version")
    if schema != SCHEMA:
        raise EnsembleError(f'attribute "schema" is {schema!r}, not "{SCHEMA}": this is no ensemble of pspgan')
    if version != SCHEMA_VERSION:
        raise EnsembleError(
            f'attribute "schema_version" is {version}, this release reads {SCHEMA_VERSION}; '
            + ("upgrade pspgan" if isinstance(version, int) and version > SCHEMA_VERSION else "write the store again")
        )
    if dataset.attrs.get("origin") not in ORIGINS:
        raise EnsembleError(f'attribute "origin" is {dataset.attrs.get("origin")!r}, none of {", ".join(ORIGINS)}')
    space = space_of(dataset)
    _check_variable(dataset, "micrograph", ("sample", "y", "x"), np.uint8)
    if "phase" in dataset:
        _check_variable(dataset, "phase", ("sample", "y", "x"), np.uint8)
    for factor in space.factors:
        _check_variable(dataset, factor.name, ("sample",), np.floating if factor.kind == "ordinal" else str)
    for name, dtype in {"condition": str, "specimen": str, "um_per_px": np.floating}.items():
        _check_variable(dataset, name, ("sample",), dtype)
    for name, dtype in {"microconstituent": str, "seed": np.int64, "observed": bool}.items():
        if name in dataset.variables:
            _check_variable(dataset, name, ("sample",), dtype)
    if dataset.attrs["origin"] == "generated":
        for name in ("seed", "observed"):
            if name not in dataset.variables:
                raise EnsembleError(f'coordinate "{name}" is missing: generated ensembles carry it')
    size = dataset["um_per_px"].values
    if np.any(size <= 0):
        raise EnsembleError(f'coordinate "um_per_px": sample {int(np.argmax(size <= 0))} is not positive')
    if np.any(dataset["specimen"].values == ""):
        raise EnsembleError(f'coordinate "specimen": sample {int(np.argmax(dataset["specimen"].values == ""))} is empty')
    _check_conditions(dataset, space)


def _check_variable(dataset: xr.Dataset, name: str, dims: tuple[str, ...], dtype: type) -> None:
    if name not in dataset.variables:
        raise EnsembleError(f'variable "{name}" is missing')
    variable = dataset.variables[name]
    if variable.dims != dims:
        raise EnsembleError(f'variable "{name}" has dimensions {variable.dims}, the schema wants {dims}')
    is_text = variable.dtype.kind in "TUO"
    if (dtype is str and not is_text) or (dtype is not str and (is_text or not np.issubdtype(variable.dtype, dtype))):
        raise EnsembleError(f'variable "{name}" has dtype {variable.dtype}, the schema wants {dtype.__name__}')


def _check_conditions(dataset: xr.Dataset, space: ProcessSpace) -> None:
    columns = [dataset[name].values for name in ("condition", *space.names)]
    first: dict[tuple[Any, ...], int] = {}
    for i, row in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        first.setdefault(row, i)
    for (text, *values), i in first.items():
        try:
            expected = str(space.condition(values))
        except ConditionError as error:
            raise EnsembleError(f"sample {i}: {error}") from None
        if text != expected:
            raise EnsembleError(f'coordinate "condition": sample {i} says "{text}", its factors say "{expected}"')


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
    try:
        dataset = xr.open_zarr(path, consolidated=False, chunks=None)
    except (zarr.errors.GroupNotFoundError, zarr.errors.NodeTypeValidationError, FileNotFoundError, KeyError) as error:
        raise EnsembleError(f"{path} is no zarr store: {error}") from None
    # Columns that zarr's metadata does not name as coordinates come back as data variables.
    columns = [name for name in dataset.variables if dataset[name].dims == ("sample",)]
    dataset = dataset.set_coords(columns)
    for name in columns:
        values = dataset[name].values
        text = np.array(values.tolist(), dtype=str) if isinstance(values.dtype, np.dtypes.StringDType) else values
        dataset[name] = ("sample", text, dataset[name].attrs)
    try:
        validate(dataset)
    except EnsembleError as error:
        raise EnsembleError(f"{path}: {error}") from None
    if not dataset.attrs.get("complete") and not allow_incomplete:
        total = dataset.sizes["sample"]
        left = sum(part.stop - part.start for part in pending(path))
        raise EnsembleError(
            f"{path} is half-written: {total - left} of {total} micrographs are there. Run the command that wrote it "
            "again to finish it, or open it with allow_incomplete=True"
        )
    dataset.encoding["source"] = str(path)
    return dataset


def create(template: xr.Dataset, path: str | os.PathLike, *, overwrite: bool = False) -> Path:
    """Lay out an empty store, incomplete until `finish`: all coordinates, no image yet.

    Args:
        template: dataset of the schema; of ``micrograph`` and ``phase`` only shape and dtype are used.
        path: where the store goes.
        overwrite: replace an existing store.

    Raises:
        FileExistsError: ``path`` exists and ``overwrite`` is off.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; choose another name or pass overwrite (--overwrite)")
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
    with _reporting_full_disk(path):
        if path.exists():
            shutil.rmtree(path)
        layout.to_zarr(path, mode="w-", compute=False, zarr_format=3, consolidated=False, encoding=encoding)
    return path


def write_region(path: str | os.PathLike, start: int, **images: np.ndarray) -> None:
    """Write consecutive micrographs (and phases) of a store, from sample ``start`` on.

    Whole shards, as `pending` lists them, are written atomically.

    Args:
        path: a store laid out by `create`.
        start: first sample.
        images: ``micrograph`` and, where the store has it, ``phase``: (sample, y, x) uint8.

    Raises:
        EnsembleError: an unknown variable, or one of the wrong shape or dtype.
        OSError: the disk is full, or cannot be written.
    """
    with _reporting_full_disk(path):
        group = zarr.open_group(path, mode="r+")
        for name in images:
            if name not in _IMAGES or name not in group:
                raise EnsembleError(f'variable "{name}" is no image variable of {path}')
        for name in (name for name in _IMAGES if name in images):
            array, values = group[name], np.asarray(images[name])
            if values.dtype != array.dtype or values.shape[1:] != array.shape[1:] or start + len(values) > array.shape[0]:
                raise EnsembleError(
                    f'variable "{name}": {values.dtype} {values.shape} from sample {start} on does not fit '
                    f"{array.dtype} {array.shape} of {path}"
                )
            array[start : start + len(values)] = values


def pending(path: str | os.PathLike) -> list[slice]:
    """Sample ranges, one a shard, that a store laid out by `create` still lacks."""
    array = zarr.open_group(path, mode="r")["micrograph"]
    shard = (array.shards or array.chunks)[0]
    ranges = [slice(i, min(i + shard, array.shape[0])) for i in range(0, array.shape[0], shard)]
    return [r for i, r in enumerate(ranges) if not (Path(path) / "micrograph" / "c" / str(i) / "0" / "0").exists()]


def finish(path: str | os.PathLike) -> None:
    """Mark a store as complete."""
    with _reporting_full_disk(path):
        zarr.open_group(path, mode="r+").attrs["complete"] = True


def write_ensemble(dataset: xr.Dataset, path: str | os.PathLike, *, overwrite: bool = False, progress: bool = True) -> Path:
    """Write a whole dataset: under a temporary name, renamed when it is complete.

    Args:
        dataset: an ensemble, lazy or in memory.
        path: where the store goes.
        overwrite: replace an existing store.
        progress: show a bar on a terminal.

    Raises:
        FileExistsError: ``path`` exists and ``overwrite`` is off.
        OSError: the disk is full; nothing is left behind.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; choose another name or pass overwrite (--overwrite)")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        create(dataset, partial)
        names = [name for name in _IMAGES if name in dataset]
        with tqdm(total=dataset.sizes["sample"], unit="image", desc=path.name, disable=None if progress else True) as bar:
            for part in pending(partial):
                block = dataset[names].isel(sample=part).load()
                write_region(partial, part.start, **{name: block[name].values for name in names})
                bar.update(part.stop - part.start)
        finish(partial)
        if path.exists():
            shutil.rmtree(path)
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return path


def append(dataset: xr.Dataset, path: str | os.PathLike) -> None:
    """Add samples to the end of a complete store; statistics computed before are dropped with it.

    Raises:
        EnsembleError: factors, image size or variables differ from the store's.
    """
    validate(dataset)
    store = open_ensemble(path)
    difference = space_of(store).difference(space_of(dataset))
    if difference:
        raise EnsembleError(f'attribute "process_space": {path} and what is appended differ in {difference}')
    if store["micrograph"].shape[1:] != dataset["micrograph"].shape[1:]:
        raise EnsembleError(
            f'variable "micrograph": {dataset["micrograph"].shape[1:]} px does not fit {store["micrograph"].shape[1:]} px of {path}'
        )
    if set(store.variables) != set(dataset.variables):
        different = sorted(map(str, set(store.variables) ^ set(dataset.variables)))
        raise EnsembleError(f"{path} and what is appended do not hold the same variables: {', '.join(different)}")
    space = space_of(store)
    merged = space.observing([*space.observed_conditions, *space_of(dataset).observed_conditions])
    with _reporting_full_disk(path):
        group = zarr.open_group(path, mode="r+")
        group.attrs["complete"] = False
        if "statistics" in group:
            del group["statistics"]
        added = _for_disk(dataset.load())
        added.attrs = {}
        added.to_zarr(path, append_dim="sample", consolidated=False)
        group = zarr.open_group(path, mode="r+")
        group.attrs.update({**store.attrs, "process_space": merged.to_json(), "complete": True})


def _for_disk(dataset: xr.Dataset) -> xr.Dataset:
    """Coordinates in memory, text as zarr's variable-length strings, encodings of an earlier store dropped."""
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
            error.errno, f"the disk is full while writing {path}; free some space and run the same command again"
        ) from error
