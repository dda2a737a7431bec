"""Which properties of micrographs go with one another, so that one may be learned for the other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import xarray as xr
from sklearn.metrics import homogeneity_score

from ..ensemble import space_of
from ..process import PIXEL_SIZE

_DRAWS = 200
_CHANCE = 95  # per cent


def confounding(dataset: xr.Dataset, seed: int = 0) -> pd.DataFrame:
    """How well process factors tell the pixel size, the microconstituent and one another.

    Of the pixel size it is the share of the variance of its logarithm that lies between groups (the
    correlation ratio); of the microconstituent, or a factor, the share of its entropy that knowing the group
    takes away (Theil's uncertainty coefficient). Both are 1 where the group settles the property and 0 where
    it says nothing; levels count as groups, whatever their order. With few specimens chance alone gives more
    than 0: ``by_chance`` is what groups stay below in 95 of 100 draws that deal them out anew, to whole
    specimens where a specimen has one.

    Args:
        dataset: an ensemble. Micrographs of unknown pixel size or without a label are left out of the rows
            that need it.
        seed: of the draws.

    Returns:
        A row a pair: ``property`` (``um_per_px``, ``microconstituent`` or a factor), ``told_by``, ``share``,
        ``by_chance``, ``micrographs``. Properties and groups that do not vary have none.
    """
    factors = space_of(dataset).names
    groups = {name: dataset[name].values.astype(str) for name in factors}
    properties: dict[str, tuple[np.ndarray, np.ndarray, Callable[[np.ndarray, np.ndarray], float]]] = {}
    size = dataset["um_per_px"].values
    properties["um_per_px"] = (np.log(size), np.isfinite(size), _share_of_variance)
    if "microconstituent" in dataset.variables:
        label = dataset["microconstituent"].values.astype(str)
        properties["microconstituent"] = (label, label != "", homogeneity_score)
        groups["microconstituent"] = label
    always = np.ones(dataset.sizes["sample"], bool)
    properties |= {name: (groups[name], always, homogeneity_score) for name in factors}
    specimen = dataset["specimen"].values.astype(str)
    rng = np.random.default_rng(seed)
    rows = []
    for name, (values, known, share) in properties.items():
        for by, group in groups.items():
            kept = known & (group != "")
            if by == name or (name, by) == ("um_per_px", PIXEL_SIZE):  # one and the same
                continue
            if name in factors and by not in factors:  # a structure tells its process: that is no fault
                continue
            if len(set(values[kept].tolist())) < 2 or len(set(group[kept])) < 2:
                continue
            drawn = [
                share(values[kept], _dealt_anew(group[kept], specimen[kept], rng)) for _ in range(_DRAWS)
            ]
            rows.append(
                (name, by, share(values[kept], group[kept]), np.percentile(drawn, _CHANCE), int(kept.sum()))
            )
    return pd.DataFrame(rows, columns=["property", "told_by", "share", "by_chance", "micrographs"])


def _share_of_variance(values: np.ndarray, group: np.ndarray) -> float:
    means = pd.Series(values).groupby(group).transform("mean").to_numpy()
    return float(means.var() / values.var())


def _dealt_anew(group: np.ndarray, specimen: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Groups shuffled: between specimens where each has one of its own, else between micrographs."""
    names, first, index = np.unique(specimen, return_index=True, return_inverse=True)
    by_specimen = group[first]
    if np.array_equal(by_specimen[index], group) and len(names) > 1:
        return rng.permutation(by_specimen)[index]
    return rng.permutation(group)
