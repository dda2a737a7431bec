"""What an ensemble is: building one from arrays, and saying where a dataset breaks the schema."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr

from ..process import PIXEL_SIZE, ConditionError, ConditionLike, ProcessSpace

SCHEMA = "pspgan-ensemble"
# 2: every chunk of a store is there, with a checksum. In stores of version 1, which are read as well, a chunk
# of a coordinate that is not there holds the fill value.
SCHEMA_VERSION = 2
_READ_VERSIONS = (1, 2)
# Written in this order: a shard of `micrograph` says that all of it is there.
IMAGES = ("phase", "micrograph")
ORIGINS = ("real", "simulated", "generated")
_OPTIONAL = {
    "microconstituent": str,
    "image": str,
    "offset_y": np.floating,
    "offset_x": np.floating,
    "seed": np.int64,
    "observed": bool,
}
_ATTRIBUTES = {"provenance": str, "licence": str, "attribution": str, "reduction": int, "complete": bool}
SPLITS = ("train", "held_out")


class EnsembleError(ValueError):
    """A dataset or store that breaks the schema; the message names the variable or attribute."""


def build(
    micrograph: Any,
    conditions: Sequence[ConditionLike],
    space: ProcessSpace,
    *,
    origin: Literal["real", "simulated", "generated"],
    specimen: Sequence[str],
    um_per_px: Sequence[float] | np.ndarray | float = np.nan,
    reduction: int = 1,
    microconstituent: Sequence[str] | None = None,
    image: Sequence[str] | None = None,
    offset: Sequence[tuple[float, float]] | None = None,
    seed: Sequence[int] | np.ndarray | None = None,
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
        image: the file that each micrograph was read from, within its folder.
        offset: (y, x) of its upper left corner in that image, px of the image, where it is a tile.
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
    coords["um_per_px"] = (
        "sample",
        np.broadcast_to(np.asarray(um_per_px, float), (n,)).copy(),
        {"units": "um"},
    )
    if microconstituent is not None:
        coords["microconstituent"] = ("sample", np.array(list(microconstituent), dtype=str))
    if image is not None:
        coords["image"] = ("sample", np.array(list(image), dtype=str))
    if offset is not None:
        for name, values in zip(("offset_y", "offset_x"), zip(*offset, strict=True), strict=True):
            coords[name] = ("sample", np.array(values, dtype=float), {"units": "px"})
    if seed is not None:
        coords["seed"] = ("sample", np.asarray(seed, dtype=np.int64))
    if origin == "generated":
        coords["observed"] = ("sample", np.array([c.observed for c in points], dtype=bool))
    variables: dict[str, Any] = {"micrograph": (("sample", "y", "x"), micrograph)}
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
    try:
        return ProcessSpace.from_json(dataset.attrs["process_space"])
    except ValueError as error:
        raise EnsembleError(f'attribute "process_space": {error}') from None


def name_of(dataset: xr.Dataset, sample: int) -> str:
    """The file that a micrograph was read from; its position where the ensemble does not know."""
    return str(dataset["image"].values[sample]) if "image" in dataset.variables else f"sample {sample}"


def validate(dataset: xr.Dataset) -> None:
    """Check a dataset against the schema.

    Raises:
        EnsembleError: the first variable, coordinate or attribute that breaks it, and how.
    """
    schema, version = dataset.attrs.get("schema"), dataset.attrs.get("schema_version")
    if schema != SCHEMA:
        raise EnsembleError(
            f'attribute "schema" is {schema!r}, not "{SCHEMA}": this is no ensemble of pspgan'
        )
    if type(version) is not int or version not in _READ_VERSIONS:
        raise EnsembleError(
            f'attribute "schema_version" is {version}, this release reads '
            f"{' and '.join(map(str, _READ_VERSIONS))}; "
            + (
                "upgrade pspgan"
                if isinstance(version, int) and version > SCHEMA_VERSION
                else "write the store again"
            )
        )
    if dataset.attrs.get("origin") not in ORIGINS:
        raise EnsembleError(
            f'attribute "origin" is {dataset.attrs.get("origin")!r}, none of {", ".join(ORIGINS)}'
        )
    _check_attributes(dataset.attrs)
    space = space_of(dataset)
    _check_variable(dataset, "micrograph", ("sample", "y", "x"), np.uint8)
    if "phase" in dataset:
        _check_variable(dataset, "phase", ("sample", "y", "x"), np.uint8)
    for factor in space.factors:
        _check_variable(dataset, factor.name, ("sample",), np.floating if factor.kind == "ordinal" else str)
    for name, dtype in {"condition": str, "specimen": str, "um_per_px": np.floating}.items():
        _check_variable(dataset, name, ("sample",), dtype)
    for name, dtype in _OPTIONAL.items():
        if name in dataset.variables:
            _check_variable(dataset, name, ("sample",), dtype)
    if "split" in dataset.variables:
        _check_variable(dataset, "split", ("sample",), str)
        unknown = set(dataset["split"].values.astype(str)) - set(SPLITS)
        if unknown:
            raise EnsembleError(f'coordinate "split": "{min(unknown)}" is none of {", ".join(SPLITS)}')
    if dataset.attrs["origin"] == "generated":
        for name in ("seed", "observed"):
            if name not in dataset.variables:
                raise EnsembleError(f'coordinate "{name}" is missing: generated ensembles carry it')
    size = dataset["um_per_px"].values
    bad = (size <= 0) | np.isinf(size)
    if np.any(bad):
        i = int(np.argmax(bad))
        raise EnsembleError(f'coordinate "um_per_px": sample {i} is {size[i]:g}, which is no pixel size')
    if np.any(dataset["specimen"].values == ""):
        raise EnsembleError(
            f'coordinate "specimen": sample {int(np.argmax(dataset["specimen"].values == ""))} is empty'
        )
    _check_conditions(dataset, space)
    if space.has_pixel_size:
        _check_pixel_size(size, dataset[PIXEL_SIZE].values)


def _check_attributes(attrs: Mapping[str, Any]) -> None:
    for name, kind in _ATTRIBUTES.items():
        if name not in attrs:
            raise EnsembleError(f'attribute "{name}" is missing')
        value = attrs[name]
        if type(value) is not kind:
            raise EnsembleError(f'attribute "{name}" is {value!r}, the schema wants {kind.__name__}')
    if not 1 <= attrs["reduction"] < 2**31:
        raise EnsembleError(f'attribute "reduction" is {attrs["reduction"]}, which is no number of pixels')
    try:
        provenance = json.loads(attrs["provenance"])
    except ValueError as error:
        raise EnsembleError(f'attribute "provenance" is no JSON: {error}') from None
    if not isinstance(provenance, dict):
        raise EnsembleError('attribute "provenance" holds no JSON object')


def _check_variable(dataset: xr.Dataset, name: str, dims: tuple[str, ...], dtype: type) -> None:
    if name not in dataset.variables:
        raise EnsembleError(f'variable "{name}" is missing')
    variable = dataset.variables[name]
    if variable.dims != dims:
        raise EnsembleError(f'variable "{name}" has dimensions {variable.dims}, the schema wants {dims}')
    is_text = variable.dtype.kind in "TUO"
    if (dtype is str and not is_text) or (
        dtype is not str and (is_text or not np.issubdtype(variable.dtype, dtype))
    ):
        raise EnsembleError(
            f'variable "{name}" has dtype {variable.dtype}, the schema wants {dtype.__name__}'
        )


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
            raise EnsembleError(
                f'coordinate "condition": sample {i} says "{text}", its factors say "{expected}"'
            )


def _check_pixel_size(um_per_px: np.ndarray, said: np.ndarray) -> None:
    """What a condition says of its pixels is so, whatever the reduction: both are of the pixels here."""
    different = ~np.isclose(um_per_px, said, rtol=1e-6, atol=0)
    if different.any():
        first = int(np.argmax(different))
        raise EnsembleError(
            f'coordinate "um_per_px": sample {first} has pixels of {um_per_px[first]:g} um, its condition '
            f"says {PIXEL_SIZE} {said[first]:g}"
        )
