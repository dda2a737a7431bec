"""Maps that are made again in the backward pass instead of kept for it.

Between two convolutions of a generator lie a normalised map, its modulation and its ReLU, each as large as
the map itself. From the first convolution's output they follow at little cost, so that alone is kept, which
is less than half of it all.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


@contextlib.contextmanager
def made_again(tensor: Tensor, make: Callable[[], Tensor]) -> Iterator[None]:
    """Where autograd would keep ``tensor`` for a backward pass, have it call ``make`` there."""

    # Autograd holds on to the hooks, so they may not refer to the tensor.
    address, shape = tensor.data_ptr(), tensor.shape

    def pack(kept: Tensor) -> Tensor | Callable[[], Tensor]:
        return make if kept.data_ptr() == address and kept.shape == shape else kept

    def unpack(packed: Tensor | Callable[[], Tensor]) -> Tensor:
        return packed if isinstance(packed, Tensor) else packed()

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        yield


class Normalised(NamedTuple):
    """A map that batch norm made, and what it made it from.

    Attributes:
        value: (batch, channel, y, x), with its place in the graph.
        x: (batch, channel, y, x), without.
        mean, var: (channel,).
        eps: added to the variance.
    """

    value: Tensor
    x: Tensor
    mean: Tensor
    var: Tensor
    eps: float


def modulated(normal: Normalised, gain: Tensor, bias: Tensor, layer: Callable[[Tensor], Tensor]) -> Tensor:
    """layer(relu(normal * gain + bias)), keeping neither what the layer takes nor the normalised map.

    Args:
        normal: a map.
        gain, bias: (batch, channel), of the dtype of the map.
        layer: keeps its argument for the backward, as convolutions do.
    """
    again = _Again(normal.eps)
    h = _ModulatedReLU.apply(normal.value, gain, bias, *normal[1:4], again)
    # Autograd lets go of this once the layer's backward is done.
    with made_again(h, partial(again.make, *normal[1:4], gain.detach(), bias.detach())):
        return layer(h)


class _Again:
    """What is made again, between the layer's backward and that of the modulation. Refers to no graph."""

    def __init__(self, eps: float) -> None:
        self._eps = eps
        self._made: tuple[Tensor, Tensor] | None = None

    @torch.no_grad()
    def make(self, x: Tensor, mean: Tensor, var: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
        """The layer's argument; it and the normalised map stay until `take`."""
        normal = F.batch_norm(x, mean, var, eps=self._eps)
        self._made = normal, _modulate(normal, gain, bias)
        return self._made[1]

    def take(self, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        """The normalised map and the layer's argument, which are then forgotten; arguments as for `make`."""
        if self._made is None:
            self.make(*tensors)
        made, self._made = self._made, None
        return made


class _ModulatedReLU(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        normal: Tensor,
        gain: Tensor,
        bias: Tensor,
        x: Tensor,
        mean: Tensor,
        var: Tensor,
        again: _Again,
    ) -> Tensor:
        ctx.again = again
        ctx.save_for_backward(x, mean, var, gain, bias)
        return _modulate(normal, gain, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        normal, value = ctx.again.take(*ctx.saved_tensors)
        gradient = torch.ops.aten.threshold_backward(gradient, value, 0)
        rows, width = _rows(gradient), gradient.shape[3]
        of_gain, of_bias = (
            t.sum(1, dtype=torch.promote_types(t.dtype, torch.float32)).unflatten(1, (width, -1)).sum(1)
            for t in (rows * _rows(normal), rows)
        )
        gain, bias = ctx.saved_tensors[3:]
        of_normal = _map(rows * _repeated(gain, width), width)
        return of_normal, of_gain.to(gain.dtype), of_bias.to(bias.dtype), None, None, None, None


def _modulate(normal: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    width = normal.shape[3]
    rows = torch.addcmul(_repeated(bias, width), _rows(normal), _repeated(gain, width))
    return _map(rows.relu_(), width)


# Channels lie innermost. Rows of pixels and channels fill a CPU's vectors even where channels are few.
def _rows(x: Tensor) -> Tensor:
    """(batch, channel, y, x) -> (batch, y, x * channel)."""
    return x.permute(0, 2, 3, 1).flatten(2)


def _map(rows: Tensor, width: int) -> Tensor:
    return rows.unflatten(2, (width, -1)).permute(0, 3, 1, 2)


def _repeated(values: Tensor, width: int) -> Tensor:
    """(batch, channel) -> (batch, 1, x * channel)."""
    return values.repeat(1, width)[:, None]


class _ReLU(torch.autograd.Function):
    """Keeps its argument, not its result."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return F.relu(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return torch.ops.aten.threshold_backward(gradient, *ctx.saved_tensors, 0)


def rectify(x: Tensor, layer: Callable[[Tensor], Tensor]) -> Tensor:
    """layer(relu(x)), keeping x alone: for an x that is kept anyway."""
    h = _ReLU.apply(x)
    with made_again(h, lambda: F.relu(x.detach())):
        return layer(h)
