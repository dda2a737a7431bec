"""How near generated micrographs come to real ones, beside how near real ones come to one another.

A distance between two samples of micrographs is never zero, even where both come from the same specimens. So
every real-to-generated distance stands beside the real-to-real distance at the same number of micrographs,
and their ratio is what counts: about 1 says that generated micrographs differ from real ones as other real
specimens (or, where a condition has one, other micrographs of it) do, and well below 1 that they follow the
very micrographs they are compared with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import wasserstein_distance
from tqdm import tqdm

from ..ensemble import open_ensemble
from ..statistics import descriptor_names, measure_statistics
from .matching import match
from .report import RESAMPLES, Report, line, overall

SPLITS = 50  # random halves of the real micrographs of a condition


@dataclass(frozen=True)
class _Sample:
    """Structure of the tiles of one condition."""

    quantities: dict[str, np.ndarray]  # two_point (tile, vector), and descriptors (tile,)
    units: dict[str, str]  # of each quantity
    specimen: np.ndarray  # (tile,)
    image: np.ndarray  # (tile,)

    def __len__(self) -> int:
        return len(self.image)

    def groups(self) -> tuple[str, np.ndarray]:
        """What tiles are split by, and its label for each: specimen if there are several, else micrograph."""
        if len(np.unique(self.specimen)) > 1:
            return "specimen", np.unique(self.specimen, return_inverse=True)[1]
        return "micrograph", np.unique(self.image, return_inverse=True)[1]


def evaluate(real: xr.Dataset | str, gen: xr.Dataset | str, seed: int = 0, splits: int = SPLITS) -> Report:
    """Compare generated micrographs with real ones, condition by condition.

    Both are brought to the same pixel and field first (`pspgan.evaluation.matching.match`); tiles are cut
    into phases and measured alike, and lengths are in those pixels (where the pixel size is a factor, of the
    size that the condition says; averages over conditions then mix them). Two kinds of figure, for the
    two-point statistics and for every descriptor:

    * ``distance``: between the mean two-point statistics (root mean square over all vectors), or between the
      distributions of a descriptor (Wasserstein-1, in its unit). Real micrographs of a condition are split in
      random halves, by specimen where there are several, else by micrograph; ``generated`` is the distance of
      a half from as many generated micrographs, ``real`` that from the other half, both cut to the same
      number of tiles. Intervals span the splits.
    * ``spread``: within the condition, the root mean square distance of two-point statistics from their mean,
      or the standard deviation of a descriptor, of ``generated`` and of ``real`` tiles. Intervals are from
      resampling generated micrographs, and real groups.

    The line of condition ``all`` averages those conditions where both figures exist; its intervals come from
    resampling conditions.

    Args:
        real: ensemble to compare with; any origin.
        gen: ensemble to judge, of the same process space.
        seed: of splits and resampling.
        splits: random halves a condition.

    Raises:
        ValueError: no condition is in both.
        EnsembleError: pixels or process spaces that cannot be made alike.
    """
    opened = [e if isinstance(e, xr.Dataset) else open_ensemble(e) for e in (real, gen)]
    tiles = match(*opened)
    statistics = measure_statistics(*tiles)
    conditions = [set(t["condition"].values.tolist()) for t in tiles]
    common = sorted(conditions[0] & conditions[1])
    if not common:
        raise ValueError(
            f"no condition is in both: real has {', '.join(sorted(conditions[0])[:5])}, "
            f"generated {', '.join(sorted(conditions[1])[:5])}; generate with --conditions observed"
        )
    names = [
        name
        for name in descriptor_names(statistics[0], "px")
        if any(np.isfinite(one[name].values).any() for one in statistics)
    ]
    lines = []
    for k, condition in enumerate(tqdm(common, desc="evaluation", unit="condition", disable=None)):
        pair = [_sample(t, s, condition, names) for t, s in zip(tiles, statistics, strict=True)]
        rng = np.random.default_rng([seed, k])
        found = _distances(*pair, splits, rng) + _spreads(*pair, rng)
        lines += [{"condition": condition} | one for one in found]
    table = pd.DataFrame(lines)
    field = tiles[0]["micrograph"].shape[1:]
    return Report(
        table=pd.concat([overall(table, np.random.default_rng(seed)), table], ignore_index=True),
        only_real=sorted(conditions[0] - conditions[1]),
        only_generated=sorted(conditions[1] - conditions[0]),
        field=(int(field[0]), int(field[1])),
        reduction=int(tiles[0].attrs["reduction"]),
    )


def _sample(tiles: xr.Dataset, statistics: xr.Dataset, condition: str, names: Sequence[str]) -> _Sample:
    rows = np.flatnonzero(tiles["condition"].values == condition)
    two_point = statistics["two_point"].values[rows].reshape(len(rows), -1).astype(float)
    quantities = {"two_point": two_point} | {name: statistics[name].values[rows] for name in names}
    units = {name: str(statistics[name].attrs["units"]) for name in quantities}
    specimen = np.array(tiles["specimen"].values[rows].tolist(), dtype=str)
    return _Sample(quantities, units, specimen, tiles["image"].values[rows])


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


def _halves(groups: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows of two random halves that share no group, as even in size as the order of drawing allows."""
    halves: tuple[list[int], list[int]] = ([], [])
    for group in rng.permutation(np.unique(groups)):
        halves[len(halves[1]) < len(halves[0])].extend(np.flatnonzero(groups == group))
    return np.array(halves[0], int), np.array(halves[1], int)


def _distances(real: _Sample, gen: _Sample, splits: int, rng: np.random.Generator) -> list[dict]:
    split, groups = real.groups()
    if len(np.unique(groups)) < 2:
        split = "none"
    to_gen, to_real = (np.full((splits, len(real.quantities)), np.nan) for _ in range(2))
    sizes = []
    for i in range(splits):
        half, other = _halves(groups, rng) if split != "none" else (np.arange(len(real)), None)
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


def _spreads(real: _Sample, gen: _Sample, rng: np.random.Generator) -> list[dict]:
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
