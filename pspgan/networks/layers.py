"""The layers BigGAN-deep is made of: spectral norm, conditional batch norm, attention, residual blocks."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .batch_norm import SharesBatch, batch_norm

AttentionKind = Literal["biggan", "sagan", "none"]

_SN_EPS = 1e-4
_CBN_EPS = 1e-4
# A fresh network must work in eval mode too, where random vectors would divide by an arbitrary number.
SN_FIRST_ITERATIONS = 15


class _SpectralNorm:
    """Divides a layer's weight by an estimate of its largest singular value (Miyato et al. 2018).

    One power iteration a training forward; in eval mode the stored vectors are used as they are. Mixed into
    a layer with a ``weight``, seen as a matrix (out, everything else).
    """

    weight: nn.Parameter
    training: bool

    def _register_vectors(self) -> None:
        rows = self.weight.shape[0]
        self.register_buffer("u", F.normalize(torch.randn(rows), dim=0))
        self.register_buffer("v", F.normalize(torch.randn(self.weight.numel() // rows), dim=0))

    @torch.no_grad()
    def iterate(self, times: int) -> None:
        """Refine the stored singular vectors by power iteration."""
        matrix = self.weight.flatten(1)
        for _ in range(times):
            self.v.copy_(F.normalize(matrix.T @ self.u, dim=0, eps=_SN_EPS))
            self.u.copy_(F.normalize(matrix @ self.v, dim=0, eps=_SN_EPS))

    def normalised_weight(self) -> Tensor:
        # Under autocast, too, in full precision.
        with torch.autocast(self.weight.device.type, enabled=False):
            if self.training:
                self.iterate(1)
            # Cloned, since a second forward before the backward overwrites the buffers.
            u, v = self.u.clone(), self.v.clone()
            return self.weight / torch.dot(u, self.weight.flatten(1) @ v)


class SNConv2d(_SpectralNorm, nn.Conv2d):
    """Convolution with spectral norm."""

    def __init__(self, channels_in: int, channels_out: int, size: int, bias: bool = True) -> None:
        super().__init__(channels_in, channels_out, size, padding=size // 2, bias=bias)
        self._register_vectors()

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.normalised_weight(), self.bias, padding=self.padding)


class SNLinear(_SpectralNorm, nn.Linear):
    """Linear layer with spectral norm."""

    def __init__(self, features_in: int, features_out: int, bias: bool = True) -> None:
        super().__init__(features_in, features_out, bias=bias)
        self._register_vectors()

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.normalised_weight(), self.bias)


class ConditionalBatchNorm(SharesBatch, nn.Module):
    """Batch norm whose gain and bias are linear in the condition vector.

    ``batch_norm(x) * (1 + gain(y)) + bias(y)``. Without the ``1 +`` the gain starts near zero and the
    network does not learn.
    """

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.gain = SNLinear(condition, channels, bias=False)
        self.bias = SNLinear(condition, channels, bias=False)
        self.register_buffer("stored_mean", torch.zeros(channels))
        self.register_buffer("stored_var", torch.ones(channels))
        self.momentum = 0.1

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        normal = batch_norm(
            x,
            self.stored_mean,
            self.stored_var,
            training=self.training,
            momentum=self.momentum,
            eps=_CBN_EPS,
            peers=self.peers,
        )
        return torch.addcmul(self.bias(y)[:, :, None, None], normal, 1 + self.gain(y)[:, :, None, None])


class Attention(nn.Module):
    """Self-attention over the pixels of a feature map; adds ``gamma`` times its result, gamma starting at 0.

    ``biggan``: keys and values max-pooled 2 x 2, keys C/8 and values C/2 wide, a 1 x 1 output convolution,
    spectrally normalised, no bias. ``sagan`` (the published checkpoint): no pooling, values C wide, no
    output convolution, with biases, no spectral norm. Neither divides the logits by sqrt(width).
    """

    def __init__(self, channels: int, kind: Literal["biggan", "sagan"]) -> None:
        super().__init__()
        narrow = max(channels // 8, 1)
        self.kind = kind
        if kind == "biggan":
            self.query = SNConv2d(channels, narrow, 1, bias=False)
            self.key = SNConv2d(channels, narrow, 1, bias=False)
            self.value = SNConv2d(channels, channels // 2, 1, bias=False)
            self.output = SNConv2d(channels // 2, channels, 1, bias=False)
        else:
            self.query = nn.Conv2d(channels, narrow, 1)
            self.key = nn.Conv2d(channels, narrow, 1)
            self.value = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.query(x), self.key(x), self.value(x)
        if self.kind == "biggan":
            key, value = F.max_pool2d(key, 2), F.max_pool2d(value, 2)
        tokens = [t.flatten(2).transpose(1, 2)[:, None] for t in (query, key, value)]
        mixed = F.scaled_dot_product_attention(*tokens, scale=1.0)[:, 0].transpose(1, 2)
        mixed = mixed.reshape(x.shape[0], -1, *x.shape[2:])
        if self.kind == "biggan":
            mixed = self.output(mixed)
        return torch.addcmul(x, self.gamma, mixed)


class GeneratorBlock(nn.Module):
    """Pre-activation bottleneck of the generator; its shortcut keeps the first ``channels_out`` channels."""

    def __init__(self, channels_in: int, channels_out: int, condition: int, upsample: bool) -> None:
        super().__init__()
        hidden = channels_in // 4
        self.channels_out, self.upsample = channels_out, upsample
        self.bn1 = ConditionalBatchNorm(channels_in, condition)
        self.bn2 = ConditionalBatchNorm(hidden, condition)
        self.bn3 = ConditionalBatchNorm(hidden, condition)
        self.bn4 = ConditionalBatchNorm(hidden, condition)
        self.conv1 = SNConv2d(channels_in, hidden, 1)
        self.conv2 = SNConv2d(hidden, hidden, 3)
        self.conv3 = SNConv2d(hidden, hidden, 3)
        self.conv4 = SNConv2d(hidden, channels_out, 1)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        h = self.conv1(F.relu(self.bn1(x, y)))
        h = F.relu(self.bn2(h, y))
        x = x[:, : self.channels_out]
        if self.upsample:
            h, x = (F.interpolate(t, scale_factor=2, mode="nearest") for t in (h, x))
        h = self.conv2(h)
        h = self.conv3(F.relu(self.bn3(h, y)))
        return x + self.conv4(F.relu(self.bn4(h, y)))


class DiscriminatorBlock(nn.Module):
    """Pre-activation bottleneck of the discriminator; its shortcut appends learned channels to x."""

    def __init__(self, channels_in: int, channels_out: int, downsample: bool) -> None:
        super().__init__()
        hidden = channels_out // 4
        self.downsample = downsample
        self.conv1 = SNConv2d(channels_in, hidden, 1)
        self.conv2 = SNConv2d(hidden, hidden, 3)
        self.conv3 = SNConv2d(hidden, hidden, 3)
        self.conv4 = SNConv2d(hidden, channels_out, 1)
        self.shortcut = (
            SNConv2d(channels_in, channels_out - channels_in, 1) if channels_out > channels_in else None
        )

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.relu(x))
        h = self.conv2(F.relu(h))
        h = F.relu(self.conv3(F.relu(h)))
        if self.downsample:
            h, x = F.avg_pool2d(h, 2), F.avg_pool2d(x, 2)
        if self.shortcut is not None:
            x = torch.cat([x, self.shortcut(x)], dim=1)
        return x + self.conv4(h)


def initialise(
    module: nn.Module,
    weights: Literal["normal", "orthogonal"],
    biases: Literal["uniform", "zero"],
    generator: torch.Generator | None,
) -> None:
    """Draw all parameters of a network anew.

    Args:
        module: a generator or discriminator.
        weights: ``"normal"``, N(0, 0.02) as the paper's code, or ``"orthogonal"``, BigGAN's own.
        biases: ``"uniform"`` within 1/sqrt(fan in), torch's default and so the paper's code's; or ``"zero"``.
            Behind spectrally normalised layers signals are small, and biases of that size fix which ReLUs are
            open: the discriminator then starts out as nearly linear, and is slow to see texture.
        generator: source of the draws; None takes torch's global one.
    """
    for layer in module.modules():
        if not isinstance(layer, (nn.Conv2d, nn.Linear, nn.Embedding)):
            continue
        with torch.no_grad():
            if weights == "normal":
                layer.weight.normal_(0, 0.02, generator=generator)
            else:
                nn.init.orthogonal_(layer.weight, generator=generator)
            if getattr(layer, "bias", None) is not None:
                bound = 1 / math.sqrt(layer.weight[0].numel()) if biases == "uniform" else 0.0
                layer.bias.uniform_(-bound, bound, generator=generator)
            if isinstance(layer, _SpectralNorm):
                layer.u.normal_(generator=generator)
                layer.iterate(SN_FIRST_ITERATIONS)
