"""From label images to a classifier that can be trusted as far as its scores say: learn, hold out, write."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .figures import segmentations
from .sources.labelled import LabelledMicrographs
from .statistics.phases import (
    CLASSIFIER,
    STEPS,
    PixelClassifier,
    Validation,
    check_labels,
    leave_one_specimen_out,
)
from .writing import check_free, replacing_folder

_WHAT = "folder of a classifier"


@dataclass(frozen=True)
class LearnedPhases:
    """A classifier, and how it did on specimens held out.

    Attributes:
        classifier: learned from all micrographs.
        validation: predictions of each specimen by a classifier that had not seen it, if asked for.
        labelled: what was learned from.
    """

    classifier: PixelClassifier
    validation: Validation | None
    labelled: LabelledMicrographs

    def summary(self) -> str:
        """What was learned and how well, in words."""
        n, specimens = len(self.labelled.images), len(set(self.labelled.specimen))
        lines = [f"learned {', '.join(self.classifier.names)} from {n} micrographs of {specimens} specimens"]
        if self.classifier.um_per_px:
            low, high = self.classifier.um_per_px
            lines.append(f"pixels of {low:.3g} to {high:.3g} um; expect less of others")
        if self.validation is None:
            lines.append("not validated")
        else:
            lines.append(self.validation.summary())
        return "\n".join(lines)

    def write(self, folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write ``classifier.safetensors`` and, of a validation, its scores and a figure, all or nothing.

        ``scores.csv`` has a row a class, ``micrographs.csv`` a row a micrograph, ``confusion.csv`` counts
        labelled pixels by class, ``held_out.png`` shows the best, the median and the worst micrograph.

        Raises:
            FileExistsError: the folder exists, and ``overwrite`` is not set or it holds no classifier.
            OSError: it cannot be written.
        """
        folder = Path(folder)
        check_free(folder, overwrite, CLASSIFIER, _WHAT)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with replacing_folder(folder) as partial:
            partial.mkdir()
            self.classifier.save(partial / CLASSIFIER)
            if self.validation is not None:
                self.validation.table().to_csv(partial / "scores.csv", index=False)
                self._by_micrograph(self.validation).to_csv(partial / "micrographs.csv", index=False)
                names = list(self.validation.names)
                pooled = pd.DataFrame(self.validation.confusion.sum(0), index=names, columns=names)
                pooled.to_csv(partial / "confusion.csv", index_label="label")
                self.figure().savefig(partial / "held_out.png", dpi=150)
        self.classifier.path = os.path.abspath(folder / CLASSIFIER)
        return folder

    def figure(self) -> Figure:
        """The best, the median and the worst held-out micrograph by accuracy, with label and prediction.

        Raises:
            ValueError: the classifier was not validated.
        """
        if self.validation is None:
            raise ValueError("not validated, so no micrograph was held out to be shown (validate=True)")
        accuracy = self.validation.accuracy
        order = np.argsort(-accuracy, kind="stable")[: np.isfinite(accuracy).sum()]
        chosen = {"best": order[0], "median": order[(len(order) - 1) // 2], "worst": order[-1]}
        return segmentations(
            [self.labelled.micrographs[i] for i in chosen.values()],
            [self.labelled.labels[i] for i in chosen.values()],
            [self.validation.predictions[i] for i in chosen.values()],
            self.validation.names,
            [f"{name}: {accuracy[i]:.1%}\n{self.labelled.images[i]}" for name, i in chosen.items()],
            [self.labelled.um_per_px[i] for i in chosen.values()],
        )

    def _by_micrograph(self, validation: Validation) -> pd.DataFrame:
        columns = {"image": self.labelled.images, "specimen": self.labelled.specimen}
        return pd.DataFrame(columns | {"accuracy": validation.accuracy})


def learn_phases(
    labelled: LabelledMicrographs,
    names: Sequence[str],
    out: str | os.PathLike[str] | None = None,
    *,
    validate: bool = True,
    steps: int = STEPS,
    seed: int = 0,
    overwrite: bool = False,
    progress: bool = True,
) -> LearnedPhases:
    """Learn to tell phases apart from labelled micrographs, and how well that works on other specimens.

    Validation learns once more for every specimen, without it: as many times the work as there are specimens.

    Args:
        labelled: what `pspgan.sources.labelled.read` gives.
        names: of the classes, in the order of the labels' values.
        out: folder to write, see `LearnedPhases.write`; None writes nothing.
        validate: predict every specimen by a classifier that has not seen it.
        steps: how long to learn, see `PixelClassifier`.
        seed: of all randomness.
        overwrite: replace what ``out`` holds.
        progress: show a bar on a terminal.

    Raises:
        ValueError: labels do not fit the names, a class has no pixel, or there is one specimen only.
        FileExistsError: ``out`` exists.
    """
    if out is not None:
        check_free(Path(out), overwrite, CLASSIFIER, _WHAT)
    micrographs, labels = labelled.micrographs, labelled.labels
    check_labels(micrographs, labels, names, labelled.images)
    present = set(np.unique(np.concatenate([np.unique(label) for label in labels])).tolist())
    absent = [f"{index} {name}" for index, name in enumerate(names) if index not in present]
    if absent:
        raise ValueError(f"no pixel is labelled {', '.join(absent)}; are the classes in the labels' order?")
    validation = None
    if validate:
        validation = leave_one_specimen_out(
            micrographs, labels, names, labelled.specimen, steps=steps, seed=seed, progress=progress
        )
    classifier = PixelClassifier(steps=steps, seed=seed).fit(
        micrographs, labels, names, labelled.um_per_px, progress="all specimens" if progress else None
    )
    learned = LearnedPhases(classifier, validation, labelled)
    if out is not None:
        learned.write(out, overwrite=overwrite)
    return learned
