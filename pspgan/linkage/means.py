"""Means of a descriptor over what is independent, and over conditions."""

from __future__ import annotations

import pandas as pd
import xarray as xr


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
