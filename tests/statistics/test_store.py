"""Statistics of stores: what is written, when it is written again, and what is refused."""

import sys

import numpy as np
import pytest
import xarray as xr
import zarr

from pspgan import ensemble
from pspgan.process import ProcessSpace
from pspgan.sources.imaging import area_average
from pspgan.statistics import (
    DESCRIPTORS,
    StatisticsError,
    check_comparable,
    compute_statistics,
    descriptors,
    distributions,
    measure,
    measure_statistics,
    one_hot,
    open_statistics,
    segment,
    settings_of,
    store,
    streaming,
    two_point_statistics,
)

SPACE = ProcessSpace.uhcsdb()


def micrographs(n, shape, seed=0):
    """Bright discs of random place and size on a noisy matrix."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    images = rng.normal(90, 8, (n, *shape))
    for image in images:
        for _ in range(12):
            centre, radius = rng.uniform(0, shape, 2), rng.uniform(2, 5)
            image[np.hypot(y - centre[0], x - centre[1]) < radius] += 70
    return images.clip(0, 255).astype(np.uint8)


def make_store(path, n=6, shape=(48, 64), reduction=1, seed=0, um_per_px=0.1):
    images = micrographs(n, shape, seed)
    specimen = [f"S{i % 2}" for i in range(n)]
    dataset = ensemble.build(
        images,
        ["800-90-Q"] * n,
        SPACE,
        origin="real",
        specimen=specimen,
        um_per_px=um_per_px,
        reduction=reduction,
    )
    return ensemble.write_ensemble(dataset, path, progress=False)


@pytest.fixture
def real(tmp_path):
    return make_store(tmp_path / "real.zarr", um_per_px=[0.1, 0.1, 0.2, 0.2, np.nan, 0.1])


def test_what_is_written(real):
    (statistics,) = compute_statistics(real)
    images = ensemble.open_ensemble(real)["micrograph"].values
    phase = segment(images)
    assert 0.02 < phase.mean() < 0.5
    assert statistics["two_point"].dims == ("sample", "dy", "dx", "correlation")
    assert statistics["two_point"].dtype == np.float32
    np.testing.assert_array_equal(statistics["dy"], np.arange(-23, 24))
    np.testing.assert_array_equal(statistics["dx"], np.arange(-23, 24))
    assert statistics["correlation"].values.tolist() == ["1,1"]
    expected = two_point_statistics(one_hot(phase, 2), [(1, 1)], periodic=False)
    np.testing.assert_allclose(statistics["two_point"], expected, atol=1e-7)
    measured = descriptors(phase, [0.1, 0.1, 0.2, 0.2, np.nan, 0.1])
    assert set(DESCRIPTORS) - {"denuded_zone_width"} < set(measured)  # that needs two phases to be named
    measured = measured.assign(distributions(phase, 0.1, longest=23).data_vars)
    for name, variable in measured.items():
        xr.testing.assert_equal(statistics[name].variable, variable.variable)
        assert statistics[name].attrs == variable.attrs
    assert statistics["condition"].values.tolist() == ["800-90-Q"] * 6
    assert statistics.attrs["micrographs"] == 6
    settings = settings_of(statistics)
    assert {name: settings[name] for name in store.COMPARED} == {
        "reduction": 1,
        "cutoff": 23,
        "phases": {"method": "otsu", "background": 16.0},
        "correlations": [[1, 1]],
        "zone": None,
        "plugins": {},
        "periodic": False,
    }


def test_the_deviation_from_pymks_is_recorded(real):
    pytest.importorskip("pymks", reason="PyMKS is not installed: nothing to compare with")
    (statistics,) = compute_statistics(real)
    assert 0 <= statistics.attrs["pymks_max_deviation"] < 1e-10
    (other,) = compute_statistics(real, engine="pymks")
    assert settings_of(other)["engine"] == "pymks"
    np.testing.assert_allclose(other["two_point"], statistics["two_point"], atol=1e-7)
    check_comparable(statistics, other)


def test_without_pymks_the_deviation_is_unknown(real, monkeypatch):
    monkeypatch.setitem(sys.modules, "pymks", None)
    (statistics,) = compute_statistics(real)
    assert np.isnan(statistics.attrs["pymks_max_deviation"])


def test_shards_and_blocks_do_not_change_the_numbers(real, monkeypatch):
    (whole,) = compute_statistics(real)
    whole = whole.load()
    monkeypatch.setattr(streaming, "SHARD", 4)
    monkeypatch.setattr(measure, "_BLOCK_PIXELS", 3 * 48 * 64)
    (pieces,) = compute_statistics(real, overwrite=True)
    assert zarr.open_group(real, mode="r")["statistics/two_point"].shards[0] == 4
    xr.testing.assert_allclose(whole, pieces.load(), rtol=1e-12)
    assert whole.attrs["settings"] == pieces.attrs["settings"]


def test_stores_of_different_pixels_are_brought_to_the_coarsest(tmp_path):
    fine = make_store(tmp_path / "fine.zarr", shape=(97, 128))
    coarse = make_store(tmp_path / "coarse.zarr", shape=(32, 32), reduction=3, um_per_px=0.3, seed=1)
    of_fine, of_coarse = compute_statistics(fine, coarse)
    check_comparable(of_fine, of_coarse)
    assert settings_of(of_fine)["reduction"] == 3
    assert of_fine["two_point"].shape == of_coarse["two_point"].shape == (6, 31, 31, 1)
    reduced = area_average(ensemble.open_ensemble(fine)["micrograph"].values, 3)
    assert reduced.shape == (6, 32, 42)
    expected = descriptors(segment(reduced), 0.3)
    xr.testing.assert_allclose(
        of_fine["mean_chord_length_um"].variable, expected["mean_chord_length_um"].variable
    )
    np.testing.assert_allclose(of_fine["um_per_px"], 0.3)
    np.testing.assert_allclose(of_coarse["um_per_px"], 0.3)
    np.testing.assert_allclose(ensemble.open_ensemble(fine)["um_per_px"], 0.1)


def test_the_cutoff_stays_short_on_large_fields(tmp_path):
    large = make_store(tmp_path / "large.zarr", n=1, shape=(100, 120))
    assert compute_statistics(large)[0].sizes["dy"] == 65
    assert compute_statistics(large, cutoff=40)[0].sizes["dy"] == 81


def test_the_same_settings_are_not_computed_twice(real, capsys):
    compute_statistics(real)
    written = (real / "statistics" / "zarr.json").stat()
    assert capsys.readouterr().err == ""
    compute_statistics(real)
    assert (real / "statistics" / "zarr.json").stat() == written
    assert "nothing to do" in capsys.readouterr().err
    compute_statistics(real, progress=False)
    assert capsys.readouterr().err == ""
    compute_statistics(real, overwrite=True)
    assert (real / "statistics" / "zarr.json").stat().st_ino != written.st_ino


def test_other_settings_are_computed_again(real):
    compute_statistics(real)
    (statistics,) = compute_statistics(real, cutoff=5, correlations=[(0, 0), (0, 1)])
    assert statistics["two_point"].shape == (6, 11, 11, 2)
    assert statistics["correlation"].values.tolist() == ["0,0", "0,1"]
    (statistics,) = compute_statistics(real, phases="threshold")
    phase = ensemble.open_ensemble(real)["micrograph"].values > 127.5
    np.testing.assert_allclose(statistics["area_fraction"], phase.mean(axis=(1, 2)))


def test_absent_statistics_name_the_command(real, tmp_path):
    with pytest.raises(
        StatisticsError, match=r"real\.zarr holds no statistics; .*: pspgan stats .*real\.zarr"
    ):
        open_statistics(real)
    with pytest.raises(StatisticsError, match="pspgan stats"):
        open_statistics(ensemble.open_ensemble(real))
    unwritten = ensemble.build(
        np.zeros((1, 8, 8), np.uint8), ["800-90-Q"], SPACE, origin="real", specimen=["S"]
    )
    with pytest.raises(StatisticsError, match="comes from no store"):
        open_statistics(unwritten)


def test_statistics_do_not_survive_an_append(real, tmp_path):
    compute_statistics(real)
    before = ensemble.open_ensemble(real)
    more = ensemble.open_ensemble(make_store(tmp_path / "more.zarr", n=2, seed=5))
    ensemble.append(more, real)
    for given in (real, before):
        with pytest.raises(StatisticsError, match="pspgan stats"):
            open_statistics(given)
    assert compute_statistics(real)[0].sizes["sample"] == 8


def test_statistics_of_another_number_of_micrographs_are_stale(real):
    compute_statistics(real)
    zarr.open_group(real / "statistics", mode="r+").attrs["micrographs"] = 5
    with pytest.raises(StatisticsError, match=r"are of 5 micrographs, the store holds 6.*pspgan stats"):
        open_statistics(real)
    assert compute_statistics(real)[0].attrs["micrographs"] == 6


def test_what_was_computed_apart_cannot_be_compared(tmp_path):
    large, small = make_store(tmp_path / "large.zarr"), make_store(tmp_path / "small.zarr", shape=(32, 32))
    apart = [compute_statistics(path)[0] for path in (large, small)]
    with pytest.raises(
        StatisticsError, match=r"cutoff is 23 in .*large.*15 in .*small.*pspgan stats .*large.*small"
    ):
        check_comparable(*apart)
    check_comparable(*compute_statistics(large, small))


def test_datasets_in_memory_are_measured_as_stores_are(tmp_path):
    paths = make_store(tmp_path / "one.zarr"), make_store(tmp_path / "two.zarr", reduction=2, shape=(30, 30))
    stored = compute_statistics(*paths)
    in_memory = [ensemble.open_ensemble(path).load() for path in paths]
    for ours, theirs in zip(measure_statistics(*in_memory), stored, strict=True):
        xr.testing.assert_equal(ours, theirs)
        check_comparable(ours, theirs)
    (alone,) = measure_statistics(in_memory[0].isel(sample=[4, 1]), settings=settings_of(stored[0]))
    xr.testing.assert_equal(alone, stored[0].isel(sample=[4, 1]))
    small = in_memory[1].isel(y=slice(16))
    with pytest.raises(StatisticsError, match=r"cutoff 11 does not fit: .* allows 0 to 7 at reduction 2"):
        measure_statistics(small, settings=settings_of(stored[0]))


def test_what_does_not_fit_is_named(real, tmp_path):
    thirds = make_store(tmp_path / "thirds.zarr", reduction=3)
    halves = make_store(tmp_path / "halves.zarr", reduction=2)
    with pytest.raises(
        StatisticsError, match=r"halves\.zarr has reduction 2, which does not divide 3.*--reduction"
    ):
        compute_statistics(thirds, halves)
    with pytest.raises(StatisticsError, match=r"thirds\.zarr has reduction 3, which does not divide 1"):
        compute_statistics(thirds, reduction=1)
    with pytest.raises(
        ValueError, match=r"cutoff 24 does not fit: .*real\.zarr allows 0 to 23 at reduction 1"
    ):
        compute_statistics(real, cutoff=24)
    with pytest.raises(StatisticsError, match=r"real\.zarr: reduction 48 leaves 1 x 1 px"):
        compute_statistics(real, reduction=48)
    with pytest.raises(StatisticsError, match='method "otzu" is none of'):
        compute_statistics(real, phases="otzu")
    with pytest.raises(StatisticsError, match='engine "fftw" is none of'):
        compute_statistics(real, engine="fftw")
    with pytest.raises(StatisticsError, match=r"correlation \[0, 2\] is no pair of the phases"):
        compute_statistics(real, correlations=[(0, 2)])
    with pytest.raises(StatisticsError, match="no ensemble was given"):
        compute_statistics()
    with pytest.raises(FileNotFoundError, match=r"absent\.zarr: no such ensemble"):
        compute_statistics(tmp_path / "absent.zarr")
    assert not list(real.glob("statistics*"))


def test_a_half_written_ensemble_is_refused(real, tmp_path):
    path = ensemble.create(ensemble.open_ensemble(real), tmp_path / "half.zarr")
    with pytest.raises(ensemble.EnsembleError, match="half-written"):
        compute_statistics(path)


def test_real_micrographs(shared, tmp_path):
    from skimage.io import imread

    files = sorted((shared / "uhcsdb" / "micrographs").glob("*.png"))[::200]
    images = np.stack([imread(file) for file in files])
    dataset = ensemble.build(
        images, ["800-90-Q"] * len(files), SPACE, origin="real", specimen=["S"] * len(files)
    )
    path = ensemble.write_ensemble(dataset, tmp_path / "uhcs.zarr", progress=False)
    (statistics,) = compute_statistics(path, reduction=3)
    assert statistics["two_point"].shape == (3, 65, 65, 1)
    zero_vector = statistics["two_point"].sel(dy=0, dx=0, correlation="1,1")
    np.testing.assert_allclose(zero_vector, statistics["area_fraction"], atol=1e-6)
    assert (statistics["correlation_length"] > 0.7).all()
