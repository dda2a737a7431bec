"""Does it help to add generated micrographs? Classifiers with and without them, on specimens held out."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from sklearn.base import ClassifierMixin, clone

from ..ensemble import EnsembleError, check_disjoint, check_unseen, open_ensemble
from ..progress import progress_bar
from .baselines import texture_classifier
from .folds import Fold, grouped_folds
from .journal import Journal
from .labels import AGREEMENT, labels_of
from .mixing import Ratio, SyntheticMix
from .per_fold import Generator
from .result import REAL, REPEATED, SYNTHETIC, Classification
from .tiles import Tiles


def classify(
    real: xr.Dataset | str | os.PathLike[str],
    generator: Generator | xr.Dataset | str | os.PathLike[str] | None = None,
    ratios: Sequence[Ratio] = (1.0,),
    *,
    classifier: ClassifierMixin | None = None,
    label: str = "microconstituent",
    folds: int = 5,
    repeats: int = 1,
    reduction: int | None = None,
    agreement: float = AGREEMENT,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> Classification:
    """Tell microconstituents apart, on specimens that neither classifier nor generator have seen.

    Every fold holds whole specimens out. A classifier learns from the others' micrographs (arm ``real``);
    from these and generated ones at each ratio (``synthetic``); and from these and as many repeats of real
    ones (``repeated``), so that what is new in generated micrographs is told from mere weight. The same
    specimens are judged by all, so differences are paired.

    A generator is trained for each fold, on its training specimens alone (`TrainedPerFold`, or a function
    that does as `Generator` says). An ensemble that exists already is taken with the split that its generator
    was trained on: real micrographs whose coordinate ``split`` is ``held_out`` are the one fold. Either way
    the ensemble's provenance must say which specimens its generator has seen, and a held-out one raises.

    With a generator, real micrographs are cut into tiles of its size, and a micrograph's class is the one
    most probable on average over its tiles.

    Args:
        real: labelled ensemble, or its store.
        generator: what makes generated micrographs; None: real ones alone.
        ratios: generated micrographs a real one, see `SyntheticMix`.
        classifier: a scikit-learn classifier of micrographs (sample, y, x) uint8 with ``predict_proba``;
            `texture_classifier` by default, or `NetworkClassifier`.
        label: coordinate of the labels.
        folds, repeats: divisions of the specimens, see `grouped_folds`.
        reduction: source pixels a pixel, without a generator; by default those of ``real``.
        agreement: see `label_by_condition`.
        seed: of folds, generators and draws.
        out: folder of the results; what a killed experiment left there is gone on from.
        overwrite: throw away the experiment that ``out`` holds, the same one too, with its generators.
        progress: show bars on a terminal.

    Raises:
        EnsembleError: no labels, too few specimens, a leak, or generated micrographs that do not match.
        ValueError: an argument out of range, or too few generated micrographs for a ratio.
        FileExistsError: ``out`` holds something else, or another experiment and ``overwrite`` is off.
    """
    dataset = real if isinstance(real, xr.Dataset) else open_ensemble(real)
    classifier = texture_classifier() if classifier is None else classifier
    truth, notes = _usable(dataset, label)
    if generator is None or callable(generator):
        divided = grouped_folds(truth, dataset["specimen"].values, folds, repeats, seed)
    else:
        ensemble = generator if isinstance(generator, xr.Dataset) else open_ensemble(generator)
        divided = [_of_split(dataset, truth)]
        generator = _Given(ensemble)
    arms = [(REAL, 0.0)]
    if generator is not None:
        arms += [(arm, ratio) for ratio in ratios for arm in (SYNTHETIC, REPEATED)]
    settings = {
        "label": label,
        "folds": len(divided) if isinstance(generator, _Given) else [folds, repeats],
        "reduction": reduction,
        "agreement": agreement,
        "seed": seed,
        "classifier": repr(classifier),
        "generator": generator.describe() if hasattr(generator, "describe") else None,
    }
    journal = Journal(
        None if out is None else Path(out), {"real": _identity(dataset, truth), **settings}, overwrite
    )
    tiles = Tiles(dataset, truth, label, reduction, classifier, progress)
    bar = progress_bar(total=len(divided) * len(arms), desc="classify", unit="fit", shown=progress)
    with bar:
        for k, fold in enumerate(divided):
            check_disjoint(*(dataset.isel(sample=part) for part in (fold.train, fold.test)))
            left = [
                arm for arm in arms if (fold.repeat, fold.number, arm[0], ratio_text(arm[1])) not in journal
            ]
            bar.update(len(arms) - len(left))
            if not left:
                continue
            generated = None
            if generator is not None:
                generated = generator(dataset.isel(sample=fold.train), fold.name, seed + k)
                check_unseen(generated, dataset.isel(sample=fold.test))
                generated = tiles.matched(generated)
            for record in _tried(tiles, fold, generated, left, clone(classifier), agreement, seed + k):
                journal.add(record)
                bar.update()
    found = Classification(
        classes=tuple(np.unique(truth[truth != ""]).tolist()),
        truth=truth,
        specimen=dataset["specimen"].values.astype(str),
        records=journal.records,
        notes=notes,
        seed=seed,
    )
    if out is not None:
        found.write(out)
    return found


def ratio_text(ratio: Ratio) -> str:
    """A ratio as it is written: ``0.5``, or ``network:3,pearlite:1``.

    >>> ratio_text({"pearlite": 1, "network": 3.0})
    'network:3,pearlite:1'
    """
    if isinstance(ratio, Mapping):
        return ",".join(f"{name}:{ratio[name]:g}" for name in sorted(ratio))
    return f"{ratio:g}"


class _Given:
    """An ensemble that exists already, as the generator of the one fold that its split makes."""

    def __init__(self, ensemble: xr.Dataset) -> None:
        self._ensemble = ensemble

    def __call__(self, real: xr.Dataset, name: str, seed: int) -> xr.Dataset:
        return self._ensemble

    def describe(self) -> dict[str, Any]:
        provenance = self._ensemble.attrs["provenance"]
        return {"provenance_sha256": hashlib.sha256(provenance.encode()).hexdigest()}


def _tried(
    tiles: Tiles,
    fold: Fold,
    generated: xr.Dataset | None,
    arms: list[tuple[str, Ratio]],
    classifier: ClassifierMixin,
    agreement: float,
    seed: int,
) -> Iterator[dict[str, Any]]:
    """The record of each arm of a fold."""
    real = tiles.real
    text, image = real[tiles.label].values, real["image"].values
    train = np.flatnonzero(np.isin(image, fold.train) & (text != ""))
    test = np.flatnonzero(np.isin(image, fold.test))
    of_generated: np.ndarray | None = None
    for arm, ratio in arms:
        inputs, target = tiles.inputs[train], text[train]
        added: dict[str, int] = {}
        if arm != REAL:
            mix = SyntheticMix(
                real.isel(sample=train), generated, ratio, tiles.label, seed=seed, agreement=agreement
            )
            added = {name: count for name, (_, count) in mix.counts.items() if count}
            if arm == SYNTHETIC:
                if of_generated is None:
                    of_generated = tiles.inputs_of(generated["micrograph"].values)
                more = of_generated[mix.index[mix.generated_items]]
            else:
                chosen = _repeated(target, added, seed)
                more = inputs[chosen]
            names = [name for name, count in added.items() for _ in range(count)]
            inputs = np.concatenate([inputs, more.reshape(-1, *inputs.shape[1:])])
            target = np.concatenate([target, np.array(names, dtype=text.dtype)])
        learner = tiles.learner(clone(classifier)).fit(inputs, target)
        probability = learner.predict_proba(tiles.inputs[test])
        summed = np.zeros((image.max() + 1, probability.shape[1]))
        np.add.at(summed, image[test], probability)
        yield {
            "repeat": fold.repeat,
            "fold": fold.number,
            "arm": arm,
            "ratio": ratio_text(ratio),
            "sample": fold.test.tolist(),
            "predicted": learner.classes_[summed[fold.test].argmax(axis=1)].tolist(),
            "train": dict(Counter(text[train].tolist())),
            "added": added,
        }


def _repeated(target: np.ndarray, added: Mapping[str, int], seed: int) -> np.ndarray:
    """Real ones to repeat, as many of each class, evenly: none a second time before all were once."""
    rng = np.random.default_rng(seed)
    chosen = []
    for name, count in added.items():
        members = np.flatnonzero(target == name)
        rounds = -(-count // len(members))
        chosen.append(np.concatenate([rng.permutation(members) for _ in range(rounds)])[:count])
    return np.concatenate(chosen) if chosen else np.zeros(0, dtype=np.int64)


def _usable(dataset: xr.Dataset, label: str) -> tuple[np.ndarray, list[str]]:
    """Labels, without those of classes that cannot be judged on other specimens, and what was left out."""
    truth, specimen = labels_of(dataset, label).copy(), dataset["specimen"].values.astype(str)
    notes = []
    if unlabelled := int((truth == "").sum()):
        notes.append(f"{unlabelled} micrographs without a label")
    for name in np.unique(truth[truth != ""]).tolist():
        if len(np.unique(specimen[truth == name])) < 2:
            notes.append(f"{name}: {int((truth == name).sum())} micrographs, all of one specimen")
            truth[truth == name] = ""
    if len(np.unique(truth[truth != ""])) < 2:
        left = f" (left out: {'; '.join(notes)})" if notes else ""
        raise EnsembleError(
            f'coordinate "{label}" has fewer than two classes of two or more specimens each{left}'
        )
    return truth, notes


def _of_split(dataset: xr.Dataset, truth: np.ndarray) -> Fold:
    if "split" not in dataset.variables:
        raise EnsembleError(
            "generated micrographs that exist already are judged on specimens that their generator has not "
            "seen, and the real ensemble has no split: pspgan split real.zarr, pspgan train --split train; "
            "or let a generator be trained for each fold (--augment)"
        )
    side = dataset["split"].values.astype(str)
    trained = np.unique(truth[side == "train"])
    train, test = (
        np.flatnonzero((side == part) & (truth != "") & np.isin(truth, trained))
        for part in ("train", "held_out")
    )
    return Fold(0, 0, train, test)


def _identity(dataset: xr.Dataset, truth: np.ndarray) -> str:
    """What tells this data set from others: its coordinates and its provenance."""
    digest = hashlib.sha256(dataset.attrs["provenance"].encode())
    digest.update(str(dataset["micrograph"].shape).encode())
    for values in (dataset["condition"].values, dataset["specimen"].values, truth):
        digest.update("\n".join(values.astype(str).tolist()).encode())
    return digest.hexdigest()
