"""Two-point statistics of a condition: mean maps and radial averages, real beside generated.

The functions take datasets of statistics (`pspgan.statistics.open_statistics`): ``two_point`` (sample, dy,
dx, correlation), the coordinate ``condition``, and ``seed`` where micrographs were generated.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from ..statistics.profiles import radial_average
from .style import FAINT, GENERATED, REAL, SEQUENTIAL, dress, legend

_REACH = 16  # px: longest component of the vectors that a map shows
_TOP = 0.5  # autocovariance at the upper end of the colour scale; the peak of 1 says nothing


def is_generated(dataset: xr.Dataset) -> bool:
    """Whether the samples were generated: only those have latent seeds."""
    return "seed" in dataset.coords


def colour_of(dataset: xr.Dataset) -> str:
    """The colour that sets generated ensembles apart from the others."""
    return GENERATED if is_generated(dataset) else REAL


def autocorrelation(statistics: xr.Dataset) -> str:
    """The correlation to show, that of the last phase with itself: ``"1,1"``.

    Raises:
        ValueError: the statistics hold correlations between different phases only.
    """
    names = statistics["correlation"].values.astype(str).tolist()
    same = [name for name in names if len(set(name.split(","))) == 1]
    if not same:
        raise ValueError(
            f"the statistics hold no correlation of a phase with itself, only {', '.join(names)}"
        )
    return max(same)


def two_point_of(statistics: xr.Dataset, condition: str) -> np.ndarray:
    """Autocorrelations of all micrographs of a condition, (sample, dy, dx) float32."""
    index = statistics["correlation"].values.astype(str).tolist().index(autocorrelation(statistics))
    found = np.flatnonzero(statistics["condition"].values.astype(str) == str(condition))
    return (
        statistics["two_point"].isel(sample=found, correlation=index).transpose("sample", "dy", "dx").values
    )


def autocovariance(maps: np.ndarray) -> np.ndarray:
    """Normalised autocovariance, (sample, dy, dx): 1 at the zero vector, 0 where the ends are independent.

    It is ``(S2 - f**2) / (f - f**2)`` with the area fraction f = S2(0), and shows size and orientation
    whatever the area fraction. Micrographs of a single phase are NaN.
    """
    fraction = maps[:, maps.shape[1] // 2, maps.shape[2] // 2][:, None, None].astype(float)
    variance = fraction - fraction**2
    return (maps - fraction**2) / np.where(variance > 0, variance, np.nan)


def two_point(statistics: Mapping[str, xr.Dataset], condition: str) -> Figure:
    """Two-point statistics of a condition, ensemble beside ensemble.

    Above, mean maps of the normalised autocovariance on one colour scale, of the inner vectors; below,
    radially averaged two-point statistics, with their standard deviation over micrographs as a band.

    Args:
        statistics: name of an ensemble -> its statistics, one or two; those without a micrograph of the
            condition are left out.
        condition: the condition, in canonical notation.

    Raises:
        ValueError: no ensemble has a micrograph of the condition, or no statistics are autocorrelations.
    """
    maps = {name: two_point_of(one, condition) for name, one in statistics.items()}
    maps = {name: one for name, one in maps.items() if len(one)}
    if not maps:
        raise ValueError(f"none of the ensembles {', '.join(statistics)} has a micrograph of {condition}")
    figure = Figure(figsize=(5.0, 4.7), layout="constrained", facecolor="white")
    grid = figure.add_gridspec(2, 2, height_ratios=[1.0, 1.15])
    _draw_maps(figure, grid, {name: (statistics[name], one) for name, one in maps.items()})
    axes = dress(figure.add_subplot(grid[1, :]))
    for name, one in maps.items():
        length, average = radial_average(one, statistics[name]["dy"].values, statistics[name]["dx"].values)
        mean, spread = average.mean(0), average.std(0)
        colour = colour_of(statistics[name])
        style = "--" if is_generated(statistics[name]) else "-"
        axes.fill_between(length, mean - spread, mean + spread, color=colour, alpha=0.18, linewidth=0)
        axes.plot(
            length, mean, color=colour, linestyle=style, linewidth=1.6, label=f"{name} (n = {len(one)})"
        )
    axes.set(xlabel="vector length (px)", ylabel="two-point probability")
    axes.set_xlim(0, None)
    axes.grid(color=FAINT, linewidth=0.6)
    legend(axes)
    return figure


def _draw_maps(figure: Figure, grid: GridSpec, maps: Mapping[str, tuple[xr.Dataset, np.ndarray]]) -> None:
    drawn = []
    for column, (name, (statistics, one)) in enumerate(maps.items()):
        reach = min(_REACH, one.shape[1] // 2)
        centre = one.shape[1] // 2
        inner = slice(centre - reach, centre + reach + 1)
        covariance = autocovariance(one)[:, inner, inner]
        known = np.isfinite(covariance).all(axis=(1, 2))
        mean = (
            covariance[known].mean(axis=0) if known.any() else np.full((2 * reach + 1, 2 * reach + 1), np.nan)
        )
        axes = dress(figure.add_subplot(grid[0, column]))
        edge = reach + 0.5
        drawn.append(
            axes.imshow(mean, cmap=SEQUENTIAL, vmin=0.0, vmax=_TOP, extent=(-edge, edge, edge, -edge))
        )
        axes.set_title(name, color=colour_of(statistics))
        axes.set(xlabel="dx (px)", xticks=[-reach, 0, reach], yticks=[-reach, 0, reach])
        if column == 0:
            axes.set_ylabel("dy (px)")
    bar = figure.colorbar(drawn[-1], ax=[image.axes for image in drawn], shrink=0.9, pad=0.02, extend="both")
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
