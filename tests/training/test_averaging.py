"""Averaged weights and the batch-norm statistics that belong to them."""

import pytest
import torch
from torch import nn

import pspgan as psp
from pspgan.networks import Discriminator, Generator
from pspgan.networks.layers import ConditionalBatchNorm
from pspgan.process import ProcessSpace
from pspgan.training import train
from pspgan.training.averaging import average_into, standing_statistics


def test_half_of_the_past_is_left_after_a_halflife():
    averaged, raw = nn.Linear(2, 2), nn.Linear(2, 2)
    nn.init.zeros_(averaged.weight)
    nn.init.ones_(raw.weight)
    for _ in range(10):
        average_into(averaged, raw, images=50, halflife=500)
    torch.testing.assert_close(averaged.weight, torch.full((2, 2), 0.5))
    average_into(averaged, raw, images=50, halflife=0)
    torch.testing.assert_close(averaged.weight, raw.weight)


def test_buffers_are_copied():
    averaged, raw = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    raw.running_mean.fill_(3)
    average_into(averaged, raw, images=1, halflife=1e9)
    assert averaged.running_mean.tolist() == [3, 3]


def test_standing_statistics_are_plain_means_over_the_batches():
    space = ProcessSpace.uhcsdb()
    generator = Generator(space, 32, ch=8, latent=8, embedding=4, init="orthogonal")
    first, last = generator.blocks[0].bn1, generator.norm
    for norm in (m for m in generator.modules() if isinstance(m, ConditionalBatchNorm)):
        norm.stored_mean.fill_(5)
        norm.stored_var.fill_(9)
    seen = {first: [], last: []}
    for norm, inputs in seen.items():
        norm.register_forward_pre_hook(lambda _, given, inputs=inputs: inputs.append(given[0]))
    weights = torch.from_numpy(space.encode(space.all_conditions))
    standing_statistics(generator, weights, batches=5, batch=16, seed=0)
    assert not generator.training
    assert all(len(inputs) == 5 for inputs in seen.values())
    for norm, mean, variance in (
        (first, first.stored_mean, first.stored_var),
        (last, last.running_mean, last.running_var),
    ):
        torch.testing.assert_close(mean, torch.stack([x.mean(dim=(0, 2, 3)) for x in seen[norm]]).mean(dim=0))
        torch.testing.assert_close(
            variance, torch.stack([x.var(dim=(0, 2, 3)) for x in seen[norm]]).mean(dim=0)
        )
    assert all(
        m.momentum == pytest.approx(0.1) for m in generator.modules() if isinstance(m, ConditionalBatchNorm)
    )


def test_standing_statistics_repeat():
    space = ProcessSpace.uhcsdb()
    generator = Generator(space, 32, ch=4, latent=8, embedding=4)
    weights = torch.from_numpy(space.encode(space.all_conditions))
    state = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    results = []
    for _ in range(2):
        generator.load_state_dict(state)
        standing_statistics(generator, weights, batches=3, batch=8, seed=7)
        results.append(generator.norm.running_mean.clone())
    torch.testing.assert_close(*results, rtol=0, atol=0)


@pytest.mark.parametrize("sample_every", [10_000, 64], ids=["kept without a sample", "after a sample"])
@pytest.mark.usefixtures("one_thread")
def test_a_checkpoint_opens_as_what_the_run_exports_at_that_moment(
    make_ensemble, small, tmp_path, sample_every
):
    run = train(make_ensemble(), "demo", tmp_path / "run", **(small | {"sample_every": sample_every}))
    checkpoint = psp.load(run.folder / "checkpoints" / "state-000000004.safetensors")
    ended = psp.load(train(make_ensemble(), "demo", tmp_path / "ended", **(small | {"images": 64})))
    conditions = run.space.observed_conditions
    assert torch.equal(checkpoint.sample(conditions), ended.sample(conditions))


@pytest.mark.usefixtures("one_thread")
def test_a_run_that_reached_no_sample_opens_as_its_newest_checkpoint(make_ensemble, small, tmp_path):
    run = train(make_ensemble(), "demo", tmp_path / "run", **(small | {"sample_every": 10_000}))
    run.generator_file.unlink()
    newest = run.checkpoints()[-1]
    with pytest.warns(UserWarning, match=f"checkpoint {newest.name} had learned after 96 images is used"):
        model = psp.load(run)
    conditions = run.space.observed_conditions
    assert torch.equal(model.sample(conditions), psp.load(newest).sample(conditions))
    assert model.name == "run"
    assert model.provenance["checkpoint"] == str(newest)
    with pytest.warns(UserWarning, match="holds no generator"):
        made = psp.generate(run.folder, n=2, out=tmp_path / "gen.zarr", workers=1, progress=False)
    assert made.sizes["sample"] == 2 * len(conditions)


def test_a_run_that_has_learned_nothing_is_refused(make_ensemble, small, tmp_path):
    run = train(make_ensemble(), "demo", tmp_path / "run", **(small | {"images": 16}))
    run.generator_file.unlink()
    for path in run.checkpoints()[1:]:
        path.unlink()
    assert [path.name for path in run.checkpoints()] == ["state-000000000.safetensors"]
    with pytest.raises(FileNotFoundError, match="has its training reached a first sample"):
        psp.load(run)


def test_a_sample_takes_no_more_at_once_than_a_step(make_ensemble, small, tmp_path, sizes):
    train(make_ensemble(), "demo", tmp_path / "run", **(small | {"accumulation": 4, "images": 16}))
    # Two updates of D and one of G in four parts, 16 batches for the statistics, 16 micrographs a condition.
    assert sizes[Generator] == [2] * (3 * 4 + 16 * 4 + 3 * 8)
    assert max(sizes[Discriminator]) == 2 * 2  # real and generated ones
