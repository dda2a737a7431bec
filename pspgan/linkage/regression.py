"""Regression of one structure target on process features; grouped cross-validation chooses the regressor."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Literal

import numpy as np
from sklearn import config_context
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.linear_model import BayesianRidge
from sklearn.model_selection import GroupKFold
from threadpoolctl import threadpool_limits

from .features import FactorScaler

RegressorName = Literal["auto", "mean", "ridge", "gaussian_process"]
REGRESSORS = ("mean", "ridge", "gaussian_process")  # simplest first: the first wins a tie
MAX_FOLDS = 5


def grouped_folds(groups: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Train and test indices of at most five folds that never split a group.

    Args:
        groups: label of each row, (row,).

    Raises:
        ValueError: fewer than two groups.
    """
    n_groups = len(np.unique(groups))
    if n_groups < 2:
        raise ValueError(f"{n_groups} group: held-out validation needs at least two")
    yield from GroupKFold(min(MAX_FOLDS, n_groups)).split(np.zeros(len(groups)), groups=groups)


class MeanRegressor(RegressorMixin, BaseEstimator):
    """The mean of the training rows whatever the process: the floor that a regression has to beat."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> MeanRegressor:
        self.mean_ = y.mean()
        # Of a new row: spread of the rows and uncertainty of their mean.
        self.std_ = y.std(ddof=1) * np.sqrt(1 + 1 / len(y)) if len(y) > 1 else 0.0
        return self

    def predict(self, X: np.ndarray, return_std: bool = False) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        mean = np.full(len(X), self.mean_)
        return (mean, np.full(len(X), self.std_)) if return_std else mean


Regressor = MeanRegressor | BayesianRidge | GaussianProcessRegressor


class TargetRegressor(RegressorMixin, BaseEstimator):
    """One structure target against process features; rows where the target is NaN are left out.

    Ridge is `sklearn.linear_model.BayesianRidge`, whose regularisation and noise follow from the evidence;
    the Gaussian process has a radial kernel over the scaled features plus noise.

    Args:
        factor: the factor that each feature column belongs to, (feature,).
        regressor: one of `REGRESSORS`, or ``"auto"``: the one with the smallest error on held-out groups.

    Attributes:
        regressor_: the regressor in use.
        errors_: root-mean-square error on held-out groups of each candidate, in units of the target's spread;
            empty where nothing was compared.
    """

    def __init__(self, factor: np.ndarray, regressor: RegressorName = "auto"):
        self.factor = factor
        self.regressor = regressor

    def fit(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray) -> TargetRegressor:
        """Fit on features (row, feature), target (row,) and group labels (row,)."""
        known = np.isfinite(y)
        X, y, groups = X[known], y[known], groups[known]
        if not len(y):
            raise ValueError("the target is NaN in every row")
        # Regressors have priors of order one.
        self.offset_, self.spread_ = y.mean(), y.std() or 1.0
        y = (y - self.offset_) / self.spread_
        self.scaler_ = FactorScaler(self.factor).fit(X)
        names = REGRESSORS if self.regressor == "auto" else (self.regressor,)
        # Matrices have tens of rows: BLAS threads would wait for one another ten times longer than they work.
        with threadpool_limits(1, "blas"):
            fitted = {name: _fit(_new(name), self.scaler_.transform(X), y) for name in names}
            self.errors_ = self._held_out_errors(fitted, X, y, groups) if len(names) > 1 else {}
        self.regressor_ = min(self.errors_, key=self.errors_.get) if self.errors_ else names[0]
        self.model_ = fitted[self.regressor_]
        return self

    def predict(self, X: np.ndarray, return_std: bool = False) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Mean, and standard deviation of a new row, (row,) each, in the target's unit."""
        mean, std = self.model_.predict(self.scaler_.transform(X), return_std=True)
        mean, std = self.offset_ + self.spread_ * mean, self.spread_ * std
        return (mean, std) if return_std else mean

    def _held_out_errors(
        self, fitted: dict[str, Regressor], X: np.ndarray, y: np.ndarray, groups: np.ndarray
    ) -> dict[str, float]:
        """Root-mean-square error of each candidate on held-out groups; empty where folds would train on one.

        The Gaussian process keeps the three kernel parameters that it found on all rows, which makes the
        comparison several times faster. They are the most likely ones, not those that suit the held-out rows.
        """
        if len(np.unique(groups)) < 3:
            return {}
        squares = dict.fromkeys(fitted, 0.0)
        for train, test in grouped_folds(groups):
            scaler = FactorScaler(self.factor).fit(X[train])
            for name, model in fitted.items():
                candidate = _fit(_new(name, like=model), scaler.transform(X[train]), y[train])
                squares[name] += float(np.sum((y[test] - candidate.predict(scaler.transform(X[test]))) ** 2))
        return {name: float(np.sqrt(total / len(y))) for name, total in squares.items()}


def _new(name: str, like: Regressor | None = None) -> Regressor:
    """An unfitted regressor; a Gaussian process ``like`` a fitted one has its kernel parameters, fixed."""
    if name == "mean":
        return MeanRegressor()
    if name == "ridge":
        return BayesianRidge()
    if like is not None:
        return GaussianProcessRegressor(like.kernel_, optimizer=None, normalize_y=True)
    # Scaled features have unit variance: lengths below 0.3 would fit noise, above 30 they are a plane.
    kernel = ConstantKernel(1.0, (1e-2, 1e2)) * RBF(2.0, (0.3, 30.0)) + WhiteKernel(0.3, (1e-4, 1e1))
    return GaussianProcessRegressor(kernel, normalize_y=True)


def _fit(model: Regressor, X: np.ndarray, y: np.ndarray) -> Regressor:
    with warnings.catch_warnings(), config_context(skip_parameter_validation=True, assume_finite=True):
        # A length scale or noise at its bound is an answer here (a plane; no noise), not a failure.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y)
