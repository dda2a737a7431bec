"""The simulated steel: what the phase maps show, measured by independent means, is what was put in."""

import math

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt
from skimage.filters import threshold_otsu
from skimage.measure import label, regionprops

from pspgan import ensemble
from pspgan.process import ConditionError
from pspgan.sources import geometry
from pspgan.sources.geometry import PHASES
from pspgan.sources.heat_treatment import CONDITIONS, SPACE, Steel, simulate

NO_SCATTER = {"specimen_sigma": 0.0, "field_sigma": 0.0, "fraction_sigma": 0.0, "network_sigma": 0.0}
EXACT = Steel(**NO_SCATTER)
GAS_CONSTANT = 8.314462618e-3  # kJ/(mol K)


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
    simulated = simulate(n=46, size=32, progress=False)
    ensemble.validate(simulated)
    assert simulated.attrs["origin"] == "simulated"
    assert simulated["phase"].attrs["phases"] == list(PHASES)
    ensemble.write_ensemble(simulated, tmp_path / "steel.zarr", progress=False)
    stored = ensemble.open_ensemble(tmp_path / "steel.zarr")
    for name in simulated.variables:
        np.testing.assert_array_equal(stored[name].values, simulated[name].values)
    assert set(stored.coords) == set(simulated.coords)
    drawn_from = {"mean_diameter", "area_fraction", "lamellar_share", "network_thickness", "denuded_width"}
    holds = {"spheroidite", "network", "lamella", "widmanstatten"}
    truth = {f"true_{name}" for name in drawn_from | {"needle_fraction"} | holds}
    assert {name for name in stored.coords if name.startswith("true_")} == truth


def test_conditions_share_the_fields_and_leave_combinations_unseen():
    simulated = simulate(n=len(CONDITIONS) * 6 + 2, size=16, progress=False)
    condition, count = np.unique(simulated["condition"].values.astype(str), return_counts=True)
    assert len(condition) == len(CONDITIONS)
    assert sorted(count) == [6] * (len(CONDITIONS) - 2) + [7] * 2
    assert len(np.unique(simulated["specimen"].values.astype(str))) == 4 * len(CONDITIONS)
    space = ensemble.space_of(simulated)
    assert len(space.observed) == len(CONDITIONS) < len(space.all_conditions)
    for i, factor in enumerate(space.factors):
        seen = {
            level: {v[:i] + v[i + 1 :] for v in space.observed if v[i] == level} for level in factor.levels
        }
        # No level goes with one combination of the others only.
        assert all(len(others) > 1 or factor.levels.index(level) == 4 for level, others in seen.items())


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
def test_coarsening_law_is_recovered_from_the_phase_maps(exponent):
    # Without initial particles d^n = k0 exp(-Q / RT) t, so ln d is linear in ln t and in 1 / RT.
    steel = Steel(exponent, initial_diameter=0.0, **NO_SCATTER)
    rows = []
    for temperature in (800, 900, 970, 1100):
        for time in (90, 480, 5100):
            simulated, um_per_px = fields_of(f"{temperature}-{time}-Q", n=8, steel=steel)
            diameter, _ = mean_diameter(simulated["phase"].values, um_per_px)
            rows.append((math.log(time), -1 / (GAS_CONSTANT * (temperature + 273.15)), 1, math.log(diameter)))
    rows = np.array(rows)
    in_time, in_temperature, _ = np.linalg.lstsq(rows[:, :3], rows[:, 3], rcond=None)[0]
    assert in_time == pytest.approx(1 / exponent, abs=0.02)
    assert in_temperature / in_time == pytest.approx(steel.coarsening_energy, rel=0.05)


def test_diameters_kept_are_those_of_the_particles_in_the_phase_map():
    simulated, um_per_px = fields_of("800-480-Q", n=6)
    for kept, phase in zip(simulated["particle_diameter"].values, simulated["phase"].values, strict=True):
        kept = kept[np.isfinite(kept)]
        assert (np.diff(kept) <= 0).all()
        seen = [
            p.equivalent_diameter_area * um_per_px
            for p in regionprops(label(phase == 1))
            if min(p.bbox[:2]) > 0 and max(p.bbox[2:]) < 224
        ]
        # All that lie inside are among them; those cut by the border count by their centre.
        assert len(seen) <= len(kept)
        nearest = np.abs(np.array(seen)[:, None] - kept).min(axis=1)
        assert np.median(nearest / seen) < 0.02
        assert len(kept) < 1.35 * len(seen)
    lists = simulated["particle_diameter"].values
    assert np.nanmean(lists) == pytest.approx(EXACT.mean_diameter(800, 480), rel=0.05)


def test_laws_pass_through_the_figures_they_are_calibrated_to():
    steel = Steel()
    assert steel.mean_diameter(800, 180) == pytest.approx(0.27)
    assert steel.mean_diameter(970, 5) == pytest.approx(0.27, rel=0.01)
    assert steel.mean_diameter(800, 1440) == pytest.approx(0.5, rel=0.1)
    # 1440 um * exp(-63.3 / (8.314e-3 * 1243.15)), by hand.
    assert steel.denuded_width(970, 60) == pytest.approx(3.151, rel=1e-3)
    assert steel.denuded_width(970, 600) / steel.denuded_width(970, 60) == pytest.approx(10**0.232)
    assert steel.lamellar_share(700, 5, "Q") > 0.95
    assert steel.lamellar_share(800, 5, "Q") == pytest.approx(0.5, abs=0.01)
    assert steel.lamellar_share(900, 5, "Q") == 0
    assert steel.lamellar_share(1100, 60, "650-1H") == 1
    assert steel.lamellar_share(700, 5100, "650-1H") < 0.1  # was never austenite
    assert steel.film_thickness(970, "Q") == 0
    assert 0 < steel.film_thickness(970, "AR") < steel.film_thickness(970, "FC")
    assert steel.film_thickness(700, "FC") == 0


def test_denuded_zone_holds_no_particle_and_follows_the_measured_law():
    rows = []
    for condition in ("800-480-Q", "800-5100-Q", "900-5-Q", "900-480-Q", "970-5-Q", "970-5100-Q"):
        point = SPACE.condition(condition)
        width = EXACT.denuded_width(point["temperature"], point["time"])
        um_per_px = width / 24
        simulated = simulate(
            8, 192, conditions=condition, um_per_px=um_per_px, steel=EXACT, framing="boundary", progress=False
        )
        assert (simulated["true_denuded_width"].values == width).all()
        nearest = []
        for phase in simulated["phase"].values:
            assert (phase == 2).any()
            if (phase == 1).any():
                nearest.append((distance_transform_edt(phase != 2) * um_per_px)[phase == 1].min())
        # Distances are between pixel centres; particles do not quite touch the zone.
        assert width - um_per_px < min(nearest) < 1.05 * width
        kelvin = point["temperature"] + 273.15
        rows.append((math.log(point["time"] / 60), -1 / (GAS_CONSTANT * kelvin), 1, math.log(min(nearest))))
    rows = np.array(rows)
    in_time, energy, _ = np.linalg.lstsq(rows[:, :3], rows[:, 3], rcond=None)[0]
    assert in_time == pytest.approx(0.232, rel=0.05)
    assert energy == pytest.approx(63.3, rel=0.05)


def test_network_lies_between_grains_of_the_stated_size_and_covers_what_was_measured():
    fields = simulate(
        24, 256, conditions="970-90-Q", um_per_px=1.5, steel=EXACT, framing="random", progress=False
    )
    network = fields["phase"].values == PHASES.index("network")
    assert 0.03 < network.mean() < 0.21
    assert network.mean() == pytest.approx(fields["true_network"].values.mean(), abs=0.005)
    assert set(fields["microconstituent"].values.astype(str)) == {"network"}
    # Grains that the network encloses, where none of it is missing.
    closed = geometry.Structure(grain_size=EXACT.grain_size, network_thickness=4.0)
    rng = np.random.default_rng(0)
    grains = [geometry.draw(closed, rng, (512, 512), 1.0).phase for _ in range(6)]
    area = [
        p.area
        for phase in grains
        for p in regionprops(label(phase != 2, connectivity=1))
        if min(p.bbox[:2]) > 0 and max(p.bbox[2:]) < 512 and p.area > 500
    ]
    between = np.mean([phase == 2 for phase in grains])
    assert math.sqrt(np.mean(area) / (1 - between)) == pytest.approx(EXACT.grain_size, rel=0.1)


def test_framing_says_where_fields_lie():
    share = {
        framing: simulate(n, 64, conditions="800-90-Q", framing=framing, progress=False)[
            "true_network"
        ].values
        for framing, n in {"grain": 16, "boundary": 8, "random": 32}.items()
    }
    assert (share["grain"] == 0).all()
    assert (share["boundary"] > 0).all()
    assert 0 < np.mean(share["random"] > 0) < 1


def test_cooling_decides_which_constituents_appear():
    share, thickness = {}, {}
    for cooling in ("Q", "AR", "FC", "650-1H"):
        fields = simulate(12, 192, conditions=f"970-5-{cooling}", steel=EXACT, um_per_px=0.15, progress=False)
        share[cooling] = {name: fields[f"true_{name}"].values.mean() for name in PHASES[1:]}
        thickness[cooling] = fields["true_network_thickness"].values.mean()
    assert thickness["Q"] < thickness["AR"] < thickness["FC"]
    assert share["Q"]["widmanstatten"] == share["AR"]["widmanstatten"] == 0
    # By the law; bundles are few, overlap, and end at boundaries.
    assert share["FC"]["widmanstatten"] == pytest.approx(EXACT.needle_fraction(970, "FC"), rel=0.5)
    assert share["Q"]["lamella"] == share["FC"]["lamella"] == 0
    # The hold leaves particles where they are, and pearlite between them.
    assert share["650-1H"]["spheroidite"] == pytest.approx(share["Q"]["spheroidite"], rel=0.1)
    assert share["650-1H"]["lamella"] == pytest.approx(0.29 * (1 - share["Q"]["spheroidite"]), rel=0.1)


def test_particles_that_pixels_do_not_resolve_keep_their_area():
    fields = simulate(
        8, 128, conditions="900-90-Q", um_per_px=0.5, steel=EXACT, framing="random", progress=False
    )
    assert fields["particle_diameter"].size == 0
    room = [
        np.mean(distance_transform_edt(phase != 2) * 0.5 >= EXACT.denuded_width(900, 90))
        if (phase == 2).any()
        else 1
        for phase in fields["phase"].values
    ]
    wanted = np.mean(room) * EXACT.particle_fraction(900)
    assert fields["true_spheroidite"].values.mean() == pytest.approx(wanted, rel=0.03)


def test_several_pixel_sizes_are_a_factor_under_which_lengths_stay_what_they_are():
    sizes = (0.05, 0.1)
    steel = simulate(
        32, 160, conditions=["800-1440-Q", "970-90-Q"], um_per_px=sizes, steel=EXACT, progress=False
    )
    space = ensemble.space_of(steel)
    assert space.has_pixel_size
    assert {str(c) for c in space.observed_conditions} == {
        f"{treatment}-{size}" for treatment in ("800-1440-Q", "970-90-Q") for size in sizes
    }
    assert set(steel["specimen"].values.astype(str)) == {
        f"{treatment} #0.{k}" for treatment in ("800-1440-Q", "970-90-Q") for k in (1, 2, 3, 4)
    }
    for treatment in ("800-1440-Q", "970-90-Q"):
        for size in sizes:
            mine = steel.isel(sample=steel["condition"].values == f"{treatment}-{size}")
            assert (mine["um_per_px"].values == size).all()
            law = mine["true_mean_diameter"].values[0]
            assert mean_diameter(mine["phase"].values, size)[0] == pytest.approx(law, rel=0.1)


def test_fields_may_be_rectangles_and_do_not_depend_on_workers():
    arguments = {"n": 6, "size": (40, 56), "seed": 2, "progress": False}
    alone, together = (simulate(workers=workers, **arguments) for workers in (1, 2))
    assert alone["micrograph"].shape == (6, 40, 56)
    for name in alone.variables:
        np.testing.assert_array_equal(alone[name].values, together[name].values)


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
    # Within grains; the network, where one is in view, is as dark as the matrix.
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
    simulated = simulate(n=3 * len(CONDITIONS), size=96, progress=False)
    names = simulated["microconstituent"].values.astype(str)
    assert set(names) == {"spheroidite", "pearlite", "pearlite+spheroidite", "spheroidite+widmanstatten"}
    condition = simulated["condition"].values.astype(str)
    assert set(names[condition == "700-5-Q"]) == {"pearlite"}
    assert set(names[condition == "970-90-Q"]) == {"spheroidite"}
    assert "pearlite+spheroidite" in names[condition == "1100-90-650-1H"]
    assert "spheroidite+widmanstatten" in names[condition == "970-5-FC"]


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
        ({"um_per_px": (0.1, 0.1)}, "or one twice"),
        ({"um_per_px": (0.1, -0.2)}, "um_per_px is -0.2"),
        ({"specimens": 0}, "specimens is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"conditions": []}, "conditions is empty"),
        ({"size": (64, 8)}, "size is 8 px"),
        ({"size": (64, 64, 3)}, "give pixels along each axis"),
        ({"framing": "centre"}, 'framing "centre" is none of grain, boundary, random'),
        ({"workers": 0}, "workers is 0"),
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
