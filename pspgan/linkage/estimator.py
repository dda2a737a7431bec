"""The linkage itself: a scikit-learn estimator from process conditions to structure."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from ..process import ConditionLike, ProcessCondition, ProcessSpace
from . import storage
from .features import factor_of_column, process_features
from .inputs import join, observing, open_all, statistics_of
from .regression import REGRESSORS, RegressorName, TargetRegressor
from .structure import SpecimenTable, StructureBasis
from .suggestion import suggest
from .summary import summarise
from .validation import fits_of, r2, validate


class Linkage(BaseEstimator):
    """Process -> structure, with uncertainty, and how far it can be trusted.

    Structure is described by the scores of the two-point statistics on their principal components (of real
    micrographs where there are any) and by descriptors with units. The regression is fitted on the mean of
    every specimen, so that a specimen counts once however many micrographs it gave; its noise is then the
    spread between specimens. Each target has its own regressor.

    Args:
        n_components: principal components of the two-point statistics.
        regressor: ``"ridge"``, ``"gaussian_process"``, ``"mean"`` (no dependence on process: the floor), or
            ``"auto"``, the one of the three with the smallest error on held-out specimens (on held-out
            conditions where generated micrographs stand beside others), target by target.
        descriptors: names of the descriptors to predict; None takes all that the statistics hold, lengths in
            micrometres where the pixel size is known and else in pixels.
        seed: of the randomised solver for large principal component problems and of the resampling.

    Attributes:
        space_: the process space; its ``observed`` conditions are those of the ensembles, and those that the
            generator's training saw.
        targets_, units_: names and units of what is predicted.
        regressors_: target -> regressor in use.
        table_: the specimens (`SpecimenTable`).
        settings_, phases_: with which statistics were computed; new micrographs are measured with them, too.
        validation_: scores on held-out specimens and held-out conditions, a line a fit, target and kind of
            group: see `pspgan.linkage.validation.validate`. Where real (or simulated) and generated ensembles
            are given, three fits (real, generated, both) are all tested on held-out *real* specimens and
            conditions. The generator, though, was trained on micrographs of those very specimens, so the
            scores of ``generated`` and ``both`` are in-sample for the generator.
    """

    def __init__(
        self,
        n_components: int = 5,
        regressor: RegressorName = "auto",
        descriptors: Sequence[str] | None = None,
        seed: int = 0,
    ):
        self.n_components = n_components
        self.regressor = regressor
        self.descriptors = descriptors
        self.seed = seed

    def fit(self, *ensembles: xr.Dataset | str | os.PathLike) -> Linkage:
        """Fit on ensembles, and validate.

        Args:
            ensembles: paths of stores, or datasets. Statistics are read from the store; datasets that come
                from none are measured in memory, like the stores among the ensembles.

        Raises:
            ValueError: no ensemble, another process space, statistics that cannot be compared, a single
                condition or specimen, an unknown regressor or descriptor.
        """
        if self.regressor not in ("auto", *REGRESSORS):
            raise ValueError(f'regressor "{self.regressor}" is none of auto, {", ".join(REGRESSORS)}')
        if int(self.n_components) < 1:
            raise ValueError(f"n_components is {self.n_components}; at least 1 is needed")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed is {self.seed}; it must lie between 0 and {2**32 - 1}")
        opened = open_all(ensembles)
        statistics, self.settings_, self.phases_ = statistics_of(opened)
        origin = np.array([ensemble.attrs["origin"] for ensemble in opened])
        tested, _ = fits_of(origin)
        reference = [s for s, o in zip(statistics, origin, strict=True) if o == tested]
        basis = StructureBasis.fit(join(reference), int(self.n_components), self.descriptors, self.seed)
        space = observing(opened)
        table = SpecimenTable.of(opened, [basis.transform(s) for s in statistics], space)
        for what, labels in {"condition": table.condition, "specimen": table.specimen_key}.items():
            if len(np.unique(labels)) < 2:
                raise ValueError(
                    f"only one {what}, {labels[0]}: there is nothing to link; add ensembles with others"
                )
        self._assemble(space, basis, table, [self.regressor] * len(basis.targets))
        self.validation_ = validate(
            self._features(table.condition),
            factor_of_column(space),
            table,
            self.targets_,
            self.units_,
            self.regressor,
            self.seed,
        )
        return self

    def predict(
        self, conditions: Iterable[ConditionLike] | ConditionLike, return_std: bool = False
    ) -> xr.Dataset:
        """Structure that conditions lead to.

        Args:
            conditions: in any form that `ProcessSpace.condition` reads; a single one counts as a list of one.
            return_std: add the standard deviation.

        Returns:
            ``mean`` (condition, target) with the coordinate ``units`` (target); with ``return_std`` also
            ``std`` (condition, target), of a new specimen's mean, and ``within_specimen_std`` (target), the
            spread of single micrographs around it; ``two_point`` (condition, dy, dx, correlation),
            reconstructed from the mean scores; ``observed`` (condition).

        Raises:
            ConditionError: a condition outside the process space.
        """
        points = self.conditions(conditions)
        self._warn_unobserved(points)
        mean, std = self.predict_arrays(points)
        n_scores = len(self.basis_.components)
        variables = {
            "mean": (("condition", "target"), mean),
            "two_point": (("condition", *self.basis_.mean.dims), self.basis_.reconstruct(mean[:, :n_scores])),
            "observed": ("condition", np.array([c.observed for c in points], dtype=bool)),
        }
        if return_std:
            variables["std"] = (("condition", "target"), std)
            variables["within_specimen_std"] = ("target", self.table_.within_std())
        coords = {
            "condition": [str(c) for c in points],
            "target": list(self.targets_),
            "units": ("target", list(self.units_)),
        }
        return xr.Dataset(variables, coords | dict(self.basis_.mean.coords))

    def predict_arrays(self, points: Sequence[ProcessCondition]) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation as arrays, (condition, target) each, without a warning."""
        check_is_fitted(self, "models_")
        features = process_features(self.space_, points)
        columns = [self.models_[target].predict(features, return_std=True) for target in self.targets_]
        mean, std = (np.column_stack(part) for part in zip(*columns, strict=True))
        return mean, std

    def transform(self, ensemble: xr.Dataset | str | os.PathLike) -> xr.DataArray:
        """Targets of single micrographs as this linkage measures them, (sample, target).

        Raises:
            ValueError: another process space, or statistics that cannot be compared.
        """
        check_is_fitted(self, "models_")
        (opened,) = open_all([ensemble], self.space_)
        (statistics,), _, _ = statistics_of([opened], self.settings_, self.phases_)
        values = self.basis_.transform(statistics)
        coords = {
            name: ("sample", np.array(opened[name].values.tolist(), dtype=str))
            for name in ("condition", "specimen")
        }
        return xr.DataArray(
            values,
            dims=("sample", "target"),
            coords=coords | {"target": list(self.targets_), "units": ("target", list(self.units_))},
        )

    def score(self, ensemble: xr.Dataset | str | os.PathLike) -> float:
        """R2 of the predictions for the specimens of an ensemble, averaged over the targets.

        It says nothing about unseen specimens where the ensemble is the one that was fitted: see
        `validation_`.
        """
        targets = self.transform(ensemble)
        (opened,) = open_all([ensemble], self.space_)
        table = SpecimenTable.of([opened], [targets.values], self.space_)
        mean, _ = self.predict_arrays(self.conditions(table.condition.tolist()))
        scores = np.array([r2(table.values[:, k], mean[:, k]) for k in range(len(self.targets_))])
        return float(np.nanmean(scores)) if np.isfinite(scores).any() else np.nan

    def suggest(
        self, target: Mapping[str, float], tolerance: float | Mapping[str, float] = 0.1, between: int = 3
    ) -> pd.DataFrame:
        """Conditions whose predicted structure meets a target: see `pspgan.linkage.suggestion.suggest`."""
        check_is_fitted(self, "models_")
        return suggest(self, target, tolerance, between)

    def summary(self) -> str:
        """The scores of the linkage and what they mean, as text."""
        check_is_fitted(self, "models_")
        return summarise(self.table_, self.validation_, self.regressors_)

    def save(self, folder: str | os.PathLike, *, overwrite: bool = False) -> Path:
        """Write the linkage to a folder, without pickle; whole or not at all.

        Raises:
            FileExistsError: the folder exists and ``overwrite`` is off.
        """
        check_is_fitted(self, "models_")
        return storage.save(self, Path(folder), overwrite=overwrite)

    @classmethod
    def load(cls, folder: str | os.PathLike) -> Linkage:
        """Read what `save` wrote and fit its regressors again: predictions are the same.

        Raises:
            FileNotFoundError: there is no linkage in the folder.
            ValueError: it was written by another version, or is damaged.
        """
        stored = storage.load(Path(folder))
        linkage = cls(**stored.settings)
        linkage._assemble(stored.space, stored.basis, stored.table, stored.regressors)
        linkage.validation_ = stored.validation
        linkage.settings_, linkage.phases_ = stored.statistics, stored.phases
        return linkage

    def conditions(self, many: Iterable[ConditionLike] | ConditionLike) -> list[ProcessCondition]:
        """Read conditions of the linkage's process space."""
        check_is_fitted(self, "models_")
        return self.space_.conditions(many)

    def _assemble(
        self, space: ProcessSpace, basis: StructureBasis, table: SpecimenTable, regressors: Sequence[str]
    ) -> None:
        self.space_, self.basis_, self.table_ = space, basis, table
        self.targets_, self.units_ = basis.targets, basis.target_units
        features, factor = self._features(table.condition), factor_of_column(space)
        groups = table.selection_groups(np.ones(len(features), bool))
        self.models_ = {
            target: TargetRegressor(factor, name).fit(features, table.values[:, k], groups)
            for k, (target, name) in enumerate(zip(self.targets_, regressors, strict=True))
        }
        self.regressors_ = {target: model.regressor_ for target, model in self.models_.items()}
        self._warned = False

    def _features(self, conditions: np.ndarray) -> np.ndarray:
        return process_features(self.space_, self.space_.conditions(conditions.tolist()))

    def _warn_unobserved(self, points: Sequence[ProcessCondition]) -> None:
        unobserved = [c.label for c in points if not c.observed]
        if unobserved and not self._warned:
            more = f" and {len(unobserved) - 5} more" if len(unobserved) > 5 else ""
            warnings.warn(
                f"no micrograph of {', '.join(unobserved[:5])}{more} was seen: the prediction is drawn from "
                "other conditions (observed=False). This is said once for this linkage",
                stacklevel=3,
            )
            self._warned = True


def link(
    *stores: xr.Dataset | str | os.PathLike,
    out: str | os.PathLike,
    n_components: int = 5,
    regressor: RegressorName = "auto",
    descriptors: Sequence[str] | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> Linkage:
    """Fit a linkage on ensembles and save it to the folder ``out``.

    Args:
        stores: ensembles, real or simulated, generated, or both.
        out: folder that is written: ``linkage.json``, ``table.npz``, ``validation.csv``, ``summary.txt``, and
            ``classifier.safetensors`` where one made the phases.
        n_components, regressor, descriptors, seed: as for `Linkage`.
        overwrite: replace the folder.

    Raises:
        FileExistsError: ``out`` exists and ``overwrite`` is off.
        ValueError: as `Linkage.fit`.
    """
    storage.check_free(Path(out), overwrite)
    linkage = Linkage(n_components, regressor, descriptors, seed).fit(*stores)
    linkage.save(out, overwrite=overwrite)
    return linkage
