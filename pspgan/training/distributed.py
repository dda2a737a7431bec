"""Training by several processes, the ranks that torchrun starts: which images are mine, what all agree on.

Every rank draws the whole batch and takes its share of it; batch norm and gradients are summed over all, so
that any number of ranks does what one process does. Rank 0 decides and writes.

Gradients are summed flat, once an update. torch's DistributedDataParallel would send them while others are
still computed, but in an order that its first step settles: with three ranks or more, a resumed training
would then round otherwise than one that ran through.
"""

from __future__ import annotations

import contextlib
import datetime
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..device import usable_device
from .batches import TrainingDataError
from .config import ConfigError, TrainingConfig
from .guard import TrainingError
from .interrupt import TrainingInterrupted
from .state import TrainingState

T = TypeVar("T")

# As long as rank 0 may take to load data, or to measure samples, while the others wait.
_PATIENCE = datetime.timedelta(minutes=30)
_FAREWELL = datetime.timedelta(seconds=10)
# Of a tensor's norm. Another history moves every weight by the learning rate, some 1e-3 of it; singular
# vectors computed on unlike machines differ by rounding, 1e-7.
_DRIFT = 1e-5
_groups = itertools.count()


class PeerError(TrainingError):
    """Another rank stopped or is out of reach; what happened stands in its own output."""


@dataclass(frozen=True)
class Ranks:
    """The processes of a training; by default this one alone, and every method leaves things as they are.

    All ranks call the same methods in the same order.

    Attributes:
        device: where this rank computes.
        rank: which one this is, from 0.
        world: how many there are.
    """

    device: torch.device
    rank: int = 0
    world: int = 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def share_of(self, part: int) -> slice:
        """Which of ``part`` images are this rank's; shares differ by one image at most.

        >>> [Ranks(torch.device("cpu"), rank, 3).share_of(8) for rank in range(3)]
        [slice(0, 2, None), slice(2, 5, None), slice(5, 8, None)]
        """
        return slice(self.rank * part // self.world, (self.rank + 1) * part // self.world)

    def require_share(self, config: TrainingConfig) -> None:
        """Raise ConfigError where some rank would get no image."""
        part = config.batch // config.accumulation
        if part < self.world:
            raise ConfigError(
                f"batch {config.batch} in {config.accumulation} parts is {part} images a part, too few for "
                f"{self.world} ranks; lower accumulation, raise batch, or start {part} processes at most"
            )

    def require_data(self, sha256: str) -> None:
        """Raise TrainingDataError on a rank whose micrographs or labels are not those of rank 0."""
        if self.of_first(sha256) != sha256:
            raise TrainingDataError(
                f"rank {self.rank} reads other micrographs or labels than rank 0; give every machine the "
                "same ensemble"
            )

    def gather(self, tensor: Tensor) -> Tensor:
        """What every rank gave, (world, *shape)."""
        if self.world == 1:
            return tensor[None]
        gathered = [torch.empty_like(tensor) for _ in range(self.world)]
        with _peers_are_there():
            dist.all_gather(gathered, tensor)
        return torch.stack(gathered)

    def add_up(self, tensor: Tensor) -> None:
        """Replace a contiguous tensor by its sum over ranks."""
        if self.world > 1:
            with _peers_are_there():
                dist.all_reduce(tensor)

    def add_up_gradients(self, network: nn.Module, figures: Tensor) -> Tensor:
        """Sum a network's gradients over ranks, in place, and return the sum of ``figures``."""
        if self.world == 1:
            return figures
        gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
        flat = torch.cat([*(gradient.flatten() for gradient in gradients), figures])
        self.add_up(flat)
        *summed, figures = flat.split([*(gradient.numel() for gradient in gradients), len(figures)])
        torch._foreach_copy_(gradients, [s.view(g.shape) for s, g in zip(summed, gradients, strict=True)])
        return figures

    def agree(self, elapsed: float, stop: bool) -> tuple[float, bool]:
        """Rank 0's seconds, and whether any rank was asked to stop."""
        if self.world == 1:
            return elapsed, stop
        told = torch.tensor([elapsed * self.is_first, stop], dtype=torch.float64, device=self.device)
        self.add_up(told)
        elapsed, stops = told.tolist()
        return elapsed, stops > 0

    def of_first(self, value: T) -> T:
        """Rank 0's value, whatever the others gave."""
        if self.world == 1:
            return value
        values = [value]
        with _peers_are_there():
            dist.broadcast_object_list(values, src=0, device=self.device)
        return values[0]

    def wait(self) -> None:
        """Return when all ranks are here."""
        reached = torch.zeros(1, device=self.device)
        self.add_up(reached)
        reached.item()

    @contextlib.contextmanager
    def first_ahead(self) -> Iterator[None]:
        """Rank 0 goes through the block before the others: an error that all would make is made once."""
        if not self.is_first:
            self.wait()
        yield
        if self.is_first:
            self.wait()

    def follow_first(self, state: TrainingState) -> None:
        """Give every rank the networks, moments and clock of rank 0."""
        if self.world == 1:
            return
        own = state.tensors()
        layout, clock = self.of_first(({name: (t.shape, t.dtype) for name, t in own.items()}, state.clock))
        tensors = {}
        for name, (shape, dtype) in layout.items():
            tensor = own[name] if self.is_first else torch.empty(shape, dtype=dtype)
            tensors[name] = tensor.to(self.device).contiguous()
            with _peers_are_there():
                dist.broadcast(tensors[name], src=0)
        if not self.is_first:
            state.restore({name: tensor.cpu() for name, tensor in tensors.items()}, clock, "rank 0")

    def require_together(self, state: TrainingState) -> None:
        """Stop where weights, buffers or moments of the ranks have come apart by more than rounding.

        Raises:
            TrainingError: names the first such tensor, on all ranks.
        """
        if self.world == 1:
            return
        tensors = state.tensors()
        figures = [
            torch.stack([wide.sum(), wide.norm()])
            for wide in (tensor.to(self.device, torch.float64) for tensor in tensors.values())
        ]
        sums, norms = self.gather(torch.stack(figures)).unbind(-1)
        apart = (sums - sums[0]).abs() > _DRIFT * norms[0]
        if apart.any():
            rank, index = apart.nonzero()[0].tolist()
            raise TrainingError(
                f"{list(tensors)[index]} of rank {rank} is no longer that of rank 0 at step {state.step} "
                f"({state.images} images). Ranks of one software on like machines stay together; resume from "
                "the checkpoint before (--resume)"
            )


@contextlib.contextmanager
def join_ranks(device: str | torch.device | None = None) -> Iterator[Ranks]:
    """Take part in the training that torchrun started, or train alone where it did not.

    A process group that is open is used, and stays open; else one is opened and closed (gloo on CPUs, nccl on
    GPUs). All ranks return together. One that fails closes the group, and the others raise PeerError.

    Args:
        device: where to compute; by default a GPU if there is one. Of several GPUs each rank takes that of
            its number on the machine.

    Raises:
        ConfigError: the device does not serve.
        PeerError: another rank stopped or is out of reach.
    """
    kind = usable_device(device)
    is_open = dist.is_available() and dist.is_initialized()
    world = dist.get_world_size() if is_open else int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Ranks(kind)
        return
    kind = _device_of_this_rank(kind)
    if not is_open:
        _open_group(kind)
    ranks = Ranks(kind, dist.get_rank(), world)
    try:
        yield ranks
        ranks.wait()
    except (TrainingError, TrainingInterrupted):
        # All stop, for one reason. torchrun ends all ranks once one has ended: that is to be rank 0, with its
        # log closed and its message told.
        if not is_open and not ranks.is_first:
            _wait_for_the_end(ranks)
        raise
    finally:
        if not is_open:
            dist.destroy_process_group()


def _open_group(device: torch.device) -> None:
    with _peers_are_there():
        store, rank, world = next(dist.rendezvous("env://", timeout=_PATIENCE))
        dist.init_process_group(
            "nccl" if device.type == "cuda" else "gloo",
            # A process may train several times; what the group before left in the store is of no use.
            store=dist.PrefixStore(f"pspgan/{next(_groups)}", store),
            rank=rank,
            world_size=world,
            timeout=_PATIENCE,
            device_id=device if device.type == "cuda" else None,
        )


def _device_of_this_rank(device: torch.device) -> torch.device:
    if device.type == "cpu":
        return device
    if device.type != "cuda":
        raise ConfigError(f"device {device} does not serve several ranks; cpu and cuda do")
    index, count = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if device.index not in (None, index):
        raise ConfigError(f"device {device} would be that of every rank; give cuda, and each takes its own")
    if index >= count:
        raise ConfigError(
            f"this machine has {count} GPUs, too few for its rank {index}; start {count} processes on it "
            "(--nproc-per-node)"
        )
    device = torch.device("cuda", index)
    torch.cuda.set_device(device)
    return device


def _wait_for_the_end(ranks: Ranks) -> None:
    """Return when rank 0 has closed the group, or after some seconds."""
    with contextlib.suppress(RuntimeError):
        dist.all_reduce(torch.zeros(1, device=ranks.device), async_op=True).wait(_FAREWELL)


@contextlib.contextmanager
def _peers_are_there() -> Iterator[None]:
    """Backends raise plain RuntimeErrors when a connection is closed or nobody answers."""
    try:
        yield
    except RuntimeError as error:
        raise PeerError(
            f"another rank has stopped or is out of reach, and its own output says why ({error})"
        ) from error
