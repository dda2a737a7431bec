"""The network of the pixel classifier: a small U-Net that sees wide surroundings and answers pixel by pixel.

Which phase a pixel is in depends on what lies tens of pixels away: a plain grey area is matrix beside a
particle-free zone and carbide within a network. So a pyramid of features (Ronneberger et al., MICCAI 2015)
reaches over some 300 px. Most of it works at a quarter of the resolution and below. One layer at half the
resolution on the way in, one on the way out, keep needles a few pixels thin, which are lost without them.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STEM = 2  # pixels, along each axis, of one position of the finest features
FINE = 16  # channels of these
WIDTHS = (24, 48, 64, 96)  # channels of the coarser levels, each half the resolution of the one before
MULTIPLE = STEM * 2 ** len(WIDTHS)  # px; the network takes images whose sides are multiples


class SegmentationNetwork(nn.Module):
    """A U-Net from standardised grey levels to classes.

    Args:
        n_classes: how many.
    """

    stem: nn.Sequential
    down: nn.ModuleList
    up: nn.ModuleList
    head: nn.Conv2d

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        widths = (FINE, *WIDTHS)
        self.stem = _layer(STEM**2, FINE)
        self.down = nn.ModuleList(_layer(fine, coarse) for fine, coarse in pairwise(widths))
        self.up = nn.ModuleList(_layer(fine + coarse, fine) for fine, coarse in pairwise(widths))
        self.head = nn.Conv2d(FINE, n_classes * STEM**2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, class, y, x) of images (batch, 1, y, x), their sides multiples of `MULTIPLE`."""
        levels = self.pyramid(x)
        x = levels.pop()
        for layer in reversed(self.up):
            x = layer(torch.cat([levels.pop(), F.interpolate(x, scale_factor=2.0)], dim=1))
        return F.pixel_shuffle(self.head(x), STEM)

    def pyramid(self, x: Tensor) -> list[Tensor]:
        """Features of every level, (batch, channel, y, x), the finest first; ``x`` as `forward` takes it."""
        levels = [self.stem(F.pixel_unshuffle(x, STEM))]
        for layer in self.down:
            levels.append(layer(F.max_pool2d(levels[-1], 2)))
        return levels


def _layer(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
