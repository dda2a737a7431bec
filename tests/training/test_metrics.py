"""Figures of samples: against generators whose quality is known, and against statistics written plainly."""

import numpy as np
import pytest
import torch
from torch import nn

import pspgan as psp
from pspgan.networks import Discriminator, Generator
from pspgan.statistics import segment, two_point_statistics
from pspgan.training import make_config
from pspgan.training.batches import Batches, from_grey, to_grey
from pspgan.training.metrics import Metrics
from pspgan.training.structure import Moments, Structure, chance_distances, scatter_of_means


class Shown(nn.Module):
    """In place of a generator: micrographs that ``show(condition, n)`` makes, (n, y, x) uint8."""

    latent = 4

    def __init__(self, space, show):
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1))
        self.space, self.show = space, show

    def forward(self, z, weights):
        conditions = self.space.observed_conditions
        (k,) = (i for i, c in enumerate(conditions) if np.allclose(self.space.encode(c), weights[:1]))
        return from_grey(torch.as_tensor(self.show(conditions[k], len(z))))[:, None]


class Told(nn.Module):
    """In place of a discriminator: for every image the scores that are given."""

    def __init__(self, space, scores):
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1))
        self.space, self.scores = space, torch.as_tensor(scores, dtype=torch.float32)

    def forward(self, image):
        return self.scores.expand(len(image), -1)


@pytest.fixture
def batches(make_ensemble):
    return Batches(make_ensemble(n=60, side=96), make_config("demo"))


@pytest.fixture
def metrics(batches):
    return Metrics(batches, 32, 0)


def real_crops(batches, seed=1):
    rng = np.random.default_rng(seed)
    return Shown(batches.space, lambda c, n: to_grey(batches.crops_of(c, n, rng))[:, 0])


def test_real_crops_score_as_real_crops(batches, metrics):
    for seed in range(3):
        figures = metrics.measure(real_crops(batches, seed)).figures
        assert figures["distance"] < 1.5 * figures["distance_real"] < 0.3
        assert figures["area_fraction_error"] < 1.5 * figures["area_fraction_error_real"] < 0.03
        assert figures["diversity"] == pytest.approx(1, abs=0.05)
        assert figures["variety"] == pytest.approx(1, abs=0.15)
        for name in ("distance", "area_fraction_error", "diversity", "variety"):
            assert figures[f"{name}_low"] <= figures[name] <= figures[f"{name}_high"]


def test_conditions_that_are_told_apart_and_not():
    steel = psp.simulate(n=120, size=48, conditions=["700-5-Q", "800-24H-Q", "970-90-Q"], progress=False)
    batches = Batches(steel, make_config("demo"))
    metrics = Metrics(batches, 64, 0)
    conditions, everything = batches.space.observed_conditions, torch.from_numpy(batches.micrographs)
    draw = np.random.default_rng(1)

    def crops(condition, n):
        return to_grey(batches.crops_of(condition, n, draw))[:, 0]

    turned = dict(zip(conditions, [*conditions[1:], conditions[0]], strict=True))
    shown = {
        "right": lambda c, n: crops(c, n),
        "exchanged": lambda c, n: crops(turned[c], n),
        "all alike": lambda c, n: everything[draw.integers(len(everything), size=n), :32, :32],
    }
    found = {name: metrics.measure(Shown(batches.space, show)).figures for name, show in shown.items()}
    assert found["right"]["separation"] == pytest.approx(1, abs=0.2)
    assert found["exchanged"]["separation"] == pytest.approx(1, abs=0.2)
    assert found["all alike"]["separation"] < 0.25
    for figures in found.values():
        assert figures["separation_low"] <= figures["separation"] <= figures["separation_high"]


def test_a_single_condition_is_not_separate(make_ensemble):
    dataset = make_ensemble(n=6, side=48)
    alone = Batches(dataset.isel(sample=[0, 3]), make_config("demo"))
    assert len(alone.space.observed) == 1
    assert "separation" not in Metrics(alone, 8, 0).measure(real_crops(alone)).figures


def test_chance_stays_below_the_reference_in_95_of_100_draws(batches, metrics):
    figures = [metrics.measure(real_crops(batches, seed)).figures for seed in range(40)]
    for name in ("distance", "area_fraction_error"):
        exceeded = sum(f[name] > f[f"{name}_real"] for f in figures)
        assert exceeded <= 7  # 2 expected; the crops come from few micrographs


def test_blank_micrographs(batches, metrics):
    def blank(condition, n):
        mean = np.mean([batches.micrographs[i] for i, c in enumerate(batches.conditions) if c == condition])
        return np.full((n, 32, 32), round(mean), np.uint8)

    measured = metrics.measure(Shown(batches.space, blank))
    for row in measured.table:
        assert row["distance"] == pytest.approx(1, abs=0.02)
        assert row["area_fraction"] == row["diversity"] == row["variety"] == 0
    assert measured.figures["diversity_least"] == 0
    assert measured.figures["distance"] == pytest.approx(1, abs=0.02)


def test_one_micrograph_repeated_has_no_variety_though_it_is_real(batches, metrics):
    measured = metrics.measure(
        Shown(
            batches.space,
            lambda c, n: batches.micrographs[batches.conditions.index(c), :32, :32][None].repeat(n, axis=0),
        )
    )
    assert max(measured.figures["variety"], measured.figures["diversity"]) < 1e-9


def test_moved_micrographs_are_diverse_but_have_no_variety(batches, metrics):
    """Why a pixel's deviation flatters: every shift of one texture has other pixels."""

    rng = np.random.default_rng(0)
    texture = {c: batches.micrographs[batches.conditions.index(c)] for c in batches.space.observed_conditions}

    def shifted(condition, n):
        field = texture[condition][:32, :32]
        mirrored = np.block([[field, field[:, ::-1]], [field[::-1], field[::-1, ::-1]]])
        return np.stack([np.roll(mirrored, rng.integers(64, size=2), (0, 1))[:32, :32] for _ in range(n)])

    row = metrics.measure(Shown(batches.space, shifted)).figures
    assert row["diversity"] > 0.7
    assert row["variety"] < row["diversity"]


def test_another_condition_and_a_shift_in_grey_are_seen(batches, metrics):
    fine, *_, coarse = sorted(batches.space.observed_conditions, key=str)
    rng = np.random.default_rng(0)
    swapped = Shown(
        batches.space, lambda c, n: to_grey(batches.crops_of(coarse if c == fine else fine, n, rng))[:, 0]
    )
    assert all(row["distance"] > 0.5 for row in metrics.measure(swapped).table)
    brighter = Shown(
        batches.space, lambda c, n: (to_grey(batches.crops_of(c, n, rng))[:, 0].int() + 30).clamp(0, 255)
    )
    figures = metrics.measure(brighter).figures
    assert figures["distance"] > 3 * figures["distance_real"]
    assert figures["area_fraction_error"] < 0.05  # the threshold moves along


def test_measuring_again_gives_the_same(batches, metrics):
    generator = Generator(batches.space, resolution=32, ch=4, latent=8, embedding=4).eval()
    first, second = metrics.measure(generator, batch=32), Metrics(batches, 32, 0).measure(generator, batch=32)
    assert (first.figures, first.table) == (second.figures, second.table)
    for (_, real, fake), (_, same_real, same_fake) in zip(first.micrographs, second.micrographs, strict=True):
        assert torch.equal(real, same_real)
        assert torch.equal(fake, same_fake)
    assert metrics.measure(generator, batch=5).figures["distance"] == pytest.approx(
        first.figures["distance"], abs=1e-3
    )


def test_accuracy_is_the_share_of_highest_scores_that_are_right(batches, metrics):
    space = batches.space
    scores = np.zeros(space.n_targets)
    scores[[1, 3]] = 1  # strain 0.2, bath oil
    scores[-2:] = 9  # real and fake are no levels
    measured = metrics.measure(real_crops(batches), Told(space, scores))
    rows = {row["condition"]: row for row in measured.table}
    assert [rows[c]["accuracy_strain"] for c in ("0.1-oil", "0.2-oil", "0.4-air")] == [0, 1, 0]
    assert [rows[c]["accuracy_bath_real"] for c in ("0.1-oil", "0.2-oil", "0.4-air")] == [1, 1, 0]
    assert measured.figures["accuracy_strain"] == pytest.approx(1 / 3)
    assert measured.figures["accuracy_bath_real"] == pytest.approx(2 / 3)


def test_a_discriminator_is_left_as_it_was(batches, metrics):
    torch.manual_seed(0)
    discriminator = Discriminator(batches.space, resolution=32, ch=4).train()
    before = {name: tensor.clone() for name, tensor in discriminator.state_dict().items()}
    metrics.measure(real_crops(batches), discriminator)
    assert discriminator.training
    for name, tensor in discriminator.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_area_fraction_follows_the_truth_of_simulated_steel():
    steel = psp.simulate(n=60, size=64, seed=0)
    config = make_config("demo", resolution=64, ch=4)
    batches = Batches(steel, config)
    truth, found = [], []
    for row in Metrics(batches, 16, 0).measure(real_crops(batches)).table:
        mine = steel["condition"].values == row["condition"]
        truth.append((steel["phase"].values[mine] > 0).mean())
        found.append(row["area_fraction_real"])
    assert np.median(np.abs(np.subtract(truth, found))) < 0.02
    assert np.corrcoef(truth, found)[0, 1] > 0.9


def test_structure_is_that_of_statistics_written_plainly(batches):
    crops = to_grey(batches.crops_of(batches.conditions[0], 3, np.random.default_rng(0)))[:, 0]
    structure = Structure.of(crops, 120.0, 40.0)
    phase = segment(crops.numpy())
    np.testing.assert_array_equal(structure.area_fraction[:, 0], phase.mean(axis=(1, 2)))
    pymks = two_point_statistics(
        np.stack([1 - phase, phase], axis=-1), [(1, 1)], periodic=False, cutoff=8, engine="pymks"
    )
    np.testing.assert_allclose(structure.phase, pymks.reshape(3, -1), atol=1e-10)
    for image, vector in zip((crops.numpy() - 120.0) / 40.0, structure.grey, strict=True):
        expected = [
            np.mean(
                image[max(0, -dy) : 32 - max(0, dy), max(0, -dx) : 32 - max(0, dx)]
                * image[max(0, dy) : 32 - max(0, -dy), max(0, dx) : 32 - max(0, -dx)]
            )
            for dy in range(-8, 9)
            for dx in range(-8, 9)
        ]
        np.testing.assert_allclose(vector, expected, atol=1e-10)


def test_squared_distances_are_right_on_average():
    rng = np.random.default_rng(0)
    apart, norm = 0.3**2 * 50, 0.2**2 * 50
    found = []
    for _ in range(2000):
        a = Moments.of(0.2 + rng.standard_normal((6, 50)))
        b = Moments.of(0.5 + 2 * rng.standard_normal((24, 50)))
        found.append((a.squared_distance(b), a.squared_norm()))
    error = np.std(found, axis=0) / np.sqrt(len(found))
    assert np.all(np.abs(np.mean(found, axis=0) - [apart, norm]) < 4 * error)
    assert np.all(error < 0.1 * np.array([apart, norm]))


def test_scatter_of_means_is_right_on_average():
    rng = np.random.default_rng(0)
    true = rng.normal(0, 1, (5, 3))
    counts = np.array([[1, 1, 1, 1, 1], [2, 0, 1, 1, 1]])
    expected = [((true[k] - true[k].mean(0)) ** 2).sum(1).mean() for k in ([0, 1, 2, 3, 4], [0, 0, 2, 3, 4])]
    estimates = [
        scatter_of_means([Moments.of(rng.normal(mean, 2, (6, 3))) for mean in true], counts)
        for _ in range(4000)
    ]
    np.testing.assert_allclose(np.mean(estimates, axis=0), expected, rtol=0.05)


def test_chance_distances_are_those_of_random_parts():
    vectors = np.random.default_rng(0).standard_normal((12, 5)) + 3
    found = chance_distances(vectors, 4, 50, np.random.default_rng(1))
    order = np.random.default_rng(1).random((50, 12)).argsort(axis=1)
    expected = [Moments.of(vectors[row < 4]).squared_distance(Moments.of(vectors[row >= 4])) for row in order]
    np.testing.assert_allclose(found, expected, atol=1e-12)
