"""Maps that are made again in the backward pass instead of kept for it.

Between two convolutions of a generator lie a normalised map, its modulation and its ReLU, each as large as
the map itself. From the first convolution's output they follow at little cost, so that alone is kept: a
quarter of a generator's memory in training.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


@contextlib.contextmanager
def made_again(tensor: Tensor, make: Callable[[], Tensor]) -> Iterator[None]:
    """Where autograd would keep ``tensor`` for a backward pass, have it call ``make`` there."""

    def pack(kept: Tensor) -> Tensor | Callable[[], Tensor]:
        return make if kept.data_ptr() == tensor.data_ptr() and kept.shape == tensor.shape else kept

    def unpack(packed: Tensor | Callable[[], Tensor]) -> Tensor:
        return packed if isinstance(packed, Tensor) else packed()

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        yield


class Modulated:
    """relu(normal * gain + bias), of a map that `normalise` gives whenever it is called.

    Args:
        normal: (batch, channel, y, x), what ``normalise`` gives, with its place in the graph.
        gain, bias: (batch, channel), of the dtype of ``normal``.
        normalise: () -> the values of ``normal``.

    Attributes:
        value: the map, (batch, channel, y, x).
    """

    def __init__(self, normal: Tensor, gain: Tensor, bias: Tensor, normalise: Callable[[], Tensor]) -> None:
        self._gain, self._bias, self._normalise = gain.detach(), bias.detach(), normalise
        self._again: tuple[Tensor, Tensor] | None = None
        self.value = _ModulatedReLU.apply(normal, gain, bias, self)

    def through(self, layer: Callable[[Tensor], Tensor]) -> Tensor:
        """layer(value), for which ``value`` is made again in the backward."""
        with made_again(self.value, self.make):
            return layer(self.value)

    def make(self) -> Tensor:
        """The values of the map once more; they and ``normal`` stay until `take`."""
        if self._again is None:
            with torch.no_grad():
                normal = self._normalise()
                self._again = normal, _modulate(normal, self._gain, self._bias)
        return self._again[1]

    def take(self) -> tuple[Tensor, Tensor]:
        """``normal`` and the map, which are then forgotten."""
        self.make()
        again, self._again = self._again, None
        return again


class _ModulatedReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, normal: Tensor, gain: Tensor, bias: Tensor, modulated: Modulated) -> Tensor:
        ctx.modulated = modulated
        ctx.save_for_backward(gain)
        return _modulate(normal, gain, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        (gain,) = ctx.saved_tensors
        normal, value = ctx.modulated.take()
        gradient = torch.ops.aten.threshold_backward(gradient, value, 0)
        rows, width = _rows(gradient), gradient.shape[3]
        of_gain, of_bias = (
            t.sum(1, dtype=torch.promote_types(t.dtype, torch.float32)).unflatten(1, (width, -1)).sum(1)
            for t in (rows * _rows(normal), rows)
        )
        of_normal = _map(rows * _repeated(gain, width), width)
        return of_normal, of_gain.to(gain.dtype), of_bias.to(gain.dtype), None


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
