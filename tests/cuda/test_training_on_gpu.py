"""A step of a training on a GPU against the same step on the CPU; skipped where there is no GPU."""

import numpy as np
import pytest
import torch

from pspgan import ensemble
from pspgan.networks.attention import attend
from pspgan.networks.layers import Attention
from pspgan.process import Factor, ProcessSpace
from pspgan.training import make_config
from pspgan.training.batches import Batches, FakeConditions
from pspgan.training.distributed import Ranks
from pspgan.training.loop import discriminator_step, generator_step
from pspgan.training.state import TrainingState

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")
# Attention stands in networks from 64 px on.
SETTINGS = {"resolution": 64, "ch": 8, "latent": 16, "embedding": 8, "batch": 8, "accumulation": 2}


@pytest.fixture(scope="module")
def dataset():
    space = ProcessSpace((Factor("bath", ("oil", "air"), "nominal"),))
    images = np.random.default_rng(0).integers(0, 256, (8, 64, 64), np.uint8)
    return ensemble.build(images, ["oil", "air"] * 4, space, origin="simulated", specimen=list("abcdefgh"))


def step(dataset, device, monkeypatch, **settings):
    """Losses and norms of gradients of an update of D and one of G."""
    config = make_config("demo", **(SETTINGS | settings))
    batches = Batches(dataset, config)
    ranks = Ranks(torch.device(device))
    state = TrainingState.start(batches.space, config, ranks.device)
    for network in (state.generator, state.discriminator):
        for module in network.modules():
            if isinstance(module, Attention):
                torch.nn.init.ones_(module.gamma)  # at 0 attention would have no part in it
    fakes = FakeConditions(batches.space, "observed", 0)
    draws, randn = torch.Generator().manual_seed(0), torch.randn
    with monkeypatch.context() as patch:
        # A GPU's own generator would draw other latents.
        patch.setattr(
            torch, "randn", lambda *size, generator, device: randn(*size, generator=generator).to(device)
        )
        figures = discriminator_step(config, batches, fakes, state, 0, draws, ranks)
        figures |= generator_step(config, fakes, state, draws, ranks)
    names = ("loss_d_real", "loss_d_fake", "loss_g"), ("gradient_d", "gradient_g")
    return [{name: figures[name].item() for name in some} for some in names]


@pytest.mark.parametrize("attention", ["biggan", "sagan"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_agrees_with_the_cpu(dataset, monkeypatch, attention, precision):
    losses, norms = step(dataset, "cuda", monkeypatch, attention=attention, precision=precision)
    expected, expected_norms = step(dataset, "cpu", monkeypatch, attention=attention)
    # On a CPU bfloat16 moves losses by 0.1 % and norms by 2 %; GPUs' TF32 is finer.
    assert losses == pytest.approx(expected, rel=1e-2)
    assert norms == pytest.approx(expected_norms, rel=0.1)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.bfloat16, 3e-2)])
@pytest.mark.parametrize("channels", [4, 8], ids=["biggan", "sagan"])
def test_attention_agrees_with_the_cpu(dtype, tolerance, channels):
    draws = torch.Generator().manual_seed(0)
    shapes = [(2, 1024, 2), (2, 256, 2), (2, 256, channels)]
    results = []
    given = [torch.randn(shape, generator=draws) for shape in shapes]
    upstream = torch.randn(2, 1024, channels, generator=draws)
    for device, kind in (("cuda", dtype), ("cpu", torch.float32)):
        arguments = [tensor.to(device, kind).requires_grad_() for tensor in given]
        mixed = attend(*arguments)
        gradients = torch.autograd.grad(mixed, arguments, upstream.to(mixed))
        results.append([tensor.detach().cpu().float() for tensor in (mixed, *gradients)])
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, rtol=0, atol=tolerance * expected.abs().max().item())
