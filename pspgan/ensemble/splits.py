"""Parts of an ensemble for training and for judging it: whole specimens, or whole combinations, held out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal

import numpy as np
import xarray as xr

from .opening import open_ensemble
from .schema import SPLITS, EnsembleError, space_of
from .store import write_coordinate

By = Literal["specimen", "condition"]

_NAMED = 5  # specimens that an error names


def split(
    data: str | os.PathLike[str] | xr.Dataset, by: By = "specimen", held_out: float = 0.2, seed: int = 0
) -> xr.Dataset:
    """Hold micrographs out, and keep in the ensemble which: coordinate ``split``, ``train`` or ``held_out``.

    Whole groups are held out in an order drawn from the seed, as long as they fit into the share and training
    is left with what it needs, so that the order of micrographs does not matter and a specimen is never on
    both sides. By specimen, every combination keeps another specimen for training: what is asked is a new
    specimen of a known treatment. By condition, every level keeps another combination (the generator has no
    embedding for one that it never saw): what is asked is a treatment that was not measured. A combination is
    held out at all pixel sizes, where that is a factor.

    Args:
        data: an ensemble, or the path of one, which then keeps the split in place of an older one.
        by: ``"specimen"`` or ``"condition"``.
        held_out: share of the micrographs to hold out, at most; where the first group that can be held out is
            larger, it is held out all the same.
        seed: of the draw.

    Returns:
        The ensemble with the coordinate; its ``attrs`` keep ``by``, ``held_out`` and ``seed``.

    Raises:
        EnsembleError: nothing can be held out, or by condition a specimen has several conditions.
        ValueError: ``by``, ``held_out`` or ``seed`` is none that there is.
        OSError: the store cannot be written; it stays as it was.
    """
    if by not in ("specimen", "condition"):
        raise ValueError(f'by "{by}" is neither specimen nor condition')
    if not 0 < held_out < 1:
        raise ValueError(f"held_out {held_out:g} is no share between 0 and 1")
    if seed < 0:
        raise ValueError(f"seed {seed} is negative; seeds count from 0")
    dataset = data if isinstance(data, xr.Dataset) else open_ensemble(data)
    group = _treatment(dataset) if by == "condition" else dataset[by].values.astype(str)
    chosen = _chosen(group, _needed(dataset, by), held_out, seed)
    values = np.where(np.isin(group, chosen), SPLITS[1], SPLITS[0])
    attrs = {"by": by, "held_out": held_out, "seed": seed}
    dataset = dataset.assign_coords(split=("sample", values, attrs))
    if not isinstance(data, xr.Dataset):
        write_coordinate(data, dataset["split"])
    return dataset


def part_of(dataset: xr.Dataset, part: Literal["all", "train", "held_out"]) -> xr.Dataset:
    """The micrographs of one part of a split; ``"all"`` needs no split.

    Raises:
        EnsembleError: the ensemble has no split, or a specimen is on both sides of it.
    """
    if part == "all":
        return dataset
    source = dataset.encoding.get("source")
    if "split" not in dataset.variables:
        raise EnsembleError(
            f'{source or "the ensemble"} has no coordinate "split", so there is no part "{part}"; make one '
            f"first: pspgan split {source or 'real.zarr'} --by specimen"
        )
    held_out = dataset["split"].values == SPLITS[1]
    specimen = dataset["specimen"].values.astype(str)
    check_disjoint(specimen[~held_out], specimen[held_out])
    chosen = dataset.isel(sample=np.flatnonzero(dataset["split"].values == part))
    if source:
        chosen.encoding["source"] = source
    return chosen


def check_disjoint(
    train: xr.Dataset | np.ndarray | Sequence[str],
    held_out: xr.Dataset | np.ndarray | Sequence[str],
    *,
    by: By = "specimen",
) -> None:
    """Refuse two parts that share a specimen (or a condition): what is scored on them was seen.

    Args:
        train: an ensemble, or the specimen (condition) of each of its micrographs or rows.
        held_out: the same of the part that is held out.
        by: what must not be on both sides. Of ensembles, conditions are compared without their pixel size.

    Raises:
        EnsembleError: something is on both sides; the message names it.
        ValueError: ``by`` is none that there is.

    >>> check_disjoint(["S1", "S2"], ["S3"])
    >>> check_disjoint(["S1", "S2"], ["S2", "S3"])
    Traceback (most recent call last):
      ...
    pspgan.ensemble.schema.EnsembleError: specimen "S2" is on both sides of the split, in training and ...
    """
    if by not in ("specimen", "condition"):
        raise ValueError(f'by "{by}" is neither specimen nor condition')
    sides = [_labels(side, by) for side in (train, held_out)]
    shared = np.intersect1d(*sides).tolist()
    if not shared:
        return
    more = f" and {len(shared) - _NAMED} more" if len(shared) > _NAMED else ""
    names = ", ".join(f'"{name}"' for name in shared[:_NAMED]) + more
    what, verb = (by, "is") if len(shared) == 1 else (f"{by}s", "are")
    raise EnsembleError(
        f"{what} {names} {verb} on both sides of the split, in training and held out: scores would be of "
        f"micrographs that were seen. Take whole {by}s to one side, as pspgan split --by {by} does"
    )


def _labels(side: xr.Dataset | np.ndarray | Sequence[str], by: str) -> np.ndarray:
    """The groups of one side, as text."""
    if not isinstance(side, xr.Dataset):
        return np.asarray(side).astype(str)
    return _treatment(side) if by == "condition" else side["specimen"].values.astype(str)


def _treatment(dataset: xr.Dataset) -> np.ndarray:
    """The condition of each micrograph without its pixel size, (sample,) text."""
    condition, space = dataset["condition"].values.astype(str), space_of(dataset)
    names = {text: space.condition(text).treatment for text in np.unique(condition).tolist()}
    return np.array([names[text] for text in condition.tolist()])


def _needed(dataset: xr.Dataset, by: str) -> np.ndarray:
    """What of each micrograph training must keep at least one other group of, (sample, kind) text."""
    if by == "specimen":
        return dataset["condition"].values.astype(str)[:, None]
    condition = _treatment(dataset)
    specimen = dataset["specimen"].values.astype(str)
    for name in np.unique(specimen):
        mixed = np.unique(condition[specimen == name])
        if len(mixed) > 1:
            raise EnsembleError(
                f'coordinate "specimen": "{name}" has the conditions {", ".join(mixed)}; a split by '
                "condition would put it on both sides. Split by specimen"
            )
    return np.stack([dataset[name].values.astype(str) for name in space_of(dataset).names], axis=1)


def _chosen(group: np.ndarray, needed: np.ndarray, share: float, seed: int) -> list[str]:
    names = np.unique(group)
    # Groups that training still has for each thing that it needs.
    left: dict[tuple[int, str], set[str]] = {}
    for kind in range(needed.shape[1]):
        for name, need in zip(group, needed[:, kind], strict=True):
            left.setdefault((kind, need), set()).add(name)
    chosen: list[str] = []
    count = 0
    for name in np.random.default_rng(seed).permutation(names).tolist():
        size = int(np.sum(group == name))
        fits = not chosen or count + size <= share * len(group)
        if fits and all(len(groups) > 1 for groups in left.values() if name in groups):
            chosen.append(name)
            count += size
            for groups in left.values():
                groups.discard(name)
    if not chosen:
        raise EnsembleError(
            "nothing can be held out: every specimen is the only one of a condition, or every condition the "
            "only one of a level; take the other way (by specimen or by condition), or more micrographs"
        )
    return chosen
