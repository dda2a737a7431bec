"""The result of a classification experiment: scores, paired differences, and the words that read them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..figures import classification_scores
from ..writing import replacing, write_text
from .comparison import (
    Estimate,
    corrected_resampled_t,
    estimate,
    f1_scores,
    macro_f1,
    resampled,
    specimen_weights,
)

REAL, SYNTHETIC, REPEATED = "real", "synthetic", "repeated"
ALL = "all"  # the class that stands for the mean over classes

Arm = tuple[str, str]  # arm and ratio


@dataclass(frozen=True)
class Classification:
    """What `classify` found.

    Attributes:
        classes: names, sorted.
        truth: class of each real micrograph, (sample,) text; empty where it was left out.
        specimen: of each real micrograph, (sample,) text.
        records: of each repeat, fold, arm and ratio: ``sample``, positions of the micrographs held out, their
            ``predicted`` classes, and how many of each class were learned from (``train``) and ``added``.
        notes: what was left out.
        seed: of the resamples.
    """

    classes: tuple[str, ...]
    truth: np.ndarray
    specimen: np.ndarray
    records: list[dict[str, Any]]
    notes: list[str]
    seed: int

    @property
    def arms(self) -> list[Arm]:
        """Arms and ratios, ``real`` first."""
        order = {REAL: 0, SYNTHETIC: 1, REPEATED: 2}
        found = {(record["arm"], record["ratio"]) for record in self.records}
        return sorted(found, key=lambda arm: (arm[0] != REAL, arm[1], order[arm[0]]))

    def confusion(self, arm: str = REAL, ratio: str = "0") -> pd.DataFrame:
        """Micrographs by true (rows) and predicted class (columns), mean over repeats."""
        counts = self._counts[arm, ratio].sum(axis=1).mean(axis=0)
        return pd.DataFrame(counts, index=list(self.classes), columns=list(self.classes))

    @cached_property
    def scores(self) -> pd.DataFrame:
        """F1 of every class and arm, of all repeats' held-out predictions pooled, with its interval.

        A row an ``arm``, ``ratio`` and ``class`` (``all``: the macro mean): ``f1``, its 5 and 95 % ends over
        resampled specimens (``low``, ``high``), ``micrographs`` and ``specimens`` held out.
        """
        rows = []
        for arm, ratio in self.arms:
            for name, score in self._scoring():
                found = estimate(*self._scored((arm, ratio), score))
                row = self._row(arm, ratio, name)
                rows.append(row | {"f1": found.value, "low": found.low, "high": found.high})
        return pd.DataFrame(rows)

    @cached_property
    def differences(self) -> pd.DataFrame:
        """Paired differences in F1: synthetic and repeated against real alone, synthetic against repeated.

        A row an ``arm``, ``ratio``, what it is compared ``against``, and ``class`` (``all``: the macro mean):
        ``difference``, its 5 and 95 % ends over resampled specimens (``low``, ``high``). For ``all`` also the
        mean over folds and its ends by Nadeau and Bengio's corrected resampled t-test (``folds_mean``,
        ``folds_low``, ``folds_high``, ``p``), and ``verdict``: ``better`` or ``worse`` where both intervals
        leave out zero, else ``null``; ``cannot tell`` of a single fold.

        The first interval says how other specimens would be judged by these very classifiers, the second how
        the difference varies with what was learned from.
        """
        rows = []
        for (arm, ratio), other in self._pairs():
            for name, score in self._scoring():
                (mine, my_draws), (theirs, their_draws) = (
                    self._scored(one, score) for one in ((arm, ratio), other)
                )
                found = estimate(mine - theirs, my_draws - their_draws)
                row = self._row(arm, ratio, name) | {"against": other[0], "difference": found.value}
                row |= {"low": found.low, "high": found.high}
                if name == ALL:
                    row |= self._over_folds((arm, ratio), other, found)
                rows.append(row)
        return pd.DataFrame(rows)

    def summary(self) -> str:
        """What was found, in words."""
        used = self.truth != ""
        folds = {(record["repeat"], record["fold"]) for record in self.records}
        repeats = {repeat for repeat, _ in folds}
        judged = sorted({i for record in self.records for i in record["sample"]})
        lines = [
            f"{used.sum()} micrographs of {len(np.unique(self.specimen[used]))} specimens, "
            f"{len(self.classes)} classes; {len(judged)} judged by classifiers that never saw their specimen "
            f"(folds: {len(folds) // len(repeats)}, repeats: {len(repeats)})"
        ]
        lines += [f"left out: {note}" for note in self.notes]
        lines += ["", "F1, mean over classes, in brackets 5 to 95 % over specimens"]
        for _, row in self.scores[self.scores["class"] == ALL].iterrows():
            lines.append(f"  {_named(row):32s}{Estimate(row['f1'], row['low'], row['high'])}")
        lines.append(f"  guessing by the classes' shares {1 / len(self.classes):.3f}")
        lines += ["", "F1 by class, real micrographs alone"]
        for _, row in self.scores[(self.scores["arm"] == REAL) & (self.scores["class"] != ALL)].iterrows():
            what = f"{row['micrographs']} micrographs of {row['specimens']} specimens"
            lines.append(f"  {row['class']:32s}{Estimate(row['f1'], row['low'], row['high'])}  ({what})")
        if len(self.differences):
            lines += ["", "Paired differences in mean F1: over specimens; over folds"]
            lines += [_difference_text(row) for _, row in self._overall().iterrows()]
            if without := self._without():
                lines.append(
                    f"of {', '.join(without)} nothing was added: no condition shows them in most specimens, "
                    "or the ratio names others"
                )
            lines += ["", self._verdict()]
        return "\n".join(lines)

    def figure(self) -> Figure:
        """F1 by class, paired differences, and the confusion of real micrographs alone."""
        return classification_scores(self.scores, self.differences, self.confusion())

    def write(self, folder: str | os.PathLike[str]) -> Path:
        """Write tables, ``summary.txt`` and ``scores.png``.

        The tables are ``scores.csv``, ``differences.csv``, ``predictions.csv`` and ``confusion.csv``.

        Raises:
            OSError: they cannot be written.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        tables = {"scores": self.scores, "predictions": self.predictions(), "confusion": self._confusions()}
        if len(self.differences):
            tables["differences"] = self.differences
        for name, table in tables.items():
            write_text(folder / f"{name}.csv", table.to_csv(index=False))
        write_text(folder / "summary.txt", self.summary() + "\n")
        with replacing(folder / "scores.png") as partial:
            self.figure().savefig(partial, dpi=150, format="png")
        return folder

    def predictions(self) -> pd.DataFrame:
        """A row a held-out micrograph of every repeat and arm: its ``label`` and what was ``predicted``."""
        rows = []
        for record in self.records:
            key = {name: record[name] for name in ("repeat", "fold", "arm", "ratio")}
            for i, predicted in zip(record["sample"], record["predicted"], strict=True):
                rows.append(
                    key
                    | {
                        "sample": i,
                        "specimen": self.specimen[i],
                        "label": self.truth[i],
                        "predicted": predicted,
                    }
                )
        return pd.DataFrame(rows)

    @cached_property
    def _counts(self) -> dict[Arm, np.ndarray]:
        """Of each arm, micrographs by (repeat, specimen, class, predicted class)."""
        names = np.unique(self.specimen)
        repeats = 1 + max(record["repeat"] for record in self.records)
        k = len(self.classes)
        counts = {arm: np.zeros((repeats, len(names), k, k), dtype=np.int64) for arm in self.arms}
        for record in self.records:
            where = (np.searchsorted(names, self.specimen[record["sample"]]), *self._indices(record))
            np.add.at(counts[record["arm"], record["ratio"]][record["repeat"]], where, 1)
        judged = sum(counts.values()).sum(axis=(0, 2, 3)) > 0
        return {arm: count[:, judged] for arm, count in counts.items()}

    @cached_property
    def _resampled(self) -> dict[Arm, np.ndarray]:
        """Of each arm, the same resamples of specimens, (resample, repeat, class, predicted class)."""
        n_specimens = next(iter(self._counts.values())).shape[1]
        weights = specimen_weights(n_specimens, self.seed)
        return {arm: resampled(counts, weights) for arm, counts in self._counts.items()}

    def _scored(self, arm: Arm, score: Callable[[np.ndarray], np.ndarray]) -> tuple[float, np.ndarray]:
        """A score, mean over repeats, and that of each resample, (resample,)."""
        value = float(score(self._counts[arm].sum(axis=1)).mean())
        return value, score(self._resampled[arm]).mean(axis=1)

    def _indices(self, record: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        return (
            np.searchsorted(self.classes, self.truth[record["sample"]]),
            np.searchsorted(self.classes, record["predicted"]),
        )

    def _scoring(self) -> list[tuple[str, Callable[[np.ndarray], np.ndarray]]]:
        """The macro mean, then every class's F1, by name."""
        each = [
            (name, lambda confusion, k=k: f1_scores(confusion)[..., k]) for k, name in enumerate(self.classes)
        ]
        return [(ALL, macro_f1), *each]

    def _row(self, arm: str, ratio: str, name: str) -> dict[str, Any]:
        judged = np.unique([i for record in self.records for i in record["sample"]]).astype(int)
        mine = judged[(self.truth[judged] == name) | (name == ALL)]
        return {
            "arm": arm,
            "ratio": ratio,
            "class": name,
            "micrographs": len(mine),
            "specimens": len(np.unique(self.specimen[mine])),
        }

    def _pairs(self) -> list[tuple[Arm, Arm]]:
        arms = [arm for arm in self.arms if arm[0] != REAL]
        pairs = [(arm, (REAL, "0")) for arm in arms]
        return pairs + [(arm, (REPEATED, arm[1])) for arm in arms if arm[0] == SYNTHETIC]

    def _over_folds(self, mine: Arm, theirs: Arm, found: Estimate) -> dict[str, Any]:
        of_fold: dict[Arm, dict[tuple[int, int], float]] = {mine: {}, theirs: {}}
        sizes = []
        for record in self.records:
            arm = (record["arm"], record["ratio"])
            if arm not in of_fold:
                continue
            confusion = np.zeros((len(self.classes),) * 2)
            np.add.at(confusion, self._indices(record), 1)
            of_fold[arm][record["repeat"], record["fold"]] = float(macro_f1(confusion))
            sizes.append(len(record["sample"]))
        both = sorted(of_fold[mine].keys() & of_fold[theirs].keys())
        test = np.mean(sizes)
        folds, p = corrected_resampled_t(
            np.array([of_fold[mine][key] - of_fold[theirs][key] for key in both]),
            test / ((self.truth != "").sum() - test),
        )
        if np.isfinite(folds.low):
            both_ways = (found, folds)
            told = all(one.excludes_zero for one in both_ways) and (found.value > 0) == (folds.value > 0)
            verdict = ("better" if found.value > 0 else "worse") if told else "null"
        else:
            verdict = "cannot tell"  # what other training specimens would have taught is not known
        return {
            "folds_mean": folds.value,
            "folds_low": folds.low,
            "folds_high": folds.high,
            "p": p,
            "verdict": verdict,
        }

    def _overall(self) -> pd.DataFrame:
        return self.differences[self.differences["class"] == ALL]

    def _without(self) -> list[str]:
        """Classes that got no generated micrograph in any fold."""
        added = {name for record in self.records for name in record["added"]}
        return [name for name in self.classes if name not in added]

    def _verdict(self) -> str:
        overall = self._overall()
        mine = overall[overall["arm"] == SYNTHETIC]
        lines = []
        for ratio, part in mine.groupby("ratio", sort=False):
            verdict = part.set_index("against")["verdict"]
            if verdict[REAL] == "cannot tell":
                text = "cannot tell: one division into training and held-out specimens says nothing of others"
            elif verdict[REAL] == "null":
                text = "null result: no difference from real micrographs alone that chance does not explain"
            elif verdict[REAL] == "worse":
                text = "generated micrographs made it worse than real ones alone"
            elif verdict[REPEATED] == "better":
                text = "generated micrographs helped, and more than repeating real ones as often"
            else:
                text = (
                    "better than real micrographs alone, but not told from repeating real ones as often: "
                    "the weight of the classes may have helped, not what the generator adds"
                )
            lines.append(f"Ratio {ratio}: {text}.")
        return "\n".join(lines)

    def _confusions(self) -> pd.DataFrame:
        parts = []
        for arm, ratio in self.arms:
            table = self.confusion(arm, ratio).rename_axis("label").reset_index()
            parts.append(table.assign(arm=arm, ratio=ratio)[["arm", "ratio", "label", *self.classes]])
        return pd.concat(parts, ignore_index=True)


def _named(row: pd.Series) -> str:
    return "real alone" if row["arm"] == REAL else f"{row['arm']}, ratio {row['ratio']}"


def _difference_text(row: pd.Series) -> str:
    against = "real alone" if row["against"] == REAL else row["against"]
    over_specimens = Estimate(row["difference"], row["low"], row["high"])
    over_folds = Estimate(row["folds_mean"], row["folds_low"], row["folds_high"])
    p = f", p = {row['p']:.2g}" if np.isfinite(row["p"]) else ""
    return f"  {_named(row)} - {against}: {over_specimens}; {over_folds}{p}  {row['verdict']}"
