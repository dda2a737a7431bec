"""Structure as numbers: principal components of two-point statistics, and descriptors, a row a specimen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from sklearn.decomposition import PCA

from ..ensemble import EnsembleError, specimens_seen
from ..process import ProcessSpace
from ..statistics import descriptor_names, valid_range


@dataclass(frozen=True)
class StructureBasis:
    """What turns statistics of micrographs into targets: principal components and a choice of descriptors.

    Args:
        mean: mean two-point statistics, (dy, dx, correlation), with their coordinates.
        components: orthonormal principal directions, (component, dy * dx * correlation).
        explained: share of the variance along each, (component,).
        descriptors: names of the descriptor variables.
        units: unit of each descriptor.
        ranges: least and greatest value that each descriptor can have.
    """

    mean: xr.DataArray
    components: np.ndarray
    explained: np.ndarray
    descriptors: tuple[str, ...]
    units: tuple[str, ...]
    ranges: tuple[tuple[float, float], ...]

    @classmethod
    def fit(
        cls, statistics: xr.Dataset, n_components: int, names: Sequence[str] | None, seed: int
    ) -> StructureBasis:
        """Principal components of the two-point statistics, and the descriptors among ``names``.

        Args:
            statistics: of the reference ensembles, as `pspgan.statistics` writes them.
            n_components: how many principal components; fewer where there are fewer micrographs.
            names: descriptors to keep; None keeps all that have values, but for lengths in pixels that are
                known in micrometres wherever they are known: those would be the same target twice.
            seed: of the randomised solver that large problems use.

        Raises:
            ValueError: a descriptor without values, or fewer than two micrographs.
        """
        two_point = statistics["two_point"].transpose("sample", "dy", "dx", "correlation")
        if two_point.sizes["sample"] < 2:
            raise ValueError("principal components need at least two micrographs")
        flat = two_point.values.reshape(len(two_point), -1).astype(float)
        n_components = min(n_components, len(flat) - 1, flat.shape[1])
        pca = PCA(n_components, random_state=seed).fit(flat)
        every = descriptor_names(statistics)
        available = [name for name in every if np.isfinite(statistics[name].values).any()]
        unknown = [name for name in names or () if name not in available]
        if unknown:
            raise ValueError(f'no values of descriptor "{unknown[0]}"; there are {", ".join(available)}')
        kept = tuple(names) if names is not None else tuple(_once(statistics, available))
        mean = two_point.isel(sample=0, drop=True).copy(data=pca.mean_.reshape(two_point.shape[1:]))
        mean = mean.drop_vars([name for name in mean.coords if name not in mean.dims])
        units = tuple(str(statistics[name].attrs.get("units", "")) for name in kept)
        ranges = tuple(valid_range(statistics[name]) for name in kept)
        explained = np.nan_to_num(pca.explained_variance_ratio_)
        return cls(mean, pca.components_, explained, kept, units, ranges)

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of all targets: ``PC1`` ..., then the descriptors."""
        return (*(f"PC{i + 1}" for i in range(len(self.components))), *self.descriptors)

    @property
    def target_units(self) -> tuple[str, ...]:
        """Unit of each target; scores are dimensionless, as probabilities are."""
        return (*("" for _ in self.components), *self.units)

    @property
    def target_ranges(self) -> tuple[tuple[float, float], ...]:
        """Least and greatest value of each target; scores have no bounds."""
        return (*((-np.inf, np.inf) for _ in self.components), *self.ranges)

    def transform(self, statistics: xr.Dataset) -> np.ndarray:
        """Targets of micrographs, (sample, target) float64; NaN where a descriptor is unknown.

        Raises:
            ValueError: statistics over other vectors or correlations, or without a descriptor of the basis.
        """
        two_point = statistics["two_point"].transpose("sample", "dy", "dx", "correlation")
        for name in ("dy", "dx", "correlation"):
            mine, theirs = self.mean[name].values, two_point[name].values
            if mine.shape != theirs.shape or not np.all(mine == theirs):
                raise ValueError(
                    f"two-point statistics along {name} differ from those of the linkage: {_span(theirs)} "
                    f"against {_span(mine)}; compute the statistics of all ensembles together (pspgan stats)"
                )
        missing = [name for name in self.descriptors if name not in statistics]
        if missing:
            raise ValueError(
                f'descriptor "{missing[0]}" is missing from the statistics; compute them again (pspgan stats)'
            )
        flat = two_point.values.reshape(len(two_point), -1).astype(float)
        scores = (flat - self.mean.values.ravel()) @ self.components.T
        return np.column_stack(
            [scores, *(statistics[name].values.astype(float) for name in self.descriptors)]
        )

    def reconstruct(self, scores: np.ndarray) -> np.ndarray:
        """Two-point statistics from component scores: (n, component) -> (n, dy, dx, correlation)."""
        return self.mean.values + (scores @ self.components).reshape(-1, *self.mean.shape)


@dataclass(frozen=True)
class SpecimenTable:
    """Mean structure of every specimen under every condition: the rows that a linkage is fitted on.

    Attributes:
        origin, specimen, condition: text labels, (row,).
        treatment: of the condition without the pixel size, (row,); what is held out as a condition.
        micrographs: how many micrographs a row averages, (row,).
        values: mean of each target, (row, target); NaN where no micrograph has it.
        counts: of these, micrographs that have the target, (row, target).
        within: variance between the micrographs of a row, (row, target); NaN with fewer than two.
        seen: whether a generator among the ensembles has seen the specimen, or does not say, (row,).
    """

    origin: np.ndarray
    specimen: np.ndarray
    condition: np.ndarray
    treatment: np.ndarray
    micrographs: np.ndarray
    values: np.ndarray
    counts: np.ndarray
    within: np.ndarray
    seen: np.ndarray

    @classmethod
    def of(
        cls, ensembles: Sequence[xr.Dataset], targets: Sequence[np.ndarray], space: ProcessSpace
    ) -> SpecimenTable:
        """Average the targets, (sample, target) each, over the micrographs of a specimen and condition."""
        rows: dict[tuple[str, str, str], list[np.ndarray]] = {}
        for ensemble, values in zip(ensembles, targets, strict=True):
            labels = zip(
                ensemble["specimen"].values.tolist(), ensemble["condition"].values.tolist(), strict=True
            )
            for (specimen, condition), value in zip(labels, values, strict=True):
                key = (ensemble.attrs["origin"], specimen, str(space.condition(condition)))
                rows.setdefault(key, []).append(value)
        keys = sorted(rows)
        blocks = [np.stack(rows[key]) for key in keys]
        origin, specimen, condition = (np.array(column, dtype=str) for column in zip(*keys, strict=True))
        seen = _seen_by_generators(ensembles)
        return cls(
            origin,
            specimen,
            condition,
            np.array([space.condition(text).treatment for text in condition.tolist()]),
            np.array([len(block) for block in blocks]),
            np.stack([_nan_mean(block) for block in blocks]),
            np.stack([np.isfinite(block).sum(axis=0) for block in blocks]),
            np.stack([_nan_variance(block) for block in blocks]),
            np.array([o != "generated" and (seen is None or s in seen) for o, s, _ in keys]),
        )

    @property
    def specimen_key(self) -> np.ndarray:
        """Label that rows of one specimen share, whatever their condition, (row,)."""
        return np.array([f"{o}:{s}" for o, s in zip(self.origin, self.specimen, strict=True)])

    def selection_groups(self, rows: np.ndarray) -> np.ndarray:
        """What must not be split when a regressor is chosen on these rows (mask), (chosen row,).

        Specimens; but conditions where generated rows stand beside others, because the generator has learned
        from the specimens of the same condition.
        """
        origins = set(self.origin[rows])
        return (self.treatment if "generated" in origins and len(origins) > 1 else self.specimen_key)[rows]

    def within_std(self) -> np.ndarray:
        """Spread of single micrographs around their specimen's mean, pooled over rows, (target,)."""
        weight = np.where(np.isfinite(self.within), self.counts - 1, 0)
        with np.errstate(invalid="ignore"):
            return np.sqrt((np.nan_to_num(self.within) * weight).sum(axis=0) / weight.sum(axis=0))


def _seen_by_generators(ensembles: Sequence[xr.Dataset]) -> set[str] | None:
    """Specimens that the generators of some ensembles have seen; None where one does not say."""
    try:
        return {
            name
            for ensemble in ensembles
            if ensemble.attrs["origin"] == "generated"
            for name in specimens_seen(ensemble)
        }
    except EnsembleError:
        return None


def _once(statistics: xr.Dataset, names: Sequence[str]) -> list[str]:
    """Leave out what is in pixels where the same in micrometres misses nothing."""

    def known(name: str) -> np.ndarray:
        return np.isfinite(statistics[name].values)

    return [name for name in names if f"{name}_um" not in names or (known(name) & ~known(f"{name}_um")).any()]


def _nan_mean(block: np.ndarray) -> np.ndarray:
    count = np.isfinite(block).sum(axis=0)
    return np.where(count, np.nansum(block, axis=0) / np.maximum(count, 1), np.nan)


def _nan_variance(block: np.ndarray) -> np.ndarray:
    count = np.isfinite(block).sum(axis=0)
    squares = np.nansum((block - _nan_mean(block)) ** 2, axis=0)
    return np.where(count > 1, squares / np.maximum(count - 1, 1), np.nan)


def _span(values: np.ndarray) -> str:
    return f"{len(values)} values {values[0]} to {values[-1]}"
