"""``dataset.psp``: what one does with an ensemble most often, at the dataset itself.

>>> import pspgan as psp
>>> steel = psp.simulate(n=8, size=32, seed=0, conditions=["800-90-Q", "800-24H-Q"], progress=False)
>>> steel.psp.condition("800-24H-Q").psp.descriptors()["area_fraction"].shape
(4,)
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from .ensemble import EnsembleError, space_of
from .process import ConditionLike

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .statistics import Phases


@xr.register_dataset_accessor("psp")
class EnsembleAccessor:
    """Conditions, figures and statistics of an ensemble, or of a selection of its samples."""

    def __init__(self, dataset: xr.Dataset) -> None:
        self._dataset = dataset

    def condition(self, conditions: Iterable[ConditionLike] | ConditionLike) -> xr.Dataset:
        """The micrographs of one condition or of several.

        Args:
            conditions: in any form that `ProcessSpace.condition` reads: ``"800-5-Q"``, ``"800-24H-Q"``.

        Raises:
            ConditionError: a condition outside the process space.
            EnsembleError: there is no micrograph of a condition.
        """
        asked = [str(point) for point in space_of(self._dataset).conditions(conditions)]
        there = np.array(self._dataset["condition"].values.tolist(), dtype=str)  # zarr's strings, too
        missing = [name for name in asked if name not in there]
        if missing:
            raise EnsembleError(
                f"there is no micrograph of {missing[0]}, there are those of {', '.join(np.unique(there))}"
            )
        return self._dataset.isel(sample=np.flatnonzero(np.isin(there, asked)))

    def plot_grid(self, conditions: Sequence[ConditionLike] | None = None, n: int = 6) -> Figure:
        """Up to ``n`` micrographs of every condition, a row a condition, with scale bars.

        Args:
            conditions: rows; by default all conditions that there are.
            n: columns.

        Raises:
            ConditionError: a condition outside the process space.
        """
        from .figures import micrograph_grid

        return micrograph_grid(self._dataset, conditions, n)

    def two_point(
        self,
        correlations: Sequence[tuple[int, int]] | None = None,
        cutoff: int | None = None,
        phases: Phases | str | os.PathLike[str] = "otsu",
    ) -> xr.DataArray:
        """Two-point statistics of the micrographs, computed now and in memory; not taken as periodic.

        Those that ``pspgan stats`` wrote into a store are opened by `pspgan.open_statistics`.

        Args:
            correlations, cutoff, phases: as `pspgan.compute_statistics` takes them.

        Returns:
            (sample, dy, dx, correlation) float32, with the coordinates of the samples.

        Raises:
            StatisticsError: something does not fit.
        """
        return self._measured(phases, correlations=correlations, cutoff=cutoff)["two_point"]

    def descriptors(
        self, phases: Phases | str | os.PathLike[str] = "otsu", zone: tuple[str, str] | None = None
    ) -> xr.Dataset:
        """Descriptors of the micrographs, in pixels and in micrometres, computed now and in memory.

        Args:
            phases, zone: as `pspgan.compute_statistics` takes them.

        Returns:
            A variable (sample,) a descriptor, with the coordinates of the samples.

        Raises:
            StatisticsError: something does not fit.
        """
        from .statistics import descriptor_names

        measured = self._measured(phases, zone=zone, cutoff=0)
        return measured[descriptor_names(measured)]

    def _measured(
        self,
        phases: Phases | str | os.PathLike[str],
        *,
        cutoff: int | None,
        correlations: Sequence[tuple[int, int]] | None = None,
        zone: tuple[str, str] | None = None,
    ) -> xr.Dataset:
        from .statistics import common_settings, measure_statistics
        from .statistics.phases import phases_of

        common = common_settings(
            [self._dataset], phases=phases, cutoff=cutoff, correlations=correlations, zone=zone
        )
        return measure_statistics(self._dataset, settings=common, phases=phases_of(phases))[0]
