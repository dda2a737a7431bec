"""Samples added to the end of a store."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import xarray as xr
import zarr

from ..writing import replacing_folder
from .opening import open_ensemble
from .schema import EnsembleError, space_of, validate
from .store import for_disk, reporting_full_disk, write_coordinate


def append(dataset: xr.Dataset, path: str | os.PathLike[str]) -> None:
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
    with reporting_full_disk(path), replacing_folder(path) as partial:
        shutil.copytree(path, partial, ignore=shutil.ignore_patterns("statistics*"))
        more = for_disk(_as_long_lists(partial, store, dataset.copy().load()))
        more.attrs = {}
        more.to_zarr(partial, append_dim="sample", consolidated=False, write_empty_chunks=True)
        group = zarr.open_group(partial, mode="r+")
        group.attrs.update(
            {**store.attrs, "process_space": merged.to_json(), "provenance": json.dumps(provenance)}
        )


def _as_long_lists(path: Path, store: xr.Dataset, dataset: xr.Dataset) -> xr.Dataset:
    """Lists that samples carry, in a store at ``path`` and in what it takes, filled up with NaN alike."""
    for name in (name for name in store.coords if store[name].ndim > 1):
        (_, dim), length = store[name].dims, max(store[name].shape[1], dataset[name].shape[1])
        there, added = (
            one[name].variable.pad({dim: (0, length - one[name].shape[1])}) for one in (store, dataset)
        )
        if there.shape != store[name].shape:
            write_coordinate(path, xr.DataArray(there, name=name))
        dataset = dataset.drop_vars(name).assign_coords({name: added})
    return dataset
