"""Networks: the figures of the paper, the published generator's images, and every size."""

import numpy as np
import pytest
import torch
from torch import nn

from pspgan.networks import Discriminator, Generator
from pspgan.networks.layers import Attention, ConditionalBatchNorm, SNConv2d, SNLinear, modulations
from pspgan.process import Factor, ProcessSpace

SPACE = ProcessSpace.uhcsdb()


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def spectral(module):
    return [layer for layer in module.modules() if isinstance(layer, (SNConv2d, SNLinear))]


def test_parameter_counts_of_the_paper():
    generator = Generator(SPACE, resolution=256, ch=64, attention="sagan")
    discriminator = Discriminator(SPACE, resolution=256, ch=64, attention="sagan")
    assert count(generator) == 39_887_106
    assert count(discriminator) == 9_077_462
    assert len(spectral(generator)) == 146
    assert len(spectral(discriminator)) == 54


@pytest.mark.parametrize("attention", ["biggan", "sagan", "none"])
@pytest.mark.parametrize("resolution", [32, 64, 128, 256, 512])
def test_every_size_and_attention(resolution, attention):
    space = ProcessSpace(
        (Factor("strain", (0.1, 0.2, 0.5), "ordinal"), Factor("bath", ("oil", "air"), "nominal"))
    )
    options = {"resolution": resolution, "ch": 4, "attention": attention, "channels": 2}
    generator = Generator(space, latent=8, embedding=4, **options)
    discriminator = Discriminator(space, **options)
    z, weights = torch.randn(2, 8), torch.from_numpy(space.encode(["0.1-oil", "0.3-air"]))
    image = generator(z, weights)
    assert image.shape == (len(z), 2, resolution, resolution)
    assert image.abs().max() <= 1
    assert discriminator(image).shape == (len(z), space.n_targets)
    places = [m for m in (*generator.modules(), *discriminator.modules()) if isinstance(m, Attention)]
    assert len(places) == (0 if attention == "none" or resolution == 32 else 2)


def test_all_parameters_get_a_gradient_and_the_condition_matters():
    generator = Generator(SPACE, 64, ch=8, latent=8, embedding=4, init="orthogonal", init_embedding=1.0)
    discriminator = Discriminator(SPACE, 64, ch=8, init="orthogonal")
    for module in (*generator.modules(), *discriminator.modules()):
        if isinstance(module, Attention):
            nn.init.ones_(module.gamma)
    weights = torch.from_numpy(SPACE.encode(SPACE.all_conditions[::9]))
    z = torch.randn(1, 8).expand(len(weights), -1)
    image = generator(z, weights)
    assert (image[0] - image[-1]).abs().max() > 0
    discriminator(image).square().sum().backward()
    for name, parameter in (*generator.named_parameters(), *discriminator.named_parameters()):
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_on_a_level_the_embedding_is_the_table_row():
    generator = Generator(SPACE, 32, ch=4, latent=8, embedding=4).eval()
    z = torch.randn(1, 8)
    seen = []
    generator.linear.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    generator(z, torch.from_numpy(SPACE.encode("1100-60-650-1H")))
    rows = [table.weight[i] for table, i in zip(generator.embeddings, (3, 6, 3), strict=True)]
    torch.testing.assert_close(seen[0][0], torch.cat([z[0], *rows]))


def test_spectral_norm_converges_to_the_largest_singular_value():
    layer = SNConv2d(6, 5, 3)
    x = torch.randn(1, 6, 8, 8)
    for _ in range(200):
        layer(x)
    layer.eval()
    norm = torch.linalg.matrix_norm(layer.normalised_weight().flatten(1), 2)
    assert norm.item() == pytest.approx(1, abs=1e-4)
    before = layer.u.clone()
    layer(x)
    torch.testing.assert_close(layer.u, before, rtol=0, atol=0)


def test_spectral_norm_follows_torchs_own():
    torch.manual_seed(0)
    ours = SNLinear(7, 5)
    theirs = nn.utils.spectral_norm(nn.Linear(7, 5), eps=1e-4)
    with torch.no_grad():
        theirs.weight_orig.copy_(ours.weight)
        theirs.bias.copy_(ours.bias)
        theirs.weight_u.copy_(ours.u)
        theirs.weight_v.copy_(ours.v)
    x = torch.randn(3, 7)
    for _ in range(4):
        a, b = ours(x), theirs(x)
        torch.testing.assert_close(a, b)
    gradient = [
        torch.autograd.grad(y.square().sum(), w)[0] for y, w in ((a, ours.weight), (b, theirs.weight_orig))
    ]
    torch.testing.assert_close(*gradient)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


def test_conditional_batch_norm_is_its_formula():
    norm = ConditionalBatchNorm(3, 4)
    x, y = torch.randn(6, 3, 5, 5) * 2 + 1, torch.randn(6, 4)
    out = norm(x, *modulations([norm], y)[0], layer=nn.Identity())
    mean, var = x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3), correction=0)
    normal = (x - mean[:, None, None]) / (var[:, None, None] + 1e-4).sqrt()
    norm.eval()
    gain, bias = norm.gain(y)[..., None, None], norm.bias(y)[..., None, None]
    torch.testing.assert_close(out, torch.relu(normal * (1 + gain) + bias))
    torch.testing.assert_close(norm.stored_mean, 0.1 * mean)


@pytest.mark.parametrize("kind", ["biggan", "sagan"])
def test_attention_is_its_formula(kind):
    torch.manual_seed(1)
    layer = Attention(16, kind).eval()
    nn.init.constant_(layer.gamma, 0.7)
    x = torch.randn(2, 16, 8, 8)
    query, key, value = layer.query(x), layer.key(x), layer.value(x)
    if kind == "biggan":
        key, value = nn.functional.max_pool2d(key, 2), nn.functional.max_pool2d(value, 2)
    logits = torch.einsum("bcq,bck->bqk", query.flatten(2), key.flatten(2))
    mixed = torch.einsum("bqk,bck->bcq", logits.softmax(dim=-1), value.flatten(2)).reshape(2, -1, 8, 8)
    if kind == "biggan":
        mixed = layer.output(mixed)
    torch.testing.assert_close(layer(x), x + 0.7 * mixed)


def test_initialisation_and_the_callers_random_state():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    draws = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        first = Generator(SPACE, 32, ch=8, latent=8, generator=draws)
    torch.testing.assert_close(torch.rand(3), expected)
    again = Generator(SPACE, 32, ch=8, latent=8, generator=torch.Generator().manual_seed(0))
    for (name, a), b in zip(first.state_dict().items(), again.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, msg=name)
    assert first.linear.weight.std().item() == pytest.approx(0.02, rel=0.02)
    for init in ("normal", "orthogonal"):
        louder = Generator(SPACE, 32, ch=8, latent=8, embedding=256, init=init, init_embedding=0.5)
        for table in louder.embeddings:
            assert table.weight.std().item() == pytest.approx(0.5, rel=0.1)
    orthogonal = (
        Generator(SPACE, 32, ch=8, latent=8, init="orthogonal").blocks[0].conv2.weight.detach().flatten(1)
    )
    torch.testing.assert_close(orthogonal @ orthogonal.T, torch.eye(len(orthogonal)), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resolution": 48}, "resolution 48 is none of 32"),
        ({"ch": 6}, "multiple of 4"),
        ({"attention": "flash"}, '"flash"'),
    ],
)
def test_impossible_networks_are_refused(options, message):
    for network in (Generator, Discriminator):
        with pytest.raises(ValueError, match=message):
            network(SPACE, **options)


def test_inputs_of_the_wrong_shape_are_refused():
    with pytest.raises(ValueError, match=r"do not fit \(batch, 8\)"):
        Generator(SPACE, 32, ch=4, latent=8)(torch.randn(2, 9), torch.zeros(2, 19))
    with pytest.raises(ValueError, match=r"do not fit \(batch, 1, 32, 32\)"):
        Discriminator(SPACE, 32, ch=4)(torch.zeros(2, 1, 64, 64))


def test_channels_last_changes_nothing():
    generator = Generator(SPACE, 64, ch=8, latent=8, attention="none").eval()
    z, weights = torch.randn(2, 8), torch.from_numpy(SPACE.encode(["800-5-Q", "970-90-FC"]))
    expected = generator(z, weights)
    torch.testing.assert_close(
        generator.to(memory_format=torch.channels_last)(z, weights), expected, atol=1e-5, rtol=1e-4
    )
    assert np.isfinite(expected.detach().numpy()).all()
