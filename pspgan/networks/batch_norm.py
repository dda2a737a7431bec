"""Batch norm over one batch that several processes share, on any device.

torch's own SyncBatchNorm serves GPUs only. A layer shares its batch only once `share_batch` has named the
peers: a copy of the network that one process runs by itself never waits for the others.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from .recompute import Normalised


class Peers(Protocol):
    """The processes that hold the parts of a batch, this one among them; all make the same calls in turn."""

    def gather(self, tensor: Tensor) -> Tensor:
        """What every process gave, (processes, *shape), in the same order everywhere."""

    def add_up(self, tensor: Tensor) -> None:
        """Replace a tensor by its sum over processes."""


class SharesBatch:
    """A layer whose batch statistics `share_batch` can extend over processes."""

    peers: Peers | None = None


def share_batch(network: nn.Module, peers: Peers | None) -> None:
    """Let a network's batch norms take their statistics in training over all peers' images; None: its own."""
    for module in network.modules():
        if isinstance(module, SharesBatch):
            module.peers = peers


class BatchNorm2d(SharesBatch, nn.BatchNorm2d):
    """`torch.nn.BatchNorm2d` that can share its batch."""

    def forward(self, x: Tensor) -> Tensor:
        if self.peers is None or not self.training:
            return super().forward(x)
        self.num_batches_tracked.add_(1)
        stored = (self.running_mean, self.running_var)
        normal = batch_norm(
            x, *stored, training=True, momentum=self.momentum, eps=self.eps, peers=self.peers
        ).value
        return torch.addcmul(self.bias[:, None, None], normal, self.weight[:, None, None]).to(x.dtype)


def batch_norm(
    x: Tensor,
    stored_mean: Tensor,
    stored_var: Tensor,
    *,
    training: bool,
    momentum: float,
    eps: float,
    peers: Peers | None = None,
) -> Normalised:
    """`torch.nn.functional.batch_norm`, in training over the images of all peers.

    Outputs, gradients and stored statistics are those of the concatenated batch; parts may differ in size.

    Args:
        x: (batch, channel, y, x), any floating type; statistics are float32 at least.
        stored_mean, stored_var: (channel,); in training they move by ``momentum`` towards the mean and the
            unbiased variance, in evaluation they are what normalises.
        training: whether to normalise by the batch.
        momentum: weight of this batch in what is stored.
        eps: added to the variance.
        peers: processes that hold the other parts of the batch.

    Returns:
        As its ``value`` a map like ``x``, of mean 0 and variance 1 in each channel.
    """
    if not training:
        mean, var = stored_mean, stored_var
        normal = F.batch_norm(x, mean, var, eps=eps)
    elif peers is None:
        normal, mean, scale = torch.native_batch_norm(
            x, None, None, stored_mean, stored_var, True, momentum, eps
        )
        var = scale.pow(-2) - eps
    else:
        with torch.no_grad():
            mean, var, count = _statistics(x, peers)
            stored_mean.lerp_(mean, momentum)
            stored_var.lerp_(var * (count / (count - 1)), momentum)
        normal = _Normalise.apply(x, mean, var, count, eps, peers)
    return Normalised(normal, x.detach(), mean, var, eps)


def _statistics(x: Tensor, peers: Peers) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and variance (channel,) of all peers' images, and from how many pixels.

    Merged from the parts' means and variances: a sum of squares less the square of a sum would cancel.
    """
    wide = torch.promote_types(x.dtype, torch.float32)
    var, mean = torch.var_mean(x.to(wide), dim=(0, 2, 3), correction=0)
    pixels = mean.new_tensor([x.numel() // x.shape[1]])
    means, variances, counts = peers.gather(torch.cat([mean, var, pixels])).split(
        [len(mean), len(var), 1], dim=1
    )
    share = counts / counts.sum()
    mean = (share * means).sum(dim=0)
    var = (share * (variances + (means - mean).square())).sum(dim=0)
    return mean, var, counts.sum()


class _Normalise(torch.autograd.Function):
    """(x - mean) / sqrt(var + eps), where mean and variance are those of x and of the peers' images."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, mean: Tensor, var: Tensor, count: Tensor, eps: float, peers: Peers
    ) -> Tensor:
        ctx.save_for_backward(x, mean, var, count)
        ctx.eps, ctx.peers = eps, peers
        return F.batch_norm(x, mean, var, eps=eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, var, count = ctx.saved_tensors
        normal = F.batch_norm(x, mean, var, eps=ctx.eps)
        scale = torch.rsqrt(var + ctx.eps)
        wide = gradient.to(scale.dtype)
        sums = torch.stack([wide.sum(dim=(0, 2, 3)), (wide * normal).sum(dim=(0, 2, 3))])
        # Each process's loss depends on every process's images, by the statistics.
        ctx.peers.add_up(sums)
        along_ones, along_normal, scale = (t[:, None, None] for t in (*(sums / count), scale))
        of_x = (wide - along_ones - normal * along_normal) * scale
        return of_x.to(gradient.dtype), None, None, None, None, None
