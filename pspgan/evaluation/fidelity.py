"""How near generated micrographs come to real ones, beside how near real ones come to one another.

A distance between two samples of micrographs is never zero, even where both come from the same specimens. So
every real-to-generated distance stands beside the real-to-real distance at the same number of micrographs,
and their ratio is what counts: about 1 says that generated micrographs differ from real ones as other real
specimens (or, where a condition has one, other micrographs of it) do, and well below 1 that they follow the
very micrographs they are compared with.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import wasserstein_distance

from ..progress import progress_bar
from .distances import coverages, frechet_distance, kernel_distance
from .report import ALL, RESAMPLES, Line, line, overall
from .samples import Sample, halves

_FEATURE_SPLITS = 20  # halves compared in feature spaces: neighbours of neighbours take time
_FEWEST, _MOST = 20, 500  # tiles a side: what neighbourhoods need, and what is compared at most
FEATURE_KINDS = ("frechet", "kernel", "precision", "recall", "density", "coverage")


def compare(real: Sample, gen: Sample, splits: int, seed: int, bar: str) -> pd.DataFrame:
    """Distances, spreads and feature distances, condition by condition and of all, as lines of the table.

    Args:
        real, gen: of the same conditions.
        splits: random halves a condition.
        seed: of splits and resampling.
        bar: what the progress bar is called.
    """
    lines = []
    conditions = np.unique(real.condition).tolist()
    for k, condition in enumerate(progress_bar(conditions, desc=bar, unit="condition")):
        pair = real.of(condition), gen.of(condition)
        rng = np.random.default_rng([seed, k])
        found = distances(*pair, splits, rng) + spreads(*pair, rng)
        lines += [{"condition": condition} | one for one in found]
    table = pd.DataFrame(lines)
    table = pd.concat([overall(table, np.random.default_rng(seed)), table], ignore_index=True)
    rng = np.random.default_rng([seed, len(conditions)])
    pooled = [{"condition": ALL} | one for one in feature_distances(real, gen, splits, rng)]
    for condition in conditions:
        found = feature_distances(real.of(condition), gen.of(condition), splits, rng)
        pooled += [{"condition": condition} | one for one in found]
    return pd.concat([table, pd.DataFrame(pooled)], ignore_index=True) if pooled else table


def feature_distances(real: Sample, gen: Sample, splits: int, rng: np.random.Generator) -> list[Line]:
    """Figures of `distances` in every feature space: real halves from each other and from generated ones.

    Of several conditions each gives the three samples the same number of tiles. None where fewer than 20 are
    left; conditions of a single real micrograph are left out.
    """
    splits = min(splits, _FEATURE_SPLITS)
    names = [(kind, space) for space in real.spaces for kind in FEATURE_KINDS]
    to_gen, to_real = np.full((2, splits, len(names)), np.nan)
    sizes, by = [], set()
    conditions = [(real.of(c).groups(), c) for c in np.unique(real.condition).tolist()]
    for i in range(splits):
        rows: list[list[np.ndarray]] = [[], [], []]
        for (split, groups), condition in conditions:
            if groups.max() < 1:
                continue
            by.add(split)
            own, drawn = (np.flatnonzero(one.condition == condition) for one in (real, gen))
            first, second = (own[half] for half in halves(groups, rng))
            n = min(len(first), len(second), len(drawn))
            for side, several in zip(rows, (first, second, drawn), strict=True):
                side.append(rng.choice(several, n, replace=False))
        half, other, of_gen = (np.concatenate(side) if side else np.array([], int) for side in rows)
        if len(half) < _FEWEST:
            return []
        kept = rng.permutation(len(half))[:_MOST]  # the same places of all three: conditions stay matched
        half, other, of_gen = half[kept], other[kept], of_gen[kept]
        sizes.append(len(half))
        for k, space in enumerate(real.spaces):
            values = real.spaces[space]
            columns = slice(k * len(FEATURE_KINDS), (k + 1) * len(FEATURE_KINDS))
            to_gen[i, columns] = _figures(values[half], gen.spaces[space][of_gen])
            to_real[i, columns] = _figures(values[half], values[other])
    by_what = " or ".join(sorted(by, reverse=True))
    lines = []
    for k, (kind, space) in enumerate(names):
        one = line(kind, space, "1", to_gen[:, k], to_real[:, k])
        if kind == "kernel":  # 0 on average between real ones: nothing to divide by
            one |= dict.fromkeys(("ratio", "ratio_low", "ratio_high"), np.nan)
        lines.append(one | {"n": int(np.median(sizes)), "split": by_what})
    return lines


def _figures(real: np.ndarray, gen: np.ndarray) -> list[float]:
    return [frechet_distance(real, gen), kernel_distance(real, gen), *coverages(real, gen).values()]


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    if a.ndim == 2:
        return float(np.sqrt(np.mean((a.mean(axis=0) - b.mean(axis=0)) ** 2)))
    a, b = a[np.isfinite(a)], b[np.isfinite(b)]
    return float(wasserstein_distance(a, b)) if len(a) and len(b) else np.nan


def _spread(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Root mean square deviation from the mean where row i is taken ``counts[:, i]`` times, (sample,)."""
    values = values.reshape(len(values), -1)
    known = np.isfinite(values).all(axis=1)
    values, counts = values[known], counts[:, known].astype(float)
    if not len(values):
        return np.full(len(counts), np.nan)
    values = values - values.mean(axis=0)
    n = counts.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = counts @ values / n[:, None]
        square = counts @ (values**2).mean(axis=1) / n
        variance = (square - (mean**2).mean(axis=1)) * n / (n - 1)
    return np.where(n > 1, np.sqrt(np.maximum(variance, 0)), np.nan)


def distances(real: Sample, gen: Sample, splits: int, rng: np.random.Generator) -> list[Line]:
    split, groups = real.groups()
    if len(np.unique(groups)) < 2:
        split = "none"
    to_gen, to_real = (np.full((splits, len(real.quantities)), np.nan) for _ in range(2))
    sizes = []
    for i in range(splits):
        half, other = halves(groups, rng) if split != "none" else (np.arange(len(real)), None)
        n = min(len(half), len(gen), len(half) if other is None else len(other))
        sizes.append(n)
        half = rng.choice(half, n, replace=False)
        drawn = rng.choice(len(gen), n, replace=False)
        other = None if other is None else rng.choice(other, n, replace=False)
        for k, (name, values) in enumerate(real.quantities.items()):
            to_gen[i, k] = _distance(values[half], gen.quantities[name][drawn])
            if other is not None:
                to_real[i, k] = _distance(values[half], values[other])
    return [
        line("distance", name, real.units[name], to_gen[:, k], to_real[:, k])
        | {"n": int(np.median(sizes)), "split": split}
        for k, name in enumerate(real.quantities)
    ]


def spreads(real: Sample, gen: Sample, rng: np.random.Generator) -> list[Line]:
    split, groups = real.groups()
    n_groups = groups.max() + 1
    counts_real = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=RESAMPLES)[:, groups]
    counts_gen = rng.multinomial(len(gen), np.full(len(gen), 1 / len(gen)), size=RESAMPLES)
    lines = []
    for name, of_real in real.quantities.items():
        of_gen = gen.quantities[name]
        whole = tuple(float(_spread(v, np.ones((1, len(v))))[0]) for v in (of_gen, of_real))
        resampled = _spread(of_real, counts_real)
        if n_groups < 2:
            resampled = np.full_like(resampled, np.nan)
        lines.append(
            line("spread", name, real.units[name], _spread(of_gen, counts_gen), resampled, whole)
            | {"n": min(len(real), len(gen)), "split": split if n_groups > 1 else "none"}
        )
    return lines
