"""Spectral norm (Miyato et al. 2018), for all layers of a network in a few batched products.

One layer at a time it takes hundreds of small products a step. Layers of one shape are stacked and go through
the power iteration together; the product that refines the vectors also gives the norm.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

_EPS = 1e-4
# A fresh network must work in eval mode too, where random vectors would divide by an arbitrary number.
FIRST_ITERATIONS = 15


class SpectralNorm:
    """Divides a layer's weight by an estimate of its largest singular value.

    One power iteration a training forward; in eval mode the stored vectors are used as they are. Mixed into
    a layer with a ``weight``, seen as a matrix (out, everything else).
    """

    weight: Tensor
    u: Tensor
    v: Tensor
    training: bool
    _prepared: Tensor | None = None

    def _register_vectors(self) -> None:
        rows = self.weight.shape[0]
        self.register_buffer("u", F.normalize(torch.randn(rows), dim=0))
        self.register_buffer("v", F.normalize(torch.randn(self.weight.numel() // rows), dim=0))

    @torch.no_grad()
    def iterate(self, times: int) -> None:
        """Refine the stored singular vectors by power iteration."""
        if self.weight.is_meta:
            return  # a network without numbers yet, which are about to be read; as slow as with them
        u, matrix = self.u[None], self.weight.flatten(1)[None]
        for _ in range(times):
            u, v, _ = _refined(matrix, u)
        self.u.copy_(u[0])
        self.v.copy_(v[0])

    def normalised_weight(self) -> Tensor:
        """The weight of this forward: what `prepare` left, or else computed now for this layer alone."""
        if self._prepared is None:
            prepare([self])
        weight, self._prepared = self._prepared, None
        return weight


def by_shape(layers: Sequence[SpectralNorm]) -> list[list[SpectralNorm]]:
    """Layers whose weights are matrices of the same shape, together."""
    groups: dict[tuple[int, int], list[SpectralNorm]] = {}
    for layer in layers:
        groups.setdefault((len(layer.u), len(layer.v)), []).append(layer)
    return list(groups.values())


def prepare(layers: Sequence[SpectralNorm]) -> None:
    """Compute the normalised weights of layers of one shape for their next forward.

    The arithmetic is full precision; under autocast the result is then rounded once.
    """
    device = layers[0].weight.device.type
    rounded = (
        torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else layers[0].weight.dtype
    )
    with torch.autocast(device, enabled=False):
        matrices = torch.stack([layer.weight.flatten(1) for layer in layers])
        norms = estimate(layers, matrices)
        weights = (matrices / norms[:, None, None]).to(rounded)
    for layer, weight in zip(layers, weights.unbind(), strict=True):
        layer._prepared = weight.view(layer.weight.shape)


def estimate(layers: Sequence[SpectralNorm], matrices: Tensor) -> Tensor:
    """Largest singular values of layers of one shape; in training the stored vectors are refined first.

    Args:
        layers: all in training or all in eval mode.
        matrices: (layer, out, everything else), their weights.

    Returns:
        (layer,), differentiable with respect to ``matrices``: the gradient is the outer product of u and v.
    """
    u = torch.stack([layer.u for layer in layers])
    if not layers[0].training:
        v = torch.stack([layer.v for layer in layers])
        return (u * (matrices @ v[:, :, None])[..., 0]).sum(1)
    u, v, products = _refined(matrices, u)
    with torch.no_grad():
        torch._foreach_copy_([layer.u for layer in layers], list(u))
        torch._foreach_copy_([layer.v for layer in layers], list(v))
    return (u * products).sum(1)


def _refined(matrices: Tensor, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One power iteration: u (layer, out), v (layer, everything else), and the products of matrices and v.

    Gradients go through the products alone.
    """
    v = F.normalize((u[:, None] @ matrices.detach())[:, 0], dim=1, eps=_EPS)
    products = (matrices @ v[:, :, None])[..., 0]
    return F.normalize(products.detach(), dim=1, eps=_EPS), v, products
