"""The networks train as plain ones do: outputs, gradients, power iterations, batch-norm statistics."""

import pytest
import torch
from plain_biggan import PlainDiscriminator, PlainGenerator, plain_names

from pspgan.networks import Discriminator, Generator
from pspgan.ops import omni_loss
from pspgan.process import ProcessSpace

SPACE = ProcessSpace.uhcsdb()
BATCH = 3


def networks(resolution, dtype):
    """Ours and the plain ones, with the same weights; attention takes part."""
    draws = torch.Generator().manual_seed(0)
    ours = (
        Generator(SPACE, resolution, ch=4, latent=12, attention="sagan", embedding=5, generator=draws),
        Discriminator(SPACE, resolution, ch=4, attention="sagan", generator=draws),
    )
    plain = (PlainGenerator(ours[0]), PlainDiscriminator(ours[1]))
    for own, other in zip(ours, plain, strict=True):
        with torch.no_grad():
            for name, parameter in own.named_parameters():
                if name.endswith("gamma"):
                    parameter.fill_(0.5)
        names = plain_names(own)
        other.load_state_dict({names[name]: tensor.clone() for name, tensor in own.state_dict().items()})
    return [[network.to(dtype) for network in pair] for pair in (ours, plain)]


def batches(resolution, dtype, steps):
    draws = torch.Generator().manual_seed(100)
    weights = torch.zeros(BATCH, SPACE.n_levels, dtype=dtype)
    for part in SPACE.slices:
        weights[range(BATCH), torch.arange(part.start, part.stop)[:BATCH]] = 1
    for _ in range(steps):
        real = torch.rand(BATCH, 1, resolution, resolution, generator=draws, dtype=torch.float64) * 2 - 1
        z = torch.randn(BATCH, 12, generator=draws, dtype=torch.float64)
        targets = torch.randint(-1, 2, (2 * BATCH, SPACE.n_targets), generator=draws)
        yield real.to(dtype), z.to(dtype), weights, targets


def step(generator, discriminator, optimizers, real, z, weights, targets):
    """One step of both networks: D's scores, G's images, and the gradients of each by name."""
    optimizer_g, optimizer_d = optimizers
    optimizer_d.zero_grad()
    with torch.no_grad():
        fake = generator(z, weights)
    scores = discriminator(torch.cat([real, fake]))
    omni_loss(scores, targets).backward()
    of_d = {name: parameter.grad.clone() for name, parameter in discriminator.named_parameters()}
    optimizer_d.step()
    optimizer_g.zero_grad()
    image = generator(z, weights)
    omni_loss(discriminator(image), targets[:BATCH]).backward()
    of_g = {name: parameter.grad.clone() for name, parameter in generator.named_parameters()}
    optimizer_g.step()
    return scores.detach(), image.detach(), of_g, of_d


def assert_equal(got, expected, tolerance):
    atol = tolerance * max(1.0, expected.abs().max().item())
    torch.testing.assert_close(got, expected, rtol=0, atol=atol)


@pytest.mark.parametrize(
    ("resolution", "dtype", "steps", "tolerance"),
    [
        # In float32 Adam blows up rounding where a true gradient is 0, as it is before a batch norm: so one
        # step, and twenty in double.
        (64, torch.float32, 1, 1e-4),
        (64, torch.float64, 20, 1e-9),
        (128, torch.float64, 1, 1e-9),
    ],
)
def test_training_steps(resolution, dtype, steps, tolerance):
    ours, plain = networks(resolution, dtype)
    names = [plain_names(network) for network in ours]
    optimizers = [
        [torch.optim.Adam(network.parameters(), 2e-4, weight_decay=1e-3) for network in pair]
        for pair in (ours, plain)
    ]
    for batch in batches(resolution, dtype, steps):
        *got, of_g, of_d = step(*ours, optimizers[0], *batch)
        *expected, plain_of_g, plain_of_d = step(*plain, optimizers[1], *batch)
        for mine, theirs in zip(got, expected, strict=True):
            assert_equal(mine, theirs, tolerance)
        for renamed, mine, theirs in zip(names, (of_g, of_d), (plain_of_g, plain_of_d), strict=True):
            assert len(mine) == len(theirs)
            for name, gradient in mine.items():
                assert_equal(gradient, theirs[renamed[name]], tolerance)
    for renamed, network, other in zip(names, ours, plain, strict=True):
        buffers = dict(other.named_buffers())
        for name, buffer in network.named_buffers():
            if buffer.is_floating_point():
                assert_equal(buffer, buffers[renamed[name]], tolerance)
