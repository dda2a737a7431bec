"""Means of a descriptor over what is independent, and over conditions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import t as student

from ..statistics import valid_range


def by_specimen(statistics: xr.Dataset, name: str) -> pd.DataFrame:
    """Means of a descriptor over what is independent: a specimen, or one generated micrograph (a seed).

    Micrographs of one specimen are not independent of each other, so they are averaged first. Generated
    micrographs of a condition are independent draws of one trained generator, and count one by one.

    Returns:
        Columns ``condition``, ``specimen``, ``value``, ``micrographs``; rows without a finite value are left
        out.
    """
    table = pd.DataFrame(
        {
            "condition": statistics["condition"].values.astype(str),
            "specimen": statistics["specimen"].values.astype(str),
            "value": statistics[name].values.astype(float),
            "micrographs": 1,
        }
    ).dropna()
    if "seed" in statistics.coords:
        return table.reset_index(drop=True)
    groups = table.groupby(["condition", "specimen"], as_index=False)
    return groups.agg({"value": "mean", "micrographs": "sum"})


def by_condition(statistics: xr.Dataset, name: str) -> pd.DataFrame:
    """Mean of a descriptor and its standard error for every condition, over specimens (see `by_specimen`).

    Returns:
        Indexed by condition: ``mean``, ``standard_error`` (NaN for a single specimen), ``count``,
        ``micrographs``.
    """
    groups = by_specimen(statistics, name).groupby("condition")
    value = groups["value"]
    return pd.DataFrame(
        {
            "mean": value.mean(),
            "standard_error": value.sem(),
            "count": value.count(),
            "micrographs": groups["micrographs"].sum(),
        }
    )


def interval_by_condition(statistics: xr.Dataset, name: str, level: float) -> pd.DataFrame:
    """As `by_condition`, with the interval in which the mean lies with a probability of ``level``.

    It is Student's, which for two specimens is wide, and ends where the descriptor cannot go further: no area
    fraction is negative.

    Returns:
        The columns of `by_condition`, ``low`` and ``high``; these are NaN for a single specimen.
    """
    table = by_condition(statistics, name)
    # A single specimen has no standard error either; one degree of freedom keeps scipy from complaining.
    half = student.ppf((1 + level) / 2, np.maximum(table["count"] - 1, 1)) * table["standard_error"]
    bounds = valid_range(statistics[name])
    return table.assign(low=(table["mean"] - half).clip(*bounds), high=(table["mean"] + half).clip(*bounds))
