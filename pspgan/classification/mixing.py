"""`SyntheticMix`: real and generated micrographs in one torch data set, at a ratio for each class."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import torch
import xarray as xr
from torch import Tensor
from torch.utils.data import Dataset

from ..ensemble import EnsembleError, check_unseen, part_of
from ..ensemble.schema import SPLITS
from ..evaluation.matching import match
from ..training.batches import from_grey
from .labels import AGREEMENT, labelled_like, labels_of

Ratio: TypeAlias = float | Mapping[str, float]


class SyntheticMix(Dataset[tuple[Tensor, int]]):
    """Real micrographs and generated ones of the same classes.

    Both are brought to the same pixel and the same field first (`pspgan.evaluation.matching.match`): averaged
    to the coarser pixel and cut into tiles of the smaller field, so that nothing but the picture tells them
    apart. Everything is counted in these tiles. All labelled real ones are there, in their order, then
    generated ones class by class, drawn without replacement; those of a lower ratio are among those of a
    higher one. An item is an image, (1, y, x) float32 in [-1, 1], and the index of its class.

    Generated micrographs have their own label or that of their condition, see `label_by_condition`; those of
    conditions whose real micrographs disagree are left out.

    Args:
        real: labelled ensemble. Give only micrographs that training may see.
        generated: ensemble of the same process space; None: real ones alone.
        ratio: generated micrographs a real one: of all classes alike, or class by class, where classes that
            are not named get none. Of a class that no generated micrograph shows there are none at a common
            ratio (``without`` lists these); at its own that is an error.
        label: coordinate of the labels.
        seed: of the draw.
        transform: applied to the image of an item.
        agreement: see `label_by_condition`.

    Attributes:
        classes: names, sorted; an item's label is an index into them.
        label: class of each item, (item,) int64.
        origin: ``"real"`` (or ``"simulated"``) and ``"generated"``, (item,) text.
        specimen, condition: of each item, (item,) text.
        um_per_px: pixel size of each item, (item,) float; NaN where unknown.
        index: the micrograph that an item was cut from, in its ensemble, (item,) int64.
        micrograph: (item, y, x) uint8.
        without: classes that got no generated micrograph at a common ratio because none shows them.

    Raises:
        EnsembleError: no label, or ensembles that do not match.
        ValueError: a ratio below zero, of an unknown class, or for which too few were generated.
    """

    classes: tuple[str, ...]
    name: str
    transform: Callable[[Tensor], Tensor] | None
    label: np.ndarray
    micrograph: np.ndarray
    origin: np.ndarray
    specimen: np.ndarray
    condition: np.ndarray
    um_per_px: np.ndarray
    index: np.ndarray
    without: tuple[str, ...]

    def __init__(
        self,
        real: xr.Dataset,
        generated: xr.Dataset | None = None,
        ratio: Ratio = 1.0,
        label: str = "microconstituent",
        *,
        seed: int = 0,
        transform: Callable[[Tensor], Tensor] | None = None,
        agreement: float = AGREEMENT,
    ) -> None:
        parts = {"real": (real, labels_of(real, label))}
        if generated is not None:
            parts["generated"] = (generated, labelled_like(generated, real, label, agreement=agreement))
        self.classes = tuple(np.unique(parts["real"][1][parts["real"][1] != ""]).tolist())
        if not self.classes:
            raise EnsembleError(f'no micrograph has a label: coordinate "{label}" is empty')
        self.name, self.transform = label, transform
        tiles = match(*(dataset for dataset, _ in parts.values()))
        label_of = [text[tile["image"].values] for tile, (_, text) in zip(tiles, parts.values(), strict=True)]
        chosen = [np.flatnonzero(label_of[0] != "")]
        self.without = ()
        if generated is not None:
            chosen.append(self._drawn(label_of[0], label_of[1], ratio, np.random.default_rng(seed)))
        kept = [tile.isel(sample=index) for tile, index in zip(tiles, chosen, strict=True)]
        texts = np.concatenate([text[index] for text, index in zip(label_of, chosen, strict=True)])
        self.label = np.searchsorted(self.classes, texts).astype(np.int64)
        self.micrograph = np.concatenate([part["micrograph"].values for part in kept])
        self.origin = np.concatenate([np.full(part.sizes["sample"], part.attrs["origin"]) for part in kept])
        self.specimen = np.concatenate([part["specimen"].values.astype(str) for part in kept])
        self.condition = np.concatenate([part["condition"].values.astype(str) for part in kept])
        self.um_per_px = np.concatenate([part["um_per_px"].values for part in kept])
        self.index = np.concatenate([part["image"].values for part in kept])
        self._generated_from = len(chosen[0])

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, item: int) -> tuple[Tensor, int]:
        image = from_grey(torch.from_numpy(self.micrograph[item]))[None]
        return image if self.transform is None else self.transform(image), int(self.label[item])

    @property
    def real_items(self) -> np.ndarray:
        """Items that are not generated, (item,)."""
        return np.arange(self._generated_from)

    @property
    def generated_items(self) -> np.ndarray:
        """Items that are generated, (item,)."""
        return np.arange(self._generated_from, len(self))

    @property
    def counts(self) -> dict[str, tuple[int, int]]:
        """Class -> how many real and how many generated items."""
        both = (
            np.bincount(self.label[items], minlength=len(self.classes))
            for items in (self.real_items, self.generated_items)
        )
        return {name: (int(r), int(g)) for name, r, g in zip(self.classes, *both, strict=True)}

    def summary(self) -> str:
        """How many real and generated ones there are of each class, in words."""
        y, x = self.micrograph.shape[1:]
        lines = [f"{len(self)} micrographs of {y} x {x} px, real and generated:"]
        lines += [f"  {name}: {real}, {generated}" for name, (real, generated) in self.counts.items()]
        if self.without:
            lines.append(f"no generated micrograph shows {', '.join(self.without)}")
        return "\n".join(lines)

    def _drawn(
        self, real: np.ndarray, generated: np.ndarray, ratio: Ratio, rng: np.random.Generator
    ) -> np.ndarray:
        common = not isinstance(ratio, Mapping)
        of_class = dict.fromkeys(self.classes, ratio) if common else dict(ratio)
        drawn: list[np.ndarray] = []
        for name in sorted(of_class):
            if name not in self.classes:
                raise ValueError(f'ratio of "{name}", which is none of {", ".join(self.classes)}')
            value = float(of_class[name])
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"ratio {value:g} of {name} is no number of micrographs a real one")
            wanted = round(value * int((real == name).sum()))
            there = rng.permutation(np.flatnonzero(generated == name))
            if common and wanted and not len(there):
                self.without += (name,)
                continue
            if wanted > len(there):
                raise ValueError(
                    f"{name}: a ratio of {value:g} takes {wanted} generated micrographs, of "
                    f"{len(there)} that show it; generate more a condition (-n), or lower its ratio"
                )
            drawn.append(there[:wanted])
        return np.concatenate(drawn) if drawn else np.zeros(0, dtype=np.int64)


def mixed_parts(
    real: xr.Dataset,
    generated: xr.Dataset | None = None,
    ratio: Ratio = 1.0,
    label: str = "microconstituent",
    *,
    agreement: float = AGREEMENT,
    seed: int = 0,
) -> dict[str, SyntheticMix]:
    """The parts of a split ensemble: ``train`` with generated micrographs, ``held_out`` of real ones alone.

    Both are of one pixel and field. An ensemble without a split is ``train`` alone.

    Args:
        real, generated, ratio, label, agreement, seed: see `SyntheticMix`.

    Raises:
        EnsembleError: also where the generator has seen a held-out specimen, or does not say.
    """
    if "split" not in real.variables:
        return {"train": SyntheticMix(real, generated, ratio, label, seed=seed, agreement=agreement)}
    train, held_out = (part_of(real, part) for part in SPLITS)
    parts = {"train": SyntheticMix(train, generated, ratio, label, seed=seed, agreement=agreement)}
    if generated is not None:
        check_unseen(generated, held_out)
    if held_out.sizes["sample"]:
        # Cut to the generated ones' pixel and field, of which none are taken.
        parts["held_out"] = SyntheticMix(held_out, generated, 0.0, label, seed=seed, agreement=agreement)
    return parts
