"""Ensembles of textures whose classes are known: noise smoothed along and across."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter

from pspgan.ensemble import build
from pspgan.process import Factor, ProcessSpace

SPACE = ProcessSpace((Factor("route", ("A", "B", "C", "D"), "nominal"),))
LENGTHS = {"round": (1.5, 1.5), "coarse": (2.2, 2.2), "lamellar": (0.5, 3.0)}  # px, along y and x


def texture(
    kind: str, n: int, rng: np.random.Generator, size: int = 32, noise: float = 0.0, shift: float = 0.0
) -> np.ndarray:
    """Micrographs of one class, (n, y, x) uint8; ``shift`` scales lengths by its exponential."""
    lengths = np.array(LENGTHS[kind]) * np.exp(shift)
    field = np.stack(
        [gaussian_filter(rng.standard_normal((size, size)), lengths, mode="wrap") for _ in range(n)]
    )
    field /= field.std(axis=(1, 2), keepdims=True)
    field = (field + noise * rng.standard_normal(field.shape)) / np.sqrt(1 + noise**2)
    return np.clip(128 + 40 * field, 0, 255).round().astype(np.uint8)


def real_ensemble(
    counts: dict[str, Sequence[int]],
    *,
    seed: int = 0,
    size: int = 32,
    noise: float = 0.0,
    specimen_sd: float = 0.0,
    reduction: int = 1,
) -> xr.Dataset:
    """Class -> micrographs of each of its specimens; the k-th class has the k-th route."""
    rng = np.random.default_rng(seed)
    images, routes, specimens, labels = [], [], [], []
    for k, (kind, of_specimen) in enumerate(counts.items()):
        for s, n in enumerate(of_specimen):
            images.append(texture(kind, n, rng, size, noise, specimen_sd * rng.standard_normal()))
            routes += ["ABCD"[k]] * n
            specimens += [f"{kind}-{s}"] * n
            labels += [kind] * n
    return build(
        np.concatenate(images),
        routes,
        SPACE.observing(sorted(set(routes))),
        origin="simulated",
        specimen=specimens,
        microconstituent=labels,
        reduction=reduction,
        um_per_px=0.1 * reduction,
    )


def generated_ensemble(
    kinds: dict[str, str], n: int, seen: Sequence[str] | None, *, seed: int = 0, size: int = 32, **options
) -> xr.Dataset:
    """Route -> class generated for it, ``n`` micrographs each; the generator has ``seen`` specimens."""
    rng = np.random.default_rng(seed)
    routes = [route for route in kinds for _ in range(n)]
    return build(
        np.concatenate([texture(kind, n, rng, size, **options) for kind in kinds.values()]),
        routes,
        SPACE.observing(list(kinds)),
        origin="generated",
        specimen=[f"run:{route}" for route in routes],
        seed=list(range(n)) * len(kinds),
        um_per_px=0.1,
        provenance={} if seen is None else {"specimens": list(seen)},
    )
