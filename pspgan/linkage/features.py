"""Process conditions as numbers that a regression can use: units and scales decide, never a factor's name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from ..process import Factor, ProcessCondition, ProcessSpace, Value

# Added to a value in the unit to give kelvin.
_KELVIN_OFFSET = {"k": 0.0, "kelvin": 0.0, "degc": 273.15, "°c": 273.15, "celsius": 273.15}


def feature_names(space: ProcessSpace) -> list[str]:
    """Names of the columns of `process_features`, with units.

    >>> feature_names(ProcessSpace.uhcsdb())[:3]
    ['1/temperature (1/K)', 'ln time (min)', 'cooling=Q']
    """
    return [name for factor in space.factors for name in _names(factor)]


def factor_of_column(space: ProcessSpace) -> np.ndarray:
    """Position in the space of the factor that each column of `process_features` describes, (feature,)."""
    return np.concatenate([np.full(len(_names(f)), i) for i, f in enumerate(space.factors)])


def process_features(space: ProcessSpace, conditions: Sequence[ProcessCondition]) -> np.ndarray:
    """Raw features of conditions, (condition, feature) float64, not yet scaled.

    An ordinal factor on a log axis gives ln(value), as in the power laws of kinetics; a temperature (unit
    degC or K) on a linear axis gives 1/T with T in kelvin, as in Arrhenius' law; any other ordinal factor its
    value; a nominal one a column a level, 1 where the condition has it.

    Raises:
        ValueError: a temperature at or below 0 K.
    """
    columns = [
        [
            column
            for factor, value in zip(space.factors, c.values, strict=True)
            for column in _columns(factor, value)
        ]
        for c in conditions
    ]
    return np.array(columns, dtype=float).reshape(len(columns), len(feature_names(space)))


class FactorScaler(TransformerMixin, BaseEstimator):
    """Centre every column and give every factor, all its columns together, unit variance.

    So a nominal factor with four columns weighs as much as a temperature with one. A factor that does not
    vary in the training rows becomes zero, in every row.

    Args:
        factor: the factor that each column belongs to, (feature,), see `factor_of_column`.
    """

    def __init__(self, factor: np.ndarray):
        self.factor = factor

    def fit(self, X: np.ndarray, y: None = None) -> FactorScaler:
        factor = np.asarray(self.factor)
        self.mean_ = X.mean(axis=0)
        total = np.bincount(factor, weights=X.var(axis=0))
        # Rounding alone gives a constant column a variance of about (eps * value)^2.
        varies = total > 1e-20 * np.bincount(factor, weights=X.mean(axis=0) ** 2)
        self.scale_ = np.sqrt(np.where(varies, total, 1.0))[factor]
        self.scale_[~varies[factor]] = np.inf
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        return (X - self.mean_) / self.scale_


def _is_temperature(factor: Factor) -> bool:
    return factor.kind == "ordinal" and factor.scale == "linear" and factor.unit.casefold() in _KELVIN_OFFSET


def _names(factor: Factor) -> list[str]:
    unit = f" ({factor.unit})" if factor.unit else ""
    if factor.kind == "nominal":
        return [f"{factor.name}={level}" for level in factor.levels]
    if factor.scale == "log":
        return [f"ln {factor.name}{unit}"]
    return [f"1/{factor.name} (1/K)"] if _is_temperature(factor) else [f"{factor.name}{unit}"]


def _columns(factor: Factor, value: Value) -> list[float]:
    if factor.kind == "nominal":
        return [float(value == level) for level in factor.levels]
    if not _is_temperature(factor):
        return [factor.coordinate(value)]
    kelvin = value + _KELVIN_OFFSET[factor.unit.casefold()]
    if kelvin <= 0:
        raise ValueError(
            f"factor {factor.name}: {factor.format(value)} {factor.unit} is not above absolute zero"
        )
    return [1.0 / kelvin]
