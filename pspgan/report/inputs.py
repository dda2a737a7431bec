"""What a report is made from: ensembles, their statistics, a linkage, a run; opened, checked, and named."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pandas as pd
import xarray as xr

from ..ensemble import open_ensemble, space_of, validate
from ..figures import conditions_in
from ..process import ProcessCondition, ProcessSpace
from ..statistics import StatisticsError, check_comparable, open_statistics
from .blocks import Missing

if TYPE_CHECKING:
    from ..evaluation import Report
    from ..linkage import Linkage

Item = TypeVar("Item")


@dataclass(frozen=True)
class Inputs:
    """The inputs of one report; what was not given is None.

    Attributes:
        real: ensemble of real or simulated micrographs.
        generated: ensemble of generated ones.
        linkage: a fitted linkage.
        linkage_folder: where it was read from, if it was.
        run: folder of a training run.
        evaluation: result of an evaluation, as text or a table.
        classification: folder of a classification.
        target: structure that conditions are wanted for: target of the linkage -> value in its unit.
        out: the file that is written, where one is.
    """

    real: xr.Dataset
    generated: xr.Dataset | None
    linkage: Linkage | None
    linkage_folder: Path | None
    run: Path | None
    evaluation: Report | pd.DataFrame | str | None
    classification: Path | None
    target: Mapping[str, float] | None
    out: Path | None = None

    @classmethod
    def open(
        cls,
        real: str | os.PathLike[str] | xr.Dataset,
        generated: str | os.PathLike[str] | xr.Dataset | None,
        linkage: str | os.PathLike[str] | Linkage | None,
        run: str | os.PathLike[str] | None,
        evaluation: Report | pd.DataFrame | str | None,
        classification: str | os.PathLike[str] | None,
        target: Mapping[str, float] | None,
        out: Path | None = None,
    ) -> Inputs:
        """Open what is given as a path, and check that it fits together.

        Raises:
            FileNotFoundError: a path with nothing there.
            EnsembleError: a store that is no ensemble.
            ValueError: ensembles of the wrong origin, or of different process spaces; a target without
                a linkage.
        """
        real, generated = _opened(real), _opened(generated) if generated is not None else None
        if real.attrs["origin"] == "generated":
            raise ValueError(
                f"{_name(real)} holds generated micrographs; give the real or simulated ones first"
            )
        if generated is not None:
            if generated.attrs["origin"] != "generated":
                raise ValueError(
                    f"{_name(generated)} holds {generated.attrs['origin']} micrographs; the second ensemble"
                    " must be generated"
                )
            difference = space_of(real).difference(space_of(generated))
            if difference:
                raise ValueError(f"{_name(real)} and {_name(generated)} differ in {difference}")
        folder = Path(linkage) if isinstance(linkage, str | os.PathLike) else None
        if folder is not None:
            from ..linkage import Linkage

            linkage = Linkage.load(folder)
        if run is not None and not Path(run).is_dir():
            raise FileNotFoundError(f"{run}: no such training run")
        if classification is not None:
            _check_classification(Path(classification))
        if target and linkage is None:
            raise ValueError("conditions for a target are proposed by a linkage, and none is given (linkage)")
        run, classification = (None if one is None else Path(one) for one in (run, classification))
        return cls(real, generated, linkage, folder, run, evaluation, classification, target, out)

    @property
    def space(self) -> ProcessSpace:
        """The process space that both ensembles share."""
        return space_of(self.real)

    @property
    def reference(self) -> str:
        """What the first ensemble is: ``real`` or ``simulated``."""
        return self.real.attrs["origin"]

    @cached_property
    def conditions(self) -> list[ProcessCondition]:
        """Conditions of the ensembles together, sorted by value."""
        found = {
            c.values: c for one in (self.generated, self.real) if one is not None for c in conditions_in(one)
        }
        return [found[values] for values in sorted(found)]

    @cached_property
    def unseen(self) -> set[str]:
        """Generated conditions that training did not see."""
        if self.generated is None:
            return set()
        table = zip(
            self.generated["condition"].values.astype(str), self.generated["observed"].values, strict=True
        )
        return {condition for condition, observed in table if not observed}

    @cached_property
    def statistics(self) -> dict[str, xr.Dataset] | Missing:
        """Name of an ensemble -> its statistics; or what is missing and how to make it."""
        stores = {self.reference: self.real} | (
            {} if self.generated is None else {"generated": self.generated}
        )
        try:
            opened = {name: open_statistics(ensemble) for name, ensemble in stores.items()}
            check_comparable(*opened.values())
        except StatisticsError as error:
            return Missing(
                f"This section needs statistics: {error}.",
                f"pspgan stats {' '.join(map(_name, stores.values()))}",
            )
        return opened

    @property
    def stores(self) -> tuple[str, str]:
        """The two ensembles as one would write them in a command."""
        return _name(self.real), "gen.zarr" if self.generated is None else _name(self.generated)

    def command(self, *options: str, gen: str | None = None) -> str:
        """The command of this report, with all that it was made from and further options.

        Args:
            options: as one would write them; of one that the report was made with, the further one counts.
            gen: what to write for generated micrographs where none were given; None leaves them out.
        """
        generated = gen if self.generated is None else _path(self.generated)
        words = [_path(self.real)] + ([] if generated is None else [generated])
        given = {"--linkage": self.linkage_folder, "--run": self.run, "--classification": self.classification}
        if self.linkage is not None and self.linkage_folder is None:
            given["--linkage"] = Path("linkage")  # it was given in memory
        new = {option.split()[0] for option in options}
        for name, path in given.items():
            if path is not None and name not in new:
                words += [name, str(path)]
        if self.target and "--target" not in new:
            words += [
                word for name, value in self.target.items() for word in ("--target", f"{name}={value:g}")
            ]
        text = " ".join(["pspgan report", *map(shlex.quote, words), *options])
        return text if self.out is None else f"{text} -o {shlex.quote(str(self.out))}"


def evenly(items: Sequence[Item], most: int) -> list[Item]:
    """At most ``most`` of the items, at even distances, the first and last among them."""
    if len(items) <= most:
        return list(items)
    return [items[i] for i in np.linspace(0, len(items) - 1, most).round().astype(int)]


def _opened(ensemble: str | os.PathLike[str] | xr.Dataset) -> xr.Dataset:
    if isinstance(ensemble, xr.Dataset):
        validate(ensemble)
        return ensemble
    return open_ensemble(ensemble)


def _name(ensemble: xr.Dataset) -> str:
    source = ensemble.encoding.get("source")
    if source is None:
        return "gen.zarr" if ensemble.attrs["origin"] == "generated" else "real.zarr"
    return Path(source).name


def _path(ensemble: xr.Dataset) -> str:
    """The store as it was named; a plain name for one in memory."""
    return str(ensemble.encoding.get("source") or _name(ensemble))


def _check_classification(folder: Path) -> None:
    """Make sure that a folder holds a finished classification.

    Raises:
        FileNotFoundError: it does not.
    """
    missing = [
        name for name in ("scores.csv", "confusion.csv", "summary.txt") if not (folder / name).is_file()
    ]
    if missing:
        raise FileNotFoundError(
            f"{folder} holds no classification: {missing[0]} is missing; pspgan classify writes it at its end"
        )
