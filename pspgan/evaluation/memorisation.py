"""Whether generated micrographs are copies: of training micrographs, or of one another.

Training shows the generator random, flipped crops of its micrographs, so a copy is looked for at every place
of every training micrograph and in all four flips. How alike two micrographs of one material are anyway is
measured on real ones: tiles of other specimens, and of other micrographs of the same specimen, looked for in
the same way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from sklearn.metrics import pairwise_distances

from ..ensemble import name_of
from .matching import reduced
from .matching_crops import FLIPS, Matches, affordable, find, middle
from .report import ALL, Line
from .samples import Sample
from .shares import beyond_real, of_share, ratio

_MOST = 256  # generated, and as many real micrographs, that are looked for
_PAIRS = 6  # that are kept to be looked at
# Least correlation over the middle of two micrographs that makes them one, shifted by up to an eighth.
DUPLICATE = 0.75


@dataclass(frozen=True)
class Pair:
    """A generated micrograph and the place of a training micrograph that is most like it.

    Attributes:
        generated: which sample of the generated ensemble, and its ``condition`` and latent ``seed``, if any.
        source: the training micrograph: its file, or which sample of the real ensemble; its ``specimen``.
        y, x: upper left corner of the place, px of the tiles; ``flipped`` along ``y``, ``x``, or neither.
        correlation: of grey levels.
        images: the middle of the generated tile and the place, flipped alike, (2, y, x) uint8.
    """

    generated: int
    condition: str
    seed: int | None
    source: str
    specimen: str
    y: int
    x: int
    flipped: str
    correlation: float
    images: np.ndarray

    def __str__(self) -> str:
        flipped = f", flipped along {self.flipped}" if self.flipped else ""
        seed = "" if self.seed is None else f", seed {self.seed}"
        return (
            f"generated sample {self.generated} ({self.condition}{seed}) is like {self.source} of "
            f"{self.specimen} at row {self.y}, column {self.x}{flipped}: correlation {self.correlation:.2f}"
        )


def memorisation(
    real: Sample,
    gen: Sample,
    ensembles: tuple[xr.Dataset, xr.Dataset],
    training: np.ndarray,
    reduction: int,
    splits: int,
    rng: np.random.Generator,
) -> tuple[list[Line], list[Pair]]:
    """Lines ``memorisation``: shares of generated micrographs nearer to training than real ones ever are.

    ``pixels`` and ``features`` are held against real micrographs of other specimens; ``..._same_specimen``
    against other micrographs, of the same specimen as well, which are more alike.

    Args:
        real, gen: tiles.
        ensembles: that they were cut from.
        training: which micrographs of the real ensemble training has seen, (sample,) bool.
        reduction: of the tiles.
        splits: random halves of real micrographs.
        rng: draws them, and the micrographs that are looked for.

    Returns:
        The lines, and the most alike pairs, the worst first. Neither where training has seen none of the real
        micrographs; no line ``features`` where it has seen none of their conditions.
    """
    seen = np.flatnonzero(training)
    if not len(seen):
        return [], []
    sources = reduced(ensembles[0], reduction, seen)
    shape = gen.micrograph.shape[1:]
    n = min(_MOST, max(2, affordable(shape, sources) // 2))
    mine, its = (np.sort(rng.permutation(len(sample))[:n]) for sample in (gen, real))
    others = _others(real.take(its), ensembles[0], seen)
    nothing, everything = (np.full((len(mine), len(seen)), value) for value in (False, True))
    queries = np.concatenate([gen.micrograph[mine], real.micrograph[its]])
    matches = find(
        queries,
        list(sources),
        [np.vstack([everything, others[0]]), np.vstack([nothing, others[1]])],
        "copies",
    )
    found = [one.correlation[len(mine) :] for one in matches]
    lines = _held_against("pixels", matches[0].correlation[: len(mine)], found, real.take(its), splits, rng)

    tiles = np.isin(real.image, seen)
    if tiles.any():
        features = [
            np.hstack([values / np.sqrt(values.shape[1]) for values in one.spaces.values()])
            for one in (real, gen)
        ]
        own = _others(real, ensembles[0], real.image[tiles])
        apart = pairwise_distances(features[0], features[0][tiles])
        nearest = [-np.where(mask, apart, np.inf).min(axis=1) for mask in own]
        to_gen = -pairwise_distances(features[1], features[0][tiles]).min(axis=1)
        lines += _held_against("features", to_gen, nearest, real, splits, rng)
    worst = np.argsort(-matches[0].correlation[: len(mine)])[:_PAIRS]
    return lines, [_pair(q, mine[q], matches[0], queries, sources, seen, gen, ensembles) for q in worst]


def near_duplicates(real: Sample, gen: Sample, rng: np.random.Generator) -> Line:
    """The line ``near_duplicates``: share of micrographs that show what another of their condition shows.

    As many generated as real micrographs are taken of each condition, one tile each. Two are duplicates where
    they correlate by 0.75 and by more than all but one in a hundred real micrographs do.
    """
    rows: tuple[list[int], list[int]] = ([], [])
    for condition in np.unique(real.condition).tolist():
        several = [rng.permutation(_one_tile_each(sample, condition)) for sample in (real, gen)]
        n = min(map(len, several))
        for chosen, one in zip(rows, several, strict=True):
            chosen.extend(one[:n])
    kept = rng.permutation(len(rows[0]))[:_MOST] if len(rows[0]) > _MOST else np.arange(len(rows[0]))
    found = []
    for sample, chosen, what in zip((real, gen), rows, ("real", "generated"), strict=True):
        part = sample.take(np.array(chosen, int)[kept])
        same = part.condition[:, None] == part.condition[None]
        np.fill_diagonal(same, False)
        (best,) = find(part.micrograph, list(part.micrograph), [same], f"duplicates, {what}")
        found.append(best.correlation)
    limit = max(DUPLICATE, float(np.quantile(found[0], 0.99, method="higher")))
    row = of_share("generated", found[1] > limit) | of_share("real", found[0] > limit)
    line = {"condition": ALL, "kind": "near_duplicates", "quantity": "pixels", "unit": "1"}
    return line | row | ratio(row) | {"n": len(found[1]), "split": "micrograph"}


def _one_tile_each(sample: Sample, condition: str) -> np.ndarray:
    rows = np.flatnonzero(sample.condition == condition)
    return rows[np.unique(sample.image[rows], return_index=True)[1]]


def _others(real: Sample, ensemble: xr.Dataset, seen: np.ndarray) -> list[np.ndarray]:
    """Of tiles (tile, source): sources of other specimens, and of other micrographs."""
    specimen = ensemble["specimen"].values.astype(str)
    names = np.array([name_of(ensemble, i) for i in range(ensemble.sizes["sample"])])
    return [labels[real.image][:, None] != labels[seen][None] for labels in (specimen, names)]


def _held_against(
    name: str,
    gen: np.ndarray,
    found: list[np.ndarray],
    real: Sample,
    splits: int,
    rng: np.random.Generator,
) -> list[Line]:
    """Lines of figures that are large where two micrographs are alike; -1 or -inf is none."""
    split, groups = real.groups()
    lines = []
    for suffix, values in zip(("", "_same_specimen"), found, strict=True):
        known = np.isfinite(values) & (values != -1)
        if known.sum() < 2 or (suffix and np.array_equal(found[0], found[1])):
            continue
        line = {"condition": ALL, "kind": "memorisation", "quantity": name + suffix, "unit": "1"}
        shares = beyond_real(gen, values[known], groups[known], splits, rng)
        lines.append(line | shares | {"split": split})
    return lines


def _pair(
    query: int,
    tile: int,
    matches: Matches,
    queries: np.ndarray,
    sources: np.ndarray,
    seen: np.ndarray,
    gen: Sample,
    ensembles: tuple[xr.Dataset, xr.Dataset],
) -> Pair:
    real, generated = ensembles
    sample, source = int(gen.image[tile]), int(matches.source[query])
    up, side = FLIPS[matches.flip[query]]
    shown = middle(queries[query : query + 1])[0, ::up, ::side]
    y, x = int(matches.y[query]), int(matches.x[query])
    return Pair(
        generated=sample,
        condition=str(gen.condition[tile]),
        seed=int(generated["seed"].values[sample]) if "seed" in generated.variables else None,
        source=name_of(real, int(seen[source])),
        specimen=str(real["specimen"].values[seen[source]]),
        y=y,
        x=x,
        flipped=" and ".join(axis for axis, sign in (("y", up), ("x", side)) if sign < 0),
        correlation=float(matches.correlation[query]),
        images=np.stack([shown, sources[source][y : y + shown.shape[0], x : x + shown.shape[1]]]),
    )
