"""Fine-tuning: runs that start from others, what they take and say, and what cannot be started from."""

import dataclasses

import pytest
import torch
from typer.testing import CliRunner

import pspgan as psp
from pspgan import ensemble
from pspgan.cli import app
from pspgan.networks import CheckpointError, load_weights, transfer_tensors
from pspgan.process import Factor, ProcessSpace
from pspgan.training import ConfigError, make_config, train
from pspgan.training.state import TrainingState
from pspgan.training.transfer import read_trained

STRAIN = Factor("strain", (0.1, 0.2, 0.4), "ordinal", scale="log")
BATH = Factor("bath", ("oil", "air"), "nominal")
RATE = Factor("rate", (1, 10), "ordinal", unit="1/s", scale="log")
SPACE = ProcessSpace((STRAIN, BATH))  # of the run that is started from


def changed(factor, *levels):
    return dataclasses.replace(factor, levels=levels)


@pytest.fixture
def steel(make_ensemble, small, tmp_path, rated):
    """A run to start from, and its folder; the first of its samples are the best."""
    rated(1.0, 2.0)
    return train(make_ensemble(), "demo", tmp_path / "old", **small)


def other_data(make_ensemble):
    """One level more, one fewer, one factor more, in another order."""
    space = ProcessSpace((changed(BATH, "water", "oil"), RATE, STRAIN))
    return make_ensemble(space=space, conditions=("oil-1-0.1", "oil-10-0.2", "water-10-0.4"))


@pytest.mark.parametrize("gone", ["", "checkpoints", "newest"])
def test_a_run_starts_from_another(steel, make_ensemble, small, tmp_path, capfd, gone):
    assert load_weights(steel.checkpoints()[-1])[1]["images"] == 96
    networks = ["generator", "discriminator", "averaged"]
    weights, images_shown = steel.checkpoints()[-1].name, 96
    if gone == "newest":
        damaged = steel.checkpoints()[-1]
        damaged.write_bytes(damaged.read_bytes()[:1000])
        weights, images_shown = steel.checkpoints()[-2].name, 64
    elif gone == "checkpoints":
        for path in steel.checkpoints():
            path.unlink()
        networks, weights = ["generator", "averaged"], "generator.safetensors"
    settings = {"images": 32, "log_every": 16, "batch": 8, "seed": 5, "progress": True}

    def tune():
        return train(other_data(make_ensemble), "demo", tmp_path / "new", start_from=steel, **settings)

    if gone == "newest":
        with pytest.warns(UserWarning, match=rf"{damaged.name} cannot be read.*{weights} is taken instead"):
            run = tune()
    else:
        run = tune()
    assert (run.config.ch, run.config.latent, run.config.embedding, run.config.batch) == (4, 8, 4, 8)
    record = run.description["start_from"]
    assert record["path"] == str(steel.folder)
    assert (record["weights"], record["networks"], record["images"]) == (weights, networks, images_shown)
    assert record["taken"] == {"bath": ["oil"], "strain": [0.1, 0.2, 0.4]}
    assert record["fresh"] == {"bath": ["water"], "rate": [1.0, 10.0]}
    assert record["left"] == {"bath": ["air"]}
    said = capfd.readouterr().err
    assert f"{run.folder} starts from {steel.folder}, {weights}" in said
    assert "  taken: bath oil; strain 0.1, 0.2, 0.4\n  starts fresh: bath water; rate 1, 10\n" in said
    assert "  left behind: bath air\n" in said
    assert ("the discriminator starts fresh" in said) == (gone == "checkpoints")
    tensors, meta = load_weights(run.checkpoints()[-1])
    assert (meta["images"], meta["step"]) == (32, 4)
    assert tensors["optimizer_g.0.step"].item() == 4


def test_the_same_space_gives_the_same_micrographs_in_every_network(steel, make_ensemble):
    trained = read_trained(steel.folder)
    state = TrainingState.start(steel.space, steel.config, torch.device("cpu"))
    trained.into(state)
    tensors = load_weights(steel.checkpoints()[-1])[0]
    for name in ("generator", "discriminator", "averaged"):
        for key, tensor in getattr(state, name).state_dict().items():
            assert torch.equal(tensor, tensors[f"{name}.{key}"]), (name, key)
    assert not state.optimizer_g.state
    exported = read_trained(steel.generator_file)
    exported.into(state)
    model = psp.load(steel)
    z = torch.randn(4, 8)
    weights = torch.from_numpy(SPACE.encode(SPACE.all_conditions[:4]))
    for network in (state.generator, state.averaged):
        torch.testing.assert_close(network.eval()(z, weights), model.generator(z, weights), rtol=0, atol=1e-5)


def test_a_fine_tuned_run_resumes_without_naming_its_origin(steel, make_ensemble, small, tmp_path):
    dataset = other_data(make_ensemble)
    settings = small | {"start_from": steel.folder}
    whole = train(dataset, "demo", tmp_path / "whole", **settings)
    half = train(dataset, "demo", tmp_path / "half", **(settings | {"images": 48}))
    begun = train(dataset, "demo", tmp_path / "begun", **(settings | {"images": 32}))
    for path in (*begun.checkpoints(), begun.generator_file):
        path.unlink()
    with pytest.raises(
        ConfigError, match=r"start_from is .*old in the run that is resumed and cannot become"
    ):
        train(dataset, "demo", half.folder, resume=True, start_from=whole, progress=False)
    fresh = train(dataset, "demo", tmp_path / "fresh", **(small | {"images": 16}))
    with pytest.raises(ConfigError, match="start_from is nothing in the run that is resumed"):
        train(dataset, "demo", fresh.folder, resume=True, start_from=whole, progress=False)
    # One that was killed before its first checkpoint starts from there again.
    train(dataset, out=begun.folder, resume=True, images=96, progress=False)
    train(dataset, out=half.folder, resume=True, start_from=steel, images=96, progress=False)
    for run in (half, begun):
        assert run.description["start_from"] == whole.description["start_from"]
        ours, theirs = (load_weights(r.checkpoints()[-1])[0] for r in (run, whole))
        for name, tensor in theirs.items():
            assert torch.equal(ours[name], tensor), name


def test_the_architecture_is_that_of_the_origin(steel, make_ensemble, tmp_path):
    for key, value in {"resolution": 64, "ch": 8, "latent": 16, "embedding": 8, "attention": "sagan"}.items():
        with pytest.raises(ConfigError, match=rf"{key} is \w+ in .*old, .* and cannot become {value}; leave"):
            train(make_ensemble(), "demo", tmp_path / "new", start_from=steel, progress=False, **{key: value})
    assert not (tmp_path / "new").exists()


def test_what_cannot_be_started_from(steel, make_ensemble, small, tmp_path):
    def start(path, out=tmp_path / "new", **options):
        train(make_ensemble(), "demo", out, start_from=path, **(small | options))

    with pytest.raises(FileNotFoundError, match="nowhere: no such file"):
        start(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"empty is no training run: it has no config\.json"):
        start(tmp_path / "empty")
    (tmp_path / "empty" / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="empty has neither a checkpoint nor an exported generator"):
        start(tmp_path / "empty")
    with pytest.raises(CheckpointError, match="is a checkpoint inside a run; give the run's folder"):
        start(steel.checkpoints()[0])
    with pytest.raises(FileExistsError, match="holds what the run starts from"):
        start(steel, steel.folder, overwrite=True)
    assert steel.checkpoints()
    for path in (*steel.checkpoints(), steel.generator_file):
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(
        CheckpointError, match=r"old has neither.*state-.*cannot be read.*generator\.safetensors"
    ):
        start(steel)
    with pytest.raises(CheckpointError, match=r"generator\.safetensors cannot be read"):
        start(steel.generator_file)
    assert not (tmp_path / "new").exists()


def test_the_published_generator_is_fine_tuned(shared, make_ensemble, tmp_path):
    published = shared / "fixtures" / "published_generator_ch4.pth"
    temperature, _, cooling = ProcessSpace.uhcsdb().factors
    space = ProcessSpace((temperature, changed(cooling, "Q", "WQ", "AR")))
    trained = read_trained(published)
    config = make_config("uhcs-64", **trained.settings({}))
    assert (config.resolution, config.ch, config.latent, config.embedding) == (256, 4, 384, 128)
    assert config.attention == "sagan"
    state = TrainingState.start(space, config, torch.device("cpu"))
    fresh = {name: t.clone() for name, t in state.discriminator.state_dict().items()}
    record = trained.into(state)
    assert record["networks"] == ["generator", "averaged"]
    assert record["fresh"] == {"cooling": ["WQ"]}
    assert record["left"] == {
        "time": [90.0, 1440.0, 180.0, 5.0, 480.0, 5100.0, 60.0, 2880.0],
        "cooling": ["FC", "650-1H"],
    }
    assert all(torch.equal(t, fresh[name]) for name, t in state.discriminator.state_dict().items())
    assert torch.equal(state.averaged.output.weight, state.generator.output.weight)
    same = TrainingState.start(ProcessSpace.uhcsdb(), config, torch.device("cpu")).generator
    transfer_tensors(same, trained.networks["generator"], trained.space, published)
    z, weights = torch.randn(1, 384), torch.from_numpy(same.space.encode("800-5-Q"))
    with torch.no_grad():
        expected = psp.load(published, "cpu").generator(z, weights)
        torch.testing.assert_close(same.eval()(z, weights), expected, rtol=0, atol=1e-4)


def test_generated_ensembles_name_all_data_that_the_weights_come_from(steel, make_ensemble, small, tmp_path):
    data = make_ensemble(licence="CC BY 3.0 US", attribution="somebody")
    run = train(data, "demo", tmp_path / "new", start_from=steel, **(small | {"images": 16}))
    twice = train(data, "demo", tmp_path / "last", start_from=run, **(small | {"images": 16}))
    for fine_tuned in (run, twice):
        model = psp.load(fine_tuned)
        assert (model.licence, model.attribution) == ("CC BY 3.0 US; CC0", "somebody; nobody")
    assert model.provenance["start_from"]["start_from"]["path"] == str(steel.folder)


def test_from_in_the_shell(steel, make_ensemble, tmp_path):
    store = ensemble.write_ensemble(other_data(make_ensemble), tmp_path / "other.zarr", progress=False)
    words = ["train", store, "--preset", "demo", "--images", 16, "--set", "batch=8", "-o", tmp_path / "new"]
    done = CliRunner().invoke(app, [*map(str, words), "--from", str(steel.folder)])
    assert done.exit_code == 0, done.output
    assert "starts fresh: bath water; rate 1, 10" in done.output
    assert psp.Run(tmp_path / "new").description["start_from"]["path"] == str(steel.folder)
