"""Averaged weights of the generator, and batch-norm statistics that belong to them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from ..networks import Generator
from ..networks.layers import ConditionalBatchNorm
from .config import TrainingConfig

_BATCHES = 16  # whole ones, in parts; of these an exported generator's statistics are the mean


@torch.no_grad()
def average_into(averaged: nn.Module, raw: nn.Module, images: int, halflife: float) -> None:
    """Move averaged parameters towards the raw ones; buffers are copied.

    Args:
        averaged, raw: two networks of one architecture.
        images: real images shown since the last call.
        halflife: images after which a weight's past counts half; 0 copies.
    """
    keep = 0.5 ** (images / halflife) if halflife > 0 else 0.0
    torch._foreach_lerp_(list(averaged.parameters()), list(raw.parameters()), 1 - keep)
    for mine, theirs in zip(averaged.buffers(), raw.buffers(), strict=True):
        mine.copy_(theirs)


@torch.no_grad()
def make_ready(averaged: Generator, raw: Mapping[str, torch.Tensor], config: TrainingConfig) -> None:
    """Give averaged weights the batch-norm statistics and singular vectors that belong to them.

    What comes out follows from the weights, ``raw`` and the config, and not from how many samples were taken
    before: a run exports what a checkpoint of that moment opens as. The network is left in eval mode.

    Args:
        averaged: the generator; its process space names the conditions.
        raw: state of the generator that is trained; buffers are taken from it.
        config: of the run.
    """
    for name, buffer in averaged.named_buffers():
        buffer.copy_(raw[name])
    device = next(averaged.parameters()).device
    observed = torch.from_numpy(averaged.space.encode(averaged.space.observed_conditions)).to(device)
    # In parts as in training: what normalises is of as many images, and memory that served there serves here.
    # Ranks are no reason for smaller ones: batch norm sees whole parts, however many processes share them.
    part = config.batch // config.accumulation
    standing_statistics(averaged, observed, _BATCHES * config.accumulation, part, config.seed)


@torch.no_grad()
def standing_statistics(
    network: Generator, weights: torch.Tensor, batches: int, batch: int, seed: int
) -> None:
    """Estimate batch-norm statistics and spectral norms anew, for weights that no training step has seen.

    Means and variances become plain averages over the batches ("standing statistics" of BigGAN), and every
    forward pass refines the singular vectors. The network is left in eval mode.

    Args:
        network: the generator.
        weights: (condition, n_levels) encodings to draw from evenly.
        batches, batch: how many, and how large.
        seed: of the latents.
    """
    rng = torch.Generator().manual_seed(seed)
    device = weights.device
    norms = [m for m in network.modules() if isinstance(m, (ConditionalBatchNorm, nn.BatchNorm2d))]
    momenta = [norm.momentum for norm in norms]
    network.train()
    for k in range(batches):
        for norm in norms:
            # The k-th batch weighs 1/(k+1): a running mean that starts afresh.
            norm.momentum = 1 / (k + 1)
        z = torch.randn(batch, network.latent, generator=rng).to(device)
        chosen = torch.randint(len(weights), (batch,), generator=rng).to(device)
        network(z, weights[chosen])
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()
