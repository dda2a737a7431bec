"""Tensors of one process space in networks of another: outputs that stay, levels that come and go."""

import dataclasses

import pytest
import torch

from pspgan.networks import CheckpointError, Discriminator, Generator, shared_levels, transfer_tensors
from pspgan.process import Factor, ProcessSpace

STRAIN = Factor("strain", (0.1, 0.2, 0.4), "ordinal", scale="log")
BATH = Factor("bath", ("oil", "air"), "nominal")
RATE = Factor("rate", (1, 10), "ordinal", unit="1/s", scale="log")
SPACE = ProcessSpace((STRAIN, BATH))  # of the old networks


def changed(factor, *levels):
    return dataclasses.replace(factor, levels=levels)


def trained_networks(space, steps=3):
    """A generator and a discriminator whose every tensor has moved, in eval mode."""
    draws = torch.Generator().manual_seed(1)
    options = {"resolution": 32, "ch": 4, "init": "orthogonal", "generator": draws}
    generator, discriminator = (
        Generator(space, latent=8, embedding=4, init_embedding=0.5, **options),
        Discriminator(space, **options),
    )
    parameters = [*generator.parameters(), *discriminator.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=0.02)
    weights = torch.from_numpy(space.encode(space.all_conditions))
    for _ in range(steps):
        optimizer.zero_grad()
        discriminator(generator(torch.randn(len(weights), 8), weights)).square().sum().backward()
        optimizer.step()
    return generator.eval(), discriminator.eval()


def moved(networks, space):
    """Fresh networks of another space that took what fits."""
    fresh = trained_networks(space, steps=0)
    for new, old in zip(fresh, networks, strict=True):
        transfer_tensors(new, old.state_dict(), old.space, "old run")
    return fresh


def images(generator, conditions):
    z = torch.randn(1, 8, generator=torch.Generator().manual_seed(3)).expand(len(conditions), -1)
    with torch.no_grad():
        return generator(z, torch.from_numpy(generator.space.encode(conditions)))


def scores(discriminator, labels):
    """Scores of the same noise, of these outputs: (factor, level), "real", "fake"."""
    known = [(f.name, level) for f in discriminator.space.factors for level in f.levels] + ["real", "fake"]
    noise = torch.randn(4, 1, 32, 32, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        return discriminator(noise)[:, [known.index(label) for label in labels]]


LABELS = [*(("strain", level) for level in STRAIN.levels), ("bath", "oil"), ("bath", "air"), "real", "fake"]


@pytest.mark.parametrize(
    "space",
    [
        SPACE,
        ProcessSpace((STRAIN, changed(BATH, "air", "water", "oil"))),
        ProcessSpace((changed(STRAIN, 0.4, 0.05, 0.1, 0.2), BATH)),
        ProcessSpace((BATH, STRAIN)),
        ProcessSpace((changed(BATH, "air", "oil"), changed(STRAIN, 0.4, 0.2, 0.1))),
        ProcessSpace((RATE, STRAIN, BATH)),
        ProcessSpace((BATH, RATE, changed(STRAIN, 0.4, 0.8, 0.2, 0.1))),
    ],
    ids=["same", "nominal level", "ordinal level", "order", "orders", "factor", "everything at once"],
)
def test_what_was_known_stays_as_it_was(space):
    networks = trained_networks(SPACE)
    generator, discriminator = moved(networks, space)
    old = [c.as_dict() for c in SPACE.all_conditions]
    for rate in RATE.levels if "rate" in space.names else (None,):
        new = [c | ({} if rate is None else {"rate": rate}) for c in old]
        torch.testing.assert_close(images(generator, new), images(networks[0], old), rtol=0, atol=1e-5)
    torch.testing.assert_close(
        scores(discriminator, LABELS), scores(networks[1], LABELS), rtol=1e-5, atol=1e-5
    )
    # And it goes on learning, new levels and factors included.
    generator.train()
    z, weights = torch.randn(4, 8), torch.from_numpy(space.encode(space.all_conditions[-4:]))
    discriminator.train()(generator(z, weights)).square().sum().backward()
    for name, parameter in (*generator.named_parameters(), *discriminator.named_parameters()):
        assert torch.isfinite(parameter.grad).all(), name


def test_new_levels_keep_what_they_were_drawn_as():
    space = ProcessSpace((changed(BATH, "air", "water", "oil"), RATE))
    old = trained_networks(SPACE)
    drawn = trained_networks(space, steps=0)
    generator, discriminator = moved(old, space)
    bath, rate = (table.weight for table in generator.embeddings)
    assert torch.equal(bath[[0, 2]], old[0].embeddings[1].weight[[1, 0]])
    assert torch.equal(bath[1], drawn[0].embeddings[0].weight[1])
    assert torch.equal(rate, drawn[0].embeddings[1].weight)
    head, before = discriminator.linear, old[1].linear
    assert torch.equal(head.weight[[0, 2, 5, 6]], before.weight[[4, 3, 5, 6]])
    assert torch.equal(head.bias[[0, 2, 5, 6]], before.bias[[4, 3, 5, 6]])
    assert head.weight[[1, 3, 4]].abs().max() == 0
    assert torch.equal(head.bias[[1, 3, 4]], drawn[1].linear.bias[[1, 3, 4]])


def test_columns_follow_their_factor_and_the_norm_is_estimated_anew():
    old = trained_networks(SPACE)
    generator, discriminator = moved(old, ProcessSpace((RATE, BATH)))
    layers = {
        "linear": generator.linear,
        "gain": generator.blocks[1].bn2.gain,
        "bias": generator.blocks[0].bn1.bias,
    }
    before = {"linear": old[0].linear, "gain": old[0].blocks[1].bn2.gain, "bias": old[0].blocks[0].bn1.bias}
    for name, layer in layers.items():
        assert torch.equal(layer.weight[:, :8], before[name].weight[:, :8])
        assert layer.weight[:, 8:12].abs().max() == 0
        assert torch.equal(layer.weight[:, 12:], before[name].weight[:, 12:])
    for layer in (*layers.values(), discriminator.linear):
        norm = torch.linalg.matrix_norm(layer.normalised_weight(), 2)
        assert norm.item() == pytest.approx(1, abs=0.02)
    assert torch.equal(generator.blocks[0].conv1.u, old[0].blocks[0].conv1.u)
    assert torch.equal(generator.norm.running_var, old[0].norm.running_var)


def test_factors_are_the_same_where_name_kind_and_unit_agree():
    for other in (
        dataclasses.replace(STRAIN, unit="%"),
        dataclasses.replace(STRAIN, name="reduction"),
        Factor("strain", ("0.1", "0.2", "0.4"), "nominal"),
    ):
        space = ProcessSpace((other, BATH))
        assert shared_levels(space, SPACE) == {"bath": ["oil", "air"]}
        assert shared_levels(space, SPACE, shared=False) == {other.name: list(other.levels)}
    linear = ProcessSpace((dataclasses.replace(STRAIN, scale="linear"), BATH))
    assert shared_levels(linear, SPACE, shared=False) == {}


def test_tensors_of_another_architecture_or_space_are_refused():
    generator, discriminator = trained_networks(SPACE)
    tensors = generator.state_dict()

    def transfer(tensors, network=generator):
        transfer_tensors(network, tensors, SPACE, "old.safetensors")

    with pytest.raises(CheckpointError, match=r"old\.safetensors: tensor embeddings\.1\.weight is missing"):
        transfer({name: t for name, t in tensors.items() if name != "embeddings.1.weight"})
    with pytest.raises(CheckpointError, match=r"tensor blocks\.0\.conv1\.weight is missing"):
        transfer({name: t for name, t in tensors.items() if name != "blocks.0.conv1.weight"})
    with pytest.raises(CheckpointError, match=r"weight has shape \(5, 4\), the network wants \(3, 4\)"):
        transfer(tensors | {"embeddings.0.weight": torch.zeros(5, 4)})
    with pytest.raises(CheckpointError, match="has no place"):
        transfer(tensors | {"extra": torch.zeros(1)})
    with pytest.raises(CheckpointError, match=r"linear\.weight has shape"):
        transfer(discriminator.state_dict() | {"linear.weight": torch.zeros(3, 16)}, discriminator)
