"""Micrographs side by side: real beside generated (the paper's Fig. 4), and along one factor (Fig. 6)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..ensemble import EnsembleError, space_of
from ..process import ConditionLike, ProcessCondition
from ..scale_bar import scale_bar_um
from ..sources.imaging import area_average
from .style import GENERATED, INK, REAL

_CELL = 1.15  # inch a micrograph takes in a figure


def conditions_in(dataset: xr.Dataset) -> list[ProcessCondition]:
    """The conditions that an ensemble holds, sorted by the factors' values."""
    space = space_of(dataset)
    names = np.unique(dataset["condition"].values.astype(str))
    return sorted(space.conditions(names.tolist()), key=lambda condition: condition.values)


def choose(dataset: xr.Dataset, condition: str, n: int) -> np.ndarray:
    """Sample indices of up to ``n`` micrographs of a condition, taken in turn from its specimens.

    The choice follows the order in the ensemble (the seeds, where it was generated), never the looks.

    Returns:
        (<= n,) indices; empty where the ensemble has no micrograph of the condition.
    """
    found = np.flatnonzero(dataset["condition"].values.astype(str) == str(condition))
    if "seed" in dataset.variables:
        return found[np.argsort(dataset["seed"].values[found], kind="stable")][:n]
    specimen = dataset["specimen"].values.astype(str)[found]
    turn = np.zeros(len(found), dtype=int)
    for name in np.unique(specimen):
        turn[specimen == name] = np.arange(np.sum(specimen == name))
    return found[np.lexsort((np.arange(len(found)), turn))][:n]


def comparable(dataset: xr.Dataset, samples: Sequence[int] | np.ndarray, like: xr.Dataset) -> np.ndarray:
    """Micrographs at the pixel size and field of another ensemble: area-averaged, then cropped centrally.

    Args:
        dataset: the ensemble to show, of the finer or the same reduction.
        samples: which of its micrographs.
        like: the ensemble whose ``attrs["reduction"]`` and image size count.

    Returns:
        (sample, y, x) uint8, no larger than a micrograph of ``like``.

    Raises:
        EnsembleError: the reductions of the two ensembles are not multiples.
    """
    factor, rest = divmod(like.attrs.get("reduction", 1), dataset.attrs.get("reduction", 1))
    if factor < 1 or rest:
        raise EnsembleError(
            f'attribute "reduction" is {dataset.attrs.get("reduction", 1)} here and'
            f" {like.attrs.get('reduction', 1)} in the ensemble to compare with; the second must be a"
            " multiple of the first"
        )
    images = area_average(dataset["micrograph"].isel(sample=list(samples)).values, factor)
    height, width = (min(a, b) for a, b in zip(images.shape[1:], like["micrograph"].shape[1:], strict=True))
    top, left = (images.shape[1] - height) // 2, (images.shape[2] - width) // 2
    return images[:, top : top + height, left : left + width]


def side_by_side(
    real: xr.Dataset, generated: xr.Dataset, conditions: Sequence[ConditionLike] | None = None, n: int = 4
) -> Figure:
    """Real micrographs on the left, generated ones on the right, one row a condition (the paper's Fig. 4).

    Real micrographs are shown at the pixel size and field of the generated ones. A condition without a real
    micrograph is marked. A row of one pixel size has one scale bar; in others each micrograph has its own,
    where its pixel size is known.

    Args:
        real: an ensemble of real or simulated micrographs.
        generated: an ensemble of generated ones, or of simulated ones to set beside real ones.
        conditions: rows, in any notation; all conditions of ``generated`` unless given.
        n: micrographs a side.

    Raises:
        ConditionError: a condition outside the process space.
    """
    rows = space_of(generated).conditions(conditions) if conditions else conditions_in(generated)
    figure = Figure(
        figsize=(_CELL * (2 * n + 1), _CELL * len(rows) + 0.4), layout="constrained", facecolor="white"
    )
    grid = figure.subplots(len(rows), 2 * n + 1, squeeze=False, width_ratios=[*[1] * n, 0.15, *[1] * n])
    ratio = generated.attrs.get("reduction", 1) // real.attrs.get("reduction", 1)
    for axes, condition in zip(grid, rows, strict=True):
        picked = [choose(dataset, str(condition), n) for dataset in (real, generated)]
        images = [
            comparable(dataset, s, generated) for dataset, s in zip((real, generated), picked, strict=True)
        ]
        for side, start in zip(images, (0, n + 1), strict=True):
            show(axes[start : start + n], side)
        axes[n].axis("off")
        observed = str(condition) in {str(c) for c in conditions_in(real)}
        axes[0].set_ylabel(condition.label + ("" if observed else "\nunseen"), fontsize=9, color=INK)
        pixels = np.concatenate(
            [real["um_per_px"].values[picked[0]] * ratio, generated["um_per_px"].values[picked[1]]]
        )
        first = len(picked[0]) if len(picked[1]) else 0  # generated one, or real where there is none
        scale_bars([one for one in axes if one.images], pixels, at=first)
    grid[0][0].set_title(real.attrs["origin"], fontsize=10, color=REAL, loc="left")
    grid[0][n + 1].set_title(generated.attrs["origin"], fontsize=10, color=GENERATED, loc="left")
    return figure


def micrograph_grid(
    dataset: xr.Dataset, conditions: Sequence[ConditionLike] | None = None, n: int = 6
) -> Figure:
    """Micrographs of one ensemble, a row a condition, specimens in turn.

    There is one scale bar where all have one pixel size, else each micrograph has its own.

    Args:
        dataset: an ensemble.
        conditions: rows, in any notation; all conditions of the ensemble unless given.
        n: micrographs a row, at most.

    Raises:
        ConditionError: a condition outside the process space.
    """
    rows = space_of(dataset).conditions(conditions) if conditions else conditions_in(dataset)
    size = (_CELL * n + 0.8, _CELL * len(rows) + 0.4)
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    grid = figure.subplots(len(rows), n, squeeze=False)
    pixels = []
    for axes, condition in zip(grid, rows, strict=True):
        samples = choose(dataset, str(condition), n)
        show(axes, dataset["micrograph"].isel(sample=samples).values)
        axes[0].set_ylabel(condition.label, fontsize=9, color=INK)
        pixels.append(dataset["um_per_px"].values[samples])
    drawn = [one for one in grid.ravel() if one.images]
    if drawn:
        scale_bars(drawn, np.concatenate(pixels), at=-1)
    return figure


def seeds_along(dataset: xr.Dataset, conditions: Sequence[str], n: int) -> tuple[list[int], np.ndarray]:
    """Latent seeds that an ensemble holds for every one of some conditions, and where they are.

    Returns:
        The ``n`` lowest such seeds, and sample indices (seed, condition).
    """
    condition, seed = dataset["condition"].values.astype(str), dataset["seed"].values
    where = [{int(seed[i]): i for i in np.flatnonzero(condition == str(c))[::-1]} for c in conditions]
    shared = sorted(set.intersection(*map(set, where)))[:n] if where else []
    return shared, np.array([[column[s] for column in where] for s in shared], dtype=int).reshape(
        len(shared), len(where)
    )


def evolution_micrographs(generated: xr.Dataset, conditions: Sequence[ConditionLike], n: int = 3) -> Figure:
    """Generated micrographs along a path of conditions, a latent seed a row (the paper's Fig. 6).

    There is one scale bar where all have one pixel size, else each micrograph has its own.

    Args:
        generated: an ensemble of generated micrographs.
        conditions: the path, for example `evolution_path`'s.
        n: rows, each another seed.

    Raises:
        ValueError: no seed occurs in all of the conditions.
    """
    path = space_of(generated).conditions(conditions)
    seeds, samples = seeds_along(generated, [str(c) for c in path], n)
    if not seeds:
        raise ValueError(
            f"no seed occurs in all of {', '.join(map(str, path))}; generate them with the same seeds"
        )
    size = (_CELL * len(path) + 0.4, _CELL * len(seeds) + 0.4)
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    grid = figure.subplots(len(seeds), len(path), squeeze=False)
    for axes, seed, row in zip(grid, seeds, samples, strict=True):
        show(axes, generated["micrograph"].isel(sample=row).values)
        axes[0].set_ylabel(f"seed {seed}", fontsize=9, color=INK)
    for axes, condition in zip(grid[0], path, strict=True):
        axes.set_title(condition.label, fontsize=9, color=INK)
    scale_bars(grid.ravel(), generated["um_per_px"].values[samples.ravel()], at=-1)
    return figure


def show(axes: Sequence[Axes] | np.ndarray, images: Sequence[np.ndarray] | np.ndarray) -> None:
    """Draw micrographs, (sample, y, x) uint8, one an axes; axes without one stay empty."""
    for i, one in enumerate(axes):
        one.set(xticks=[], yticks=[])
        for spine in one.spines.values():
            spine.set_visible(False)
        if i < len(images):
            one.imshow(images[i], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        elif i == 0:
            one.text(0.0, 0.5, "none", fontsize=9, color=INK, transform=one.transAxes)


def scale_bars(axes: Sequence[Axes] | np.ndarray, um_per_px: np.ndarray, at: int) -> None:
    """Draw below micrographs how long so many µm are: below one of them for all, or below each its own.

    Args:
        axes: each with its micrograph.
        um_per_px: sizes of their pixels; those that are NaN get no bar.
        at: which one gets the bar where all have the same pixel size.
    """
    if len(um_per_px) and np.isfinite(um_per_px).all() and np.allclose(um_per_px, um_per_px[:1], rtol=1e-3):
        axes, um_per_px = [axes[at]], um_per_px[[at]]
    for one, size in zip(axes, um_per_px, strict=True):
        if np.isfinite(size):
            _scale_bar(one, float(size))


def _scale_bar(axes: Axes, um_per_px: float) -> None:
    height, width = axes.images[0].get_array().shape
    length = scale_bar_um(um_per_px, width)
    right, below = width - 1.5, height * 1.04
    axes.autoscale(False)
    axes.plot([right - length / um_per_px, right], [below, below], color=INK, linewidth=2, clip_on=False)
    axes.set_xlabel(f"{length:g} µm", fontsize=8, color=INK, loc="right", labelpad=6)
