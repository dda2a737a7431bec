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


def template_ensemble(
    counts: dict[str, int],
    *,
    seed: int,
    specimens: int = 10,
    strength: float = 3.0,
    seen: Sequence[str] | None = None,
    origin: str = "real",
) -> xr.Dataset:
    """Faint pictures in noise: a class is one picture, a specimen holds an equal share of its micrographs.

    Pictures are ``strength`` standard deviations apart, in 256 pixels: a classifier that knew them would be
    wrong in 7 % of two classes (Phi(-1.5)), one that has to learn them from twenty micrographs in a quarter.
    """
    pictures = np.random.default_rng(99).standard_normal((len(counts), 16, 16))
    pictures *= strength / np.sqrt(2) / np.linalg.norm(pictures, axis=(1, 2), keepdims=True)
    rng = np.random.default_rng(seed)
    images, routes, names, labels = [], [], [], []
    for k, (kind, n) in enumerate(counts.items()):
        images.append(pictures[k] + rng.standard_normal((n, 16, 16)))
        routes += ["ABCD"[k]] * n
        labels += [kind] * n
        names += [f"run:{kind}" if origin == "generated" else f"{kind}-{i % specimens}" for i in range(n)]
    return build(
        np.clip(128 + 25 * np.concatenate(images), 0, 255).round().astype(np.uint8),
        routes,
        SPACE.observing(sorted(set(routes))),
        origin=origin,
        specimen=names,
        microconstituent=None if origin == "generated" else labels,
        seed=list(range(len(routes))) if origin == "generated" else None,
        provenance={} if seen is None else {"specimens": list(seen)},
    )
