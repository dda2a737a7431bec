"""Batch norm over parts that processes hold is torch's over the concatenated batch."""

import copy
import datetime

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing
import torch.nn.functional as F

from pspgan.networks import Discriminator, Generator
from pspgan.networks.batch_norm import BatchNorm2d, batch_norm, share_batch
from pspgan.process import ProcessSpace


class Alone:
    """A process by itself."""

    def gather(self, tensor):
        return tensor[None]

    def add_up(self, tensor):
        pass


class Gloo:
    """Processes connected by gloo."""

    def gather(self, tensor):
        parts = [torch.empty_like(tensor) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, tensor)
        return torch.stack(parts)

    def add_up(self, tensor):
        dist.all_reduce(tensor)


def images(n, dtype=torch.float64):
    """Maps of three channels, far from mean 0 and variance 1."""
    draws = torch.Generator().manual_seed(0)
    x = torch.randn(n, 3, 4, 5, generator=draws, dtype=torch.float64)
    spread, middle = torch.tensor([[1.0, 5.0, 0.1], [0.0, -3.0, 5.0]])[..., None, None]
    return (x * spread + middle).to(dtype)


def weighted(y):
    """A loss that weighs every pixel differently, and not linearly."""
    weights = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
    return (weights * y + weights.flip(0) * y**3).sum()


def stored(dtype=torch.float64):
    return torch.full((3,), 0.3, dtype=dtype), torch.full((3,), 2.0, dtype=dtype)


def in_parts(rank, sizes, dtype, rendezvous, folder):
    """What one process makes of its part; the loss is a sum over the whole batch."""
    torch.set_num_threads(1)
    limit = datetime.timedelta(seconds=60)
    dist.init_process_group("gloo", f"file://{rendezvous}", rank=rank, world_size=len(sizes), timeout=limit)
    mine = slice(sum(sizes[:rank]), sum(sizes[: rank + 1]))
    x = images(sum(sizes), dtype)[mine].to(memory_format=torch.channels_last).requires_grad_()
    mean, var = stored(torch.promote_types(dtype, torch.float32))
    y = batch_norm(x, mean, var, training=True, momentum=0.2, eps=1e-4, peers=Gloo()).value
    weights = torch.linspace(-1, 1, sum(sizes) * 60, dtype=dtype).view(-1, 3, 4, 5)
    (weights[mine] * y + weights.flip(0)[mine] * y**3).sum().backward()
    torch.save([y.detach(), x.grad, mean, var], folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize(
    ("sizes", "dtype", "tolerance"),
    [
        ((4, 4), torch.float64, 1e-12),
        ((1, 3, 2), torch.float64, 1e-12),
        ((3, 2), torch.bfloat16, 2**-7),
    ],
)
def test_parts_are_normalised_as_the_whole(tmp_path, sizes, dtype, tolerance):
    arguments = (sizes, dtype, tmp_path / "rendezvous", tmp_path)
    torch.multiprocessing.spawn(in_parts, arguments, nprocs=len(sizes))
    saved = [torch.load(tmp_path / f"{k}.pt", weights_only=True) for k in range(len(sizes))]
    y, of_x, *statistics = zip(*saved, strict=True)
    x = images(sum(sizes), dtype).double().requires_grad_()
    mean, var = stored()
    whole = F.batch_norm(x, mean, var, training=True, momentum=0.2, eps=1e-4)
    weighted(whole).backward()
    for got, expected in ((torch.cat(y), whole), (torch.cat(of_x), x.grad)):
        assert got.dtype == dtype
        scale = max(1.0, expected.abs().max().item())
        torch.testing.assert_close(got.double(), expected, rtol=0, atol=tolerance * scale)
    for got, expected in zip(statistics, (mean, var), strict=True):
        assert all(torch.equal(own, got[0]) for own in got)
        torch.testing.assert_close(got[0].double(), expected, rtol=min(tolerance, 1e-5), atol=0)


def test_gradients_are_those_of_finite_differences():
    x = images(4).requires_grad_()

    def normalise(x):
        return batch_norm(x, *stored(), training=True, momentum=0.1, eps=1e-4, peers=Alone()).value

    assert torch.autograd.gradcheck(normalise, x)


def test_far_from_zero_nothing_cancels():
    draws = torch.Generator().manual_seed(0)
    x = 1000 + 0.01 * torch.randn(64, 3, 8, 8, generator=draws)
    exact = F.batch_norm(x.double(), None, None, training=True, eps=1e-8)
    y = batch_norm(x, *stored(torch.float32), training=True, momentum=0.1, eps=1e-8, peers=Alone()).value
    torch.testing.assert_close(y.double(), exact, rtol=0, atol=0.02)  # a float32 at 1000 is a 0.006 of 0.01


def test_evaluation_waits_for_nobody():
    norm = BatchNorm2d(3).double()
    share_batch(norm, object())
    x = images(2)
    torch.testing.assert_close(norm.eval()(x), torch.nn.BatchNorm2d(3).double().eval()(x))


def test_the_layer_is_torchs_whoever_shares():
    ours, torchs = BatchNorm2d(3).double(), torch.nn.BatchNorm2d(3).double()
    with torch.no_grad():
        ours.weight.uniform_(0.5, 2)
        ours.bias.uniform_(-1, 1)
    torchs.load_state_dict(ours.state_dict())
    plain = copy.deepcopy(ours)
    share_batch(ours, Alone())
    for _ in range(2):
        results = [norm(images(4)) for norm in (ours, torchs, plain)]
        torch.testing.assert_close(results[0], results[1], rtol=0, atol=1e-12)
        assert torch.equal(results[2], results[1])
    for norm in (ours, torchs):
        norm.zero_grad()
        weighted(norm(images(4))).backward()
    for mine, theirs in zip(ours.parameters(), torchs.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-10, atol=1e-10)
    for mine, theirs in zip(ours.buffers(), torchs.buffers(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=0)


def test_every_batch_norm_of_a_network_shares_and_stops_to():
    space = ProcessSpace.uhcsdb()
    generator = Generator(space, 32, ch=4, latent=8, embedding=4).double()
    z, weights = torch.randn(4, 8, dtype=torch.float64), torch.zeros(4, space.n_levels, dtype=torch.float64)
    calls = []

    class Counting(Alone):
        def gather(self, tensor):
            calls.append(tensor)
            return tensor[None]

    expected = copy.deepcopy(generator)(z, weights)
    share_batch(generator, Counting())
    torch.testing.assert_close(copy.deepcopy(generator)(z, weights), expected, rtol=0, atol=1e-10)
    norms = sum("running_mean" in name or "stored_mean" in name for name in generator.state_dict())
    assert len(calls) == norms > 20
    share_batch(generator, None)
    assert torch.equal(generator(z, weights), expected)
    assert len(calls) == norms
    # The discriminator has none.
    assert not any("mean" in name for name in Discriminator(space, 32, ch=4).state_dict())
