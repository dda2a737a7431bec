"""The layers BigGAN-deep is made of: convolutions, conditional batch norm, attention, residual blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import attend
from .batch_norm import SharesBatch, batch_norm
from .recompute import modulated, rectify
from .spectral_norm import FIRST_ITERATIONS, SpectralNorm, by_shape, estimate

AttentionKind = Literal["biggan", "sagan", "none"]

CBN_EPS = 1e-4


class SNConv2d(SpectralNorm, nn.Conv2d):
    """Convolution with spectral norm."""

    def __init__(self, channels_in: int, channels_out: int, size: int, bias: bool = True) -> None:
        super().__init__(channels_in, channels_out, size, padding=size // 2, bias=bias)
        self._register_vectors()

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.normalised_weight(), self.bias, padding=self.padding)


class SNUpsampling(SNConv2d):
    """Nearest upsampling by two and a 3 x 3 convolution with spectral norm, as one transposed convolution."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_in, channels_out, 3)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv_transpose2d(x, spread(self.normalised_weight()), self.bias, stride=2, padding=1)


def spread(weight: Tensor) -> Tensor:
    """Kernel of the transposed convolution, stride 2, that upsamples by two and then convolves by ``weight``.

    Every pixel spreads over 4 x 4, which takes 4/9 of the products. Along one axis weights a, b, c become
    c, b + c, a + b, a.

    Args:
        weight: (channel out, channel in, 3, 3).

    Returns:
        (channel in, channel out, 4, 4).
    """
    weight = weight.flip(2, 3)
    for before, after in (((1, 0, 0, 0), (0, 1, 0, 0)), ((0, 0, 1, 0), (0, 0, 0, 1))):
        weight = F.pad(weight, before) + F.pad(weight, after)
    return weight.transpose(0, 1)


class SNLinear(SpectralNorm, nn.Linear):
    """Linear layer with spectral norm."""

    def __init__(self, features_in: int, features_out: int, bias: bool = True) -> None:
        super().__init__(features_in, features_out, bias=bias)
        self._register_vectors()

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.normalised_weight(), self.bias)


class ConditionalBatchNorm(SharesBatch, nn.Module):
    """Batch norm whose gain and bias are linear in the condition vector (see `modulations`), and a ReLU.

    ``relu(batch_norm(x) * (1 + gain(y)) + bias(y))``. Without the ``1 +`` the gain starts near zero and the
    network does not learn.
    """

    gain: SNLinear
    bias: SNLinear
    stored_mean: Tensor
    stored_var: Tensor
    momentum: float

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.gain = SNLinear(condition, channels, bias=False)
        self.bias = SNLinear(condition, channels, bias=False)
        self.register_buffer("stored_mean", torch.zeros(channels))
        self.register_buffer("stored_var", torch.ones(channels))
        self.momentum = 0.1

    def forward(self, x: Tensor, gain: Tensor, bias: Tensor, layer: Callable[[Tensor], Tensor]) -> Tensor:
        """What a layer makes of x normalised, modulated and rectified.

        Args:
            x: (batch, channel, y, x).
            gain, bias: (batch, channel).
            layer: the convolution behind it; see `recompute.modulated` for why it is called from here.
        """
        normal = batch_norm(
            x,
            self.stored_mean,
            self.stored_var,
            training=self.training,
            momentum=self.momentum,
            eps=CBN_EPS,
            peers=self.peers,
        )
        return modulated(normal, (1 + gain).to(x.dtype), bias.to(x.dtype), layer)


def modulations(norms: Sequence[ConditionalBatchNorm], y: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Gains and biases of many conditional batch norms, from one product with the condition vectors.

    Args:
        norms: of one network.
        y: (batch, condition).

    Returns:
        For each norm its gain and its bias, (batch, channel).
    """
    groups = by_shape([layer for norm in norms for layer in (norm.gain, norm.bias)])
    layers = [layer for group in groups for layer in group]
    with torch.autocast(y.device.type, enabled=False):
        weight = torch.cat([layer.weight for layer in layers])
        stacks = weight.split([len(group) * group[0].out_features for group in groups])
        scales = [
            estimate(group, stack.unflatten(0, (len(group), -1))).repeat_interleave(group[0].out_features)
            for group, stack in zip(groups, stacks, strict=True)
        ]
        values = F.linear(y, weight) / torch.cat(scales)
    parts = dict(zip(layers, values.split([layer.out_features for layer in layers], dim=1), strict=True))
    return [(parts[norm.gain], parts[norm.bias]) for norm in norms]


class Attention(nn.Module):
    """Self-attention over the pixels of a feature map; adds ``gamma`` times its result, gamma starting at 0.

    ``biggan``: keys and values max-pooled 2 x 2, keys C/8 and values C/2 wide, a 1 x 1 output convolution,
    spectrally normalised, no bias. ``sagan`` (the published checkpoint): no pooling, values C wide, no
    output convolution, with biases, no spectral norm. Neither divides the logits by sqrt(width).
    """

    kind: Literal["biggan", "sagan"]
    query: nn.Conv2d
    key: nn.Conv2d
    value: nn.Conv2d
    output: SNConv2d
    gamma: nn.Parameter

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
        tokens = (t.flatten(2).transpose(1, 2) for t in (query, key, value))
        mixed = attend(*tokens).transpose(1, 2).unflatten(2, x.shape[2:])
        if self.kind == "biggan":
            mixed = self.output(mixed)
        return torch.addcmul(x, self.gamma.to(x.dtype), mixed)


class GeneratorBlock(nn.Module):
    """Pre-activation bottleneck of the generator; its shortcut keeps the first ``channels_out`` channels."""

    channels_out: int
    upsample: bool
    bn1: ConditionalBatchNorm
    bn2: ConditionalBatchNorm
    bn3: ConditionalBatchNorm
    bn4: ConditionalBatchNorm
    conv1: SNConv2d
    conv2: SNConv2d
    conv3: SNConv2d
    conv4: SNConv2d

    def __init__(self, channels_in: int, channels_out: int, condition: int, upsample: bool) -> None:
        super().__init__()
        hidden = channels_in // 4
        self.channels_out, self.upsample = channels_out, upsample
        self.bn1 = ConditionalBatchNorm(channels_in, condition)
        self.bn2 = ConditionalBatchNorm(hidden, condition)
        self.bn3 = ConditionalBatchNorm(hidden, condition)
        self.bn4 = ConditionalBatchNorm(hidden, condition)
        self.conv1 = SNConv2d(channels_in, hidden, 1)
        self.conv2 = SNUpsampling(hidden, hidden) if upsample else SNConv2d(hidden, hidden, 3)
        self.conv3 = SNConv2d(hidden, hidden, 3)
        self.conv4 = SNConv2d(hidden, channels_out, 1)

    @property
    def norms(self) -> list[ConditionalBatchNorm]:
        return [self.bn1, self.bn2, self.bn3, self.bn4]

    def forward(self, x: Tensor, modulation: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        """One stage of x, (batch, channels_in, y, x), with gain and bias of each of the four ``norms``."""
        h = x
        convolutions = (self.conv1, self.conv2, self.conv3, self.conv4)
        for norm, (gain, bias), convolution in zip(self.norms, modulation, convolutions, strict=True):
            h = norm(h, gain, bias, convolution)
        x = x[:, : self.channels_out]
        return h + (F.interpolate(x, scale_factor=2, mode="nearest") if self.upsample else x)


class DiscriminatorBlock(nn.Module):
    """Pre-activation bottleneck of the discriminator; its shortcut appends learned channels to x."""

    downsample: bool
    conv1: SNConv2d
    conv2: SNConv2d
    conv3: SNConv2d
    conv4: SNConv2d
    shortcut: SNConv2d | None

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
        # Pooling keeps its argument for the backward.
        h = rectify(x, self.conv1) if self.downsample else self.conv1(F.relu(x))
        h = self.conv2(F.relu_(h))
        h = F.relu_(self.conv3(F.relu_(h)))
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
    embeddings: float = 0.02,
) -> None:
    """Draw all parameters of a network anew.

    Args:
        module: a generator or discriminator.
        weights: ``"normal"``, N(0, 0.02) as the paper's code, or ``"orthogonal"``, BigGAN's own.
        biases: ``"uniform"`` within 1/sqrt(fan in), torch's default and so the paper's code's; or ``"zero"``.
            Behind spectrally normalised layers signals are small, and biases of that size fix which ReLUs are
            open: the discriminator then starts out as nearly linear, and is slow to see texture.
        generator: source of the draws; None takes torch's global one.
        embeddings: their standard deviation, 0.02 as the paper's code. Beside a latent vector of standard
            deviation 1 the generator then hardly hears its condition until they have grown.
    """
    for layer in module.modules():
        if not isinstance(layer, (nn.Conv2d, nn.Linear, nn.Embedding)):
            continue
        with torch.no_grad():
            if isinstance(layer, nn.Embedding):
                layer.weight.normal_(0, embeddings, generator=generator)
            elif weights == "normal":
                layer.weight.normal_(0, 0.02, generator=generator)
            else:
                nn.init.orthogonal_(layer.weight, generator=generator)
            if getattr(layer, "bias", None) is not None:
                bound = 1 / math.sqrt(layer.weight[0].numel()) if biases == "uniform" else 0.0
                layer.bias.uniform_(-bound, bound, generator=generator)
            if isinstance(layer, SpectralNorm):
                layer.u.normal_(generator=generator)
                layer.iterate(FIRST_ITERATIONS)
