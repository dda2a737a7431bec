"""Spectral norm of many layers at once against torch's own, layer by layer."""

import copy

import pytest
import torch
from torch import nn

from pspgan.networks import Discriminator, Generator
from pspgan.networks.layers import SNConv2d, SNLinear
from pspgan.networks.spectral_norm import SpectralNorm, by_shape, prepare
from pspgan.process import ProcessSpace

SPACE = ProcessSpace.uhcsdb()


def test_by_shape_keeps_every_layer_once():
    network = Generator(SPACE, 64, ch=4, latent=12, attention="biggan")
    layers = [m for m in network.modules() if isinstance(m, SpectralNorm)]
    groups = by_shape(layers)
    assert sorted(id(layer) for group in groups for layer in group) == sorted(map(id, layers))
    assert all(len({(len(m.u), len(m.v)) for m in group}) == 1 for group in groups)
    assert len(groups) < len(layers) / 3


@pytest.mark.parametrize("training", [True, False])
def test_together_as_one_by_one(training):
    torch.manual_seed(0)
    together = [SNConv2d(3, 5, 3).double().train(training) for _ in range(4)]
    apart = copy.deepcopy(together)
    # Layers of other kinds may share the shape of the matrix.
    together.append(SNLinear(27, 5).double().train(training))
    apart.append(copy.deepcopy(together[-1]))
    for _ in range(3):
        prepare(together)
        for one, other in zip(together, apart, strict=True):
            expected = other.normalised_weight()
            got = one.normalised_weight()
            assert got.shape == one.weight.shape
            torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-14)
            upstream = torch.randn_like(got)
            gradients = [
                torch.autograd.grad(weight, layer.weight, upstream, retain_graph=True)[0]
                for weight, layer in ((got, one), (expected, other))
            ]
            torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-14)
            torch.testing.assert_close(one.u, other.u, rtol=1e-12, atol=1e-14)
            torch.testing.assert_close(one.v, other.v, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("size", [1, 3])
def test_a_convolution_as_torchs_own(size):
    torch.manual_seed(0)
    ours = SNConv2d(6, 4, size).double()
    theirs = nn.utils.spectral_norm(nn.Conv2d(6, 4, size, padding=size // 2), eps=1e-4).double()
    with torch.no_grad():
        for name, tensor in (("weight_orig", ours.weight), ("bias", ours.bias)):
            getattr(theirs, name).copy_(tensor)
        theirs.weight_u.copy_(ours.u)
        theirs.weight_v.copy_(ours.v)
    x = torch.randn(2, 6, 5, 5, dtype=torch.float64)
    for _ in range(4):
        torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize("network", [Generator, Discriminator])
def test_a_forward_refines_every_norm_once_and_leaves_nothing_behind(network):
    torch.manual_seed(0)
    made = network(SPACE, 32, ch=4, attention="none")
    before = {name: u.clone() for name, u in made.named_buffers() if name.endswith(".u")}
    expected = copy.deepcopy(made)
    for layer in expected.modules():
        if isinstance(layer, SpectralNorm):
            layer.iterate(1)
    if network is Generator:
        made(torch.randn(2, 384), torch.rand(2, SPACE.n_levels))
    else:
        made(torch.randn(2, 1, 32, 32))
    after = dict(expected.named_buffers())
    for name, u in made.named_buffers():
        if name.endswith(".u"):
            assert len(u) == 1 or not torch.equal(u, before[name])
            torch.testing.assert_close(u, after[name], rtol=1e-5, atol=1e-6)
    assert all(m._prepared is None for m in made.modules() if isinstance(m, SpectralNorm))


def test_weights_are_rounded_under_autocast_and_their_norms_are_not():
    torch.manual_seed(0)
    layer = SNLinear(40, 30)
    exact = copy.deepcopy(layer).normalised_weight()
    with torch.autocast("cpu", torch.bfloat16):
        rounded = layer.normalised_weight()
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded, exact.to(torch.bfloat16), rtol=0, atol=0)
