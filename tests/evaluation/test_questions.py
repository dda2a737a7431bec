"""The single questions to generated micrographs, each on arrays whose answer is known."""

import sys
import types

import numpy as np
import pytest
from scipy import ndimage
from synthetic import discs

from pspgan import Phases
from pspgan.evaluation import feature_spaces
from pspgan.evaluation.consistency import consistency
from pspgan.evaluation.feature_spaces import add_spaces
from pspgan.evaluation.leakage import flat_border, flat_square, noise_level
from pspgan.evaluation.matching import match
from pspgan.evaluation.samples import chosen, halves, measured
from pspgan.evaluation.scale import best_factor
from pspgan.evaluation.shares import beyond_real
from pspgan.process import Factor, ProcessSpace
from pspgan.statistics import PixelClassifier


class TestLeakage:
    @pytest.fixture
    def noise(self):
        return np.random.default_rng(0).normal(120, 5, (4, 64, 64)).round().astype(np.uint8)

    def test_noise_level(self, noise):
        assert 3.5 < noise_level(noise) < 5

    @pytest.mark.parametrize("level", [0, 40, 128])
    def test_side_of_a_square(self, noise, level):
        noise[1, 10:42, 20:52] = level
        noise[2, :16, 48:] = level  # clipped by the corner
        sides = 64 * flat_square(noise, 4.5)
        assert sides[0] == sides[3] == 0
        # Surroundings of 5 px reach beyond the side by two.
        assert 27 <= sides[1] <= 32
        assert 11 <= sides[2] <= 16

    def test_depth_of_a_band(self, noise):
        noise[1, :5] = 128
        noise[2, :, -7:] = 128
        noise[3, 20:30] = 128  # no border
        assert (64 * flat_border(noise, 4.5)).tolist() == [0, 5, 7, 0]

    def test_a_smooth_micrograph_is_not_flat(self, noise):
        smooth = np.clip((noise.astype(float) - 120) / 4 + 120, 0, 255).round().astype(np.uint8)
        assert flat_square(smooth, 4.5).max() < 0.1
        assert flat_border(smooth, 4.5).max() == 0


class TestScale:
    @pytest.mark.parametrize("factor", [0.5, 0.8, 1.0, 1.3, 2.0])
    def test_stretched_covariance(self, factor):
        r = np.arange(32.0)

        def covariance(length):
            return np.exp(-r / length) * np.cos(r / (2 * length))

        assert best_factor(r, covariance(5 * factor), covariance(5)) == pytest.approx(factor, rel=0.03)


class TestShares:
    def test_one_in_a_hundred_is_no_more_than_real(self):
        rng = np.random.default_rng(0)
        row = beyond_real(rng.normal(size=4000), rng.normal(size=4000), np.arange(4000) // 20, 30, rng)
        assert row["generated"] == pytest.approx(0.01, abs=0.006)
        assert row["real"] == pytest.approx(0.01, abs=0.004)
        assert row["generated_low"] < row["generated"] < row["generated_high"]

    def test_groups_that_differ_widen_the_real_share(self):
        rng = np.random.default_rng(0)
        groups = np.repeat(np.arange(6), 50)
        row = beyond_real(rng.normal(size=50), rng.normal(size=300) + 3 * groups, groups, 30, rng)
        assert row["real_high"] > 0.1
        assert row["generated"] == 0

    def test_halves_and_choice(self):
        groups = np.random.default_rng(0).integers(7, size=50)
        first, second = halves(groups, np.random.default_rng(1))
        assert not set(groups[first]) & set(groups[second])
        condition = np.repeat(["a", "b", "c"], (90, 8, 50))
        rows = chosen(condition, ["a", "b"], 30, np.random.default_rng(0))
        assert np.bincount(np.searchsorted(["a", "b"], condition[rows])).tolist() == [22, 8]


class TestConsistency:
    def test_nominal_factor_alone(self):
        """One factor of two levels, told apart by the size of discs: read well; exchanged, read wrongly."""
        space = ProcessSpace((Factor("bath", ("oil", "water"), "nominal"),))
        parts = []
        for seed, origin in ((0, "real"), (1, "generated"), (2, "generated")):
            many = discs(["500-1-oil", "800-64-water"], origin=origin, specimens=4, fields=6, seed=seed)
            bath = many["bath"].values
            if seed == 2:
                bath = np.where(bath == "oil", "water", "oil")
            attrs = many.attrs | {"process_space": space.observing([["oil"], ["water"]]).to_json()}
            many = many.drop_vars(["heat", "hours"]).assign_attrs(attrs)
            parts.append(many.assign_coords(condition=("sample", bath), bath=("sample", bath)))
        lines = []
        for gen in parts[1:]:
            real, judged = measured(match(parts[0], gen), None)
            add_spaces(real, judged, None, 0)
            (whole, *single) = consistency(real, judged, space, 0)
            assert whole["condition"] == "all"
            assert whole["chance"] == 0.5
            assert {one["condition"] for one in single} == {"oil", "water"}
            lines.append(whole)
        assert lines[0]["real"] > 0.9
        assert lines[0]["generated"] > 0.9
        assert lines[1]["generated"] < 0.1

    def test_one_specimen_cannot_be_read(self):
        one = discs(["500-1-oil", "800-64-water"], specimens=1, fields=4)
        one["specimen"][:] = "S1"
        real, gen = measured(match(one, one), None)
        add_spaces(real, gen, None, 0)
        assert consistency(real, gen, ProcessSpace.from_json(one.attrs["process_space"]), 0) == []


class TestFeatureSpaces:
    def test_texture_tells_noise_that_phases_do_not(self, real):
        """A blur of half a pixel changes no phase to speak of."""
        smooth = real["micrograph"].copy(
            data=ndimage.gaussian_filter(real["micrograph"].values, (0, 0.6, 0.6))
        )
        of_real, of_gen = measured(match(real, real.assign(micrograph=smooth)), None)
        add_spaces(of_real, of_gen, None, 0)
        apart = {
            name: np.abs(of_gen.spaces[name].mean(axis=0) - of_real.spaces[name].mean(axis=0)).max()
            for name in ("texture", "descriptors")
        }
        assert apart["texture"] > 2 * apart["descriptors"]

    def test_of_fields_too_small_for_it_there_is_no_texture(self, real):
        small = real.isel(y=slice(0, 15), x=slice(0, 15))
        of_real, of_gen = measured(match(small, small), None)
        add_spaces(of_real, of_gen, None, 0)
        assert {"two_point", "descriptors"} <= set(of_gen.spaces)
        assert "texture" not in of_gen.spaces

    def test_what_was_not_measured_is_not_dropped(self, real):
        """A blank micrograph has no lengths; that it lacks them sets it apart."""
        blank = real.assign(
            micrograph=real["micrograph"].copy(data=np.full(real["micrograph"].shape, 90, np.uint8))
        )
        of_real, of_gen = measured(match(real, blank), None)
        add_spaces(of_real, of_gen, None, 0)
        assert np.isfinite(of_gen.spaces["descriptors"]).all()
        assert of_gen.spaces["descriptors"][:, -1].min() > of_real.spaces["descriptors"][:, -1].max()

    def test_of_the_classifier_that_told_phases_apart(self, real):
        part = real.isel(sample=slice(0, 12))
        labels = list((part["phase"].values > 0).astype(np.uint8))
        classifier = PixelClassifier(steps=1).fit(
            list(part["micrograph"].values), labels, ("matrix", "carbide"), progress=None
        )
        phases = Phases("classifier", classifier=classifier)
        of_real, of_gen = measured(match(part, part), phases)
        add_spaces(of_real, of_gen, phases, 0)
        assert of_real.spaces["pixel_classifier"].shape == (12, 10)
        np.testing.assert_allclose(of_gen.spaces["pixel_classifier"], of_real.spaces["pixel_classifier"])
        assert classifier.features(part["micrograph"].values[:2, :50, :40]).shape == (2, 64 + 96)

    def test_inception_only_where_its_weights_are(self, tmp_path, monkeypatch, real):
        monkeypatch.setattr(feature_spaces.torch.hub, "get_dir", lambda: str(tmp_path))
        part = real.isel(sample=slice(0, 6))
        of_real, of_gen = measured(match(part, part), None)
        add_spaces(of_real, of_gen, None, 0)
        assert "inception" not in of_real.spaces
        # torch-fidelity as it is called; it would download where the path is not given.
        asked = []

        class Extractor:
            def __init__(self, name, features_list, feature_extractor_weights_path=None):
                asked.append((features_list, feature_extractor_weights_path))

            def __call__(self, images):
                assert images.shape[1:] == (3, 64, 64)
                assert images.dtype == feature_spaces.torch.uint8
                return (images.float().mean(dim=1).flatten(1)[:, :2048],)

        package = types.ModuleType("torch_fidelity")
        module = types.ModuleType("torch_fidelity.feature_extractor_inceptionv3")
        module.FeatureExtractorInceptionV3 = Extractor
        monkeypatch.setitem(sys.modules, "torch_fidelity", package)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(feature_spaces.importlib.util, "find_spec", lambda name: name == "torch_fidelity")
        (tmp_path / "checkpoints").mkdir()
        weights = tmp_path / "checkpoints" / "weights-inception-2015-12-05-6726825d.pth"
        weights.touch()
        add_spaces(of_real, of_gen, None, 0)
        assert asked == [(["2048"], str(weights))] * 2
        assert of_real.spaces["inception"].shape == (6, 5)
