"""The simulated steel: what the phase maps show, measured by independent means, is what was put in."""

import math

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt
from skimage.filters import threshold_otsu
from skimage.measure import label, regionprops

from pspgan import ensemble
from pspgan.process import ConditionError
from pspgan.sources.geometry import PHASES
from pspgan.sources.heat_treatment import CONDITIONS, SPACE, Steel, simulate

EXACT = Steel(specimen_sigma=0.0, field_sigma=0.0, fraction_sigma=0.0)


def mean_diameter(phase, um_per_px):
    """Mean equivalent diameter (um) over fields (sample, y, x), and its standard error.

    Particles cut by the border are left out; a large one is cut more often, which is set right by weighting
    with the inverse of the area in which its bounding box stays clear of the border (Miles and Lantuejoul).
    """
    diameters, weights = [], []
    for field in phase:
        height, width = field.shape
        for particle in regionprops(label(field == 1)):
            top, left, bottom, right = particle.bbox
            if top > 0 and left > 0 and bottom < height and right < width:
                diameters.append(particle.equivalent_diameter_area * um_per_px)
                weights.append(1 / ((height - (bottom - top) - 1) * (width - (right - left) - 1)))
    diameters, weights = np.array(diameters), np.array(weights) / np.sum(weights)
    mean = weights @ diameters
    return mean, math.sqrt(weights**2 @ (diameters - mean) ** 2)


def fields_of(condition, n, steel=EXACT, size=224, seed=0):
    """Quenched fields at a pixel size of a twelfth of the mean diameter, so that pixels do not matter."""
    point = SPACE.condition(condition)
    um_per_px = steel.mean_diameter(point["temperature"], point["time"]) / 12
    found = simulate(n, size, seed, conditions=condition, um_per_px=um_per_px, steel=steel, progress=False)
    return found, um_per_px


def test_follows_the_schema_and_survives_the_store(tmp_path):
    simulated = simulate(n=40, size=32, progress=False)
    ensemble.validate(simulated)
    assert simulated.attrs["origin"] == "simulated"
    assert simulated["phase"].attrs["phases"] == list(PHASES)
    ensemble.write_ensemble(simulated, tmp_path / "steel.zarr", progress=False)
    stored = ensemble.open_ensemble(tmp_path / "steel.zarr")
    for name in simulated.variables:
        np.testing.assert_array_equal(stored[name].values, simulated[name].values)
    assert {name for name in stored.coords if name.startswith("true_")} == {
        "true_mean_diameter",
        "true_area_fraction",
        "true_lamellar_share",
        "true_network_thickness",
        "true_denuded_width",
    }


def test_conditions_share_the_fields_and_leave_combinations_unseen():
    simulated = simulate(n=len(CONDITIONS) * 6 + 2, size=16, progress=False)
    condition, count = np.unique(simulated["condition"].values.astype(str), return_counts=True)
    assert len(condition) == len(CONDITIONS)
    assert sorted(count) == [6] * (len(CONDITIONS) - 2) + [7] * 2
    assert len(np.unique(simulated["specimen"].values.astype(str))) == 4 * len(CONDITIONS)
    space = ensemble.space_of(simulated)
    assert len(space.observed) == len(CONDITIONS) < len(space.all_conditions)
    for i, factor in enumerate(space.factors):
        assert {values[i] for values in space.observed} == set(factor.levels)


def test_a_field_depends_on_seed_condition_and_its_number_only():
    many = simulate(n=24, size=24, seed=3, conditions=["970-5-FC", "800-5-Q", "900-90-Q"], progress=False)
    few = simulate(n=8, size=24, seed=3, conditions=["900-90-Q", "970-5-FC"], progress=False)
    for condition in ("970-5-FC", "900-90-Q"):
        a, b = (d.isel(sample=(d["condition"].values.astype(str) == condition)) for d in (many, few))
        np.testing.assert_array_equal(a["micrograph"].values[:4], b["micrograph"].values)
        np.testing.assert_array_equal(a["phase"].values[:4], b["phase"].values)
        assert (a["specimen"].values[:4] == b["specimen"].values).all()
    other = simulate(n=8, size=24, seed=4, conditions=["900-90-Q", "970-5-FC"], progress=False)
    assert (other["micrograph"].values != few["micrograph"].values).any(axis=(1, 2)).all()
    assert len(np.unique(many["micrograph"].values.reshape(24, -1), axis=0)) == 24


def test_global_random_state_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    simulate(n=3, size=16, progress=False)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("condition", ["800-480-Q", "970-90-Q", "900-5-Q"])
def test_area_fraction_and_mean_diameter_are_those_put_in(condition):
    simulated, um_per_px = fields_of(condition, n=24)
    truth = float(simulated["true_area_fraction"][0])
    assert truth == EXACT.particle_fraction(SPACE.condition(condition)["temperature"])
    # 24 fields of 50 particles or more, areas of a coefficient of variation of 0.95: were they placed
    # independently, the standard error of the fraction would be 0.17 * 1.4 / sqrt(1200), or 0.007.
    assert np.mean(simulated["phase"].values == 1) == pytest.approx(truth, abs=0.01)
    measured, error = mean_diameter(simulated["phase"].values, um_per_px)
    assert error < 0.02 * measured
    assert measured == pytest.approx(float(simulated["true_mean_diameter"][0]), rel=0.05)


def test_particle_diameters_are_lognormal_of_the_stated_width():
    simulated, _ = fields_of("800-480-Q", n=12)
    particles = [p for field in simulated["phase"].values for p in regionprops(label(field == 1))]
    inside = [p for p in particles if min(p.bbox[:2]) > 0 and max(p.bbox[2:]) < 224]
    ln_diameter = np.log([p.equivalent_diameter_area for p in inside])
    assert ln_diameter.std() == pytest.approx(EXACT.diameter_sigma, abs=0.03)
    z = (ln_diameter - ln_diameter.mean()) / ln_diameter.std()
    assert abs(np.mean(z**3)) < 0.3  # a normal distribution has no skewness


@pytest.mark.parametrize("exponent", [3.0, 4.0])
def test_coarsening_exponent_is_recovered_from_the_phase_maps(exponent):
    # Without initial particles d^n = k t, so the slope of ln d over ln t is 1 / n.
    steel = Steel(exponent, initial_diameter=0.0, specimen_sigma=0.0, field_sigma=0.0, fraction_sigma=0.0)
    times = [90, 240, 600, 1440]
    measured = []
    for time in times:
        simulated, um_per_px = fields_of(f"900-{time}-Q", n=8, steel=steel)
        measured.append(mean_diameter(simulated["phase"].values, um_per_px)[0])
    slope = np.polyfit(np.log(times), np.log(measured), 1)[0]
    assert slope == pytest.approx(1 / exponent, abs=0.02)
    assert (slope < 0.29) == (exponent == 4)


def test_laws_pass_through_the_figures_they_are_calibrated_to():
    steel = Steel()
    assert steel.mean_diameter(800, 180) == pytest.approx(0.27)
    assert steel.mean_diameter(970, 5) == pytest.approx(0.27, rel=0.01)
    assert steel.mean_diameter(800, 1440) == pytest.approx(0.5, rel=0.1)
    # 1440 um * exp(-63.3 / (8.314e-3 * 1243.15)), by hand.
    assert steel.denuded_width(970, 60) == pytest.approx(3.151, rel=1e-3)
    assert steel.denuded_width(970, 600) / steel.denuded_width(970, 60) == pytest.approx(10**0.232)
    assert steel.lamellar_share(700, 5) > 0.95
    assert steel.lamellar_share(800, 5) == pytest.approx(0.5, abs=0.01)
    assert steel.lamellar_share(900, 5) == 0
    assert steel.network_thickness(970, "Q") == 0
    assert 0 < steel.network_thickness(970, "AR") < steel.network_thickness(970, "FC")
    assert steel.network_thickness(700, "FC") == 0


@pytest.mark.parametrize("condition", ["800-90-FC", "900-5-AR"])
def test_denuded_zone_holds_no_particle_and_is_as_wide_as_the_law_says(condition):
    um_per_px = 0.05
    simulated = simulate(8, 256, conditions=condition, um_per_px=um_per_px, steel=EXACT, progress=False)
    point = SPACE.condition(condition)
    width = EXACT.denuded_width(point["temperature"], point["time"])
    assert (simulated["true_denuded_width"].values == width).all()
    nearest, density = [], []
    for phase in simulated["phase"].values:
        assert (phase == 2).any()
        distance = distance_transform_edt(phase != 2) * um_per_px
        nearest.append(distance[phase == 1].min())
        beyond = (distance > width + 0.3) & (distance < width + 1.5)
        density.append((phase == 1)[beyond])
    # Distances are between pixel centres, hence the allowance of one pixel.
    assert min(nearest) > width - um_per_px
    assert min(nearest) < width + 0.15
    assert np.mean(np.concatenate(density)) > 0.5 * EXACT.particle_fraction(point["temperature"])


def test_cooling_decides_which_constituents_appear():
    share = {}
    for cooling in ("Q", "AR", "FC"):
        phase = simulate(6, 128, conditions=f"900-5-{cooling}", steel=EXACT, progress=False)["phase"].values
        share[cooling] = np.bincount(phase.ravel(), minlength=len(PHASES)) / phase.size
    network, needle = PHASES.index("network"), PHASES.index("widmanstatten")
    assert share["Q"][network] == 0
    assert 0 < share["AR"][network] < share["FC"][network]
    assert share["Q"][needle] == share["AR"][needle] == 0
    # 0.035 by the law; needles are few, overlap, and end at boundaries.
    assert 0.015 < share["FC"][needle] < 0.05


def test_pearlite_has_the_carbide_fraction_and_spacing_put_in():
    um_per_px = 0.035
    simulated = simulate(8, 128, conditions="700-5-Q", um_per_px=um_per_px, steel=EXACT, progress=False)
    lamella = simulated["phase"].values == PHASES.index("lamella")
    assert lamella.mean() == pytest.approx(0.29, abs=0.03)
    spectrum = np.mean(np.abs(np.fft.fft2(lamella - lamella.mean())) ** 2, axis=0)
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(128, um_per_px)] * 2))
    ring = (frequency > 1.5) & (frequency < 6)  # below the first harmonic
    spacing = np.sum(spectrum[ring]) / np.sum((spectrum * frequency)[ring])
    assert spacing == pytest.approx(0.28, rel=0.1)


def test_specimens_and_fields_scatter_as_stated():
    steel = Steel()
    simulated = simulate(n=400, size=16, conditions="800-90-Q", specimens=100, progress=False)
    departure = np.log(simulated["true_mean_diameter"].values / steel.mean_diameter(800, 90))
    by_specimen = departure.reshape(4, 100)  # fields go round the specimens
    within = by_specimen.var(axis=0, ddof=1).mean()
    between = by_specimen.mean(axis=0).var(ddof=1) - within / 4
    assert math.sqrt(within) == pytest.approx(steel.field_sigma, rel=0.15)
    assert math.sqrt(between) == pytest.approx(steel.specimen_sigma, rel=0.3)


def test_a_threshold_on_the_micrograph_finds_the_carbide():
    simulated = simulate(n=2 * len(CONDITIONS), progress=False)
    for micrograph, phase, condition in zip(
        simulated["micrograph"].values, simulated["phase"].values, simulated["condition"].values, strict=True
    ):
        carbide = phase > 0
        if carbide.mean() < 0.02:
            continue
        bright = micrograph > threshold_otsu(micrograph)
        assert np.corrcoef(bright.ravel(), carbide.ravel())[0, 1] > 0.5, condition


def test_microconstituents_are_named_as_in_uhcsdb():
    simulated = simulate(n=3 * len(CONDITIONS), progress=False)
    names = simulated["microconstituent"].values.astype(str)
    single = {"spheroidite", "pearlite", "network"}
    assert set(names) == single | {"pearlite+spheroidite", "spheroidite+widmanstatten"}
    condition = simulated["condition"].values.astype(str)
    assert set(names[condition == "700-5-Q"]) == {"pearlite"}
    assert set(names[condition == "970-90-Q"]) == {"spheroidite"}


def test_conditions_between_levels_are_simulated():
    simulated = simulate(n=2, size=16, conditions=["850-6H-Q"], progress=False)
    assert set(simulated["condition"].values.astype(str)) == {"850-360-Q"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n is 0"),
        ({"n": -3}, "n is -3"),
        ({"size": 8}, "size is 8 px"),
        ({"um_per_px": 0.0}, "um_per_px is 0.0"),
        ({"um_per_px": float("nan")}, "um_per_px is nan"),
        ({"specimens": 0}, "specimens is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"conditions": []}, "conditions is empty"),
    ],
)
def test_numbers_without_sense_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        simulate(**arguments, progress=False)


@pytest.mark.parametrize(
    ("condition", "message"), [("800-5-WQX", "WQX"), ("1200-5-Q", "temperature 1200"), ("800-5", "cooling")]
)
def test_conditions_outside_the_space_are_refused_by_name(condition, message):
    with pytest.raises(ConditionError, match=message):
        simulate(n=1, conditions=condition, progress=False)
