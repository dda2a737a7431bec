"""Descriptors of other packages go wherever pspgan's own go, and statistics say whose they are."""

import json

import distributed
import numpy as np
import pytest
import xarray as xr
import zarr

import pspgan as psp
from pspgan.plugins import PluginError
from pspgan.statistics import (
    InstalledDescriptor,
    PluginDescriptor,
    StatisticsError,
    check_comparable,
    descriptors,
    open_statistics,
    settings_of,
)

RECORDED = {"mean_longest_side": {"distribution": "particle-sides", "version": "1.0"}}
CODE = """
import numpy as np
from pspgan.statistics import PluginDescriptor
def measure(inside):
    {body}
share = PluginDescriptor("share", measure{more})
"""


def steel(path, n=12, seed=0):
    conditions = ["800-5-Q", "800-24H-Q", "900-90-Q"]
    dataset = psp.simulate(n=n, size=32, seed=seed, conditions=conditions, specimens=2, progress=False)
    psp.write_ensemble(dataset, path)
    return path


def share(package, body="return inside.mean(axis=(1, 2))", version="1.0", more=""):
    return package(
        "shares", version, code=CODE.format(body=body, more=more), descriptors={"share": "shares:share"}
    )


def test_a_descriptor_goes_all_the_way(example, run, tmp_path):
    example("particle-sides")
    real, gen, linkage = (tmp_path / name for name in ("real.zarr", "gen.zarr", "linkage"))
    steel(real), steel(gen, seed=1)
    code, _, err = run("stats", real, gen)
    assert code == 0, err
    statistics = open_statistics(real)
    assert settings_of(statistics)["plugins"] == RECORDED
    sides = statistics["mean_longest_side"]
    assert sides.attrs == {
        "long_name": "mean longest side of particles",
        "descriptor": "mean_longest_side",
        "phase": "bright",
        "package": "particle-sides 1.0",
        "units": "px",
        "valid_min": 0,
    }
    np.testing.assert_allclose(statistics["mean_longest_side_um"], sides * statistics["um_per_px"])
    known = np.isfinite(sides.values)
    assert known.any()
    # A bounding box has a side at least as long as the circle of the same area is wide, times sqrt(pi) / 2.
    diameter = statistics["mean_equivalent_diameter"].values[known]
    assert (sides.values[known] > 0.5 * diameter).all()
    psp.link(real, out=linkage, regressor="ridge")
    fitted = psp.Linkage.load(linkage)
    assert fitted.units_[fitted.targets_.index("mean_longest_side_um")] == "um"
    assert "mean_longest_side_um" in set(fitted.validation_["target"])
    judged = psp.evaluate(real, gen, splits=2)
    assert "mean_longest_side" in set(judged.table["quantity"])
    measured = psp.open_ensemble(real).psp.descriptors()
    xr.testing.assert_allclose(
        measured["mean_longest_side"].drop_vars("um_per_px"), sides.load().drop_vars("um_per_px")
    )


def test_a_report_shows_it(example, tmp_path):
    example("particle-sides")
    real = steel(tmp_path / "real.zarr", n=8)
    psp.compute_statistics(real, progress=False)
    page = psp.write_report(real, out=tmp_path / "report.html").read_text()
    assert "mean longest side of particles" in page
    assert "particle-sides" in page  # among the settings of the statistics


def test_workers_measure_the_same(example, tmp_path):
    example("particle-sides")
    stores = [steel(tmp_path / f"{name}.zarr", n=6) for name in ("threads", "processes", "cluster")]
    expected, *others = (
        psp.compute_statistics(store, scheduler=scheduler, workers=2, progress=False)[0].load()
        for store, scheduler in zip(stores, ("threads", "processes"), strict=False)
    )
    # Of its own: workers that began before the package was installed do not see it.
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        others += psp.compute_statistics(stores[2], scheduler=address, progress=False)
    for found in others:
        xr.testing.assert_equal(found["mean_longest_side_um"].load(), expected["mean_longest_side_um"])
        check_comparable(found, expected)


def test_plugins_can_be_chosen(example, run, tmp_path):
    store = steel(tmp_path / "real.zarr")
    assert run("stats", store)[0] == 0  # before the plugin is there
    assert settings_of(open_statistics(store))["plugins"] == {}
    example("particle-sides")
    assert run("stats", store, "--plugins", "none")[0] == 0
    assert "mean_longest_side" not in open_statistics(store)
    assert run("stats", store)[0] == 0  # measured again, with it
    assert "mean_longest_side" in open_statistics(store)
    code, _, err = run("stats", store, "--plugins", "roundness")
    assert (code, 'no installed package has a descriptor "roundness"' in err) == (1, True)
    assert "there are: mean_longest_side" in err


def test_statistics_with_and_without_are_not_compared(package, tmp_path):
    share(package)
    one, other = steel(tmp_path / "one.zarr"), steel(tmp_path / "other.zarr")
    statistics = psp.compute_statistics(one, progress=False) + psp.compute_statistics(
        other, plugins=[], progress=False
    )
    with pytest.raises(StatisticsError, match=r"plugins is .*shares.* in .*one.zarr, {} in .*other.zarr"):
        check_comparable(*statistics)


def test_statistics_of_earlier_releases_are_read(tmp_path):
    store = steel(tmp_path / "real.zarr")
    psp.compute_statistics(store, progress=False)
    group = zarr.open_group(store / "statistics", mode="r+")
    settings = json.loads(group.attrs["settings"])
    del settings["plugins"]
    group.attrs["settings"] = json.dumps(settings)
    before = (store / "statistics" / "zarr.json").stat().st_mtime_ns
    assert settings_of(open_statistics(store))["plugins"] == {}
    psp.compute_statistics(store, progress=False)  # nothing to do
    assert (store / "statistics" / "zarr.json").stat().st_mtime_ns == before


def test_a_linkage_measures_with_the_same_version(package, tmp_path, installed):
    about = share(package)
    store = steel(tmp_path / "real.zarr")
    psp.compute_statistics(store, progress=False)
    linkage = psp.Linkage(regressor="ridge").fit(store)
    fresh = psp.open_ensemble(steel(tmp_path / "fresh.zarr", seed=2)).drop_encoding()
    assert np.isfinite(linkage.transform(fresh).sel(target="share")).all()
    about.rename(installed / "shares-1.1.dist-info")
    (installed / "shares-1.1.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: shares\nVersion: 1.1\n"
    )
    from pspgan.statistics.descriptors import plugged

    plugged._recorded.cache_clear()  # as in another process
    with pytest.raises(
        PluginError, match=r"measured by shares 1.0, and \S+ has shares 1.1; install it \(pip"
    ):
        linkage.transform(fresh)


def test_of_several_phases_each_is_measured(package):
    share(package, more=', unit="degree"')
    phase = np.zeros((2, 8, 8), int)
    phase[0, :2], phase[0, 2:3] = 1, 2
    plugins = [InstalledDescriptor.named("share")]
    found = descriptors(phase, 0.1, phases=("matrix", "network", "needles"), plugins=plugins)
    np.testing.assert_allclose(found["share_network"], [0.25, 0])
    np.testing.assert_allclose(found["share_needles"], [0.125, 0])
    assert found["share_network"].attrs["units"] == "degree"
    assert "share_matrix" not in found
    assert "share_network_um" not in found


FAILING = {
    "bug": ("return inside.men()", "failed .AttributeError"),
    "shape": ("return inside.mean()", r"it gave shape \(\), not \(1,\): one number a field"),
    "infinite": ("return np.full(len(inside), np.inf)", "it gave an infinite number"),
    "text": ("return ['much'] * len(inside)", "failed .ValueError"),
}


@pytest.mark.parametrize("fault", FAILING)
def test_a_failing_descriptor_is_named(package, fault):
    body, message = FAILING[fault]
    share(package, body)
    measured = InstalledDescriptor.named("share")
    with pytest.raises(PluginError, match=message) as raised:
        descriptors(np.ones((1, 8, 8), int), 0.1, plugins=[measured])
    assert str(raised.value).startswith('descriptor "share" of the package shares 1.0 failed')


def test_a_failing_descriptor_leaves_nothing(package, tmp_path):
    share(package, "return np.full(len(inside), np.inf)")
    store = steel(tmp_path / "real.zarr", n=4)
    with pytest.raises(PluginError, match="infinite"):
        psp.compute_statistics(store, progress=False)
    assert not list(store.glob("statistics*"))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import no_such_library", "cannot be loaded .ModuleNotFoundError"),
        ("share = len", "is of type builtin_function_or_method, not a PluginDescriptor"),
        (
            CODE.format(body="return 0", more=", power=1, unit='mm'"),
            "cannot be loaded .ValueError: power 1 and unit",
        ),
    ],
)
def test_a_broken_descriptor_is_named(package, code, message):
    package("shares", code=code, descriptors={"share": "shares:share"})
    with pytest.raises(PluginError, match=message) as raised:
        InstalledDescriptor.named("share")
    assert str(raised.value).startswith('descriptor "share" of the package shares 1.0')


def test_a_broken_descriptor_stops_only_what_asks_for_it(package, run, tmp_path):
    package("shares", code="raise ImportError", descriptors={"share": "shares:share"})
    store = steel(tmp_path / "real.zarr", n=6)
    done, _, err = run("stats", store)
    assert done == 1
    assert "Without it: pspgan stats STORE --plugins none" in err
    assert run("inspect", store)[0] == 0
    assert run("stats", store, "--plugins", "none")[0] == 0
    psp.Linkage(regressor="ridge").fit(store)  # statistics are there


def test_names_that_clash(package, tmp_path):
    code = CODE.format(body="return inside.mean(axis=(1, 2))", more="")
    names = ("area_fraction", "temperature", "sides_um")
    package("shares", code=code, descriptors=dict.fromkeys(names, "shares:share"))
    store = steel(tmp_path / "real.zarr")
    for name, message in zip(names, ("pspgan's own", "one of its coordinates", "names in _um"), strict=True):
        with pytest.raises((PluginError, StatisticsError), match=message):
            psp.compute_statistics(store, plugins=[name], progress=False)


@pytest.mark.parametrize(
    "arguments",
    [
        ("", len),
        ("x", 3),
        ("x", len, 0.5),
        ("x", len, 1, "mm"),
        ("x", len, 0, ""),
        ("x", len, 0, "1", "edges"),
        ("x", len, 0, "1", "phase", 1.0, 0.0),
        ("x", len, 1, "1", "phase", 0.0, 5.0),
    ],
)
def test_definitions_that_do_not_fit(arguments):
    with pytest.raises(ValueError, match=r"long_name|power|of is|valid_min"):
        PluginDescriptor(*arguments)
