"""What the operators compute, in plain PyTorch: differentiable any number of times, on any device.

No boolean-mask indexing (it would make a GPU wait for its host) and no large negative numbers as masks
(they overflow in half precision). Arguments are taken as checked; users call `pspgan.ops`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from .diff_augment import DiffAugmentDraws


def omni_loss(scores: Tensor, labels: Tensor, margin: float, gamma: float) -> Tensor:
    """Omni loss a row, as `pspgan.ops.omni_loss` defines it; (batch, class) -> (batch)."""
    t = _exponent(scores, margin, gamma)
    negative = _log_one_plus_sum_exp(t.masked_fill(labels != 0, -torch.inf))
    positive = _log_one_plus_sum_exp((-t).masked_fill(labels != 1, -torch.inf))
    return negative + positive


def omni_loss_slope(scores: Tensor, labels: Tensor, margin: float, gamma: float) -> Tensor:
    """Derivative of each row's Omni loss by its scores, (batch, class), in closed form.

    `gamma e^t / (1 + sum_neg e^t)` for a negative, `-gamma e^-t / (1 + sum_pos e^-t)` for a positive, 0 for
    an ignored class, with `t = gamma (score + margin)`; in the dtype of the loss.
    """
    t = _exponent(scores, margin, gamma)
    negative = _softmax_beside_zero(t.masked_fill(labels != 0, -torch.inf))
    positive = _softmax_beside_zero((-t).masked_fill(labels != 1, -torch.inf))
    return gamma * (negative - positive)


def _exponent(scores: Tensor, margin: float, gamma: float) -> Tensor:
    return gamma * (_at_least_float32(scores) + margin)


def _shift(x: Tensor) -> Tensor:
    """(batch, 1): the largest of a row and of 0, to take off exponents; 0 where that is infinite or NaN."""
    # The padding is the 0, and makes a row without classes have a largest element.
    largest = F.pad(x.detach(), (1, 0)).amax(dim=1, keepdim=True)
    return largest.masked_fill(~largest.isfinite(), 0.0)


def _log_one_plus_sum_exp(x: Tensor) -> Tensor:
    """log(1 + sum of exp(x) over a row); exact to rounding for tiny sums and for exponents of any size."""
    shift = _shift(x)
    return shift.squeeze(1) + torch.log1p((x - shift).exp().sum(dim=1) + torch.expm1(-shift).squeeze(1))


def _softmax_beside_zero(x: Tensor) -> Tensor:
    """exp(x) / (1 + sum of exp(x) over a row): a softmax with one more class, whose score is 0."""
    shift = _shift(x)
    numerator = (x - shift).exp()
    return numerator / (numerator.sum(dim=1, keepdim=True) + torch.exp(-shift))


def diff_augment(x: Tensor, draws: DiffAugmentDraws) -> Tensor:
    """DiffAugment with given draws, as `pspgan.ops.diff_augment` defines it."""
    dtype = x.dtype
    x = _at_least_float32(x)
    if draws.brightness is not None:
        x = x + _per_image(draws.brightness, x)
    if draws.saturation is not None and x.shape[1] > 1:  # of one channel it leaves everything as it is
        grey = x.mean(dim=1, keepdim=True)
        x = (x - grey) * _per_image(draws.saturation, x) + grey
    if draws.contrast is not None:
        level = x.mean(dim=(1, 2, 3), keepdim=True)
        x = (x - level) * _per_image(draws.contrast, x) + level
    x = x.to(dtype)
    if draws.translation is not None:
        x = _translate(x, draws.translation)
    if draws.cutout is not None:
        x = _cut_out(x, draws.cutout)
    return x


def _at_least_float32(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _per_image(draw: Tensor, x: Tensor) -> Tensor:
    return draw.to(x.dtype)[:, None, None, None]


def _translate(x: Tensor, offset: Tensor) -> Tensor:
    """out[i, j] = x[i + row offset, j + column offset], zero where that is outside the image."""
    height, width = x.shape[2:]
    offset = offset.clamp(-max(height, width), max(height, width))  # so that no sum below overflows
    row = torch.arange(height, device=x.device) + offset[:, 0, None]  # (batch, height)
    column = torch.arange(width, device=x.device) + offset[:, 1, None]
    inside = ((row >= 0) & (row < height))[:, :, None] & ((column >= 0) & (column < width))[:, None, :]
    source = row.clamp(0, height - 1)[:, :, None] * width + column.clamp(0, width - 1)[:, None, :]
    moved = x.flatten(2).gather(2, source.flatten(1)[:, None, :].expand(-1, x.shape[1], -1))
    return moved.view_as(x).masked_fill(~inside[:, None], 0.0)


def _cut_out(x: Tensor, rectangle: Tensor) -> Tensor:
    """Zero in rows [top, bottom) and columns [left, right), which may reach over the image's edge."""
    top, bottom, left, right = rectangle[:, :, None].unbind(1)  # (batch, 1) each
    row = torch.arange(x.shape[2], device=x.device)
    column = torch.arange(x.shape[3], device=x.device)
    cut = ((row >= top) & (row < bottom))[:, :, None] & ((column >= left) & (column < right))[:, None, :]
    return x.masked_fill(cut[:, None], 0.0)
