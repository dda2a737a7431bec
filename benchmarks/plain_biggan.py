"""BigGAN-deep written plainly with torch.nn, as published: what pspgan's networks are compared with.

Hooked spectral norm a layer, two linear layers a conditional batch norm, attention that stores its map. The
same function as `pspgan.networks` with attention "sagan"; `plain_names` translates its tensors' names.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import spectral_norm as norm

from pspgan.networks import Discriminator, Generator
from pspgan.networks.biggan_deep import DISCRIMINATOR_STAGES, GENERATOR_STAGES


def conv(channels_in: int, channels_out: int, size: int) -> nn.Module:
    return norm(nn.Conv2d(channels_in, channels_out, size, padding=size // 2), eps=1e-4)


class PlainBatchNorm(nn.Module):
    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.gain = norm(nn.Linear(condition, channels, bias=False), eps=1e-4)
        self.bias = norm(nn.Linear(condition, channels, bias=False), eps=1e-4)
        self.register_buffer("stored_mean", torch.zeros(channels))
        self.register_buffer("stored_var", torch.ones(channels))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        gain = (1 + self.gain(y)).view(len(y), -1, 1, 1)
        bias = self.bias(y).view(len(y), -1, 1, 1)
        normal = nn.functional.batch_norm(
            x, self.stored_mean, self.stored_var, None, None, self.training, 0.1, 1e-4
        )
        return normal * gain + bias


class PlainAttention(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, channels // 8, 1)
        self.key = nn.Conv2d(channels, channels // 8, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (layer(x).flatten(2) for layer in (self.query, self.key, self.value))
        share = torch.softmax(torch.bmm(query.transpose(1, 2), key), dim=-1)
        return self.gamma * torch.bmm(value, share.transpose(1, 2)).view_as(x) + x


class PlainGeneratorBlock(nn.Module):
    def __init__(self, channels_in: int, channels_out: int, condition: int, upsample: bool) -> None:
        super().__init__()
        hidden = channels_in // 4
        self.channels_out = channels_out
        self.upsample = nn.Upsample(scale_factor=2) if upsample else nn.Identity()
        self.bn1 = PlainBatchNorm(channels_in, condition)
        self.bn2, self.bn3, self.bn4 = (PlainBatchNorm(hidden, condition) for _ in range(3))
        self.conv1, self.conv2 = conv(channels_in, hidden, 1), conv(hidden, hidden, 3)
        self.conv3, self.conv4 = conv(hidden, hidden, 3), conv(hidden, channels_out, 1)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        h = self.conv1(self.relu(self.bn1(x, y)))
        h = self.conv2(self.upsample(self.relu(self.bn2(h, y))))
        h = self.conv3(self.relu(self.bn3(h, y)))
        h = self.conv4(self.relu(self.bn4(h, y)))
        return h + self.upsample(x[:, : self.channels_out])


class PlainDiscriminatorBlock(nn.Module):
    def __init__(self, channels_in: int, channels_out: int, downsample: bool) -> None:
        super().__init__()
        hidden = channels_out // 4
        self.pool = nn.AvgPool2d(2) if downsample else nn.Identity()
        self.conv1, self.conv2 = conv(channels_in, hidden, 1), conv(hidden, hidden, 3)
        self.conv3, self.conv4 = conv(hidden, hidden, 3), conv(hidden, channels_out, 1)
        self.shortcut = (
            conv(channels_in, channels_out - channels_in, 1) if channels_out > channels_in else None
        )
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(self.relu(x))
        h = self.conv2(self.relu(h))
        h = self.conv3(self.relu(h))
        h = self.conv4(self.pool(self.relu(h)))
        x = self.pool(x)
        return h + (x if self.shortcut is None else torch.cat([x, self.shortcut(x)], dim=1))


def attention_after(resolution: int) -> int:
    """Side of the feature map that gets attention."""
    return 64 if resolution > 64 else 32


class PlainGenerator(nn.Module):
    def __init__(self, like: Generator) -> None:
        super().__init__()
        self.space = like.space
        embedding = like.embeddings[0].embedding_dim
        condition = like.latent + embedding * len(self.space.factors)
        stages = GENERATOR_STAGES[like.resolution]
        ch = like.output.in_channels // stages[-1][1]
        self.embeddings = nn.ModuleList(nn.Embedding(len(f.levels), embedding) for f in self.space.factors)
        self.linear = norm(nn.Linear(condition, 16 * stages[0][0] * ch), eps=1e-4)
        self.blocks = nn.ModuleList()
        side = 4
        for wide, out in stages:
            self.blocks.append(PlainGeneratorBlock(wide * ch, wide * ch, condition, False))
            self.blocks.append(PlainGeneratorBlock(wide * ch, out * ch, condition, True))
            side *= 2
            if side == attention_after(like.resolution):
                self.blocks.append(PlainAttention(out * ch))
        self.norm = nn.BatchNorm2d(stages[-1][1] * ch)
        self.output = conv(stages[-1][1] * ch, like.channels, 3)

    def forward(self, z: Tensor, weights: Tensor) -> Tensor:
        parts = zip(self.space.slices, self.embeddings, strict=True)
        y = torch.cat([z, *(table(weights[:, part].argmax(1)) for part, table in parts)], dim=1)
        h = self.linear(y).view(len(y), -1, 4, 4)
        for block in self.blocks:
            h = block(h) if isinstance(block, PlainAttention) else block(h, y)
        return torch.tanh(self.output(torch.relu(self.norm(h))))


class PlainDiscriminator(nn.Module):
    def __init__(self, like: Discriminator) -> None:
        super().__init__()
        stages = DISCRIMINATOR_STAGES[like.resolution]
        ch = like.input.out_channels // stages[0][0]
        self.input = conv(like.channels, stages[0][0] * ch, 3)
        self.blocks = nn.ModuleList()
        side = like.resolution
        for wide, out in stages:
            self.blocks.append(PlainDiscriminatorBlock(wide * ch, out * ch, True))
            self.blocks.append(PlainDiscriminatorBlock(out * ch, out * ch, False))
            side //= 2
            if side == attention_after(like.resolution):
                self.blocks.append(PlainAttention(out * ch))
        self.linear = norm(nn.Linear(stages[-1][1] * ch, like.space.n_targets), eps=1e-4)

    def forward(self, image: Tensor) -> Tensor:
        h = self.input(image)
        for block in self.blocks:
            h = block(h)
        return self.linear(torch.relu(h).sum(dim=(2, 3)))


def plain_names(network: nn.Module) -> dict[str, str]:
    """Names of the tensors of one of pspgan's networks -> those in the plain one."""
    state = network.state_dict()
    names = {}
    for name in state:
        head, _, last = name.rpartition(".")
        if f"{head}.u" in state and last in ("weight", "u", "v"):
            last = {"weight": "weight_orig", "u": "weight_u", "v": "weight_v"}[last]
        names[name] = f"{head}.{last}"
    return names
