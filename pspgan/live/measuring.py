"""How micrographs that are generated on the spot are measured: as those beside them were, if they can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import xarray as xr

from ..report.blocks import Missing
from ..statistics import (
    Phases,
    StatisticsError,
    common_settings,
    measure_statistics,
    settings_of,
    stored_phases,
)


@dataclass(frozen=True)
class Measuring:
    """Settings of statistics, and what they can be set beside. Made by `measuring_like`.

    Attributes:
        settings, phases: as `pspgan.statistics.measure_statistics` takes them.
        statistics: origin -> statistics that were measured alike.
        missing: why those of a store are not among them.
    """

    settings: Mapping[str, Any]
    phases: Phases | None
    statistics: Mapping[str, xr.Dataset]
    missing: Missing | None

    def measure(self, ensemble: xr.Dataset) -> xr.Dataset:
        """Statistics of an ensemble in memory."""
        return measure_statistics(ensemble, settings=self.settings, phases=self.phases)[0]


def measuring_like(
    statistics: Mapping[str, xr.Dataset] | Missing, generated: xr.Dataset, together: str
) -> Measuring:
    """Measure as statistics of stores were measured; where there are none that fit, as `pspgan stats` does.

    Args:
        statistics: origin -> statistics, or what is missing.
        generated: a few micrographs of those that are to be measured.
        together: the command that measures both alike.
    """
    missing = statistics if isinstance(statistics, Missing) else None
    if not isinstance(statistics, Missing) and statistics:
        one = next(iter(statistics.values()))
        stored = Measuring(settings_of(one), stored_phases(one), statistics, None)
        try:
            stored.measure(generated)
            return stored
        except StatisticsError as error:
            missing = Missing(
                "What is generated now cannot be measured as the store was, and is shown without its numbers"
                f" beside it: {error}. Both are measured alike by:",
                together,
            )
    own = Measuring(common_settings([generated]), None, {}, missing)
    return Measuring(own.settings, None, {"generated": own.measure(generated)}, missing)
