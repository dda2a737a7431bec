"""Standing guard: what is not finite stops a run before it is kept and names its origin; collapse is told."""

import json

import numpy as np
import pytest
import torch

from pspgan.networks import Discriminator, Generator, load_weights
from pspgan.process import ProcessSpace
from pspgan.training import Run, TrainingDataError, TrainingError, loop, make_config, train
from pspgan.training.batches import Batches
from pspgan.training.guard import Watch, gradient_norm, require_finite_state
from pspgan.training.state import TrainingState


def planted(parameter):
    with torch.no_grad():
        parameter.view(-1)[0] = torch.nan


def spoil_weight(network):
    planted(network.linear.weight)


def spoil_gradient(network):
    network.linear.weight.register_hook(lambda gradient: gradient * torch.nan)


def spoil(monkeypatch, before, network, how):
    """In step 5, before an update of D (or G), plants NaN in a network's weights or gradient."""
    update = getattr(loop, before)

    def spoiled(*arguments):
        (state,) = (argument for argument in arguments if isinstance(argument, TrainingState))
        if state.step == 4:
            how(getattr(state, network))
        return update(*arguments)

    monkeypatch.setattr(loop, before, spoiled)


@pytest.mark.parametrize(
    ("before", "network", "how", "message"),
    [
        ("discriminator_step", "discriminator", spoil_gradient, "gradient_d is nan"),
        ("generator_step", "generator", spoil_gradient, "gradient_g is nan"),
        ("discriminator_step", "discriminator", spoil_weight, "loss_d_real is nan"),
        ("discriminator_step", "generator", spoil_weight, "loss_d_fake is nan"),
        ("generator_step", "discriminator", spoil_weight, "loss_g is nan"),
        ("generator_step", "generator", spoil_weight, "loss_g is nan"),
    ],
)
def test_a_nan_stops_the_step_it_comes_in(
    make_ensemble, small, tmp_path, monkeypatch, before, network, how, message
):
    spoil(monkeypatch, before, network, how)
    settings = small | {"log_every": 10_000, "images": 960}  # no line is due
    with pytest.raises(TrainingError) as error:
        train(make_ensemble(), "demo", tmp_path / "run", **settings)
    run = Run(tmp_path / "run")
    newest = run.checkpoints()[-1]
    rate = {"discriminator": "0.0004", "generator": "0.0002"}[network]
    assert str(error.value) == (
        f"{message} at step 5 (80 images): the {network} diverged at learning rate {rate}. {newest} is from "
        f"before; start a new run from it with a lower rate (--from {run.folder}, lr_{network[0]})"
    )
    assert run.log[-1]["stopped"] == str(error.value)
    assert load_weights(newest)[1]["images"] == 64
    for path in (*run.checkpoints(), run.generator_file):
        assert all(torch.isfinite(t).all() for t in load_weights(path)[0].values())
    monkeypatch.undo()
    train(make_ensemble(), "demo", run.folder, resume=True, images=96, progress=False)
    assert "stopped" not in run.log[-1]


def test_what_went_wrong_is_looked_for_in_parts_of_the_batch(
    make_ensemble, small, tmp_path, monkeypatch, sizes
):
    spoil(monkeypatch, "generator_step", "generator", spoil_weight)
    with pytest.raises(TrainingError, match="the generator diverged"):
        train(
            make_ensemble(), "demo", tmp_path / "run", **(small | {"accumulation": 4, "sample_every": 10_000})
        )
    assert sizes[Discriminator][-4:] == [2] * 4  # real ones alone
    assert set(sizes[Discriminator]) == {2, 4}


def test_nan_in_the_data_is_not_blamed_on_a_network(make_ensemble, small, tmp_path, monkeypatch):
    draw = Batches.real

    def real(self, step, size, *mine):
        batch = draw(self, step, size, *mine)
        if step == 4:
            batch.image[3, 0, 5, 5] = torch.nan
        return batch

    monkeypatch.setattr(Batches, "real", real)
    with pytest.raises(TrainingError, match=r"loss_d_real is nan at step 3 \(48 images\): the real microg"):
        train(make_ensemble(), "demo", tmp_path / "run", **small)
    assert load_weights(Run(tmp_path / "run").checkpoints()[-1])[1]["images"] == 32


def test_an_ensemble_that_could_hold_nan_is_refused(make_ensemble, small, tmp_path):
    dataset = make_ensemble()
    dataset["micrograph"] = dataset["micrograph"].astype(np.float32).where(dataset["micrograph"] > 10)
    with pytest.raises(TrainingDataError, match=r"micrograph holds float32; grey levels .* uint8"):
        train(dataset, "demo", tmp_path / "run", **small)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("log_every", [16, 10_000])
def test_a_rate_that_is_far_too_high(make_ensemble, small, tmp_path, log_every):
    settings = small | {"lr_d": 1e30, "init": "normal", "log_every": log_every}
    with pytest.raises(TrainingError, match=r"the discriminator diverged at learning rate 1e\+30"):
        train(make_ensemble(), "demo", tmp_path / "run", **settings)
    kept = [*Run(tmp_path / "run").checkpoints(), *tmp_path.glob("run/generator.safetensors")]
    for path in kept:
        assert all(torch.isfinite(t).all() for t in load_weights(path)[0].values())


def test_moments_and_buffers_are_looked_at_before_they_are_kept(make_ensemble, small, tmp_path):
    run = train(make_ensemble(), "demo", tmp_path / "run", **(small | {"images": 32}))
    batches = Batches(make_ensemble(), run.config)
    for plant, message in (
        (lambda s: planted(s.discriminator.linear.weight), "^discriminator.linear.weight holds .* discrim"),
        (lambda s: planted(s.averaged.norm.running_var), "^averaged.norm.running_var holds .* generator div"),
        (lambda s: planted(s.optimizer_d.state[s.discriminator.linear.weight]["exp_avg_sq"]), "^optimizer_d"),
    ):
        state = TrainingState.start(batches.space, run.config, torch.device("cpu"))
        run.resume(state, batches.space, batches.sha256)
        require_finite_state(run, state)
        plant(state)
        with pytest.raises(TrainingError, match=message):
            require_finite_state(run, state)


def test_gradient_norm_is_that_of_all_gradients():
    config = make_config("demo", ch=4)
    network = TrainingState.start(ProcessSpace.uhcsdb(), config, torch.device("cpu")).discriminator
    for parameter in network.parameters():
        parameter.grad = torch.randn(parameter.shape)
    together = torch.cat([parameter.grad.flatten() for parameter in network.parameters()])
    torch.testing.assert_close(gradient_norm(network), together.norm())
    planted(next(network.parameters()).grad)
    assert gradient_norm(network).isnan()


def test_a_collapsed_generator_is_reported_once_and_trained_on(
    make_ensemble, small, tmp_path, monkeypatch, capsys
):
    forward = Generator.forward
    monkeypatch.setattr(Generator, "forward", lambda self, z, weights: forward(self, z * 0, weights))
    run = train(make_ensemble(), "demo", tmp_path / "run", **(small | {"sample_every": 32}))
    assert [line["images"] for line in run.log if "loss_g" in line][-1] == 96
    samples = [line for line in run.log if "diversity" in line]
    assert [line["diversity_least"] < 0.01 for line in samples] == [True] * 3
    (warning,) = run.warnings
    assert warning.startswith("at 32 images: the generator collapses: seeds of 0.")
    assert "differ 0.00 times as much as its real micrographs" in warning
    assert capsys.readouterr().err.count("warning: the generator collapses") == 1
    # What was told is not told again after a break, and no state is kept as the best.
    train(make_ensemble(), "demo", run.folder, resume=True, images=128, progress=False)
    assert len(run.warnings) == 1
    assert all(path.name.startswith("state-") for path in run.checkpoints())


def samples(step, least, distance=1.0):
    names = {"diversity": 1.0, "diversity_least": least, "least_diverse": "800-5-Q", "distance": distance}
    return {"step": step} | names


def judged(step, real, fake):
    return {"step": step, "real_taken_for_real": real, "fake_taken_for_fake": fake}


def test_each_collapse_is_told_when_it_begins():
    watch = Watch()
    told = [bool(watch.observe(samples(k, least))) for k, least in enumerate([0.8, 0.3, 0.2, 0.5, 0.34])]
    assert told == [False, True, False, False, True]
    assert "seeds of 800-5-Q differ 0.34 times" in Watch().observe(samples(0, 0.34))[0]


def test_a_saturated_discriminator_is_told_after_two_hundred_steps():
    watch = Watch()
    shares = [(0.7, 0.9)] * 3 + [(0.995, 0.99)] * 10 + [(0.9, 1.0)] + [(1.0, 1.0)] * 8
    told = [watch.observe(judged(50 * (k + 1), *share)) for k, share in enumerate(shares)]
    assert [k for k, texts in enumerate(told) if texts] == [6, 17]
    assert told[6][0].startswith("the discriminator is saturated: for 200 steps it has been right about 99%")
    # Sure of one kind only: that is no saturation, but a discriminator that calls everything fake.
    assert not any(Watch([judged(1, 0, 1)]).observe(judged(k, 0.0, 1.0)) for k in (300, 600))


def test_a_watch_that_reads_the_log_goes_on_where_it_was():
    lines = [judged(100 * (k + 1), 1.0, 1.0) for k in range(4)] + [samples(400, 0.1), samples(450, 0.6, 0.5)]
    again = Watch(json.loads(json.dumps(lines)))
    assert not again.observe(judged(500, 1.0, 1.0))
    assert not again.observe(samples(600, 0.6, 0.7))
    assert not again.best
    again.observe(samples(700, 0.6, 0.4))
    assert again.best
    again.observe(judged(800, 0.0, 0.0))
    assert not again.best
