"""How well phases are told apart in specimens that were not learned from: accuracy, and IoU of each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ...progress import note
from .classifier import PixelClassifier, check_labels
from .fitting import UNLABELLED

_RESAMPLES = 1000
_LEVEL = 0.9  # of the intervals


@dataclass(frozen=True)
class Validation:
    """What was predicted of micrographs whose specimen the classifier had not seen.

    Attributes:
        names: classes.
        specimen: of each micrograph.
        confusion: labelled pixels, (micrograph, class of the label, class predicted) int64.
        predictions: phase of every pixel, (y, x) uint8 a micrograph.
    """

    names: tuple[str, ...]
    specimen: tuple[str, ...]
    confusion: np.ndarray
    predictions: tuple[np.ndarray, ...]

    @property
    def accuracy(self) -> np.ndarray:
        """Share of labelled pixels that are right, (micrograph,); NaN where none is labelled."""
        right = np.trace(self.confusion, axis1=1, axis2=2)
        return _ratio(right, self.confusion.sum((1, 2)))

    def table(self) -> pd.DataFrame:
        """Scores over the labelled pixels of all micrographs, one row a class, then their mean.

        IoU is a class's pixels that are found, over those that are it or are taken for it. All micrographs
        count together, so that a class that a specimen lacks counts there by the pixels wrongly taken for it.
        ``low`` and ``high`` are the 5 and 95 % quantiles over specimens drawn anew, with replacement.

        Returns:
            Columns ``class``, ``share`` (of labelled pixels), ``specimens`` (that have the class),
            ``accuracy`` (share of its pixels that are found; in the last row, of all pixels),
            ``accuracy_low``, ``accuracy_high``, ``iou``, ``iou_low``, ``iou_high``.
        """
        groups = np.unique(self.specimen)
        by_group = np.stack([self.confusion[np.equal(self.specimen, group)].sum(0) for group in groups])
        draws = np.random.default_rng(0).integers(len(groups), size=(_RESAMPLES, len(groups)))
        resampled = _scores(by_group[draws].sum(1))
        accuracy, iou = _scores(by_group.sum(0))
        tail = (1 - _LEVEL) / 2
        bounds = [np.nanquantile(one, (tail, 1 - tail), axis=0) for one in resampled]
        labelled = by_group.sum(2)
        table = pd.DataFrame(
            {
                "class": [*self.names, "mean"],
                "share": [*(labelled.sum(0) / labelled.sum()), 1.0],
                "specimens": [*(labelled > 0).sum(0), len(groups)],
            }
        )
        for name, values, (low, high) in zip(("accuracy", "iou"), (accuracy, iou), bounds, strict=True):
            table[name], table[f"{name}_low"], table[f"{name}_high"] = values, low, high
        return table

    def summary(self) -> str:
        """The scores in a few lines."""
        lines = [f"held-out specimens ({len(set(self.specimen))}), 90 % intervals over specimens:"]
        for row in self.table().to_dict("records"):
            name = "all, and mean IoU" if row["class"] == "mean" else row["class"]
            accuracy, iou = (
                f"{row[score]:5.1%} ({row[score + '_low']:.1%} to {row[score + '_high']:.1%})"
                for score in ("accuracy", "iou")
            )
            lines.append(f"  {name:20} accuracy {accuracy}, IoU {iou}")
        return "\n".join(lines)


def leave_one_specimen_out(
    micrographs: Sequence[np.ndarray],
    labels: Sequence[np.ndarray],
    names: Sequence[str],
    specimen: Sequence[str],
    *,
    steps: int,
    seed: int = 0,
    progress: bool = True,
) -> Validation:
    """Predict the micrographs of every specimen by a classifier that learned from the others.

    Args:
        micrographs: grey levels, (y, x) uint8 each.
        labels: class of every pixel, 255 unlabelled, (y, x) uint8 each.
        names: of the classes.
        specimen: of each micrograph.
        steps, seed: as `PixelClassifier` takes them.
        progress: show a bar on a terminal, and say how each specimen went.

    Raises:
        ValueError: labels do not fit, or all micrographs are of one specimen.
    """
    check_labels(micrographs, labels, names)
    groups = sorted(set(specimen))
    if len(groups) < 2:
        raise ValueError(
            f"all {len(micrographs)} micrographs are of specimen {groups[0]}; scores need two or more"
        )
    confusion = np.zeros((len(micrographs), len(names), len(names)), dtype=np.int64)
    predictions: list[np.ndarray] = [np.empty(0, np.uint8)] * len(micrographs)
    for turn, group in enumerate(groups):
        others = [i for i, own in enumerate(specimen) if own != group]
        classifier = PixelClassifier(steps=steps, seed=seed).fit(
            [micrographs[i] for i in others],
            [labels[i] for i in others],
            names,
            progress=f"without {group} ({turn + 1} of {len(groups)})" if progress else None,
        )
        for i, own in enumerate(specimen):
            if own == group:
                predictions[i] = classifier.predict(micrographs[i][np.newaxis])[0]
                confusion[i] = confusion_of(labels[i], predictions[i], len(names))
        if progress:
            found = confusion[np.equal(specimen, group)].sum(0)
            told = (
                f"{np.trace(found) / found.sum():.1%} of pixels right" if found.any() else "no pixel labelled"
            )
            note(f"specimen {group}, held out: {told}")
    return Validation(tuple(names), tuple(specimen), confusion, tuple(predictions))


def confusion_of(label: np.ndarray, prediction: np.ndarray, n_classes: int) -> np.ndarray:
    """Labelled pixels by (class of the label, class predicted).

    >>> confusion_of(np.array([0, 0, 1, 255]), np.array([0, 1, 1, 1]), 2)
    array([[1, 1],
           [0, 1]])
    """
    known = label != UNLABELLED
    pair = label[known].astype(np.int64) * n_classes + prediction[known]
    return np.bincount(pair, minlength=n_classes**2).reshape(n_classes, n_classes)


def _scores(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Accuracy and IoU of each class, then of all pixels and the mean, (..., class + 1) each."""
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    label, predicted = confusion.sum(-1), confusion.sum(-2)
    accuracy, iou = _ratio(right, label), _ratio(right, label + predicted - right)
    overall = _ratio(right.sum(-1), label.sum(-1))
    counts = np.isfinite(iou)
    mean = _ratio(np.where(counts, iou, 0).sum(-1), counts.sum(-1))
    return (
        np.concatenate([accuracy, overall[..., None]], -1),
        np.concatenate([iou, mean[..., None]], -1),
    )


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
