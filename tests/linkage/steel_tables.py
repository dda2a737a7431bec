"""Specimens of the simulated steel as numbers, from its laws alone: what its images would estimate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pspgan.linkage.structure import SpecimenTable
from pspgan.sources.steel import CONDITIONS, SPACE, Steel

TARGETS, UNITS, RANGES = ("mean_diameter", "area_fraction"), ("um", "1"), ((0.0, np.inf), (0.0, 1.0))
ALL = [str(c) for c in SPACE.all_conditions]


def fields_of(
    conditions: Sequence[str],
    specimens: int,
    fields: int,
    rng: np.random.Generator,
    steel: Steel | None = None,
) -> np.ndarray:
    """Mean diameter (um) and area fraction of the spheroidite, (condition, specimen, field, target)."""
    steel = steel or Steel()
    law = np.array(
        [
            (steel.mean_diameter(c["temperature"], c["time"]), steel.particle_fraction(c["temperature"]))
            for c in SPACE.conditions(conditions)
        ]
    )
    shape = len(conditions), specimens, fields
    ln_diameter = rng.normal(0, steel.specimen_sigma, (*shape[:2], 1)) + rng.normal(
        0, steel.field_sigma, shape
    )
    ln_fraction = rng.normal(0, steel.fraction_sigma, shape)
    return law[:, None, None, :] * np.exp(np.stack([ln_diameter, ln_fraction], axis=-1))


def table_of(values: np.ndarray, conditions: Sequence[str], origin: str = "simulated") -> SpecimenTable:
    """A linkage's table of fields, (condition, specimen, field, target)."""
    _, specimens, fields, targets = values.shape
    condition = np.repeat([str(c) for c in SPACE.conditions(conditions)], specimens)
    flat = values.reshape(-1, fields, targets)
    within = flat.var(axis=1, ddof=1) if fields > 1 else np.full((len(flat), targets), np.nan)
    return SpecimenTable(
        np.full(len(condition), origin),
        np.array([f"{name}/{i}" for i, name in enumerate(condition)]),
        condition,
        condition,
        np.full(len(condition), fields),
        flat.mean(axis=1),
        np.full((len(condition), targets), fields),
        within,
        np.zeros(len(condition), bool),
    )


__all__ = ["ALL", "CONDITIONS", "RANGES", "SPACE", "TARGETS", "UNITS", "fields_of", "table_of"]
