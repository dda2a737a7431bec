"""The denuded zone: exact widths, the law of random particles, the simulated steel, and UHCSDB's masks."""

import numpy as np
import pandas as pd
import pytest
import scipy.optimize
from PIL import Image

from pspgan.sources.heat_treatment import SPACE, Steel, simulate
from pspgan.statistics import descriptors
from pspgan.statistics.descriptors.zones import denuded_zone_width

PHASES = ("matrix", "network", "spheroidite")


def test_a_film_beside_a_front_of_particles_has_their_distance():
    phase = np.zeros((3, 60, 60), dtype=int)
    phase[:, :, 28:32] = 1
    phase[0, :, 39:] = phase[0, :, :21] = 2  # 32 to 38 and 21 to 27 are free: 7 px
    phase[1, :, 36] = phase[1, :, 22] = 2  # 4 and 5 px
    phase[1, :20, 23] = phase[1, :20, 34] = 2  # 4 and 2 px, over a third of the film
    measured = descriptors(phase, [0.5, 0.2, 0.2], phases=PHASES, zone=("network", "spheroidite"))
    width = measured["denuded_zone_width"]
    np.testing.assert_array_equal(width, [7, 4, np.nan])
    np.testing.assert_allclose(measured["denuded_zone_width_um"], width * [0.5, 0.2, 0.2])
    assert width.attrs["descriptor"] == "denuded_zone_width"
    assert width.attrs["phase"] == "network"


def test_twice_as_many_pixels_are_the_same_width():
    phase = np.zeros((1, 40, 60), dtype=int)
    phase[:, :, 10:14] = 1
    phase[:, 3::4, 22::5] = 2
    fine = phase.repeat(2, axis=1).repeat(2, axis=2)
    widths = [
        descriptors(one, scale, phases=PHASES, zone=("network", "spheroidite"))["denuded_zone_width_um"]
        for one, scale in ((phase, 0.2), (fine, 0.1))
    ]
    np.testing.assert_allclose(*widths, rtol=0.02)


@pytest.mark.parametrize("size", [80, 240])
def test_random_particles_beyond_a_zone_have_their_law_in_fields_of_any_size(size):
    """Poisson points beyond w: none nearer than s with probability exp(-density * segment(s, w))."""
    density, width, n = 0.02, 14, 12000 // size
    middle = np.abs(np.arange(size) - size / 2 + 0.5)
    network = np.broadcast_to(middle < 10, (n, size, size))  # so thick that particles across it are far
    particles = np.random.default_rng(0).random((n, size, size)) < density * (middle > 10 + width)
    found = denuded_zone_width(network, particles)

    def none_nearer(s):  # pixels of particles begin width + 0.5 px from the middle of the boundary's
        w = width + 0.5
        return density * (s**2 * np.arccos(w / s) - w * np.sqrt(s**2 - w**2))

    expected = scipy.optimize.brentq(lambda s: none_nearer(s) - np.log(2), width + 0.6, 60) - 1.0
    error = found.std(ddof=1) / np.sqrt(n)
    assert error < 0.02 * expected
    assert abs(found.mean() - expected) < 3 * error + 0.01 * expected


def test_the_zone_of_the_simulated_steel_is_the_one_put_in():
    """No particle lies in it, and the nearest begin a little beyond, as far as they lie apart."""
    exact = Steel(specimen_sigma=0.0, field_sigma=0.0, fraction_sigma=0.0, network_sigma=0.0)
    for condition in ("900-5-Q", "970-90-Q"):
        point = SPACE.condition(condition)
        um_per_px = exact.denuded_width(point["temperature"], point["time"]) / 20
        fields = simulate(
            5, 160, conditions=condition, um_per_px=um_per_px, steel=exact, framing="boundary", progress=False
        )
        found = descriptors(
            fields["phase"].values,
            um_per_px,
            phases=fields["phase"].attrs["phases"],
            zone=("network", "spheroidite"),
        )
        ratio = found["denuded_zone_width_um"].values / fields["true_denuded_width"].values
        assert np.isfinite(ratio).sum() >= 4
        assert 1.0 < np.nanmedian(ratio) < 1.3


def test_labelled_micrographs_follow_the_measured_law(shared):
    """w = 1440 um (t / h)^0.232 exp(-63.3 kJ/mol / RT), quenched, of the masks that it was measured on."""
    folder = shared / "uhcsdb"
    table = pd.read_csv(folder / "uhcs-metadata.csv", index_col="micrograph_id")
    ratios = []
    for path in sorted((folder / "segmentation" / "labels").glob("*.png")):
        row = table.loc[int(path.stem.removeprefix("micrograph"))]
        if row["cool_method"] not in ("Q", "WQ", "WQ-2C"):
            continue
        label = np.asarray(Image.open(path))[None]
        width = denuded_zone_width(label == 1, label == 2)[0] * row["micron_bar"] / row["micron_bar_px"]
        minutes = row["anneal_time"] * {"M": 1, "H": 60}[row["anneal_time_unit"]]
        ratios.append(width / Steel().denuded_width(row["anneal_temperature"], minutes))
    ratios = np.array(ratios)
    assert np.isfinite(ratios).sum() >= 12
    assert np.nanmedian(ratios) == pytest.approx(1.0, abs=0.1)
    assert np.nanstd(np.log(ratios)) < 0.3


@pytest.mark.parametrize("zone", [("network", "network"), ("network", "pearlite"), ("network",)])
def test_a_zone_names_two_phases(zone):
    with pytest.raises(ValueError, match="two of the phases matrix, network, spheroidite"):
        descriptors(np.zeros((1, 8, 8), dtype=int), 1.0, phases=PHASES, zone=zone)
