"""What a forward pass leaves in memory, and gradients through what is made again."""

import gc
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from plain_biggan import PlainDiscriminator, PlainGenerator
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from pspgan.networks import Discriminator, Generator
from pspgan.networks.batch_norm import batch_norm
from pspgan.networks.recompute import modulated, rectify
from pspgan.process import ProcessSpace

SPACE = ProcessSpace.uhcsdb()
BATCH = 16  # at which weights are small beside feature maps


class Made(TorchDispatchMode):
    """Bytes of all tensors made under it that still exist."""

    def __init__(self):
        super().__init__()
        self._storages = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                self._storages[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())
        return result

    @property
    def alive(self):
        return sum(size for storage, size in self._storages.values() if not storage.expired())


def forward(network):
    if isinstance(network, (Generator, PlainGenerator)):
        return network(torch.randn(BATCH, 12), torch.eye(SPACE.n_levels)[[0] * BATCH])
    return network(torch.randn(BATCH, 1, 128, 128))


@pytest.fixture(params=["generator", "discriminator"])
def pair(request):
    torch.manual_seed(0)
    if request.param == "generator":
        ours = Generator(SPACE, 128, ch=8, latent=12, attention="sagan", embedding=5)
        return ours, PlainGenerator(ours)
    ours = Discriminator(SPACE, 128, ch=8, attention="sagan")
    return ours, PlainDiscriminator(ours)


def test_a_forward_keeps_little_and_a_backward_nothing(pair):
    kept = []
    gc.disable()  # which must not be needed
    try:
        for network in pair:
            with Made() as made:
                score = forward(network).sum()
                kept.append(made.alive)
                score.backward()
                network.zero_grad()
                assert made.alive < 0.02 * kept[-1]
    finally:
        gc.enable()
    ours, plain = kept
    attention = BATCH * 4096**2 * 4
    share = 0.5 if isinstance(pair[0], Generator) else 0.9
    assert ours < share * (plain - attention)


@pytest.mark.parametrize("training", [True, False])
def test_modulated_gradients(training):
    torch.manual_seed(0)
    draw = partial(torch.randn, dtype=torch.float64, requires_grad=True)
    arguments = draw(3, 4, 5, 6), draw(3, 4), draw(3, 4), draw(2, 4, 3, 3)

    def ours(x, gain, bias, weight):
        stored = torch.zeros(4, dtype=torch.float64), torch.ones(4, dtype=torch.float64)
        normal = batch_norm(x, *stored, training=training, momentum=0.1, eps=1e-4)
        return modulated(normal, gain, bias, lambda h: F.conv2d(h, weight))

    def written_out(x, gain, bias, weight):
        mean, var = torch.zeros(4), torch.ones(4)
        if training:
            mean, var = x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3), correction=0)
        normal = (x - mean[:, None, None]) / (var[:, None, None] + 1e-4).sqrt()
        return F.conv2d(torch.relu(normal * gain[..., None, None] + bias[..., None, None]), weight)

    assert torch.autograd.gradcheck(ours, arguments)
    torch.testing.assert_close(ours(*arguments), written_out(*arguments))


def test_rectify_gradients():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 5, 5, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, weight: rectify(x, lambda h: F.conv2d(h, weight)), (x, weight))
