"""Ensembles whose structure follows a known law of process: discs of a size that process sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from pspgan.ensemble import build
from pspgan.process import Factor, ProcessSpace

SPACE = ProcessSpace(
    (
        Factor("heat", (500, 600, 700, 800), "ordinal", unit="degC"),
        Factor("hours", (1, 4, 16, 64), "ordinal", unit="h", scale="log"),
        Factor("bath", ("oil", "water"), "nominal"),
    )
)


def law(heat: float, hours: float) -> float:
    """Disc radius in pixels: linear in 1/T and ln t, 2.3 to 4.8 over the space, whatever the bath."""
    return 2.3 + 0.4 * np.log(hours) + 2.4e3 * (1 / 773.15 - 1 / (heat + 273.15))


def disc_image(radius: float, rng: np.random.Generator, size: int = 48) -> np.ndarray:
    """Periodic image of discs at random places, one an area of 17 x 17 px, (y, x) uint8."""
    y, x = np.mgrid[:size, :size]
    grey = np.zeros((size, size))
    for cy, cx in rng.uniform(0, size, (round((size / 17) ** 2), 2)):
        dy, dx = ((d + size / 2) % size - size / 2 for d in (y - cy, x - cx))
        grey = np.maximum(grey, np.clip(radius + 0.5 - np.hypot(dy, dx), 0, 1))
    return np.round(40 + 170 * grey + rng.normal(0, 4, grey.shape)).clip(0, 255).astype(np.uint8)


def discs(
    conditions: Sequence[str],
    *,
    radius: Callable[[float, float], float] = law,
    specimens: int = 2,
    fields: int = 3,
    specimen_sd: float = 0.15,
    origin: str = "simulated",
    size: int = 48,
    seed: int = 0,
    reduction: int = 1,
    space: ProcessSpace = SPACE,
) -> xr.Dataset:
    """Ensemble of ``specimens`` a condition, ``fields`` micrographs each; ``specimen_sd`` of radii in px."""
    rng = np.random.default_rng(seed)
    images, rows, names = [], [], []
    for text in conditions:
        point = space.condition(text)
        for k in range(specimens):
            own = radius(point["heat"], point["hours"]) + rng.normal(0, specimen_sd)
            for _ in range(fields):
                images.append(disc_image(max(own + rng.normal(0, 0.1), 1.0), rng, size))
                rows.append(point)
                names.append(f"run:{text}" if origin == "generated" else f"{text}/{k}")
    return build(
        np.stack(images),
        rows,
        space.observing(conditions),
        origin=origin,
        specimen=names,
        um_per_px=0.1,
        reduction=reduction,
        seed=range(len(images)) if origin == "generated" else None,
    )


def grid_conditions(step: int = 1) -> list[str]:
    """Every ``step``-th combination of the levels of `SPACE`."""
    return [str(c) for c in SPACE.all_conditions][::step]
