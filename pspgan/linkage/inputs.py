"""What a linkage is fitted on: ensembles of one process space, and their statistics, all computed alike."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from ..ensemble import open_ensemble, part_of, space_of, validate
from ..process import ProcessSpace, Value
from ..statistics import (
    Phases,
    check_comparable,
    common_settings,
    descriptor_names,
    measure_statistics,
    open_statistics,
    settings_of,
    stored_phases,
)


def open_all(
    ensembles: Sequence[xr.Dataset | str | os.PathLike[str]], space: ProcessSpace | None = None
) -> list[xr.Dataset]:
    """Datasets of the ensembles, all of one process space (the first one's unless given)."""
    if not ensembles:
        raise ValueError("no ensemble given: a linkage needs at least one")
    opened = []
    for i, ensemble in enumerate(ensembles):
        dataset = ensemble if isinstance(ensemble, xr.Dataset) else open_ensemble(ensemble)
        validate(dataset)
        name = dataset.encoding.get("source", f"ensemble {i + 1}")
        space = space or space_of(dataset)
        difference = space.difference(space_of(dataset))
        if difference:
            raise ValueError(
                f"{name} is of another process space: {difference}; import both with the same factors, levels"
            )
        if "split" in dataset.variables:
            part_of(dataset, "train")  # refuses a specimen on both sides
        opened.append(dataset)
    return opened


def observing(ensembles: Sequence[xr.Dataset]) -> ProcessSpace:
    """The process space with what was seen: conditions of measured ensembles, and of generators' training."""
    space = space_of(ensembles[0])
    seen: set[tuple[Value, ...]] = set()
    for ensemble in ensembles:
        if ensemble.attrs["origin"] == "generated":
            seen |= space_of(ensemble).observed
        else:
            seen |= {space.condition(text).values for text in set(ensemble["condition"].values.tolist())}
    return replace(space, observed=frozenset(seen))


def join(statistics: Sequence[xr.Dataset]) -> xr.Dataset:
    """Two-point statistics and descriptors of several ensembles, one after the other."""
    bare = [s[["two_point", *descriptor_names(s)]].reset_coords(drop=True) for s in statistics]
    return xr.concat(bare, "sample", combine_attrs="override", join="exact") if len(bare) > 1 else bare[0]


def statistics_of(
    ensembles: Sequence[xr.Dataset], settings: dict[str, Any] | None = None, phases: Phases | None = None
) -> tuple[list[xr.Dataset], dict[str, Any], Phases]:
    """Statistics of ensembles, all computed alike: from their stores, in memory for datasets that have none.

    Args:
        ensembles: datasets.
        settings, phases: with which to measure, and with which stores must agree; by default those of the
            stores, or of `common_settings`.

    Returns:
        A dataset an ensemble, and what all were measured with.

    Raises:
        StatisticsError: a store without current statistics, or statistics of different settings.
        ValueError: a dataset is a part of its store.
    """
    stored = [open_statistics(e) if "source" in e.encoding else None for e in ensembles]
    for ensemble, statistics in zip(ensembles, stored, strict=True):
        if statistics is not None and not _aligned(ensemble, statistics):
            raise ValueError(
                f"this dataset is a part of {ensemble.encoding['source']}, whose statistics are of all its "
                "micrographs; write the part to a store of its own, or measure it in memory: .drop_encoding()"
            )
    there = [s for s in stored if s is not None]
    check_comparable(*there, settings=settings)
    if settings is None:
        settings = settings_of(there[0]) if there else common_settings(ensembles)
    if phases is None:
        phases = stored_phases(there[0]) if there else Phases.from_settings(settings["phases"])
    found = [
        measure_statistics(e, settings=settings, phases=phases)[0] if s is None else s
        for e, s in zip(ensembles, stored, strict=True)
    ]
    return found, settings, phases


def _aligned(ensemble: xr.Dataset, statistics: xr.Dataset) -> bool:
    return ensemble.sizes["sample"] == statistics.sizes["sample"] and all(
        np.array_equal(ensemble[name].values, statistics[name].values) for name in ("condition", "specimen")
    )


def listed(space: ProcessSpace, values: Mapping[str, Value]) -> str:
    """Values of factors for messages: ``time 90, cooling Q``."""
    return ", ".join(f"{name} {space[name].format(v)}" for name, v in values.items()) or "any condition"
