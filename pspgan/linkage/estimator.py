"""The linkage itself: a scikit-learn estimator from process conditions to structure."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from ..ensemble import space_of
from ..process import ConditionLike, ProcessCondition, ProcessSpace
from ..statistics import Phases
from . import storage
from .distance import nearest_observed
from .features import Form, check_features, factor_of_column, process_features
from .inputs import join, observing, open_all, statistics_of
from .regression import REGRESSORS, RegressorName, TargetRegressor
from .structure import SpecimenTable, StructureBasis
from .suggestion import suggest
from .summary import summarise
from .validation import fits_of, r2, validate
from .variances import components_of


class Linkage(BaseEstimator):
    """Process -> structure, with uncertainty, and how far it can be trusted.

    Structure is described by the scores of the two-point statistics on their principal components (of real
    micrographs where there are any) and by descriptors with units. The regression is fitted on the mean of
    every specimen, so that a specimen counts once however many micrographs it gave; its noise is then the
    spread between specimens. Each target has its own regressor.

    Args:
        n_components: principal components of the two-point statistics.
        regressor: ``"ridge"``, ``"gaussian_process"``, ``"gradient_boosting"``, ``"mean"`` (no dependence on
            process: the floor), or ``"auto"``, the one of these with the smallest error on held-out specimens
            (on held-out conditions where generated micrographs stand beside others), target by target. Trees
            compete from 30 specimens on, and have to be the best on held-out conditions, too.
        descriptors: names of the descriptors to predict; None takes all that the statistics hold, lengths in
            micrometres where the pixel size is known and else in pixels.
        features: how ordinal factors enter where not as their unit and axis suggest: factor -> ``"linear"``,
            ``"log"``, ``"reciprocal"`` or ``"arrhenius"``; see `pspgan.linkage.features.process_features`.
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
            conditions. For those that the generator was trained on (``table_.seen``), scores of
            ``generated`` and ``both`` are in-sample for the generator.
        variances_: how much micrographs, specimens, conditions and the generator vary, each by itself: see
            `pspgan.linkage.variances.components_of`.
    """

    space_: ProcessSpace
    targets_: tuple[str, ...]
    units_: tuple[str, ...]
    models_: dict[str, TargetRegressor]
    regressors_: dict[str, RegressorName]
    basis_: StructureBasis
    table_: SpecimenTable
    settings_: dict[str, Any]
    phases_: Phases
    validation_: pd.DataFrame
    variances_: pd.DataFrame

    def __init__(
        self,
        n_components: int = 5,
        regressor: RegressorName = "auto",
        descriptors: Sequence[str] | None = None,
        seed: int = 0,
        features: Mapping[str, Form] | None = None,
    ):
        self.n_components = n_components
        self.regressor = regressor
        self.descriptors = descriptors
        self.features = features
        self.seed = seed

    def fit(self, *ensembles: xr.Dataset | str | os.PathLike[str]) -> Linkage:
        """Fit on ensembles, and validate.

        Args:
            ensembles: paths of stores, or datasets. Statistics are read from the store; datasets that come
                from none are measured in memory, like the stores among the ensembles.

        Raises:
            ValueError: no ensemble, another process space, statistics that cannot be compared, a single
                condition or specimen, an unknown regressor, descriptor or form of a factor.
            EnsembleError: an ensemble has a split with a specimen on both sides.
        """
        if self.regressor not in ("auto", *REGRESSORS):
            raise ValueError(f'regressor "{self.regressor}" is none of auto, {", ".join(REGRESSORS)}')
        if int(self.n_components) < 1:
            raise ValueError(f"n_components is {self.n_components}; at least 1 is needed")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed is {self.seed}; it must lie between 0 and {2**32 - 1}")
        opened = open_all(ensembles)
        check_features(space_of(opened[0]), self.features)
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
            basis.target_ranges,
            self.regressor,
            self.seed,
        )
        self.variances_ = components_of(table, self.targets_, self.units_, self.seed)
        return self

    def predict(
        self,
        conditions: Iterable[ConditionLike] | ConditionLike,
        return_std: bool = False,
        level: float | None = None,
    ) -> xr.Dataset:
        """Structure that conditions lead to.

        Args:
            conditions: in any form that `ProcessSpace.condition` reads; a single one counts as a list of one.
            return_std: add the standard deviation.
            level: add the interval in which a new specimen's mean lies with this probability, say 0.9.

        Returns:
            ``mean`` (condition, target) with the coordinate ``units`` (target); with ``return_std`` also
            ``std`` (condition, target), of a new specimen's mean, and ``within_specimen_std`` (target), the
            spread of single micrographs around it; with ``level`` also ``low`` and ``high`` (condition,
            target); ``two_point`` (condition, dy, dx, correlation), reconstructed from the mean scores;
            ``observed`` (condition), and how far from what was: ``distance`` (condition), in steps between
            levels summed over factors, to the condition ``nearest``.

        Raises:
            ConditionError: a condition outside the process space.
            ValueError: a level that is no probability.
        """
        if level is not None and not 0 < level < 1:
            raise ValueError(f"level is {level:g}; it is a probability between 0 and 1, such as 0.9")
        points = self.conditions(conditions)
        self._warn_unobserved(points)
        mean, std = self.predict_arrays(points)
        n_scores = len(self.basis_.components)
        variables: dict[str, tuple[Any, ...]] = {
            "mean": (("condition", "target"), mean),
            "two_point": (("condition", *self.basis_.mean.dims), self.basis_.reconstruct(mean[:, :n_scores])),
            "observed": ("condition", np.array([c.observed for c in points], dtype=bool)),
        }
        steps, nearest = nearest_observed(self.space_, points)
        about = {"long_name": "distance from the nearest observed condition", "units": "level steps"}
        variables["distance"] = ("condition", steps, about)
        variables["nearest"] = ("condition", [str(c) for c in nearest])
        if return_std:
            variables["std"] = (("condition", "target"), std)
            variables["within_specimen_std"] = ("target", self.table_.within_std())
        if level is not None:
            for name, bound in zip(("low", "high"), self.interval_arrays(points, level), strict=True):
                variables[name] = (("condition", "target"), bound, {"level": level})
        coords = {
            "condition": [str(c) for c in points],
            "target": list(self.targets_),
            "units": ("target", list(self.units_)),
        }
        return xr.Dataset(variables, coords | dict(self.basis_.mean.coords))

    def predict_arrays(self, points: Sequence[ProcessCondition]) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation as arrays, (condition, target) each, without a warning."""
        features = self.features_of(points)
        columns = [self.models_[target].predict(features, return_std=True) for target in self.targets_]
        mean, std = (np.column_stack(part) for part in zip(*columns, strict=True))
        return mean, std

    def interval_arrays(
        self, points: Sequence[ProcessCondition], level: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of a new specimen's mean as arrays, (condition, target) each."""
        features = self.features_of(points)
        columns = [self.models_[target].interval(features, level) for target in self.targets_]
        low, high = (np.column_stack(part) for part in zip(*columns, strict=True))
        return low, high

    def features_of(self, points: Sequence[ProcessCondition]) -> np.ndarray:
        """What the regressors see of conditions, (condition, feature), not yet scaled."""
        check_is_fitted(self, "models_")
        return process_features(self.space_, points, self.features)

    def transform(self, ensemble: xr.Dataset | str | os.PathLike[str]) -> xr.DataArray:
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

    def score(self, ensemble: xr.Dataset | str | os.PathLike[str]) -> float:
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
        return summarise(self.table_, self.validation_, self.variances_, self.regressors_)

    def save(self, folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the linkage to a folder, without pickle; whole or not at all.

        Raises:
            FileExistsError: the folder exists and ``overwrite`` is off.
        """
        check_is_fitted(self, "models_")
        return storage.save(self, Path(folder), overwrite=overwrite)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Linkage:
        """Read what `save` wrote and fit its regressors again: predictions are the same.

        Raises:
            FileNotFoundError: there is no linkage in the folder.
            ValueError: it was written by another version, or is damaged.
        """
        stored = storage.load(Path(folder))
        linkage = cls(**stored.settings)
        linkage._assemble(stored.space, stored.basis, stored.table, stored.regressors)
        linkage.validation_, linkage.variances_ = stored.validation, stored.variances
        linkage.settings_, linkage.phases_ = stored.statistics, stored.phases
        return linkage

    def conditions(self, many: Iterable[ConditionLike] | ConditionLike) -> list[ProcessCondition]:
        """Read conditions of the linkage's process space."""
        check_is_fitted(self, "models_")
        return self.space_.conditions(many)

    def _assemble(
        self,
        space: ProcessSpace,
        basis: StructureBasis,
        table: SpecimenTable,
        regressors: Sequence[RegressorName],
    ) -> None:
        self.space_, self.basis_, self.table_ = space, basis, table
        self.targets_, self.units_ = basis.targets, basis.target_units
        features, factor = self._features(table.condition), factor_of_column(space)
        groups = table.selection_groups(np.ones(len(features), bool))
        self.models_ = {
            target: TargetRegressor(factor, name, basis.target_ranges[k]).fit(
                features, table.values[:, k], groups
            )
            for k, (target, name) in enumerate(zip(self.targets_, regressors, strict=True))
        }
        self.regressors_ = {target: model.regressor_ for target, model in self.models_.items()}
        self._warned = False

    def _features(self, conditions: np.ndarray) -> np.ndarray:
        return process_features(self.space_, self.space_.conditions(conditions.tolist()), self.features)

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
    *stores: xr.Dataset | str | os.PathLike[str],
    out: str | os.PathLike[str],
    n_components: int = 5,
    regressor: RegressorName = "auto",
    descriptors: Sequence[str] | None = None,
    seed: int = 0,
    features: Mapping[str, Form] | None = None,
    overwrite: bool = False,
) -> Linkage:
    """Fit a linkage on ensembles and save it to the folder ``out``.

    Args:
        stores: ensembles, real or simulated, generated, or both.
        out: folder that is written: ``linkage.json``, ``table.npz``, ``validation.csv``, ``variances.csv``,
            ``summary.txt``, and ``classifier.safetensors`` where one made the phases.
        n_components, regressor, descriptors, seed, features: as for `Linkage`.
        overwrite: replace the folder.

    Raises:
        FileExistsError: ``out`` exists and ``overwrite`` is off.
        ValueError: as `Linkage.fit`.
    """
    storage.check_free(Path(out), overwrite)
    linkage = Linkage(n_components, regressor, descriptors, seed, features).fit(*stores)
    linkage.save(out, overwrite=overwrite)
    return linkage
