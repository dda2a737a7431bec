"""Folds with whole specimens in them, and every class on both sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..ensemble import EnsembleError, check_disjoint

_TRIED = 500  # divisions, of which the most even one is taken


@dataclass(frozen=True)
class Fold:
    """Micrographs to train on and to test on.

    Attributes:
        repeat, number: which division, which of its folds; both count from 0.
        train, test: positions of micrographs, (sample,) int64.
    """

    repeat: int
    number: int
    train: np.ndarray
    test: np.ndarray

    @property
    def name(self) -> str:
        """``repeat0-fold3``, fit for the name of a folder."""
        return f"repeat{self.repeat}-fold{self.number}"


def grouped_folds(
    label: np.ndarray, specimen: np.ndarray, n_folds: int = 5, repeats: int = 1, seed: int = 0
) -> list[Fold]:
    """Divide micrographs into folds, specimens whole, classes as even as specimens allow.

    scikit-learn's StratifiedGroupKFold sorts specimens by their composition before it deals them out, so that
    other seeds hardly give other folds and repeats would repeat nothing. Here each repeat takes, of several
    hundred random divisions of the specimens, that whose folds hold classes most evenly, among those in which
    every class is in training whenever it is tested.

    Args:
        label: class of each micrograph, (sample,) text; those without one are in no fold.
        specimen: of each micrograph, (sample,) text.
        n_folds: how many folds a division has.
        repeats: how many divisions.
        seed: of the divisions.

    Raises:
        ValueError: fewer than two folds, or more than specimens.
        EnsembleError: a class of one specimen only, or no division that keeps every class in training.
    """
    label, specimen = np.asarray(label).astype(str), np.asarray(specimen).astype(str)
    has_label = label != ""
    counts = pd.crosstab(specimen[has_label], label[has_label])
    if not 2 <= n_folds <= len(counts):
        raise ValueError(
            f"{n_folds} folds cannot be made of {len(counts)} specimens; give 2 to {len(counts)}"
        )
    if repeats < 1:
        raise ValueError(f"repeats {repeats} is no number of divisions")
    alone = counts.columns[(counts > 0).sum() < 2].tolist()
    if alone:
        raise EnsembleError(
            f"of {', '.join(alone)} there is one specimen only: it cannot be trained on and tested at once"
        )
    rng = np.random.default_rng(seed)
    folds = []
    for repeat in range(repeats):
        fold_of = dict(zip(counts.index, _division(counts.to_numpy(), n_folds, rng), strict=True))
        number = np.array([fold_of.get(name, -1) for name in specimen.tolist()])
        for k in range(n_folds):
            train, test = (np.flatnonzero(has_label & side) for side in (number != k, number == k))
            check_disjoint(specimen[train], specimen[test])
            folds.append(Fold(repeat, k, train, test))
    return folds


def _division(counts: np.ndarray, n_folds: int, rng: np.random.Generator) -> np.ndarray:
    """The fold of each specimen, of micrographs counted by (specimen, class)."""
    totals, best, least = counts.sum(axis=0), None, np.inf
    dealt = np.arange(len(counts)) % n_folds
    for _ in range(_TRIED):
        fold = rng.permutation(dealt)
        share = np.stack([counts[fold == k].sum(axis=0) for k in range(n_folds)]) / totals
        uneven = np.abs(share - 1 / n_folds).sum()
        if share.max() < 1 and uneven < least:
            best, least = fold, uneven
    if best is None:
        raise EnsembleError(
            f"{n_folds} folds leave some class without a specimen to train on, however specimens are dealt "
            "out; take another number of folds"
        )
    return best
