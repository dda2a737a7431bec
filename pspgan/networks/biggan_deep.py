"""BigGAN-deep with one embedding a process factor, and a discriminator that names every level.

After Brock et al. 2019 (BigGAN-deep) as the paper changes it (its Fig. A.8): the latent vector and the
embeddings of all factors, side by side, feed the first layer and every conditional batch norm; the
discriminator ends in one score a level plus real and fake, for the Omni loss.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from ..process import ProcessSpace
from .batch_norm import BatchNorm2d
from .layers import (
    Attention,
    AttentionKind,
    ConditionalBatchNorm,
    DiscriminatorBlock,
    GeneratorBlock,
    SNConv2d,
    SNLinear,
    initialise,
    modulations,
)
from .spectral_norm import SpectralNorm, by_shape, prepare

if TYPE_CHECKING:
    from .frozen import FrozenGenerator

# Widths of a stage in multiples of ch, (in, out); two blocks a stage.
GENERATOR_STAGES: dict[int, tuple[tuple[int, int], ...]] = {
    512: ((16, 16), (16, 8), (8, 8), (8, 4), (4, 2), (2, 1), (1, 1)),
    256: ((16, 16), (16, 8), (8, 8), (8, 4), (4, 2), (2, 1)),
    128: ((16, 16), (16, 8), (8, 4), (4, 2), (2, 1)),
    64: ((16, 16), (16, 8), (8, 4), (4, 2)),
    32: ((4, 4), (4, 4), (4, 4)),
}
DISCRIMINATOR_STAGES: dict[int, tuple[tuple[int, int], ...]] = {
    512: ((1, 1), (1, 2), (2, 4), (4, 8), (8, 8), (8, 16), (16, 16)),
    256: ((1, 2), (2, 4), (4, 8), (8, 8), (8, 16), (16, 16)),
    128: ((1, 2), (2, 4), (4, 8), (8, 16), (16, 16)),
    64: ((1, 2), (2, 4), (4, 8), (8, 16)),
    32: ((4, 4), (4, 4), (4, 4)),
}
RESOLUTIONS = tuple(sorted(GENERATOR_STAGES))  #: sides of a micrograph that there are networks for, px


def _check(resolution: int, ch: int, attention: str) -> None:
    if resolution not in RESOLUTIONS:
        raise ValueError(f"resolution {resolution} is none of {', '.join(map(str, RESOLUTIONS))} px")
    if ch < 4 or ch % 4:
        raise ValueError(
            f"ch {ch} must be a positive multiple of 4: blocks narrow to a quarter of their width"
        )
    if attention not in ("biggan", "sagan", "none"):
        raise ValueError(f'attention "{attention}" is none of biggan, sagan, none')


def _attention_side(resolution: int, attention: str) -> int:
    """Side of the feature map that gets attention: 64, but never the image itself; 0 for none."""
    if attention == "none" or resolution == 32:
        return 0
    return 64 if resolution > 64 else 32


def check_inputs(generator: Generator | FrozenGenerator, z: Tensor, weights: Tensor) -> None:
    """Raise ValueError where latents or weights over levels have no shape that the generator takes."""
    if z.shape[1:] != (generator.latent,) or weights.shape != (len(z), generator.space.n_levels):
        raise ValueError(
            f"z {tuple(z.shape)} and weights {tuple(weights.shape)} do not fit "
            f"(batch, {generator.latent}) and (batch, {generator.space.n_levels})"
        )


class Generator(nn.Module):
    """Latent vector and condition -> micrograph.

    Args:
        space: process space; one embedding table a factor.
        resolution: side of the square images, 32 to 512 px, a power of two.
        ch: width multiplier, a multiple of 4.
        latent: length of the latent vector (the paper found 128 to collapse).
        attention: ``"biggan"``, ``"sagan"`` or ``"none"``; at 64 x 64, at 64 px resolution at 32 x 32, and at
            32 px nowhere.
        embedding: width of each factor's embedding.
        channels: image channels.
        init: of the weights, ``"normal"`` or ``"orthogonal"``.
        init_bias: of the biases, ``"uniform"`` or ``"zero"``; see `layers.initialise`.
        init_embedding: standard deviation of the embeddings, drawn from a normal distribution.
        generator: source of the initial draws; None takes torch's global one.

    Raises:
        ValueError: a resolution, width or attention that does not exist.
    """

    space: ProcessSpace
    resolution: int
    latent: int
    channels: int
    embeddings: nn.ModuleList
    linear: SNLinear
    blocks: nn.ModuleList
    norm: BatchNorm2d
    output: SNConv2d

    def __init__(
        self,
        space: ProcessSpace,
        resolution: int = 256,
        ch: int = 64,
        latent: int = 384,
        attention: AttentionKind = "biggan",
        *,
        embedding: int = 128,
        channels: int = 1,
        init: Literal["normal", "orthogonal"] = "normal",
        init_bias: Literal["uniform", "zero"] = "uniform",
        init_embedding: float = 0.02,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        _check(resolution, ch, attention)
        self.space, self.resolution, self.latent, self.channels = space, resolution, latent, channels
        self.embeddings = nn.ModuleList(
            nn.Embedding(len(factor.levels), embedding) for factor in space.factors
        )
        condition = latent + embedding * len(space.factors)
        stages = GENERATOR_STAGES[resolution]
        self.linear = SNLinear(condition, 4 * 4 * stages[0][0] * ch)
        self.blocks = nn.ModuleList()
        side = 4
        for wide, out in stages:
            self.blocks.append(GeneratorBlock(wide * ch, wide * ch, condition, upsample=False))
            self.blocks.append(GeneratorBlock(wide * ch, out * ch, condition, upsample=True))
            side *= 2
            if side == _attention_side(resolution, attention):
                self.blocks.append(Attention(out * ch, attention))
        self.norm = BatchNorm2d(stages[-1][1] * ch)
        self.output = SNConv2d(stages[-1][1] * ch, channels, 3)
        layers = [module for module in self.modules() if isinstance(module, SpectralNorm)]
        conditional = {layer for norm in self._norms() for layer in (norm.gain, norm.bias)}
        self._weights = by_shape([layer for layer in layers if layer not in conditional])
        initialise(self, init, init_bias, generator, init_embedding)

    def forward(self, z: Tensor, weights: Tensor) -> Tensor:
        """Generate images.

        Args:
            z: (batch, latent), standard normal.
            weights: (batch, space.n_levels), weights over levels from `ProcessSpace.encode`.

        Returns:
            (batch, channel, y, x) in [-1, 1].
        """
        check_inputs(self, z, weights)
        with torch.autocast(z.device.type, enabled=False):
            embedded = [
                weights[:, part] @ table.weight
                for part, table in zip(self.space.slices, self.embeddings, strict=True)
            ]
            y = torch.cat([z, *embedded], dim=1)
        for group in self._weights:
            prepare(group)
        modulation = iter(modulations(self._norms(), y))
        h = self.linear(y).unflatten(1, (-1, 4, 4)).contiguous(memory_format=torch.channels_last)
        for block in self.blocks:
            h = block(h) if isinstance(block, Attention) else block(h, list(islice(modulation, 4)))
        return torch.tanh(self.output(torch.relu_(self.norm(h))))

    def _norms(self) -> list[ConditionalBatchNorm]:
        return [norm for block in self.blocks if isinstance(block, GeneratorBlock) for norm in block.norms]


class Discriminator(nn.Module):
    """Micrograph -> one score a level of every factor, then real, then fake. Arguments as for `Generator`."""

    space: ProcessSpace
    resolution: int
    channels: int
    input: SNConv2d
    blocks: nn.ModuleList
    linear: SNLinear

    def __init__(
        self,
        space: ProcessSpace,
        resolution: int = 256,
        ch: int = 64,
        attention: AttentionKind = "biggan",
        *,
        channels: int = 1,
        init: Literal["normal", "orthogonal"] = "normal",
        init_bias: Literal["uniform", "zero"] = "uniform",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        _check(resolution, ch, attention)
        self.space, self.resolution, self.channels = space, resolution, channels
        stages = DISCRIMINATOR_STAGES[resolution]
        self.input = SNConv2d(channels, stages[0][0] * ch, 3)
        self.blocks = nn.ModuleList()
        side = resolution
        for i, (wide, out) in enumerate(stages):
            # At 32 px the last stage keeps its 8 x 8 map.
            downsample = resolution > 32 or i < 2
            self.blocks.append(DiscriminatorBlock(wide * ch, out * ch, downsample))
            self.blocks.append(DiscriminatorBlock(out * ch, out * ch, downsample=False))
            side //= 2 if downsample else 1
            if side == _attention_side(resolution, attention):
                self.blocks.append(Attention(out * ch, attention))
        self.linear = SNLinear(stages[-1][1] * ch, space.n_targets)
        self._weights = by_shape([module for module in self.modules() if isinstance(module, SpectralNorm)])
        initialise(self, init, init_bias, generator)

    def forward(self, image: Tensor) -> Tensor:
        """Score images.

        Args:
            image: (batch, channel, y, x) in [-1, 1].

        Returns:
            (batch, space.n_targets) scores, in the order of `ProcessSpace.target`.
        """
        if image.shape[1:] != (self.channels, self.resolution, self.resolution):
            raise ValueError(
                f"images {tuple(image.shape)} do not fit "
                f"(batch, {self.channels}, {self.resolution}, {self.resolution})"
            )
        for group in self._weights:
            prepare(group)
        h = self.input(image).contiguous(memory_format=torch.channels_last)
        for block in self.blocks:
            h = block(h)
        return self.linear(torch.relu(h).sum(dim=(2, 3)))
