"""`evaluate`: everything that is asked of generated micrographs, in the order in which it is measured."""

from __future__ import annotations

import os
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr

from ..ensemble import open_ensemble, part_of, space_of
from ..statistics import Phases, StatisticsError, open_statistics, settings_of, stored_phases
from ..statistics.phases import phases_of
from .consistency import consistency
from .feature_spaces import add_spaces
from .fidelity import compare
from .findings import findings
from .leakage import leakage
from .matching import match
from .memorisation import memorisation, near_duplicates
from .report import Report
from .samples import Sample, chosen, measured
from .scale import scale

SPLITS = 50  # random halves of the real micrographs of a condition
LIMIT = 2000  # tiles of either ensemble
PARTS = ("train", "held_out")


def evaluate(
    real: xr.Dataset | str | os.PathLike[str],
    gen: xr.Dataset | str | os.PathLike[str],
    seed: int = 0,
    splits: int = SPLITS,
    *,
    phases: Phases | str | os.PathLike[str] | None = None,
    trained_on: Literal["all", "train", "held_out"] | None = None,
    limit: int = LIMIT,
) -> Report:
    """Judge generated micrographs by real ones, condition by condition and over all.

    Both are brought to the same pixel and field first (`pspgan.evaluation.matching.match`); tiles are cut
    into phases and measured alike, and lengths are in those pixels (where the pixel size is a factor, of the
    size that the condition says; averages over conditions then mix them). Descriptors of other packages are
    those in the statistics of the store of ``real``; where there are no statistics, all installed ones.

    Real micrographs of a condition are split in random halves, by specimen where there are several, else by
    micrograph; ``generated`` is a figure of generated micrographs beside a half, ``real`` that of the other
    half beside it, at the same number of tiles. Kinds of figure:

    * ``distance``: between the mean two-point statistics (root mean square over all vectors), or between the
      distributions of a descriptor (Wasserstein-1, in its unit). Intervals span the splits.
    * ``spread``: within the condition, the root mean square distance of two-point statistics from their mean,
      or the standard deviation of a descriptor, of ``generated`` and of ``real`` tiles. Intervals are from
      resampling generated micrographs, and real groups.
    * ``frechet``, ``kernel``, ``precision``, ``recall``, ``density``, ``coverage``: in feature spaces; see
      `pspgan.evaluation.distances` and `pspgan.evaluation.feature_spaces`.
    * ``scale``: factor of length that makes covariances of the phases fit.
    * ``consistency``: how well models that learned a factor from real micrographs read it.
    * ``near_duplicates``, ``memorisation``, ``leakage``: shares of micrographs that are copies of one
      another, of training micrographs, or show augmentations.

    The lines of condition ``all`` average, for distances and spreads, those conditions where both figures
    exist, with intervals from resampling conditions; of scale they are medians; feature distances are those
    of all tiles, as many of a condition in each sample.

    Where ``real`` has a split (`pspgan.split`), figures beside micrographs of each part are given too, in
    column ``part``; those of ``held_out`` say what a generator does for specimens (or conditions) that it has
    not seen.

    Args:
        real: ensemble to compare with; any origin.
        gen: ensemble to judge, of the same process space.
        seed: of splits, resampling, models, and the choice of tiles where there are more than ``limit``.
        splits: random halves a condition.
        phases: how micrographs become phases; by default as in the statistics that the store of ``real``
            holds, or Otsu's method.
        trained_on: part of ``real`` that the generator has seen, where copies are looked for; by default
            ``"train"`` where there is a split, else ``"all"``.
        limit: tiles of either ensemble that are measured, as many of each condition as that allows.

    Raises:
        ValueError: no condition is in both, or a number makes no sense.
        EnsembleError: pixels or process spaces that cannot be made alike, or a specimen that is in both parts
            of the split.
        PluginError: a descriptor of another package is not there or fails.
    """
    if splits < 1 or limit < 2:
        raise ValueError(f"splits {splits} and limit {limit}: one split and two tiles are the fewest")
    opened = [e if isinstance(e, xr.Dataset) else open_ensemble(e) for e in (real, gen)]
    training = _trained_on(opened[0], trained_on)
    conditions = [set(one["condition"].values.astype(str).tolist()) for one in opened]
    common = sorted(conditions[0] & conditions[1])
    if not common:
        raise ValueError(
            f"no condition is in both: real has {', '.join(sorted(conditions[0])[:5])}, "
            f"generated {', '.join(sorted(conditions[1])[:5])}; generate with --conditions observed"
        )
    rng = np.random.default_rng([seed, 1])
    tiles, notes = _tiles(opened, common, limit, rng)
    settings = _phases(opened[0], phases)
    of_real, of_gen = measured(tiles, settings, _plugins(opened[0]))
    add_spaces(of_real, of_gen, settings, seed)

    tables = [compare(of_real, of_gen, splits, seed, "evaluation").assign(part="all")]
    for part, rows in _parts(opened[0], of_real):
        pair = of_real.take(rows), of_gen.take(np.isin(of_gen.condition, of_real.condition[rows]))
        tables.append(compare(*pair, splits, seed, f"against {part}").assign(part=part))
    # Soft states do not hold their area fraction at vector 0, which covariances are taken from.
    soft = settings is not None and settings.method == "primitive"
    lines = [] if soft else scale(of_real, of_gen, splits, rng)
    lines += consistency(of_real, of_gen, space_of(opened[0]), seed)
    lines += [near_duplicates(of_real, of_gen, rng)]
    reduction = int(tiles[0].attrs["reduction"])
    copies, pairs = memorisation(of_real, of_gen, tuple(opened), training, reduction, splits, rng)
    lines += copies + leakage(of_real, of_gen, splits, rng)
    table = pd.concat([*tables, pd.DataFrame(lines).assign(part="all")], ignore_index=True)
    return Report(
        table=table,
        findings=findings(table, all(np.isfinite(one["um_per_px"].values).all() for one in tiles)),
        pairs=pairs,
        notes=notes,
        only_real=sorted(conditions[0] - conditions[1]),
        only_generated=sorted(conditions[1] - conditions[0]),
        field=tuple(of_real.micrograph.shape[1:]),
        reduction=reduction,
    )


def _trained_on(real: xr.Dataset, part: str | None) -> np.ndarray:
    """Which micrographs training has seen, (sample,) bool."""
    if part not in (None, "all", *PARTS):
        raise ValueError(f'trained_on "{part}" is none of all, {", ".join(PARTS)}')
    if part is None:
        part = PARTS[0] if "split" in real.variables else "all"
    if part == "all":
        return np.ones(real.sizes["sample"], bool)
    part_of(real, part)  # raises where there is no split, or a specimen in both parts
    return real["split"].values.astype(str) == part


def _tiles(
    ensembles: list[xr.Dataset], common: list[str], limit: int, rng: np.random.Generator
) -> tuple[list[xr.Dataset], list[str]]:
    """Tiles of common conditions that fit the limit, and what was left out in words."""
    # Micrographs first, so that no more than needed are read.
    rows = [chosen(one["condition"].values.astype(str), common, limit, rng) for one in ensembles]
    tiles = match(*(one.isel(sample=some) for one, some in zip(ensembles, rows, strict=True)))
    found, notes = [], []
    for name, ensemble, some, whole in zip(("real", "generated"), ensembles, rows, tiles, strict=True):
        kept = chosen(whole["condition"].values.astype(str), common, limit, rng)
        part = whole.isel(sample=kept)
        found.append(part.assign_coords(image=("sample", some[part["image"].values])))
        here = int(np.isin(ensemble["condition"].values.astype(str), common).sum())
        if len(some) < here or len(kept) < whole.sizes["sample"]:
            notes.append(
                f"of {here} {name} micrographs {len(kept)} tiles were drawn (limit {limit}), as many of each "
                "condition as that allows"
            )
    return found, notes


def _phases(real: xr.Dataset, phases: Phases | str | os.PathLike[str] | None) -> Phases | None:
    if phases is not None:
        return phases_of(phases)
    try:
        return stored_phases(open_statistics(real))
    except StatisticsError:
        return None


def _plugins(real: xr.Dataset) -> list[str] | None:
    """Descriptors of other packages in the statistics of a store; None, for all, where there are none."""
    try:
        return list(settings_of(open_statistics(real))["plugins"])
    except StatisticsError:
        return None


def _parts(real: xr.Dataset, sample: Sample) -> list[tuple[str, np.ndarray]]:
    """Rows of the parts of a split that have tiles."""
    if "split" not in real.variables:
        return []
    part = real["split"].values.astype(str)[sample.image]
    return [(name, np.flatnonzero(part == name)) for name in PARTS if (part == name).any()]
