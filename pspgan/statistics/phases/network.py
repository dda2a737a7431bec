"""The network of the pixel classifier: a small U-Net that sees wide surroundings and answers pixel by pixel.

Which phase a pixel is in depends on what lies tens of pixels away: a plain grey area is matrix beside a
particle-free zone and carbide within a network. So a pyramid of features (Ronneberger et al., MICCAI 2015)
reaches over some 300 px. Its finest level has a quarter of the resolution; pixels enter as 16 channels and
classes leave as 16 values each, so that nothing is lost of thin needles at a quarter of the cost.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTHS = (24, 48, 64, 96)  # channels, from the finest level to the coarsest
STEM = 4  # pixels, along each axis, of one position of the finest level
MULTIPLE = STEM * 2 ** (len(WIDTHS) - 1)  # px; sides of an image that the network takes


class SegmentationNetwork(nn.Module):
    """A U-Net from standardised grey levels to classes.

    Args:
        n_classes: how many.
    """

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        inputs = (STEM**2, *WIDTHS)
        self.down = nn.ModuleList(_block(inputs[i], width) for i, width in enumerate(WIDTHS))
        self.up = nn.ModuleList(_block(fine + coarse, fine) for fine, coarse in pairwise(WIDTHS))
        self.head = nn.Conv2d(WIDTHS[0], n_classes * STEM**2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, class, y, x) of images (batch, 1, y, x), their sides multiples of `MULTIPLE`."""
        x = F.pixel_unshuffle(x, STEM)
        levels = []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if i else x)
            levels.append(x)
        for block, fine in zip(reversed(self.up), reversed(levels[:-1]), strict=True):
            x = block(torch.cat([fine, F.interpolate(x, scale_factor=2.0)], dim=1))
        return F.pixel_shuffle(self.head(x), STEM)


def _block(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [
            nn.Conv2d(channels, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)
