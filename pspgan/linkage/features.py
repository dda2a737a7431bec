"""Process conditions as numbers that a regression can use: units and axes decide, or the user does."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from ..process import Factor, ProcessCondition, ProcessSpace, Value
from .units import is_temperature, kelvin

Form = Literal["linear", "log", "reciprocal", "arrhenius"]

# How an ordinal factor may enter, by the word for it: what its column is called, and how it is computed.
_FORMS: dict[Form, tuple[str, Callable[[float], float]]] = {
    "linear": ("{name}{unit}", float),
    "log": ("ln {name}{unit}", math.log),
    "reciprocal": ("1/{name}{unit}", lambda value: 1.0 / value),
    "arrhenius": ("1/{name} (1/K)", lambda kelvin: 1.0 / kelvin),
}


def form_of(factor: Factor, features: Mapping[str, Form] | None = None) -> Form:
    """How an ordinal factor enters: as ``features`` says, else as its unit and axis suggest.

    >>> time = Factor("time", (5, 90), "ordinal", unit="min", scale="log")
    >>> form_of(time), form_of(time, {"time": "linear"})
    ('log', 'linear')
    """
    if features and factor.name in features:
        return features[factor.name]
    if factor.scale == "log":
        return "log"
    return "arrhenius" if is_temperature(factor) else "linear"


def check_features(space: ProcessSpace, features: Mapping[str, Form] | None) -> None:
    """Check that a choice of features fits the factors.

    Raises:
        ValueError: an unknown factor or form, a nominal factor, or values that the form cannot take.
    """
    for name, form in (features or {}).items():
        if name not in space.names:
            raise ValueError(f'features: no factor "{name}"; this process space has {", ".join(space.names)}')
        factor = space[name]
        if factor.kind == "nominal":
            raise ValueError(
                f"features: {name} is nominal, a column a level; only ordinal factors have a form"
            )
        if form not in _FORMS:
            raise ValueError(f'features: {name}: "{form}" is none of {", ".join(_FORMS)}')
        if form == "arrhenius" and not is_temperature(factor):
            raise ValueError(
                f"features: {name}: arrhenius is 1/T of a temperature in degC or K, not of what has the unit "
                f'"{factor.unit}"; take reciprocal'
            )
        if form in ("log", "reciprocal") and min(factor.levels) <= 0:
            raise ValueError(
                f"features: {name}: {form} needs values above 0, and a level is {factor.range[0]:g}"
            )


def feature_names(space: ProcessSpace, features: Mapping[str, Form] | None = None) -> list[str]:
    """Names of the columns of `process_features`, with units.

    >>> feature_names(ProcessSpace.uhcsdb())[:3]
    ['1/temperature (1/K)', 'ln time (min)', 'cooling=Q']
    """
    return [name for factor in space.factors for name in _names(factor, features)]


def factor_of_column(space: ProcessSpace) -> np.ndarray:
    """Position in the space of the factor that each column of `process_features` describes, (feature,)."""
    return np.concatenate([np.full(len(_names(f)), i) for i, f in enumerate(space.factors)])


def process_features(
    space: ProcessSpace, conditions: Sequence[ProcessCondition], features: Mapping[str, Form] | None = None
) -> np.ndarray:
    """Raw features of conditions, (condition, feature) float64, not yet scaled.

    An ordinal factor on a log axis gives ln(value), as in the power laws of kinetics; a temperature (unit
    degC or K) on a linear axis gives 1/T with T in kelvin, as in Arrhenius' law; any other ordinal factor its
    value, each unless ``features`` names another form for it: ``"linear"`` (the value), ``"log"``,
    ``"reciprocal"`` (1/value) or ``"arrhenius"``. A nominal factor gives a column a level, 1 where the
    condition has it.

    Raises:
        ValueError: a temperature at or below 0 K.
    """
    columns = [
        [
            column
            for factor, value in zip(space.factors, c.values, strict=True)
            for column in _columns(factor, value, features)
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

    mean_: np.ndarray
    scale_: np.ndarray

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


def _names(factor: Factor, features: Mapping[str, Form] | None = None) -> list[str]:
    if factor.kind == "nominal":
        return [f"{factor.name}={level}" for level in factor.levels]
    unit = f" ({factor.unit})" if factor.unit else ""
    return [_FORMS[form_of(factor, features)][0].format(name=factor.name, unit=unit)]


def _columns(factor: Factor, value: Value, features: Mapping[str, Form] | None) -> list[float]:
    if factor.kind == "nominal":
        return [float(value == level) for level in factor.levels]
    form = form_of(factor, features)
    return [_FORMS[form][1](kelvin(factor, value) if form == "arrhenius" else value)]
