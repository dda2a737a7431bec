"""Regression of one structure target on process features; grouped cross-validation chooses the regressor."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import numpy as np
from scipy.stats import t as student
from sklearn import config_context
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.linear_model import BayesianRidge
from sklearn.model_selection import GroupKFold
from threadpoolctl import threadpool_limits

from .features import FactorScaler

RegressorName = Literal["auto", "mean", "ridge", "gaussian_process", "gradient_boosting"]
# Simplest first: the first wins a tie.
REGRESSORS: tuple[RegressorName, ...] = ("mean", "ridge", "gaussian_process", "gradient_boosting")
MAX_FOLDS = 5
# Of the radial kernel, in spreads of a factor: below 0.3 it would fit noise, above 30 it is a plane.
_LENGTHS = (0.3, 30.0)
_LEVELS_FOR_A_LENGTH = 5  # of an ordinal factor; fewer do not show what lies between them
_ROWS_FOR_TREES = 30  # trees that average over fewer rows are steps, and lose to all others


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

    mean_: float
    std_: float

    def fit(self, X: np.ndarray, y: np.ndarray) -> MeanRegressor:
        self.mean_ = y.mean()
        # Of a new row: spread of the rows and uncertainty of their mean.
        self.std_ = y.std(ddof=1) * np.sqrt(1 + 1 / len(y)) if len(y) > 1 else 0.0
        return self

    def predict(self, X: np.ndarray, return_std: bool = False) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        mean = np.full(len(X), self.mean_)
        return (mean, np.full(len(X), self.std_)) if return_std else mean


class BoostingRegressor(RegressorMixin, BaseEstimator):
    """Gradient boosting (`sklearn.ensemble.GradientBoostingRegressor`) with the spread of a new row.

    Trees know nothing of their own error, and have seen the rows that they are fitted on: the spread is the
    root-mean-square error on held-out groups, the same everywhere.
    """

    model_: GradientBoostingRegressor
    std_: float

    def fit(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray) -> BoostingRegressor:
        self.model_ = _trees().fit(X, y)
        residual = y - y.mean()
        if len(np.unique(groups)) > 1:
            for train, test in grouped_folds(groups):
                residual[test] = y[test] - _trees().fit(X[train], y[train]).predict(X[test])
        self.std_ = float(np.sqrt(np.mean(residual**2)))
        return self

    def predict(self, X: np.ndarray, return_std: bool = False) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        mean = self.model_.predict(X)
        return (mean, np.full(len(X), self.std_)) if return_std else mean


Regressor: TypeAlias = MeanRegressor | BayesianRidge | GaussianProcessRegressor | BoostingRegressor


class TargetRegressor(RegressorMixin, BaseEstimator):
    """One structure target against process features; rows where the target is NaN are left out.

    Ridge is `sklearn.linear_model.BayesianRidge`, whose regularisation and noise follow from the evidence;
    the Gaussian process has a radial kernel over the scaled features plus noise, with a length for every
    feature where the rows call for it (Schwarz's criterion, 1978); gradient boosting is of small trees.

    A positive target is fitted as its logarithm where the scatter between rows of the same features grows
    with their mean, as that of particle sizes does: by the likelihood of Box and Cox (1964), with a mean of
    each combination of features. Predictions are of the target itself (Duan's smearing, 1983).

    Args:
        factor: the factor that each feature column belongs to, (feature,).
        regressor: one of `REGRESSORS`, or ``"auto"``: the one with the smallest error on held-out groups;
            trees only where they are the best for held-out combinations of features, too.
        valid_range: least and greatest value that the target can have; no prediction or interval leaves it.

    Attributes:
        regressor_: the regressor in use.
        log_: whether the target is fitted as its logarithm.
        errors_: root-mean-square error on held-out groups of each candidate, in units of the target's spread;
            empty where nothing was compared.
        dof_: degrees of freedom behind the spread: rows less what the regression takes of them.
    """

    regressor_: RegressorName
    log_: bool
    errors_: dict[RegressorName, float]
    dof_: float
    model_: Regressor
    scaler_: FactorScaler
    offset_: float
    spread_: float
    smearing_: float

    def __init__(
        self,
        factor: np.ndarray,
        regressor: RegressorName = "auto",
        valid_range: tuple[float, float] = (-np.inf, np.inf),
    ):
        self.factor = factor
        self.regressor = regressor
        self.valid_range = valid_range

    def fit(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray) -> TargetRegressor:
        """Fit on features (row, feature), target (row,) and group labels (row,)."""
        known = np.isfinite(y)
        X, y, groups = X[known], y[known], groups[known]
        if not len(y):
            raise ValueError("the target is NaN in every row")
        self.log_ = scatters_in_proportion(X, y)
        y = np.log(y) if self.log_ else y
        # Regressors have priors of order one.
        self.offset_, self.spread_ = y.mean(), y.std() or 1.0
        y = (y - self.offset_) / self.spread_
        self.scaler_ = FactorScaler(self.factor).fit(X)
        scaled = self.scaler_.transform(X)
        names = _candidates(len(y)) if self.regressor == "auto" else (self.regressor,)
        # Matrices have tens of rows: BLAS threads would wait for one another ten times longer than they work.
        with threadpool_limits(1, "blas"):
            fitted = {n: _fit(_new(n), scaled, y) for n in names if n != "gradient_boosting"}
            if "gaussian_process" in fitted:
                fitted["gaussian_process"] = _with_lengths(fitted["gaussian_process"], scaled, y, self.factor)
            self.errors_ = self._held_out_errors(names, fitted, X, y, groups) if len(names) > 1 else {}
            self.regressor_ = min(self.errors_, key=self.errors_.get) if self.errors_ else names[0]
            if self.errors_ and self.regressor_ == "gradient_boosting":
                self.regressor_ = self._if_trees_fail_between(fitted, X, y)
            if self.regressor_ == "gradient_boosting":
                self.model_ = BoostingRegressor().fit(scaled, y, groups)
            else:
                self.model_ = fitted[self.regressor_]
            self.dof_ = max(len(y) - _parameters(self.model_, scaled), 1.0)
        residual = y - self.model_.predict(scaled)
        self.smearing_ = float(np.mean(np.exp(self.spread_ * residual))) if self.log_ else 1.0
        return self

    def predict(self, X: np.ndarray, return_std: bool = False) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Mean, and standard deviation of a new row, (row,) each, in the target's unit."""
        mean, std = self._scaled(X)
        if self.log_:
            mean, relative = self.smearing_ * np.exp(mean), np.sqrt(np.expm1(std**2))
            std = mean * relative
        mean = np.clip(mean, *self.valid_range)
        return (mean, std) if return_std else mean

    def interval(self, X: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Bounds between which a new row lies with probability ``level``, (row,) each: Student's t."""
        mean, std = self._scaled(X)
        half = student.ppf((1 + level) / 2, self.dof_) * std
        low, high = mean - half, mean + half
        low, high = (np.exp(low), np.exp(high)) if self.log_ else (low, high)
        return np.clip(low, *self.valid_range), np.clip(high, *self.valid_range)

    def probability(self, X: np.ndarray, low: float, high: float) -> np.ndarray:
        """How probable it is that a new row lies between two values of the target, (row,)."""
        mean, std = self._scaled(X)
        if self.log_:
            low, high = (np.log(bound) if bound > 0 else -np.inf for bound in (low, high))
        std = np.maximum(std, 1e-12 * self.spread_)
        return student.cdf((high - mean) / std, self.dof_) - student.cdf((low - mean) / std, self.dof_)

    def _scaled(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation on the scale of the fit, the target's or its logarithm's."""
        mean, std = self.model_.predict(self.scaler_.transform(X), return_std=True)
        return self.offset_ + self.spread_ * mean, self.spread_ * std

    def _if_trees_fail_between(
        self, fitted: dict[RegressorName, Regressor], X: np.ndarray, y: np.ndarray
    ) -> RegressorName:
        """Gradient boosting where it is the best for held-out combinations of features, too; else the next.

        Trees learn the combinations that they have seen by heart, which is what other groups of the same
        combinations reward, and are steps in between.
        """
        others = {name: error for name, error in self.errors_.items() if name != "gradient_boosting"}
        second = min(others, key=others.get)
        combination = np.unique(X, axis=0, return_inverse=True)[1].ravel()
        errors = self._held_out_errors((second, "gradient_boosting"), fitted, X, y, combination)
        return min(errors, key=errors.get) if errors else second

    def _held_out_errors(
        self,
        names: Sequence[RegressorName],
        fitted: dict[RegressorName, Regressor],
        X: np.ndarray,
        y: np.ndarray,
        groups: np.ndarray,
    ) -> dict[RegressorName, float]:
        """Root-mean-square error of each candidate on held-out groups; empty where folds would train on one.

        The Gaussian process keeps the kernel parameters that it found on all rows, which makes the
        comparison several times faster. They are the most likely ones, not those that suit the held-out rows.
        """
        if len(np.unique(groups)) < 3:
            return {}
        squares = dict.fromkeys(names, 0.0)
        for train, test in grouped_folds(groups):
            scaler = FactorScaler(self.factor).fit(X[train])
            seen, unseen = scaler.transform(X[train]), scaler.transform(X[test])
            for name in names:
                candidate = _trees() if name == "gradient_boosting" else _new(name, like=fitted[name])
                predicted = _fit(candidate, seen, y[train]).predict(unseen)
                squares[name] += float(np.sum((y[test] - predicted) ** 2))
        return {name: float(np.sqrt(total / len(y))) for name, total in squares.items()}


def scatters_in_proportion(X: np.ndarray, y: np.ndarray) -> bool:
    """Whether the logarithm of a positive target has the more even scatter among rows of equal features.

    The two likelihoods of Box and Cox (1964), equation 8: of the target, and of its logarithm with the
    Jacobian 1/y, both with a mean a combination of features. False without repeated combinations.

    >>> size, combination = np.array([1.0, 1.2, 10.0, 12.0, 100.0, 120.0]), np.repeat([[1], [2], [3]], 2, 0)
    >>> scatters_in_proportion(combination, size)
    True
    """
    if y.min() <= 0:
        return False
    _, member = np.unique(X, axis=0, return_inverse=True)
    count = np.bincount(member.ravel())
    repeated = count[member.ravel()] > 1
    if not repeated.any():
        return False

    def residual_squares(values: np.ndarray) -> float:
        mean = np.bincount(member.ravel(), values) / count
        return float(np.sum((values - mean[member.ravel()])[repeated] ** 2))

    # The Jacobian of the rows that have residuals, as a geometric mean, makes the two sums comparable.
    scale = np.exp(np.log(y[repeated]).mean())
    return bool(scale**2 * residual_squares(np.log(y)) < residual_squares(y))


def _candidates(n_rows: int) -> tuple[str, ...]:
    """The regressors that compete on so many rows."""
    return REGRESSORS if n_rows >= _ROWS_FOR_TREES else REGRESSORS[:-1]


def _new(name: RegressorName, like: Regressor | None = None) -> Regressor:
    """An unfitted regressor; a Gaussian process ``like`` a fitted one has its kernel parameters, fixed."""
    if name == "mean":
        return MeanRegressor()
    if name == "ridge":
        return BayesianRidge()
    if like is not None:
        return GaussianProcessRegressor(like.kernel_, optimizer=None, normalize_y=True)
    kernel = ConstantKernel(1.0, (1e-2, 1e2)) * RBF(2.0, _LENGTHS) + WhiteKernel(0.3, (1e-4, 1e1))
    return GaussianProcessRegressor(kernel, normalize_y=True)


def _with_lengths(
    model: GaussianProcessRegressor, X: np.ndarray, y: np.ndarray, factor: np.ndarray
) -> GaussianProcessRegressor:
    """The Gaussian process with a length for every feature, where it gains more likelihood than lengths cost.

    A factor may act on a sharp edge (a phase dissolves within minutes), and a level like no other (a hold
    where all others cool). The search begins from the one length: from anywhere else it is three times as
    long, and may end in a worse place. Along an ordinal factor no length is shorter than levels are apart,
    or, of fewer than five levels, than the one length: there would be nothing between them but the mean.
    """
    signal, noise = model.kernel_.k1, model.kernel_.k2
    one = signal.k2.length_scale
    is_ordinal = np.bincount(factor)[factor] == 1  # a nominal factor has a column a level
    shortest = np.full(X.shape[1], _LENGTHS[0])
    for k in np.flatnonzero(is_ordinal):
        levels = np.unique(X[:, k])
        shortest[k] = np.median(np.diff(levels)) if len(levels) >= _LEVELS_FOR_A_LENGTH else one
    bounds = np.column_stack([np.clip(shortest, *_LENGTHS), np.full(X.shape[1], _LENGTHS[1])])
    start = np.clip(one, bounds[:, 0], bounds[:, 1])
    lengths = RBF(start, bounds)
    several = _fit(GaussianProcessRegressor(signal.k1 * lengths + noise, normalize_y=True), X, y)
    gain = several.log_marginal_likelihood_value_ - model.log_marginal_likelihood_value_
    return several if gain > 0.5 * np.log(len(y)) * (X.shape[1] - 1) else model


def _trees() -> GradientBoostingRegressor:
    """Small trees, few of them: rows are tens to hundreds, and folds many."""
    return GradientBoostingRegressor(
        n_estimators=20, learning_rate=0.3, max_depth=2, min_samples_leaf=3, random_state=0
    )


def _fit(model: Regressor | GradientBoostingRegressor, X: np.ndarray, y: np.ndarray) -> Regressor:
    with warnings.catch_warnings(), config_context(skip_parameter_validation=True, assume_finite=True):
        # A length scale or noise at its bound is an answer here (a plane; no noise), not a failure.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y)


def _parameters(model: Regressor, X: np.ndarray) -> float:
    """How many rows' worth of freedom a fitted regressor takes: the trace of its smoother."""
    if isinstance(model, BayesianRidge):
        squares = np.linalg.svd(X - X.mean(axis=0), compute_uv=False) ** 2
        return 1.0 + float(np.sum(squares / (squares + model.lambda_ / model.alpha_)))
    if isinstance(model, GaussianProcessRegressor):
        signal = model.kernel_.k1(X)
        noise = model.kernel_.k2.noise_level
        return 1.0 + float(np.trace(np.linalg.solve(signal + noise * np.eye(len(X)), signal)))
    # The mean takes one; the spread of trees is of held-out rows, whose deviations are all their own.
    return 1.0
