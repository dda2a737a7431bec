"""The loop: losses of the paper, accumulation, and resuming to the same weights."""

import json
import math

import pytest
import torch

from pspgan import ensemble
from pspgan.networks import CheckpointError, load_weights
from pspgan.process import ProcessSpace
from pspgan.training import ConfigError, Run, TrainingConfig, make_config, train
from pspgan.training.batches import Batches, FakeConditions
from pspgan.training.distributed import Ranks
from pspgan.training.loop import discriminator_step, generator_step
from pspgan.training.state import TrainingState

ALONE = Ranks(torch.device("cpu"))


def test_a_run_leaves_what_it_promises(make_ensemble, small, tmp_path):
    run = train(make_ensemble(), "demo", tmp_path / "run", **small)
    assert run.config.images == 96
    assert run.description["data"]["micrographs"] == 30
    assert run.description["data"]["um_per_px"] is None
    assert [path.name for path in run.checkpoints()] == [
        "state-000000004.safetensors",
        "best-000000006.safetensors",
        "state-000000006.safetensors",
    ]
    assert [path.name for path in sorted((run.folder / "samples").iterdir())] == [
        "000000048.png",
        "000000096.png",
    ]
    assert any((run.folder / "tensorboard").iterdir())
    losses = [line for line in run.log if "loss_g" in line]
    assert [line["images"] for line in losses] == [16, 32, 48, 64, 80, 96]
    assert all(math.isfinite(line["loss_d_real"]) for line in losses)
    assert {"loss_d_fake", "loss_g", "images_per_s", "seconds", "step", "memory_gb"} <= losses[0].keys()
    for line in losses:
        assert line["seconds_data"] < line["seconds_d"] < line["seconds"]
        assert line["seconds_averaging"] < line["seconds_g"] + line["seconds_d"]
    assert "seconds_saving" in losses[2]  # of the checkpoint after 32 images
    assert all("seconds_sampling" in line for line in run.log if "diversity" in line)
    assert any("diversity" in line for line in run.log)
    assert (
        run.space.observed
        == ensemble.space_of(make_ensemble()).observing(["0.1-oil", "0.2-oil", "0.4-air"]).observed
    )
    tensors, meta = load_weights(run.generator_file)
    assert meta["images"] == 96
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())


def test_losses_at_zero_scores_are_the_papers(make_ensemble):
    space = ProcessSpace.uhcsdb()
    dataset = make_ensemble(space=space, conditions=("800-5-Q", "970-90-Q", "1100-60-650-1H"))
    config = make_config("paper", resolution=32, ch=4, batch=8, balance="none", accumulation=2)
    batches = Batches(dataset, config)
    state = TrainingState.start(batches.space, config, torch.device("cpu"))
    with torch.no_grad():
        state.discriminator.linear.bias.zero_()
    # A head whose input is cut off scores zero everywhere.
    state.discriminator.linear.register_forward_hook(lambda _, inputs, output: output * 0)
    fakes = FakeConditions(batches.space, "independent", 0)
    d = discriminator_step(config, batches, fakes, state, 0, torch.Generator().manual_seed(0), ALONE)
    g = generator_step(config, fakes, state, torch.Generator().manual_seed(0), ALONE)
    assert d["loss_d_real"].item() == pytest.approx(math.log(1 + 17) + math.log(1 + 4), abs=1e-5)
    assert (d["loss_d_real"].item(), d["loss_d_fake"].item(), g["loss_g"].item()) == pytest.approx(
        (4.4998, 3.7377, 4.4998), abs=5e-5
    )


def test_accumulation_gives_the_gradient_of_the_whole_batch(make_ensemble):
    # Without augmentation and noise from batch norm in G, D's gradient must not depend on the parts.
    gradients = []
    for parts in (1, 4):
        settings = {"resolution": 32, "ch": 4, "latent": 8, "batch": 8, "balance": "none", "augment": ""}
        config = make_config("paper", accumulation=parts, **settings)
        batches = Batches(make_ensemble(), config)
        state = TrainingState.start(batches.space, config, torch.device("cpu"))
        state.generator.eval()
        state.discriminator.eval()
        fakes = FakeConditions(batches.space, "observed", 0)
        discriminator_step(config, batches, fakes, state, 0, torch.Generator().manual_seed(0), ALONE)
        gradients.append([parameter.grad.clone() for parameter in state.discriminator.parameters()])
    for whole, summed in zip(*gradients, strict=True):
        torch.testing.assert_close(whole, summed, rtol=1e-3, atol=1e-4)


def test_each_step_moves_only_its_own_network(make_ensemble, small):
    settings = {key: value for key, value in small.items() if key != "progress"}
    config = make_config("demo", **settings)
    batches = Batches(make_ensemble(), config)
    state = TrainingState.start(batches.space, config, torch.device("cpu"))
    fakes = FakeConditions(batches.space, "observed", 0)

    def parameters():
        networks = (state.generator, state.discriminator)
        return [torch.cat([p.detach().flatten() for p in network.parameters()]) for network in networks]

    start = parameters()
    discriminator_step(config, batches, fakes, state, 0, torch.Generator().manual_seed(0), ALONE)
    after_d = parameters()
    generator_step(config, fakes, state, torch.Generator().manual_seed(0), ALONE)
    after_g = parameters()
    assert torch.equal(start[0], after_d[0])
    assert not torch.equal(start[1], after_d[1])
    assert not torch.equal(after_d[0], after_g[0])
    assert torch.equal(after_d[1], after_g[1])
    assert all(parameter.requires_grad for parameter in state.discriminator.parameters())


def test_a_resumed_run_ends_with_the_same_weights(make_ensemble, small, tmp_path, same):
    dataset = make_ensemble()
    whole = train(dataset, "demo", tmp_path / "whole", **small)
    half = train(dataset, "demo", tmp_path / "half", **(small | {"images": 48}))
    again = train(dataset, "demo", tmp_path / "half", resume=True, images=96, progress=False)
    assert again.config == whole.config
    same(whole.checkpoints()[-1], half.checkpoints()[-1])
    same(whole.generator_file, half.generator_file)
    kept = [line["loss_d_real"] for line in half.log if "loss_d_real" in line]
    assert kept == [line["loss_d_real"] for line in whole.log if "loss_d_real" in line]
    figures = [
        [{k: v for k, v in line.items() if "seconds" not in k} for line in run.log if "distance" in line]
        for run in (whole, half)
    ]
    assert figures[0] == figures[1]
    assert [line["images"] for line in half.metrics] == [48] * 3 + [96] * 3
    assert half.metrics == whole.metrics


def test_a_measurement_that_a_resumed_run_repeats_stands_once(make_ensemble, small, tmp_path):
    settings = small | {"sample_every": 16, "checkpoint_every": 10_000}
    run = train(make_ensemble(), "demo", tmp_path / "run", **(settings | {"images": 64}))
    again = train(make_ensemble(), "demo", tmp_path / "again", **(settings | {"images": 32}))
    (again.folder / "metrics.jsonl").open("a").write(json.dumps(run.metrics[-1]) + "\n" + '{"images": 64')
    train(make_ensemble(), "demo", again.folder, resume=True, images=64, progress=False)
    assert again.metrics == run.metrics


def test_the_callers_random_state_is_left_alone(make_ensemble, small, tmp_path):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    train(make_ensemble(), "demo", tmp_path / "run", **(small | {"images": 16}))
    assert torch.equal(torch.rand(2), expected)


def test_a_run_in_the_way(make_ensemble, small, tmp_path):
    settings = small | {"images": 16}
    train(make_ensemble(), "demo", tmp_path / "run", **settings)
    with pytest.raises(FileExistsError, match="--resume"):
        train(make_ensemble(), "demo", tmp_path / "run", **settings)
    train(make_ensemble(), "demo", tmp_path / "run", overwrite=True, **(settings | {"seed": 1}))
    assert Run(tmp_path / "run").config.seed == 1


def test_resuming_and_overwriting_contradict_each_other(make_ensemble, small, tmp_path):
    run = train(make_ensemble(), "demo", tmp_path / "run", **(small | {"images": 16}))
    before = run.log
    with pytest.raises(ConfigError, match=r"--resume.* keeps .*--overwrite.* removes"):
        train(make_ensemble(), "demo", run.folder, resume=True, overwrite=True, **(small | {"images": 32}))
    assert run.log == before


def test_resuming_cannot_change_what_the_run_is(make_ensemble, small, tmp_path):
    train(make_ensemble(), "demo", tmp_path / "run", **(small | {"images": 32}))
    with pytest.raises(ConfigError, match="ch is 4 in the run that is resumed and cannot become 8"):
        train(make_ensemble(), "demo", tmp_path / "run", resume=True, ch=8, progress=False)
    other = make_ensemble(space=ProcessSpace.uhcsdb(), conditions=("800-5-Q", "970-90-Q", "1100-60-650-1H"))
    with pytest.raises(
        CheckpointError, match="another process space than the data: factors strain, bath against temp"
    ):
        train(other, "demo", tmp_path / "run", resume=True, progress=False)


def test_a_preset_that_changed_since_does_not_change_a_run(make_ensemble, small, tmp_path):
    run = train(make_ensemble(), "demo", tmp_path / "run", **(small | {"images": 16}))
    description = run.description
    del description["config"]["beta1"]  # 0.5 in the preset
    (run.folder / "config.json").write_text(json.dumps(description | {"preset": "of-old"}))
    train(make_ensemble(), "demo", run.folder, resume=True, images=32, progress=False)
    assert run.config.beta1 == TrainingConfig.model_fields["beta1"].default == 0.9
    assert run.config.init_bias == "zero"
    assert run.description["preset"] == "of-old"
    with pytest.raises(ConfigError, match=r"beta1 is 0\.9 in the run that is resumed and cannot become"):
        train(make_ensemble(), "demo", run.folder, resume=True, beta1=0.5, progress=False)


def test_a_run_with_a_setting_that_is_gone(make_ensemble, small, tmp_path):
    run = train(make_ensemble(), "demo", tmp_path / "run", **(small | {"images": 16}))
    description = run.description
    description["config"]["lr_x"] = 1
    (run.folder / "config.json").write_text(json.dumps(description))
    with pytest.raises(ConfigError, match=r'config\.json: unknown setting "lr_x".* version .* of pspgan'):
        train(make_ensemble(), "demo", run.folder, resume=True, images=32, progress=False)


def test_records_do_not_change_the_generator(make_ensemble, small, tmp_path, same):
    often = train(
        make_ensemble(), "demo", tmp_path / "often", **(small | {"sample_every": 16, "log_every": 32})
    )
    once = train(make_ensemble(), "demo", tmp_path / "once", **(small | {"sample_every": 10_000}))
    same(often.generator_file, once.generator_file)
    assert sum("diversity" in line for line in once.log) == 1


def test_a_checkpoint_comes_after_minutes_too_and_changes_nothing(
    make_ensemble, small, tmp_path, same, monkeypatch
):
    settings = small | {"images": 7 * 16, "sample_every": 10_000, "checkpoint_every": 10_000}
    plain = train(make_ensemble(), "demo", tmp_path / "plain", **settings)
    saved, save = [], Run.save

    def noted(run, state, kind="state"):
        if kind == "state":
            saved.append(state.step)
        save(run, state, kind)

    monkeypatch.setattr(Run, "save", noted)
    monkeypatch.setattr(Ranks, "agree", lambda ranks, elapsed, stop: (120.0, stop))  # a slow machine
    run = train(make_ensemble(), "demo", tmp_path / "run", checkpoint_minutes=5, **settings)
    assert saved == [0, 3, 6, 7]
    same(run.checkpoints()[-1], plain.checkpoints()[-1])
    same(run.generator_file, plain.generator_file)
    # A resumed run counts from the checkpoint that it goes on from.
    saved.clear()
    train(make_ensemble(), "demo", run.folder, resume=True, images=12 * 16, progress=False)
    assert saved == [10, 12]
    train(
        make_ensemble(), "demo", run.folder, resume=True, images=13 * 16, checkpoint_minutes=1, progress=False
    )
    assert run.config.checkpoint_minutes == 1
    assert make_config("paper").checkpoint_minutes == 10


def test_resuming_on_other_micrographs_is_refused(make_ensemble, small, tmp_path):
    train(make_ensemble(), "demo", tmp_path / "run", **(small | {"images": 32}))
    with pytest.raises(CheckpointError, match="trained on other micrographs"):
        train(make_ensemble(n=27), "demo", tmp_path / "run", resume=True, progress=False)


def test_resuming_on_other_labels_is_refused(make_ensemble, small, tmp_path):
    settings = small | {"images": 32, "balance": "microconstituent"}
    train(make_ensemble(), "demo", tmp_path / "run", **settings)
    labels = ["coarse", *make_ensemble()["microconstituent"].values[1:]]
    with pytest.raises(CheckpointError, match="trained on other micrographs or labels"):
        train(make_ensemble(microconstituent=labels), "demo", tmp_path / "run", resume=True, progress=False)


def test_a_longer_length_outlives_the_time_limit(make_ensemble, small, tmp_path):
    run = train(make_ensemble(), "demo", tmp_path / "run", **(small | {"images": 10_000, "minutes": 1e-6}))
    assert run.log[-1]["images"] == 16
    train(make_ensemble(), "demo", run.folder, resume=True, images=48, progress=False)
    assert run.log[-1]["images"] == 48


def test_only_runs_are_overwritten(make_ensemble, small, tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "other"}')
    with pytest.raises(FileExistsError, match=r"config\.json of something else"):
        train(make_ensemble(), "demo", tmp_path, overwrite=True, **small)
    assert (tmp_path / "config.json").exists()


def test_optimizers_are_those_of_the_paper():
    config = make_config("paper", resolution=32, ch=4)
    state = TrainingState.start(ProcessSpace.uhcsdb(), config, torch.device("cpu"))
    for optimizer, decay in ((state.optimizer_g, 1e-3), (state.optimizer_d, 5e-4)):
        # Adam and not AdamW: the decay is coupled, and holds for every parameter.
        assert type(optimizer) is torch.optim.Adam
        assert not optimizer.defaults.get("decoupled_weight_decay", False)
        (group,) = optimizer.param_groups
        assert (group["weight_decay"], group["lr"], group["betas"]) == (decay, 2e-4, (0.9, 0.999))
    assert len(state.optimizer_g.param_groups[0]["params"]) == len(list(state.generator.parameters()))


def test_discriminator_steps_to_generator_steps(make_ensemble, small, tmp_path):
    run = train(make_ensemble(), "demo", tmp_path / "run", **(small | {"d_steps": 4}))
    tensors, meta = load_weights(run.checkpoints()[-1])
    assert meta["images"] == 4 * small["batch"] * meta["step"]
    assert tensors["optimizer_g.0.step"].item() == meta["step"]
    assert tensors["optimizer_d.0.step"].item() == 4 * meta["step"]


def test_bfloat16_and_attention_train_and_resume(make_ensemble, small, tmp_path, same):
    settings = small | {
        "resolution": 64,
        "attention": "biggan",
        "precision": "bfloat16",
        "images": 32,
        "init": "orthogonal",
    }
    dataset = make_ensemble(side=64)
    whole = train(dataset, "demo", tmp_path / "whole", **settings)
    half = train(dataset, "demo", tmp_path / "half", **(settings | {"images": 16}))
    train(dataset, "demo", half.folder, resume=True, images=32, progress=False)
    same(whole.checkpoints()[-1], half.checkpoints()[-1])
    tensors, _ = load_weights(whole.checkpoints()[-1])
    assert all(
        t.dtype == torch.float32 for name, t in tensors.items() if not name.endswith("batches_tracked")
    )


def test_moments_keep_the_layout_of_their_parameters(make_ensemble, small, tmp_path):
    run = train(make_ensemble(), "demo", tmp_path / "run", **(small | {"images": 32}))
    batches = Batches(make_ensemble(), run.config)
    state = TrainingState.start(batches.space, run.config, torch.device("cpu"))
    run.resume(state, batches.space, batches.sha256)
    assert state.images == 32
    for optimizer in (state.optimizer_g, state.optimizer_d):
        for parameter, slots in optimizer.state.items():
            assert slots["exp_avg"].stride() == parameter.stride()


def test_minutes_bound_a_training(make_ensemble, small, tmp_path):
    run = train(
        make_ensemble(), "demo", tmp_path / "run", **(small | {"images": 10_000_000, "minutes": 0.02})
    )
    assert 0.02 * 60 <= run.log[-1]["seconds"] < 60
    assert json.loads((run.folder / "config.json").read_text())["config"]["minutes"] == 0.02


def test_training_sees_one_part_of_a_split(make_ensemble, small, tmp_path):
    path = ensemble.write_ensemble(make_ensemble(), tmp_path / "real.zarr", progress=False)
    with pytest.raises(ensemble.EnsembleError, match="there is no part"):
        train(path, "demo", tmp_path / "run", **(small | {"split": "train"}))
    split = ensemble.split(path, "specimen", 0.3)
    kept = ensemble.part_of(split, "train")
    run = train(path, "demo", tmp_path / "run", **(small | {"images": 16, "split": "train"}))
    assert run.description["data"]["micrographs"] == kept.sizes["sample"] < 30
    assert run.description["data"]["source"] == str(path)
    assert run.description["data"]["sha256"] == Batches(kept, run.config).sha256
    train(path, out=run.folder, resume=True, images=32, progress=False)
