"""scikit-learn transformers beside `Phases`: they work in a Pipeline, alone and with PyMKS's own.

>>> from sklearn.decomposition import PCA
>>> from sklearn.pipeline import make_pipeline
>>> from pspgan.statistics import Flatten, Phases, TwoPointStatistics
>>> micrographs = np.random.default_rng(0).integers(0, 256, (5, 16, 16))
>>> steps = Phases("otsu"), TwoPointStatistics([(1, 1)], cutoff=4), Flatten(), PCA(2)
>>> make_pipeline(*steps).fit_transform(micrographs).shape
(5, 2)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import dask.array
import numpy as np
import xarray as xr
from sklearn.base import BaseEstimator, TransformerMixin

from .descriptors import descriptor_names, descriptors
from .two_point import Array, two_point_statistics

if TYPE_CHECKING:
    from sklearn.utils import Tags


class _Stateless(TransformerMixin, BaseEstimator):
    """Nothing is learned: samples are treated one by one."""

    def fit(self, X: object = None, y: object = None) -> Self:
        """Does nothing; for pipelines.

        Args:
            X, y: not used.
        """
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


class TwoPointStatistics(_Stateless):
    """States to auto- and cross-correlations, as `pymks.TwoPointCorrelation`, by `two_point_statistics`.

    Args:
        correlations, periodic, cutoff, engine, dtype: as `two_point_statistics` takes them.
    """

    def __init__(
        self,
        correlations: Sequence[tuple[int, int]] = ((0, 0), (0, 1)),
        periodic: bool = True,
        cutoff: int | None = None,
        *,
        engine: str = "native",
        dtype: str = "float64",
    ) -> None:
        self.correlations = correlations
        self.periodic = periodic
        self.cutoff = cutoff
        self.engine = engine
        self.dtype = dtype

    def transform(self, X: Array) -> Array:
        """(sample, y, x, state) -> (sample, 2 cutoff + 1, 2 cutoff + 1, correlation).

        Args:
            X: share of each state in each pixel, numpy, torch or dask.

        Raises:
            ValueError: something does not fit, see `two_point_statistics`.
        """
        return two_point_statistics(
            X, self.correlations, self.periodic, self.cutoff, engine=self.engine, dtype=self.dtype
        )


class Descriptors(_Stateless):
    """States to descriptors with units, a column each, by `descriptors`.

    Args:
        um_per_px: size of a pixel in micrometre; None leaves lengths in pixels.
        phases: names of the states; by default ``dark`` and ``bright``.
        names: descriptors to keep, as `get_feature_names_out` lists them; None keeps all.
    """

    def __init__(
        self,
        um_per_px: float | None = None,
        *,
        phases: Sequence[str] = ("dark", "bright"),
        names: Sequence[str] | None = None,
    ) -> None:
        self.um_per_px = um_per_px
        self.phases = phases
        self.names = names

    def transform(self, X: np.ndarray | dask.array.Array) -> np.ndarray:
        """(sample, y, x, state) -> (sample, descriptor) float64; NaN where there is nothing to measure.

        Args:
            X: share of each state in each pixel; a pixel counts as the state that has the largest.

        Raises:
            ValueError: ``X``, ``phases`` or ``names`` do not fit.
        """
        if X.ndim != 4 or X.shape[-1] != len(self.phases):
            raise ValueError(
                f"states must be (sample, y, x, {len(self.phases)} states), got shape {X.shape}; "
                "phases= names others"
            )
        phase = np.asarray(X).argmax(axis=-1)
        measured = self._measured(phase)
        return np.stack([measured[name].values for name in self._kept(measured)], axis=1)

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Names of the columns.

        Args:
            input_features: not used.
        """
        return np.array(self._kept(self._measured(np.zeros((1, 2, 2), int))), dtype=object)

    def _measured(self, phase: np.ndarray) -> xr.Dataset:
        scale = np.nan if self.um_per_px is None else self.um_per_px
        return descriptors(phase, scale, phases=self.phases)

    def _kept(self, measured: xr.Dataset) -> list[str]:
        known = descriptor_names(measured, "px" if self.um_per_px is None else "um")
        unknown = [name for name in self.names or () if name not in known]
        if unknown:
            raise ValueError(f'"{unknown[0]}" is none of the descriptors {", ".join(known)}')
        return known if self.names is None else list(self.names)


class Flatten(_Stateless):
    """All but the first axis into one, as what follows in a pipeline wants it.

    Takes the place of `pymks.FlattenTransformer`, which fails with current versions of its dependencies.
    """

    def transform(self, X: Array) -> Array:
        """(sample, ...) -> (sample, feature).

        Args:
            X: numpy, torch or dask.
        """
        return X.reshape((X.shape[0], -1))
