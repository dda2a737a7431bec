"""How far a linkage can be trusted: errors on specimens, and on conditions, that the fit has not seen."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd

from ..ensemble import check_disjoint
from ..progress import progress_bar
from .regression import RegressorName, TargetRegressor, grouped_folds
from .structure import SpecimenTable

RESAMPLES = 500  # of the test groups, for the interval of a score
UNSEEN = "unseen specimens"  # test specimens that the generator has not seen
SCORES = ("r2", "r2_low", "r2_high", "mae", "coverage")
LEVEL = 0.9  # of that interval, and of the predictions whose coverage is counted


def fits_of(origin: np.ndarray) -> tuple[str, dict[str, np.ndarray]]:
    """The origin to test on, and the rows that each fit trains on.

    Tests are on real specimens where there are any, else on simulated, else on generated ones. Each origin is
    one fit and all of them together another, ``both`` (``all`` where there are three).
    """
    present = [name for name in ("real", "simulated", "generated") if name in origin]
    fits = {name: origin == name for name in present}
    if len(present) > 1:
        fits["both" if len(present) == 2 else "all"] = np.ones(len(origin), bool)
    return present[0], fits


def validate(
    features: np.ndarray,
    factor: np.ndarray,
    table: SpecimenTable,
    targets: tuple[str, ...],
    units: tuple[str, ...],
    ranges: Sequence[tuple[float, float]],
    regressor: RegressorName,
    seed: int,
) -> pd.DataFrame:
    """Scores of every fit for every target on held-out specimens and on held-out conditions.

    Folds are of test groups; rows of a held-out group are removed from training whatever their origin, so a
    held-out condition is held out of generated rows, too, and at all pixel sizes where that is a factor. A
    generator that has itself been trained on the test specimens has seen them all the same: scores of
    ``generated`` are in-sample for the generator. Where it has seen some of them only, the others are scored
    apart as well, as ``unseen specimens``.

    Args:
        features: raw process features of the rows, (row, feature), and ``factor`` of each column.
        table: the rows.
        targets, units, ranges: of the columns of ``table.values``: names, units, least and greatest values.
        regressor: as for `TargetRegressor`; ``"auto"`` chooses anew within each training fold.
        seed: of the resampling.

    Returns:
        One line a fit, target and kind of held-out group: R2 with the interval that resampled groups span,
        mean absolute error in the target's unit, share of rows inside their 90 % prediction interval, number
        of test groups. R2 is NaN where it cannot be computed.
    """
    tested, fits = fits_of(table.origin)
    test = np.flatnonzero(table.origin == tested)
    groupings = {"specimens": table.specimen_key, "conditions": table.treatment}
    lines = []
    combinations = list(itertools.product(fits, groupings, range(len(targets))))
    for fit, held_out, k in progress_bar(combinations, desc="validation", unit="score"):
        groups = groupings[held_out]
        new = partial(TargetRegressor, factor, regressor, ranges[k])
        mean, interval = _out_of_fold(new, features, table, k, test, fits[fit], groups)
        parts = {held_out: np.ones(len(test), bool)}
        if held_out == "specimens" and table.seen[test].any() and not table.seen[test].all():
            parts[UNSEEN] = ~table.seen[test]
        for name, rows in parts.items():
            line = {"fit": fit, "tested_on": tested, "held_out": name, "target": targets[k], "unit": units[k]}
            chosen = test[rows]
            lines.append(
                line | _scores(table.values[chosen, k], mean[rows], interval[:, rows], groups[chosen], seed)
            )
    return pd.DataFrame(lines)


def _out_of_fold(
    new: Callable[[], TargetRegressor],
    features: np.ndarray,
    table: SpecimenTable,
    k: int,
    test: np.ndarray,
    trainable: np.ndarray,
    groups: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Mean, (row,), and interval, (bound, row), of target ``k`` for the test rows.

    Each is from a fit that has seen neither the row's group nor its specimen.
    """
    y, specimen = table.values[:, k], table.specimen_key
    mean, interval = np.full(len(test), np.nan), np.full((2, len(test)), np.nan)
    known = trainable & np.isfinite(y)
    if len(np.unique(groups[test])) < 2:
        return mean, interval
    last: tuple[np.ndarray, TargetRegressor] | None = None
    for _, fold in grouped_folds(groups[test]):
        held_out = test[fold]
        train = known & ~np.isin(groups, groups[held_out]) & ~np.isin(specimen, specimen[held_out])
        if train.sum() < 2:
            continue
        check_disjoint(specimen[train], specimen[held_out])
        # Generated rows belong to no real specimen: their training rows are the same in every fold.
        if last is None or not np.array_equal(last[0], train):
            model = new().fit(features[train], y[train], table.selection_groups(train))
            last = train, model
        mean[fold] = last[1].predict(features[held_out])
        interval[:, fold] = last[1].interval(features[held_out], LEVEL)
    return mean, interval


def r2(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Coefficient of determination over the rows where both are known; NaN where the truth does not vary.

    >>> r2(np.array([0.0, 1.0]), np.array([0.5, 0.5]))
    0.0
    """
    known = np.isfinite(truth) & np.isfinite(predicted)
    truth, predicted = truth[known], predicted[known]
    total = np.sum((truth - truth.mean()) ** 2) if len(truth) else 0.0
    return float(1 - np.sum((truth - predicted) ** 2) / total) if total > 0 else np.nan


def _scores(
    truth: np.ndarray, mean: np.ndarray, interval: np.ndarray, groups: np.ndarray, seed: int
) -> dict[str, float]:
    known = np.isfinite(truth) & np.isfinite(mean)
    truth, mean, interval, groups = truth[known], mean[known], interval[:, known], groups[known]
    names, member = np.unique(groups, return_inverse=True)
    scores = dict.fromkeys(SCORES, np.nan) | {"r2": r2(truth, mean)}
    if len(names) > 1:
        rng = np.random.default_rng(seed)
        rows = [np.flatnonzero(member == g) for g in range(len(names))]
        drawn = (
            np.concatenate([rows[g] for g in rng.integers(len(names), size=len(names))])
            for _ in range(RESAMPLES)
        )
        resampled = np.array([r2(truth[i], mean[i]) for i in drawn])
        if np.isfinite(resampled).any():
            scores["r2_low"], scores["r2_high"] = np.nanquantile(
                resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
            )
    if len(truth):
        inside = (interval[0] <= truth) & (truth <= interval[1])
        scores |= {"mae": float(np.abs(truth - mean).mean()), "coverage": float(np.mean(inside))}
    return scores | {"groups": len(names)}
