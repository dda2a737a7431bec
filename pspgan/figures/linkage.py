"""A linkage in pictures: its scores, predicted against measured, and the space of principal components."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from sklearn.base import clone

from ..linkage.regression import grouped_folds
from ..linkage.suggestion import chances
from ..linkage.validation import LEVEL
from ..process import Factor, Value
from .style import FAINT, GENERATED, INK, PALETTE, REAL, apart, dress, legend, panel, with_unit, wrapped

if TYPE_CHECKING:
    from ..linkage import Linkage

_FIT_COLOURS = {"real": REAL, "simulated": REAL, "generated": GENERATED}
_WORST = -1.0  # R2 below which a score is drawn at the edge


def target_label(name: str, unit: str) -> str:
    """Axis text of a target: ``mean chord length (µm)``."""
    return with_unit(name.removesuffix("_um").replace("_", " "), unit)


def scores(validation: pd.DataFrame, held_out: str) -> Figure:
    """R2 of every target, with its interval, for each fit of a linkage.

    Args:
        validation: a linkage's ``validation_``.
        held_out: ``"specimens"`` or ``"conditions"``.

    Raises:
        ValueError: the validation holds no such scores.
    """
    chosen = validation[validation["held_out"] == held_out]
    if chosen.empty:
        raise ValueError(
            f'no scores on held-out "{held_out}"; there are {", ".join(validation["held_out"].unique())}'
        )
    targets = chosen.drop_duplicates("target")
    figure, axes = panel((5.0, 1.1 + 0.24 * len(targets)))
    axes.axvline(0.0, color=INK, linewidth=0.8)
    rows = {target: i for i, target in enumerate(targets["target"])}
    fits = list(chosen["fit"].unique())
    for k, fit in enumerate(fits):
        one = chosen[(chosen["fit"] == fit) & chosen["r2"].notna()]
        height = one["target"].map(rows) + (k - (len(fits) - 1) / 2) * 0.24
        r2, low, high = (one[name].clip(lower=_WORST) for name in ("r2", "r2_low", "r2_high"))
        colour = _FIT_COLOURS.get(fit, PALETTE[2])
        bars = np.nan_to_num(np.stack([r2 - low, high - r2])).clip(min=0)
        axes.errorbar(
            r2,
            height,
            xerr=bars,
            fmt="oDs^"[k % 4],
            color=colour,
            markersize=4,
            linewidth=1,
            label=f"fit on {fit}",
        )
    axes.set_yticks(
        range(len(rows)),
        [target_label(t, u) for t, u in zip(targets["target"], targets["unit"], strict=True)],
    )
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(_WORST - 0.03, 1.0)
    axes.set_xlabel(f"R² on held-out {held_out}")
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    legend(axes, loc="lower right", bbox_to_anchor=(1.0, 1.0))
    return figure


def held_out_predictions(linkage: Linkage, target: str) -> pd.DataFrame:
    """Each specimen's target beside its prediction by a fit that has not seen the specimen's condition.

    Fits use the specimens that were not generated (all, where only generated ones are there), and the
    regressor that the linkage chose for the target.

    Returns:
        Columns ``condition``, ``specimen``, ``measured``, ``predicted``, ``low`` and ``high`` (between which
        a new specimen lies with 90 %); rows whose target is unknown are left out; empty where only one
        condition is there.

    Raises:
        ValueError: the linkage has no such target.
    """
    if target not in linkage.targets_:
        raise ValueError(f'"{target}" is no target of this linkage; there are {", ".join(linkage.targets_)}')
    table, k = linkage.table_, list(linkage.targets_).index(target)
    rows = table.origin != "generated"
    rows = (rows if rows.any() else ~rows) & np.isfinite(table.values[:, k])
    condition, measured, specimen = table.condition[rows], table.values[rows, k], table.specimen_key[rows]
    features = linkage.features_of(linkage.conditions(condition.tolist()))
    predicted, bounds = np.full(len(measured), np.nan), np.full((2, len(measured)), np.nan)
    folds = grouped_folds(condition) if len(np.unique(condition)) > 1 else ()
    for train, test in folds:
        model = clone(linkage.models_[target]).set_params(regressor=linkage.regressors_[target])
        model.fit(features[train], measured[train], specimen[train])
        predicted[test] = model.predict(features[test])
        bounds[:, test] = model.interval(features[test], LEVEL)
    frame = pd.DataFrame({"condition": condition, "specimen": specimen, "measured": measured})
    return frame.assign(predicted=predicted, low=bounds[0], high=bounds[1]).dropna(subset="predicted")


def predicted_against_measured(linkage: Linkage, target: str) -> Figure:
    """Predictions for held-out conditions against what was measured, a point a specimen, with 90 % intervals.

    Args:
        linkage: a fitted linkage.
        target: one of its targets.

    Raises:
        ValueError: the linkage has no such target.
    """
    points = held_out_predictions(linkage, target)
    unit = linkage.units_[list(linkage.targets_).index(target)]
    figure, axes = panel((4.2, 3.6))
    both = points[["measured", "predicted"]].to_numpy()
    low, high = (both.min(), both.max()) if both.size else (0.0, 1.0)
    margin = 0.06 * (high - low) or 1.0
    limits = (low - margin, high + margin)
    axes.plot(limits, limits, color=INK, linewidth=0.8)
    axes.errorbar(
        points["measured"],
        points["predicted"],
        # A mean of a skewed target may lie outside a narrow interval; never by much.
        yerr=np.clip([points["predicted"] - points["low"], points["high"] - points["predicted"]], 0, None),
        fmt="o",
        color=REAL,
        ecolor=FAINT,
        markersize=4.5,
        linewidth=1.2,
        markeredgewidth=0,
    )
    axes.set(xlim=limits, ylim=limits, xlabel="measured", ylabel="predicted, condition held out")
    axes.set_title(target_label(target, unit))
    return figure


def component_scatter(linkage: Linkage, factor: str) -> Figure:
    """Specimens in the plane of the first two principal components of their two-point statistics.

    Args:
        linkage: a fitted linkage of at least two components.
        factor: the process factor that colours the points: a colour a level, or a colour scale.

    Raises:
        KeyError: no such factor.
        ValueError: the linkage has a single component.
    """
    described = linkage.space_[factor]
    if len(linkage.basis_.explained) < 2:
        raise ValueError("the linkage has one principal component; a plane needs two (n_components=2)")
    table = linkage.table_
    values = np.array([c[factor] for c in linkage.conditions(table.condition.tolist())])
    figure, axes = panel((5.0, 3.6))
    generated = table.origin == "generated"
    kinds = {
        "real": ("o", table.origin == "real"),
        "simulated": ("o", table.origin == "simulated"),
        "generated": ("D", generated),
    }
    kinds = {name: kind for name, kind in kinds.items() if kind[1].any()}
    if described.kind == "ordinal":
        norm = (LogNorm if described.scale == "log" else Normalize)(*described.range)
        for name, (marker, rows) in kinds.items():
            points = axes.scatter(
                *table.values[rows, :2].T,
                c=values[rows],
                norm=norm,
                cmap="viridis",
                marker=marker,
                s=26,
                edgecolors="white" if marker == "o" else INK,
                linewidths=0.5,
                label=name,
            )
        bar = figure.colorbar(points, ax=axes, pad=0.02, label=with_unit(factor, described.unit))
        levels = apart(described, np.unique(values).tolist(), 0.055)
        bar.set_ticks(levels, labels=[described.format(level) for level in levels])
        bar.ax.yaxis.set_minor_formatter(NullFormatter())
        bar.ax.minorticks_off()
        bar.ax.tick_params(labelsize=8)
        bar.outline.set_visible(False)
    else:
        for i, level in enumerate(described.levels):
            for name, (marker, rows) in kinds.items():
                chosen = rows & (values == level)
                if chosen.any():
                    axes.scatter(
                        *table.values[chosen, :2].T,
                        color=PALETTE[i % len(PALETTE)],
                        marker=marker,
                        s=26,
                        edgecolors="white" if marker == "o" else INK,
                        linewidths=0.5,
                        label=f"{level}, {name}" if len(kinds) > 1 else level,
                    )
    explained = linkage.basis_.explained
    axes.set(xlabel=f"PC1 ({explained[0]:.0%} of variance)", ylabel=f"PC2 ({explained[1]:.0%})")
    legend(dress(axes))
    return figure


def suggestions(
    linkage: Linkage,
    target: Mapping[str, float],
    tolerance: float | Mapping[str, float] = 0.1,
    factors: tuple[str, str] | None = None,
) -> Figure:
    """How probable it is to meet a target over two factors, the best over all others; dots were seen.

    Args:
        linkage: a fitted linkage.
        target, tolerance: as for `Linkage.suggest`.
        factors: those of the axes; by default the first two ordinal ones, or the first two.

    Raises:
        ValueError: the space has a single factor, or a target that cannot be.
    """
    space = linkage.space_
    if len(space.factors) < 2:
        raise ValueError(f"a map needs two factors, and this process space has only {space.names[0]}")
    if factors is None:
        # A stable sort: ordinal ones first, each kind in the order of the space.
        first = sorted(space.factors, key=lambda factor: factor.kind == "nominal")
        factors = first[0].name, first[1].name
    x, y = (space[name] for name in factors)
    points, probability = chances(linkage, target, tolerance, between=5)
    best: dict[tuple[float, float], float] = {}
    for c, p in zip(points, probability, strict=True):
        key = _place(x, c[x.name]), _place(y, c[y.name])
        best[key] = max(best.get(key, 0.0), float(p))
    columns, rows = (sorted({key[i] for key in best}) for i in range(2))
    grid = np.array([[best[column, row] for column in columns] for row in rows])
    figure, axes = panel((5.2, 3.6))
    mesh = axes.pcolormesh(columns, rows, grid, cmap="cividis", vmin=0.0, shading="nearest", rasterized=True)
    seen = np.array([(_place(x, c[x.name]), _place(y, c[y.name])) for c in space.observed_conditions])
    if len(seen):
        axes.plot(*seen.T, "o", color="white", markeredgecolor=INK, markersize=4.5)
    for factor, setter, labeller in (
        (x, axes.set_xticks, axes.set_xlabel),
        (y, axes.set_yticks, axes.set_ylabel),
    ):
        levels = list(factor.levels)
        if factor.kind == "ordinal":
            levels = apart(factor, levels, 0.06)
        setter([_place(factor, level) for level in levels], [factor.format(level) for level in levels])
        labeller(with_unit(factor.name, factor.unit))
    bar = figure.colorbar(mesh, ax=axes, pad=0.02, label="probability of the target")
    bar.outline.set_visible(False)
    wanted = ", ".join(
        f"{target_label(name, linkage.units_[list(linkage.targets_).index(name)])} {value:g}"
        for name, value in target.items()
    )
    axes.set_title(wrapped(f"{wanted}; dots: conditions seen", 64), loc="left", fontsize=8.5)
    return figure


def _place(factor: Factor, value: Value) -> float:
    """Where a value lies on an axis: its coordinate, or the number of its level."""
    return float(factor.levels.index(value)) if factor.kind == "nominal" else factor.coordinate(value)
