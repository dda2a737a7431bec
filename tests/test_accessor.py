"""``dataset.psp`` gives what the functions behind it give."""

import numpy as np
import pytest
import xarray as xr
from synthetic import discs

import pspgan as psp
from pspgan import figures
from pspgan.process import ConditionError
from pspgan.statistics import compute_statistics

CONDITIONS = ["500-1-oil", "600-4-water", "600-64-oil"]


@pytest.fixture(scope="module")
def dataset():
    return discs(CONDITIONS, specimens=1, fields=3)


def test_micrographs_of_a_condition_in_any_notation(dataset):
    assert dataset.psp.condition("600-4-water").sizes["sample"] == 3
    assert set(dataset.psp.condition({"heat": 600, "hours": 64, "bath": "oil"})["condition"].values) == {
        "600-64-oil"
    }
    both = dataset.psp.condition(["600-64-oil", "500-1-oil"])
    assert both["condition"].values.tolist() == ["500-1-oil"] * 3 + ["600-64-oil"] * 3
    psp.validate(both)
    with pytest.raises(
        psp.EnsembleError, match="no micrograph of 700-4-oil, there are those of 500-1-oil, 600"
    ):
        dataset.psp.condition("700-4-oil")
    with pytest.raises(ConditionError, match="mud"):
        dataset.psp.condition("600-4-mud")


def test_statistics_are_those_of_the_store(dataset, tmp_path):
    store = psp.write_ensemble(dataset, tmp_path / "discs.zarr", progress=False)
    (stored,) = compute_statistics(store, cutoff=9, correlations=[(0, 1)], phases="local", progress=False)
    part = psp.open_ensemble(store).psp.condition("600-4-water")
    where = np.flatnonzero(dataset["condition"].values == "600-4-water")
    two_point = part.psp.two_point([(0, 1)], 9, "local")
    xr.testing.assert_allclose(two_point, stored["two_point"].isel(sample=where))
    measured = part.psp.descriptors("local")
    assert {"area_fraction", "mean_chord_length_um", "grain_size_number"} < set(measured)
    assert all(variable.dims == ("sample",) for variable in measured.data_vars.values())
    for name in measured:
        xr.testing.assert_equal(measured[name], stored[name].isel(sample=where))


def test_the_grid_shows_the_micrographs(dataset):
    figure = dataset.psp.plot_grid(["600-64-oil", "500-1-oil"], n=2)
    shown = [axes.images[0].get_array() for axes in figure.axes]
    samples = [i for c in ("600-64-oil", "500-1-oil") for i in figures.choose(dataset, c, 2)]
    np.testing.assert_array_equal(shown, dataset["micrograph"].values[samples])
    assert [axes.get_ylabel() for axes in figure.axes[::2]] == ["600-64-oil", "500-1-oil"]
    assert sum(bool(axes.lines) for axes in figure.axes) == 1  # one scale bar: all have one pixel size
    assert len(dataset.psp.plot_grid(n=5).axes) == 3 * 5


def test_datasets_opened_with_xarray_have_it_too(dataset, tmp_path):
    store = psp.write_ensemble(dataset, tmp_path / "discs.zarr", progress=False)
    opened = xr.open_zarr(store, consolidated=False)
    assert opened.psp.condition("600-4-water").sizes["sample"] == 3
