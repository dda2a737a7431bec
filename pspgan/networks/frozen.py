"""A generator for inference only: what evaluation leaves constant is worked into its weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..process import ProcessSpace
from .attention import attend
from .biggan_deep import Generator, check_inputs
from .layers import CBN_EPS, Attention, ConditionalBatchNorm, GeneratorBlock, SNUpsampling, spread

Layer = TypeVar("Layer", nn.Conv2d, nn.ConvTranspose2d)

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# Side of the smallest feature maps whose products are taken in bfloat16, px. Smaller ones decide what the
# micrograph shows and amplify rounding, but are a small part of the work.
_BFLOAT16_SIDE = 64
# Bytes of a float32 feature map that the next layer still finds in the cache of a CPU.
_CACHED = 16 * 2**20


class FrozenGenerator(nn.Module):
    """What a generator computes in eval mode, several times as fast; its weights no longer change.

    Spectral norms divide the weights once. Stored batch-norm statistics, gains and biases of all conditional
    batch norms are one scale and one shift a channel and image; with the first layer they all come from one
    product with the latent vector and the weights over levels, the embeddings being worked into its matrix.
    Upsampling and the 3 x 3 convolution behind it are one transposed convolution, with 4/9 of the work.

    Args:
        generator: in eval mode; it is left as it is.
        precision: ``"float32"``, or ``"bfloat16"`` for convolutions and attention of feature maps from 64 px
            on, the last convolution apart; what lies between them stays in float32.

    Raises:
        ValueError: the generator is in training mode, or there is no such precision.
    """

    space: ProcessSpace
    resolution: int
    latent: int
    channels: int
    precision: Literal["float32", "bfloat16"]
    blocks: nn.ModuleList
    matrix: Tensor
    constant: Tensor
    scale: Tensor
    shift: Tensor
    output: _FrozenOutput

    def __init__(self, generator: Generator, precision: Literal["float32", "bfloat16"] = "float32") -> None:
        super().__init__()
        if precision not in _DTYPES:
            raise ValueError(f'precision "{precision}" is none of {", ".join(_DTYPES)}')
        if generator.training:
            raise ValueError("a generator in training mode cannot be frozen; call eval() first")
        self.space, self.resolution = generator.space, generator.resolution
        self.latent, self.channels = generator.latent, generator.channels
        self.precision = precision
        with torch.no_grad():
            self._fold(generator)

    def _fold(self, generator: Generator) -> None:
        rows = [_affine(generator.linear)]
        self.blocks = nn.ModuleList()
        side, begin = 4, 0
        for block in generator.blocks:
            dtype = _DTYPES[self.precision] if side >= _BFLOAT16_SIDE else torch.float32
            if isinstance(block, Attention):
                self.blocks.append(_FrozenAttention(block, dtype))
                continue
            rows += [part for norm in block.norms for part in _scale_and_shift(norm)]
            self.blocks.append(_FrozenBlock(block, side, begin, dtype))
            begin += 2 * sum(len(norm.stored_mean) for norm in block.norms)
            side *= 2 if block.upsample else 1
        matrix, constant = (torch.cat(parts) for parts in zip(*rows, strict=True))
        # y is [z, embeddings], and embeddings are linear in the weights over levels.
        of_z, of_embeddings = matrix.split([generator.latent, matrix.shape[1] - generator.latent], dim=1)
        embeddings = torch.block_diag(*(table.weight.double() for table in generator.embeddings))
        matrix = torch.cat([of_z, of_embeddings @ embeddings.T], dim=1)
        self.register_buffer("matrix", matrix.float())
        self.register_buffer("constant", constant.float())
        norm = generator.norm
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        self.register_buffer("scale", scale[:, None, None])
        self.register_buffer("shift", (norm.bias - norm.running_mean * scale)[:, None, None])
        self.output = _FrozenOutput(generator.output)

    @torch.inference_mode()
    def forward(self, z: Tensor, weights: Tensor) -> Tensor:
        """Generate images.

        Args:
            z: (batch, latent), standard normal.
            weights: (batch, space.n_levels), weights over levels from `ProcessSpace.encode`.

        Returns:
            (batch, channel, y, x) float32 in [-1, 1].

        Raises:
            ValueError: shapes that do not fit.
        """
        check_inputs(self, z, weights)
        product = F.linear(torch.cat([z, weights], dim=1), self.matrix, self.constant)
        first = 16 * self.blocks[0].channels_in
        x = product[:, :first].unflatten(1, (-1, 4, 4)).contiguous(memory_format=torch.channels_last)
        return self._images(x, product[:, first:], list(self.blocks))

    def _images(self, x: Tensor, modulation: Tensor, blocks: Sequence[nn.Module]) -> Tensor:
        """What blocks and output make of x; where maps become too large, of few images at a time."""
        for i, block in enumerate(blocks):
            if x.device.type == "cpu" and len(x) > block.images_at_once:
                parts = zip(*(t.split(block.images_at_once) for t in (x, modulation)), strict=True)
                return torch.cat([self._images(*part, blocks[i:]) for part in parts])
            x = block(x, modulation)
        x = torch.addcmul(self.shift, x, self.scale).relu_()
        return torch.tanh(self.output(x))


class _FrozenBlock(nn.Module):
    """A `GeneratorBlock` in eval mode; its scales and shifts lie from column ``begin`` on."""

    def __init__(self, block: GeneratorBlock, side: int, begin: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.channels_in, self.channels_out = block.conv1.in_channels, block.channels_out
        self.upsample, self.begin, self.dtype = block.upsample, begin, dtype
        self.hidden = block.conv1.out_channels
        self.conv1 = _convolution(block.conv1, dtype)
        self.conv2 = (
            _upsampling_convolution(block.conv2, dtype)
            if block.upsample
            else _convolution(block.conv2, dtype)
        )
        self.conv3, self.conv4 = _convolution(block.conv3, dtype), _convolution(block.conv4, dtype)
        out = side * (2 if block.upsample else 1)
        largest = max(self.channels_in * side**2, self.channels_out * out**2)
        self.images_at_once = max(1, _CACHED // (4 * largest))

    def forward(self, x: Tensor, modulation: Tensor) -> Tensor:
        widths = [self.channels_in] * 2 + [self.hidden] * 6
        parts = modulation[:, self.begin : self.begin + sum(widths), None, None].split(widths, dim=1)
        scales, shifts = parts[::2], parts[1::2]
        h = torch.addcmul(shifts[0], x, scales[0]).relu_()
        for i, convolution in enumerate((self.conv1, self.conv2, self.conv3), 1):
            h = convolution(h.to(self.dtype)).float()
            torch.addcmul(shifts[i], h, scales[i], out=h).relu_()
        h = self.conv4(h.to(self.dtype)).float()
        x = x[:, : self.channels_out]
        if not self.upsample:
            return h.add_(x)
        pixels = h.permute(0, 2, 3, 1).unflatten(2, (-1, 2)).unflatten(1, (-1, 2))
        pixels.add_(x.permute(0, 2, 3, 1)[:, :, None, :, None])
        return h


class _FrozenAttention(nn.Module):
    """`Attention` in eval mode, gamma worked into the last of its convolutions."""

    images_at_once = 1

    def __init__(self, attention: Attention, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.query, self.key = _convolution(attention.query, dtype), _convolution(attention.key, dtype)
        self.pooled = attention.kind == "biggan"
        gamma = attention.gamma
        # Shares of places sum to 1, so that gamma and the bias of values pass through.
        self.value = _convolution(attention.value, dtype, 1.0 if self.pooled else gamma)
        self.output = _convolution(attention.output, dtype, gamma) if self.pooled else None

    def forward(self, x: Tensor, modulation: Tensor) -> Tensor:
        narrow = x.to(self.dtype)
        query, key, value = self.query(narrow), self.key(narrow), self.value(narrow)
        if self.pooled:
            key, value = F.max_pool2d(key, 2), F.max_pool2d(value, 2)
        mixed = attend(*(t.flatten(2).transpose(1, 2) for t in (query, key, value)))
        mixed = mixed.transpose(1, 2).unflatten(2, x.shape[2:])
        return (mixed if self.output is None else self.output(mixed)).float().add_(x)


class _FrozenOutput(nn.Module):
    """The last 3 x 3 convolution: its three columns make an image each, which are added side by side.

    So few output channels leave most of a vector unit idle; three times as many take the same time.
    """

    columns: nn.Conv2d

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        columns = _normalised(layer).permute(3, 0, 1, 2).flatten(0, 1)[:, :, :, None]
        bias = torch.cat([torch.zeros_like(layer.bias), layer.bias, torch.zeros_like(layer.bias)])
        frozen = nn.utils.skip_init(nn.Conv2d, layer.in_channels, len(bias), (3, 1), padding=(1, 0))
        self.columns = _with(frozen, columns, bias, torch.float32)

    def forward(self, x: Tensor) -> Tensor:
        left, image, right = self.columns(x).chunk(3, dim=1)
        image[..., 1:] += left[..., :-1]
        image[..., :-1] += right[..., 1:]
        return image


def _normalised(layer: nn.Conv2d | nn.Linear) -> Tensor:
    return layer.normalised_weight() if hasattr(layer, "u") else layer.weight


def _affine(layer: nn.Linear) -> tuple[Tensor, Tensor]:
    return _normalised(layer).double(), layer.bias.double()


def _scale_and_shift(norm: ConditionalBatchNorm) -> Iterable[tuple[Tensor, Tensor]]:
    """Matrix and constant of the scale, then of the shift: (x - mean) / std * (1 + gain(y)) + bias(y)."""
    gain, bias = _normalised(norm.gain).double(), _normalised(norm.bias).double()
    mean, scale = norm.stored_mean.double(), torch.rsqrt(norm.stored_var.double() + CBN_EPS)
    return (scale[:, None] * gain, scale), (bias - (mean * scale)[:, None] * gain, -mean * scale)


def _convolution(layer: nn.Conv2d, dtype: torch.dtype, factor: Tensor | float = 1.0) -> nn.Conv2d:
    frozen = nn.utils.skip_init(
        nn.Conv2d,
        layer.in_channels,
        layer.out_channels,
        layer.kernel_size,
        padding=layer.padding,
        bias=layer.bias is not None,
    )
    return _with(
        frozen, _normalised(layer) * factor, layer.bias if layer.bias is None else layer.bias * factor, dtype
    )


def _upsampling_convolution(layer: SNUpsampling, dtype: torch.dtype) -> nn.ConvTranspose2d:
    frozen = nn.utils.skip_init(
        nn.ConvTranspose2d, layer.in_channels, layer.out_channels, 4, stride=2, padding=1
    )
    return _with(frozen, spread(_normalised(layer)), layer.bias, dtype)


def _with(layer: Layer, weight: Tensor, bias: Tensor | None, dtype: torch.dtype) -> Layer:
    layer.weight = nn.Parameter(weight.to(dtype, memory_format=torch.channels_last, copy=True))
    if bias is not None:
        layer.bias = nn.Parameter(bias.to(dtype, copy=True))
    return layer.requires_grad_(False)
