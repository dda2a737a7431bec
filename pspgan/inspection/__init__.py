"""What to know of an ensemble before anything is trained on it or split: gaps, confounding, duplicates."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from ..ensemble import name_of, open_ensemble, space_of
from ..figures import combinations, coverage, pairs_of_micrographs, pixel_sizes
from ..wording import counted
from .confounding import confounding
from .duplicates import groups_of, near_duplicates

__all__ = ["Inspection", "confounding", "groups_of", "inspect", "near_duplicates"]

# A property of which other groups tell less is not worth a warning.
_NOTABLE = 0.25
_SHOWN = 8  # names in a line of the summary
_PAIRED = 2_000  # micrographs of which all pairs are compared unasked: two million, about two minutes


@dataclass(frozen=True)
class Inspection:
    """What `inspect` found.

    Attributes:
        dataset: the ensemble.
        combinations: a row a combination of factors, see `pspgan.figures.combinations`.
        confounding: see `pspgan.inspection.confounding`.
        duplicates: a row a pair of micrographs that share a place, see `near_duplicates`; with their
            names, ``same_specimen`` and ``same_condition``. None where they were not looked for.
    """

    dataset: xr.Dataset
    combinations: pd.DataFrame
    confounding: pd.DataFrame
    duplicates: pd.DataFrame | None

    def summary(self) -> str:
        """The findings in words, a line each; warnings begin with ``warning:``."""
        lines = [*self._coverage(), *self._confounding()]
        return "\n".join([*lines, *self._duplicates()])

    @property
    def warnings(self) -> list[str]:
        """Those of the findings that a training would suffer from."""
        mark = "warning: "
        return [line.removeprefix(mark) for line in self.summary().splitlines() if line.startswith(mark)]

    def write(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write the tables as CSV and the figures as PNG.

        Returns:
            The files.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        tables = {"combinations": self.combinations, "confounding": self.confounding}
        figures = {f"coverage_{name}": coverage(self.dataset, name) for name in self._factors}
        if np.isfinite(self.dataset["um_per_px"].values).any():
            figures["pixel_sizes"] = pixel_sizes(self.dataset)
        if self.duplicates is not None:
            tables["duplicates"] = self.duplicates
            if len(self.duplicates):
                figures["duplicates"] = pairs_of_micrographs(self.dataset, self.duplicates)
        files = []
        for name, table in tables.items():
            files.append(folder / f"{name}.csv")
            table.to_csv(files[-1], index=False)
        for name, figure in figures.items():
            files.append(folder / f"{name}.png")
            figure.savefig(files[-1], dpi=150)
        return files

    def _coverage(self) -> list[str]:
        table, specimens = self.combinations, self.dataset["specimen"].values.astype(str)
        n, of = len(table), np.prod([table[name].nunique() for name in self._factors])
        counts = table["micrographs"]
        fewest, most = (table.iloc[int(k)] for k in (counts.argmin(), counts.argmax()))
        lines = [
            f"{self.dataset.sizes['sample']} micrographs, {n} of {of:g} combinations of levels, "
            f"{len(set(specimens))} specimens",
            f"micrographs a combination: {fewest['micrographs']} ({self._label(fewest)}) to "
            f"{most['micrographs']} ({self._label(most)}), median {counts.median():g}",
        ]
        size = self.dataset["um_per_px"].values
        if np.isfinite(size).any():
            low, high = np.nanmin(size), np.nanmax(size)
            lines.append(f"pixel size: {low:.3g} to {high:.3g} um/px, 1 : {high / low:.3g}")
        single = [self._label(row) for _, row in table[table["specimens"] == 1].iterrows()]
        if single:
            lines.append(
                f"warning: {len(single)} of {n} combinations rest on one specimen, so that what sets it "
                f"apart cannot be told from its condition ({_some(single)})"
            )
        return lines

    def _confounding(self) -> list[str]:
        lines = []
        for row in self.confounding.itertuples():
            notable = row.share >= max(_NOTABLE, row.by_chance)
            lines.append(
                f"{'warning: ' if notable else ''}{row.told_by} settles {row.share:.0%} of {row.property} "
                f"(by chance at most {row.by_chance:.0%})"
            )
        return lines

    def _duplicates(self) -> list[str]:
        pairs = self.duplicates
        if pairs is None:
            n = self.dataset.sizes["sample"]
            return [
                f"micrographs of one place were not looked for (--duplicates compares all {n * (n - 1) // 2} "
                "pairs); of tiles, look for them among the images before these are cut"
            ]
        if not len(pairs):
            return ["no two micrographs show the same place"]
        groups = groups_of(pairs)
        named = _some([" = ".join(self._name(k) for k in group) for group in groups])
        lines = [
            f"{sum(map(len, groups))} micrographs in {counted(len(groups), 'group')} seem to show the same "
            f"place, whole or in part; look at duplicates.png: {named}"
        ]
        for column, what in {
            "same_specimen": "belong to different specimens: a split by specimen would leak",
            "same_condition": "have different conditions: one of the labels is wrong",
        }.items():
            apart = pairs[~pairs[column]]
            if len(apart):
                pairs_named = [
                    f"{self._name(i)} = {self._name(j)}"
                    for i, j in zip(apart["first"], apart["second"], strict=True)
                ]
                lines.append(f"warning: {len(apart)} of these pairs {what} ({_some(pairs_named)})")
        return lines

    @property
    def _factors(self) -> tuple[str, ...]:
        return space_of(self.dataset).names

    def _label(self, combination: pd.Series) -> str:
        return space_of(self.dataset).condition(combination["condition"]).label

    def _name(self, sample: int) -> str:
        return name_of(self.dataset, sample).rpartition("/")[2]


def inspect(
    data: str | os.PathLike[str] | xr.Dataset, *, duplicates: bool | None = None, progress: bool = True
) -> Inspection:
    """Look an ensemble over before training or splitting it.

    Args:
        data: an ensemble, or the path of one.
        duplicates: look for micrographs that show the same place. All pairs are compared, some seconds for
            hundreds of micrographs and minutes for thousands; by default up to 2,000 are.
        progress: show bars on a terminal.

    Returns:
        Tables; ``print(inspection.summary())`` and ``inspection.write(folder)`` show them.

    Raises:
        FileNotFoundError, EnsembleError: no ensemble is there.
    """
    dataset = data if isinstance(data, xr.Dataset) else open_ensemble(data)
    pairs = None
    if duplicates or (duplicates is None and dataset.sizes["sample"] <= _PAIRED):
        pairs = near_duplicates(dataset["micrograph"], progress=progress)
        specimen, condition = (dataset[name].values.astype(str) for name in ("specimen", "condition"))
        first, second = pairs["first"].to_numpy(int), pairs["second"].to_numpy(int)
        pairs.insert(2, "first_name", [name_of(dataset, k) for k in first])
        pairs.insert(3, "second_name", [name_of(dataset, k) for k in second])
        pairs["same_specimen"] = specimen[first] == specimen[second]
        pairs["same_condition"] = condition[first] == condition[second]
    return Inspection(dataset, combinations(dataset), confounding(dataset), pairs)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
