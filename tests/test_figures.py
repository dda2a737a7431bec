"""Figures show what the data say: bars, points, intervals, maps and micrographs against direct sums."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib import pyplot
from synthetic import discs, grid_conditions

from pspgan import figures
from pspgan.ensemble import EnsembleError, build
from pspgan.linkage import Linkage
from pspgan.linkage.means import interval_by_condition
from pspgan.process import ConditionError, Factor, ProcessSpace

SPACE = ProcessSpace(
    (
        Factor("pressure", (3, 1, 2), "ordinal", unit="bar"),
        Factor("hold", (10, 100, 1000), "ordinal", unit="s", scale="log"),
        Factor("bath", ("oil", "water"), "nominal"),
    )
)
CONDITIONS = ["1-10-oil", "1-10-oil", "1-10-oil", "1-100-oil", "1-1000-oil", "2-10-water"]
SPECIMENS = ["a", "a", "b", "c", "d", "e"]
LABELS = ["coarse", "fine", "fine", "fine", "", "coarse"]


def ensemble(size: int = 24, **changes) -> xr.Dataset:
    rng = np.random.default_rng(5)
    arguments = {
        "micrograph": rng.integers(0, 256, (len(CONDITIONS), size, size), dtype=np.uint8),
        "conditions": CONDITIONS,
        "space": SPACE.observing(CONDITIONS),
        "origin": "real",
        "specimen": SPECIMENS,
        "microconstituent": LABELS,
    }
    return build(**(arguments | changes))


def generated(conditions: list[str], seeds: list[int], size: int = 8, reduction: int = 3) -> xr.Dataset:
    images = np.arange(len(conditions), dtype=np.uint8)[:, None, None] * np.ones((1, size, size), np.uint8)
    return build(
        images,
        conditions,
        SPACE.observing(CONDITIONS),
        origin="generated",
        specimen=[f"run:{c}" for c in conditions],
        seed=seeds,
        reduction=reduction,
    )


def statistics(values: list[float], dataset: xr.Dataset) -> xr.Dataset:
    """As `open_statistics` gives them: a descriptor of known values, two-point maps that decay with it."""
    offset = np.arange(-4, 5)
    length = np.hypot(offset[:, None], offset[None, :])
    maps = 0.04 + 0.16 * np.exp(-length[None] / np.asarray(values)[:, None, None])
    return xr.Dataset(
        {
            "size": ("sample", np.asarray(values, float), {"units": "px", "long_name": "grain size"}),
            "two_point": (("sample", "dy", "dx", "correlation"), maps[..., None].astype(np.float32)),
        },
        dict(dataset.coords) | {"dy": offset, "dx": offset, "correlation": ["1,1"]},
    )


def bars(figure) -> dict[str, list[float]]:
    axes = figure.axes[0]
    return {c.get_label(): [bar.get_height() for bar in c] for c in axes.containers}


def test_bars_are_the_counts_in_ascending_order_of_an_ordinal_factor():
    figure = figures.coverage(ensemble(), "pressure")
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["1", "2", "3"]
    assert bars(figure) == {"fine": [3, 0, 0], "coarse": [1, 1, 0], "not labelled": [1, 0, 0]}
    assert figure.axes[0].get_xlabel() == "pressure (bar)"
    tops = [bar.get_y() + bar.get_height() for bar in figure.axes[0].containers[-1]]
    assert tops == [5, 1, 0]


def test_bars_of_a_nominal_factor_keep_its_order_and_need_no_labels():
    dataset = ensemble().drop_vars("microconstituent")
    figure = figures.coverage(dataset, "bath")
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["oil", "water"]
    assert list(bars(figure).values()) == [[5, 1]]
    assert figure.axes[0].get_legend() is None


def test_unknown_factor_is_named():
    with pytest.raises(KeyError, match=r"speed.*pressure, hold, bath"):
        figures.coverage(ensemble(), "speed")


def test_combinations_count_micrographs_and_specimens():
    table = figures.combinations(ensemble(um_per_px=[0.1, 0.2, 0.3, 0.1, 0.1, np.nan]))
    assert table["condition"].tolist() == ["1-10-oil", "1-100-oil", "1-1000-oil", "2-10-water"]
    assert table["micrographs"].tolist() == [3, 1, 1, 1]
    assert table["specimens"].tolist() == [2, 1, 1, 1]
    assert table.loc[0, ["um_per_px_min", "um_per_px_max"]].tolist() == [0.1, 0.3]
    assert np.isnan(table.loc[3, "um_per_px_min"])


def test_micrographs_are_chosen_in_turn_from_the_specimens():
    assert figures.choose(ensemble(), "1-10-oil", 2).tolist() == [0, 2]  # one of a, one of b
    assert figures.choose(ensemble(), "1-10-oil", 9).tolist() == [0, 2, 1]
    assert figures.choose(ensemble(), "3-10-oil", 2).tolist() == []
    assert figures.choose(generated(["1-10-oil"] * 3, [7, 2, 5]), "1-10-oil", 2).tolist() == [1, 2]


def test_real_micrographs_come_at_the_generated_pixel_and_field():
    real = ensemble(size=30)
    shown = figures.comparable(real, [0, 4], generated(["1-10-oil"], [0]))
    averaged = real["micrograph"].values[[0, 4]].reshape(2, 10, 3, 10, 3).mean(axis=(2, 4))
    assert shown.shape == (2, 8, 8)
    np.testing.assert_allclose(shown, averaged[:, 1:9, 1:9], atol=0.5)


def test_reductions_that_are_no_multiples_are_refused():
    with pytest.raises(EnsembleError, match='"reduction" is 2 here and 3'):
        figures.comparable(ensemble(reduction=2), [0], generated(["1-10-oil"], [0]))


def test_side_by_side_shows_the_micrographs_and_marks_what_is_unseen():
    real, fake = ensemble(size=30), generated(["1-10-oil", "1-10-oil", "3-10-oil"], [0, 1, 0])
    figure = figures.side_by_side(real, fake, n=2)
    rows = np.array(figure.axes).reshape(2, 5)
    assert [len(axes.images) for axes in rows[0]] == [1, 1, 0, 1, 1]
    assert [len(axes.images) for axes in rows[1]] == [0, 0, 0, 1, 0]
    np.testing.assert_array_equal(rows[0, 4].images[0].get_array(), fake["micrograph"].values[1])
    np.testing.assert_array_equal(rows[0, 0].images[0].get_array(), figures.comparable(real, [0], fake)[0])
    assert rows[0, 0].get_ylabel() == "1-10-oil"
    assert rows[1, 0].get_ylabel() == "3-10-oil\nunseen"
    with pytest.raises(ConditionError, match="bath"):
        figures.side_by_side(real, fake, ["1-10-air"])


def test_one_scale_bar_where_the_pixel_size_is_one():
    fake = generated(["1-10-oil"], [0]).assign_coords(um_per_px=("sample", [0.3]))
    known = figures.side_by_side(ensemble(size=30, um_per_px=0.1), fake, n=1)
    bar = known.axes[2].lines[0].get_xdata(orig=False)
    assert known.axes[2].get_xlabel() == "1 µm"
    assert bar[1] - bar[0] == pytest.approx(1 / 0.3)
    unknown = figures.side_by_side(ensemble(size=30), fake, n=1)
    assert [len(axes.lines) for axes in unknown.axes] == [0, 0, 1]


def bar_um(axes, um_per_px: float) -> float:
    """Length of a scale bar in um, by its pixels; it must be what stands beside it."""
    start, end = axes.lines[0].get_xdata(orig=False)
    assert (end - start) * um_per_px == pytest.approx(float(axes.get_xlabel().removesuffix(" µm")))
    assert end <= axes.images[0].get_array().shape[1]
    return (end - start) * um_per_px


def test_each_micrograph_has_its_own_scale_bar_where_sizes_are_mixed():
    fake = generated(["1-10-oil"] * 2, [0, 1]).assign_coords(um_per_px=("sample", [0.3, 0.3]))
    real = ensemble(size=30, um_per_px=[0.2, 0.2, 1.0, 1.0, 1.0, 1.0])
    figure = figures.side_by_side(real, fake, n=2)
    left, right, _, *others = figure.axes
    assert [bar_um(left, 0.6), bar_um(right, 3.0)] == pytest.approx([2, 10])  # reduced 3 times
    assert [bar_um(axes, 0.3) for axes in others] == pytest.approx([1, 1])
    alone = figures.side_by_side(real, fake, ["1-100-oil", "3-10-oil"], n=2)  # not generated, and in neither
    assert [len(axes.lines) for axes in alone.axes] == [1] + [0] * 9
    assert bar_um(alone.axes[0], 3.0) == pytest.approx(10)


def test_micrographs_along_the_pixel_size_have_their_scale_bars():
    space = SPACE.with_pixel_sizes([0.1, 0.4])
    conditions, sizes = ["1-10-oil-0.1", "1-10-oil-0.4"], [0.1, 0.4]
    images = np.zeros((4, 32, 32), np.uint8)
    options = {"origin": "generated", "specimen": ["run"] * 4, "seed": [0, 0, 1, 1], "um_per_px": sizes * 2}
    fake = build(images, conditions * 2, space, **options)
    mixed = figures.evolution_micrographs(fake, conditions, n=2)
    assert [bar_um(axes, size) for axes, size in zip(mixed.axes, sizes * 2, strict=True)] == [1, 5, 1, 5]
    one = figures.evolution_micrographs(fake, conditions[:1], n=2)
    assert [len(axes.lines) for axes in one.axes] == [0, 1]
    assert bar_um(one.axes[1], 0.1) == 1
    # What is done to the material decides what evolves, not how it was looked at.
    with pytest.raises(ValueError, match="no two conditions differ"):
        figures.evolution_path(space, space.conditions(conditions))


def test_evolution_follows_the_seed_not_the_position():
    fake = generated(["1-10-oil", "1-10-oil", "1-100-oil", "1-100-oil"], [4, 9, 9, 4])
    figure = figures.evolution_micrographs(fake, ["1-10-oil", "1-100-oil"], n=2)
    grey = [[axes.images[0].get_array()[0, 0] for axes in row] for row in np.array(figure.axes).reshape(2, 2)]
    assert grey == [[0, 3], [1, 2]]
    with pytest.raises(ValueError, match="no seed occurs in all of 1-10-oil, 1-100-oil"):
        figures.evolution_micrographs(generated(["1-10-oil", "1-100-oil"], [0, 1]), ["1-10-oil", "1-100-oil"])


def test_evolution_path_prefers_the_log_factor_then_the_longest_series():
    points = SPACE.conditions(["1-10-oil", "2-10-oil", "3-10-oil", "2-100-water", "2-10-water", "2-1000-oil"])
    factor, path = figures.evolution_path(SPACE, points)
    assert factor.name == "hold"
    assert [str(c) for c in path] == ["2-10-oil", "2-1000-oil"]
    factor, path = figures.evolution_path(SPACE, [c for c in points if c["hold"] == 10])
    assert (factor.name, [c["pressure"] for c in path]) == ("pressure", [1, 2, 3])
    with pytest.raises(ValueError, match="no two conditions differ"):
        figures.evolution_path(SPACE, SPACE.conditions(["1-10-oil", "1-10-water"]))


def test_standard_errors_count_specimens_and_for_generated_micrographs_seeds():
    real = figures.by_condition(statistics([1, 3, 8, 2, 2, 2], ensemble()), "size")
    assert real.loc["1-10-oil"].tolist() == [5.0, 3.0, 2, 3]  # specimens 2 and 8: half their difference
    assert np.isnan(real.loc["1-100-oil", "standard_error"])
    fake = figures.by_condition(statistics([1, 3, 8], generated(["1-10-oil"] * 3, [0, 1, 2])), "size")
    expected = [4.0, np.std([1, 3, 8], ddof=1) / np.sqrt(3), 3, 3]
    np.testing.assert_allclose(fake.loc["1-10-oil"], expected)


def test_intervals_of_means_end_where_the_descriptor_does():
    measured = statistics([1, 3, 8, 2, 2, 2], ensemble())
    half = 6.3138 * 3.0  # Student's t of one degree of freedom, 90 %
    row = interval_by_condition(measured, "size", 0.9).loc["1-10-oil"]
    np.testing.assert_allclose(row[["low", "high"]].astype(float), [5 - half, 5 + half], rtol=1e-4)
    measured["size"].attrs |= {"valid_min": 0.0, "valid_max": 9.0}
    row = interval_by_condition(measured, "size", 0.9)
    assert row.loc["1-10-oil", ["low", "high"]].tolist() == [0.0, 9.0]
    assert row.loc["1-100-oil", ["low", "high"]].isna().all()


def test_descriptor_figures_draw_means_at_their_condition():
    values = [1, 3, 8, 2.5, 4, 2]
    measured = {"real": statistics(values, ensemble())}
    factor, path = figures.evolution_path(SPACE, figures.conditions_in(ensemble()))
    prediction = (path, np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.1, 0.1]))
    along = figures.descriptor_along(measured, "size", factor, path, prediction).axes[0]
    curves = {line.get_label(): line for line in along.lines}
    np.testing.assert_allclose(curves["linkage"].get_ydata(orig=False), [1, 2, 3])
    measured["real"]["size"].attrs["valid_max"] = 3.0
    held = figures.descriptor_along(measured, "size", factor, path, prediction).axes[0]
    tops = [drawn.collections[0].get_paths()[0].vertices[:, 1].max() for drawn in (along, held)]
    np.testing.assert_allclose(tops, [3.1, 3.0])
    data = along.containers[0].lines[0]
    np.testing.assert_allclose(data.get_xdata(orig=False), [10, 100, 1000])
    np.testing.assert_allclose(data.get_ydata(orig=False), [5, 2.5, 4])
    assert (along.get_xscale(), along.get_xlabel(), along.get_ylabel()) == (
        "log",
        "hold (s)",
        "grain size (px)",
    )
    rows = figures.descriptor_comparison(measured, "size", path).axes[0]
    np.testing.assert_allclose(rows.containers[0].lines[0].get_xdata(orig=False), [5, 2.5, 4])
    np.testing.assert_allclose(rows.containers[0].lines[0].get_ydata(orig=False), [0, 1, 2])
    assert [t.get_text() for t in rows.get_yticklabels()] == [c.label for c in path]


def test_two_point_curves_and_maps_are_those_of_the_statistics():
    one = statistics([2.0] * 6, ensemble())
    figure = figures.two_point({"real": one}, "1-10-oil")
    curve = next(line for axes in figure.axes for line in axes.lines if line.get_label().startswith("real"))
    assert curve.get_label() == "real (n = 3)"
    assert curve.get_ydata(orig=False)[0] == pytest.approx(0.2)  # the area fraction
    np.testing.assert_allclose(
        curve.get_ydata(orig=False)[1], 0.04 + 0.16 * np.exp([-1 / 2, -np.sqrt(2) / 2]).mean(), rtol=1e-5
    )
    shown = np.asarray(figure.axes[0].images[0].get_array())
    # S2 = f**2 + (f - f**2) exp(-r/2) by construction, f = 0.2
    assert shown[4, 4] == pytest.approx(1)
    assert shown[4, 6] == pytest.approx(np.exp(-1), rel=1e-5)
    with pytest.raises(ValueError, match="none of the ensembles real has a micrograph of 3-10-oil"):
        figures.two_point({"real": one}, "3-10-oil")
    with pytest.raises(ValueError, match="no correlation of a phase with itself, only 0,1"):
        figures.two_point({"real": one.assign_coords(correlation=["0,1"])}, "1-10-oil")


def test_log_is_read_and_drawn_up_to_a_line_that_was_cut_off(tmp_path):
    lines = [f'{{"images": {i}, "loss_d_real": {4 - i}, "loss_g": {i}}}' for i in (1, 2, 3)]
    # Training writes the variety of a sample in a line of its own.
    lines += [f'{{"images": {i}, "diversity": 0.5}}' for i in (1, 2, 3)]
    (tmp_path / "log.jsonl").write_text("\n".join([*lines, '{"images": 4, "los']))
    log = figures.read_log(tmp_path)
    curves = {line.get_label(): line.get_ydata(orig=False) for line in figures.loss_curves(log).axes[0].lines}
    assert list(curves["generator"]) == [1, 2, 3]
    assert list(curves["discriminator, real"]) == [3, 2, 1]
    assert list(figures.training_variety(log).axes[0].lines[1].get_ydata(orig=False)) == [0.5] * 3
    with pytest.raises(FileNotFoundError, match=r"metrics\.jsonl"):
        figures.read_metrics(tmp_path)
    (tmp_path / "log.jsonl").write_text("\n".join(["{cut", *lines]))
    with pytest.raises(ValueError, match=r"log\.jsonl, line 1"):
        figures.read_log(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"is .* the folder of a training run"):
        figures.read_log(tmp_path / "elsewhere")


def test_figures_of_samples_are_drawn_with_intervals_beside_real_micrographs():
    line = {
        "distance_low": 0.3,
        "distance_high": 0.6,
        "distance_real": 0.15,
        "variety": 0.4,
        "diversity": 0.8,
    }
    shares = {"accuracy_bath": 0.7, "accuracy_bath_real": 0.9}
    log = pd.DataFrame(
        [line | shares | {"images": i, "distance": 1 / i} for i in (2, 1, 3)] + [{"images": 4, "loss_g": 1.0}]
    )
    axes = figures.training_error(log, "distance").axes[0]
    drawn, real = axes.lines
    np.testing.assert_allclose(drawn.get_xydata(), [[1, 1], [2, 1 / 2], [3, 1 / 3]])
    assert set(real.get_ydata()) == {0.15}
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (0.3, 0.6)
    _, diversity, variety = figures.training_variety(log).axes[0].lines
    assert set(diversity.get_ydata()) == {0.8}
    assert set(variety.get_ydata()) == {0.4}
    generated, real = figures.training_accuracy(log).axes[0].lines
    assert generated.get_label() == "bath"
    assert set(generated.get_ydata()) == {0.7}
    assert set(real.get_ydata()) == {0.9}


def test_scores_are_drawn_with_their_intervals_and_cut_at_the_edge():
    line = {"fit": "real", "held_out": "conditions", "unit": "", "r2_low": 0.2, "r2_high": 0.6}
    validation = pd.DataFrame(
        [
            line | {"target": "PC1", "r2": 0.5},
            line | {"target": "size_um", "unit": "um", "r2": -7.0, "r2_low": -9.0},
        ]
    )
    axes = figures.scores(validation, "conditions").axes[0]
    points, _, (ranges,) = axes.containers[0]
    np.testing.assert_allclose(points.get_xdata(orig=False), [0.5, -1.0])
    np.testing.assert_allclose(ranges.get_segments()[0][:, 0], [0.2, 0.6])
    assert [t.get_text() for t in axes.get_yticklabels()] == ["PC1", "size (µm)"]
    with pytest.raises(ValueError, match='no scores on held-out "specimens"'):
        figures.scores(validation, "specimens")


@pytest.fixture(scope="module")
def linkage() -> Linkage:
    return Linkage(n_components=2, regressor="ridge", descriptors=["area_fraction"]).fit(
        discs(grid_conditions(3))
    )


def test_predictions_are_of_held_out_conditions(linkage):
    points = figures.held_out_predictions(linkage, "area_fraction")
    assert len(points) == len(linkage.table_.values)
    truth = linkage.table_.values[:, linkage.targets_.index("area_fraction")]
    np.testing.assert_allclose(points["measured"], truth)
    # Specimens of one condition share one fit that has seen neither, so they share the prediction, and it is
    # not the one of the fit on everything.
    assert (points.groupby("condition")["predicted"].nunique() == 1).all()
    fitted = linkage.predict_arrays(linkage.conditions(points["condition"].tolist()))[0]
    assert np.abs(points["predicted"] - fitted[:, linkage.targets_.index("area_fraction")]).max() > 1e-4
    axes = figures.predicted_against_measured(linkage, "area_fraction").axes[0]
    np.testing.assert_allclose(axes.containers[0].lines[0].get_ydata(orig=False), points["predicted"])
    with pytest.raises(ValueError, match='"hardness" is no target'):
        figures.held_out_predictions(linkage, "hardness")


@pytest.mark.parametrize("factor", ["heat", "hours", "bath"])
def test_every_specimen_is_a_point_in_the_plane_of_components(linkage, factor):
    axes = figures.component_scatter(linkage, factor).axes[0]
    points = np.concatenate([collection.get_offsets() for collection in axes.collections])
    expected = linkage.table_.values[:, :2]
    assert points.shape == expected.shape
    np.testing.assert_allclose(points[np.lexsort(points.T)], expected[np.lexsort(expected.T)])


def test_phases_are_drawn_in_the_colours_of_the_legend_beside_their_micrograph():
    rng = np.random.default_rng(0)
    micrographs = [rng.integers(0, 256, (20, 30), dtype=np.uint8) for _ in range(2)]
    labels = [rng.integers(0, 3, (20, 30), dtype=np.uint8) for _ in range(2)]
    labels[1][:4] = 255
    predictions = [np.zeros((20, 30), np.uint8), np.full((20, 30), 2, np.uint8)]
    names = ["matrix", "network", "needles"]
    figure = figures.segmentations(micrographs, labels, predictions, names, ["best", "worst"], [0.5, np.nan])
    colour_of = {patch.get_label(): patch.get_facecolor()[:3] for patch in figure.legends[0].legend_handles}
    assert list(colour_of) == [*names, "not labelled"]
    for i, row in enumerate(np.reshape(figure.axes, (2, 3))):
        shown = [axes.images[0].get_array() for axes in row]
        np.testing.assert_array_equal(shown[0], micrographs[i])
        for picture, phase in zip(shown[1:], (labels[i], predictions[i]), strict=True):
            for index, name in [*enumerate(names), (255, "not labelled")]:
                np.testing.assert_array_equal((picture == colour_of[name]).all(axis=-1), phase == index)
        assert row[0].get_ylabel() == ("best", "worst")[i]
    assert figure.axes[0].get_xlabel() == "5 µm"  # below half of 30 px of 0.5 um
    assert figure.axes[3].get_xlabel() == ""


def test_no_figure_enters_the_state_of_pyplot():
    pyplot.close("all")  # what other tests of this process left
    figures.coverage(ensemble(), "bath")
    assert pyplot.get_fignums() == []
