"""Generation: a seed and a condition are a micrograph, stores resume, what was never seen is marked."""

import warnings

import numpy as np
import pytest
import torch

import pspgan as psp
from pspgan.networks import CheckpointError
from pspgan.process import ConditionError, ProcessSpace


def test_a_micrograph_depends_on_seed_and_condition_only(run):
    model = psp.load(run)
    conditions = ["800-5-Q", "970-90-FC", "800-5-Q", "970-90-FC"]
    together = model.sample(conditions, seeds=[4, 5, 6, 7])
    assert together.shape == (4, 1, 32, 32)
    assert together.dtype == torch.float32
    alone = torch.cat([model.sample(c, seeds=[s]) for c, s in zip(conditions, [4, 5, 6, 7], strict=True)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
    assert (together[0] - together[2]).abs().max() > 1e-3
    assert (model.sample("800-5-Q", [4]) - model.sample("970-90-FC", [4])).abs().max() > 1e-4


def test_latents_can_be_given(run):
    model = psp.load(run)
    z = psp.generation.latents([3, 9], 16)
    torch.testing.assert_close(
        model.sample(["800-5-Q"] * 2, z=z), model.sample(["800-5-Q"] * 2, seeds=[3, 9])
    )
    many = psp.generation.latents(range(2000), 16)
    assert abs(many.mean()) < 0.03
    assert many.std() == pytest.approx(1, abs=0.02)
    with pytest.raises(ValueError, match="not both"):
        model.sample("800-5-Q", seeds=[0], z=z)
    with pytest.raises(ValueError, match="1 conditions, but 2"):
        model.sample("800-5-Q", seeds=[0, 1])


def test_the_ensemble_follows_the_schema(run, tmp_path, assert_equal):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = psp.generate(run, "observed", n=5, out=tmp_path / "gen.zarr", seed=100, progress=False)
    psp.validate(made)
    assert made.sizes == {"sample": 10, "y": 32, "x": 32}
    assert made["seed"].values.tolist() == [*range(100, 105)] * 2
    assert made["condition"].values.tolist() == ["800-5-Q"] * 5 + ["970-90-FC"] * 5
    assert made["observed"].values.all()
    assert (made.attrs["origin"], made.attrs["reduction"], made.attrs["licence"]) == ("generated", 3, "CC BY")
    assert len(set(made["specimen"].values)) == 2
    assert made["um_per_px"].values == pytest.approx(0.15)
    in_memory = psp.generate(run, "observed", n=5, seed=100, batch=3, progress=False)
    assert_equal(made, in_memory)


def test_pixels_are_as_large_as_the_condition_says(make_run, tmp_path):
    """One generator for all pixel sizes: it hears the size, between levels as the mean of both."""
    space = ProcessSpace.uhcsdb().with_pixel_sizes([0.1, 0.4]).observing(["800-90-Q-0.1", "800-90-Q-0.4"])
    make_run(tmp_path, space, {"um_per_px": None, "reduction": 1}, reduction=1)
    model = psp.load(tmp_path)
    asked = ["800-90M-Q at 0.1 um/px", "800-90M-Q@0.2", "800-90M-Q-0.4"]
    with pytest.warns(UserWarning, match=r"never saw 800-90-Q-0\.2;"):
        made = psp.generate(model, asked, n=2, progress=False)
    psp.validate(made)
    assert made["um_per_px"].values.tolist() == [0.1, 0.1, 0.2, 0.2, 0.4, 0.4]
    assert made["pixel_size"].values.tolist() == made["um_per_px"].values.tolist()
    assert made["observed"].values.tolist() == [True, True, False, False, True, True]
    assert (made["micrograph"].values[0] != made["micrograph"].values[4]).any()
    # What tells two conditions apart that differ in pixel size alone is the row of the embedding.
    fine, between, coarse = model.space.encode(["800-90-Q-0.1", "800-90-Q-0.2", "800-90-Q-0.4"])
    np.testing.assert_allclose(between, (fine + coarse) / 2)
    assert np.flatnonzero(fine != coarse).tolist() == list(range(19, 21))


def test_grey_levels_are_those_of_the_sample(run):
    model = psp.load(run)
    made = psp.generate(model, ["970-90-FC"], n=3, progress=False)
    expected = (model.sample(["970-90-FC"] * 3)[:, 0].numpy() + 1) * 127.5
    assert np.abs(made["micrograph"].values - expected).max() <= 0.5 + 1e-3


def test_unseen_combinations_are_marked_and_warned_of(run):
    with pytest.warns(UserWarning, match="never saw 850-6H-Q, 800-5-AR"):
        made = psp.generate(run, ["850-6H-Q", "800-5-AR", "800-5-Q"], n=1, progress=False)
    assert made["observed"].values.tolist() == [False, False, True]
    assert made["temperature"].values.tolist() == [850, 800, 800]
    assert "never observed" in psp.load(run).describe("850-6H-Q")[0]
    with pytest.raises(ConditionError, match='cooling "WQX"'):
        psp.generate(run, ["800-5-WQX"])


def test_what_cannot_be_loaded_is_named(run, tmp_path):
    with pytest.raises(FileNotFoundError, match="no such run"):
        psp.load(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match=r"holds no generator\.safetensors"):
        psp.load(tmp_path)
    (tmp_path / "generator.safetensors").write_bytes((run / "generator.safetensors").read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="cannot be read"):
        psp.load(tmp_path)
    with pytest.raises(ValueError, match="nothing to generate"):
        psp.generate(run, n=0)


def test_the_published_checkpoint_generates(shared):
    model = psp.load(shared / "fixtures" / "published_generator_ch4.pth")
    assert model.sample("800-5-Q").shape == (1, 1, 256, 256)
    with pytest.raises(ValueError, match="does not say which combinations"):
        psp.generate(model, "observed")
