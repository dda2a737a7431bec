"""How the pixel classifier learns: random views of labelled micrographs, a loss that minds rare classes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...progress import progress_bar
from .network import SegmentationNetwork

UNLABELLED = 255

_VIEW = 192  # px, side of the square views that are learned from
_BATCH = 4  # views a step
_LEARNING_RATE = 1e-2  # the highest; it rises over the first seventh of the steps, and falls to nothing
_BETAS = (0.9, 0.99)  # a few hundred steps are too few for an average over a thousand
_WEIGHT_DECAY = 1e-2
_ZOOM = 1.6  # views are enlarged or reduced up to so many times: particles differ in size between fields
_CONTRAST = 0.4  # ln of the gain and of the exponent of grey levels, at most
_LIGHT = 0.3  # standard deviations of the image: even light, and light that varies over the view
_NOISE = 0.2  # standard deviations of the image, at most


def train_network(
    micrographs: Sequence[np.ndarray],
    labels: Sequence[np.ndarray],
    n_classes: int,
    *,
    steps: int,
    seed: int,
    progress: str | None,
) -> SegmentationNetwork:
    """A network that tells classes apart, in evaluation mode.

    Args:
        micrographs: grey levels, (y, x) each.
        labels: class indices of their pixels, `UNLABELLED` where none is known; (y, x) uint8 each.
        n_classes: how many classes there are, whether or not all occur.
        steps: how many batches to learn from.
        seed: of weights, views and their changes.
        progress: what a bar on a terminal is called; None shows none.
    """
    draws = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # of the CPU alone, which the fork gives back
        network = SegmentationNetwork(n_classes).to(memory_format=torch.channels_last)
    images = [standardised(torch.from_numpy(np.array(image)))[None] for image in micrographs]
    truths = [torch.from_numpy(np.array(label)).float()[None] for label in labels]
    weights = _class_weights(labels, n_classes)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=_LEARNING_RATE, betas=_BETAS, weight_decay=_WEIGHT_DECAY
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LEARNING_RATE, steps, pct_start=0.15)
    network.train()
    for _ in progress_bar(range(steps), unit="step", desc=progress, leave=False, shown=progress):
        chosen = torch.randint(len(images), (_BATCH,), generator=draws).tolist()
        views = [_view(images[i], truths[i], draws) for i in chosen]
        view = _relit(torch.stack([image for image, _ in views]), draws)
        truth = torch.stack([label for _, label in views])
        logits = network(view.contiguous(memory_format=torch.channels_last))
        loss = _loss(logits, truth, weights)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network.eval()


def standardised(micrograph: Tensor) -> Tensor:
    """Grey levels of zero mean and unit variance in each image, (..., y, x) float32."""
    grey = micrograph.float()
    mean, deviation = grey.mean((-2, -1), keepdim=True), grey.std((-2, -1), keepdim=True, correction=0)
    return (grey - mean) / (deviation + 1e-3)  # an image of one grey level becomes zero


def _class_weights(labels: Sequence[np.ndarray], n_classes: int) -> Tensor:
    """Weight of a class, by the root of how rare it is; the mean over all pixels is 1."""
    counts = sum(np.bincount(label.ravel(), minlength=256)[:n_classes] for label in labels)
    share = torch.from_numpy(counts / counts.sum()).float()
    weight = torch.where(share > 0, share.clamp(min=1e-6) ** -0.5, 0.0)
    return weight / (weight * share).sum()


def _view(image: Tensor, label: Tensor, draws: torch.Generator) -> tuple[Tensor, Tensor]:
    """A square anywhere in the image, turned, mirrored and zoomed; (1, y, x) and the labels, (y, x) int64.

    Half of the views only by quarter turns: interpolation would smooth the noise that micrographs have.
    """
    height, width = image.shape[-2:]
    whole, angle, zoom, mirror, row, column = torch.rand(6, generator=draws, dtype=torch.float64).tolist()
    angle, zoom, mirror = 2 * math.pi * angle, _ZOOM ** (2 * zoom - 1), 1 if mirror < 0.5 else -1
    row, column = row * height, column * width
    if whole < 0.5:
        angle, zoom = math.pi / 2 * math.floor(angle / (math.pi / 2)), 1.0
        row, column = math.floor(row) + 0.5, math.floor(column) + 0.5  # so that pixels fall on pixels
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]) * zoom
    offset = torch.arange(_VIEW) - (_VIEW - 1) / 2
    y, x = torch.meshgrid(offset, offset, indexing="ij")
    place = torch.stack([x * mirror, y], dim=-1) @ turn.T + torch.tensor([column, row])
    grid = ((2 * place + 1) / torch.tensor([width, height]) - 1)[None]

    def sample(pixels: Tensor, mode: str) -> Tensor:
        return F.grid_sample(pixels[None], grid, mode, padding_mode="reflection", align_corners=False)[0]

    return sample(image, "bilinear"), sample(label, "nearest")[0].long()


def _relit(view: Tensor, draws: torch.Generator) -> Tensor:
    """Standardised views under another exposure, contrast and light, with noise; (batch, 1, y, x)."""
    n, side = len(view), view.shape[-1]
    gain, exponent = torch.exp((2 * torch.rand(2, n, 1, 1, 1, generator=draws) - 1) * _CONTRAST)
    grey = view * gain
    grey = grey.sign() * (grey.abs() + 1e-3) ** exponent
    uneven = F.interpolate(torch.randn(n, 1, 4, 4, generator=draws), (side, side), mode="bicubic")
    even = torch.randn(n, 1, 1, 1, generator=draws)
    noise = torch.randn(view.shape, generator=draws) * torch.rand(n, 1, 1, 1, generator=draws)
    return grey + _LIGHT * (uneven + even) + _NOISE * noise


def _loss(logits: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy, classes weighted, plus one minus the mean Dice overlap, both of labelled pixels."""
    known = truth != UNLABELLED
    entropy = F.cross_entropy(logits, truth, weights, ignore_index=UNLABELLED, reduction="sum")
    entropy = entropy / known.sum().clamp(min=1)
    probability = logits.softmax(dim=1) * known[:, None]
    target = F.one_hot(torch.where(known, truth, 0), len(weights)).movedim(-1, 1) * known[:, None]
    both, either = (probability * target).sum((0, 2, 3)), (probability + target).sum((0, 2, 3))
    return entropy + 1 - ((2 * both + 1) / (either + 1)).mean()
