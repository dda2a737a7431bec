"""Attention over the pixels of a feature map that never stores the map of all pairs of pixels."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.amp import custom_bwd, custom_fwd
from torch.autograd.function import once_differentiable

# Rows of logits at a time: 512 x 4096 float32 are 8 MiB, which the caches of CPUs hold. 256 to 1024 took the
# same time within a tenth.
_ROWS = 512


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(query key^T) value, without a scale.

    On a GPU torch's own attention does it. On a CPU that stores all logits where values are wider than keys,
    64 MiB for every micrograph with 4096 pixels; here they are made a few hundred rows at a time, and once
    more in the backward (Rabe and Staats 2021, arXiv:2112.05682).

    Args:
        query: (batch, pixel, width).
        key: (batch, place, width).
        value: (batch, place, channel).

    Returns:
        (batch, pixel, channel), in the dtype of ``value``; softmax computes in at least float32.
    """
    if query.device.type == "cpu":
        with torch.autocast("cpu", enabled=False):
            return _Streaming.apply(query, key, value)
    return _by_torch(query, key, value)


def _by_torch(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    heads = (t[:, None] for t in (query, key, value))
    return F.scaled_dot_product_attention(*heads, scale=1.0)[:, 0]


class _Streaming(torch.autograd.Function):
    @staticmethod
    @custom_fwd(device_type="cpu")
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        mixed = value.new_empty(*query.shape[:2], value.shape[2])
        log_sum = torch.empty(query.shape[:2], dtype=_wide(query.dtype))
        for i in range(len(query)):
            columns = value[i].T.contiguous()
            for rows in _blocks(query.shape[1]):
                logits = _product(query[i, rows], key[i])
                if logits.dtype == torch.bfloat16 and not any(ctx.needs_input_grad):
                    # Faster by a third; float32 gains nothing, and loses digits.
                    mixed[i, rows] = _product(torch.softmax(logits, 1), columns)
                    continue
                share = logits.to(log_sum.dtype)
                top = share.amax(1)
                share.sub_(top[:, None]).exp_()
                total = share.sum(1)
                log_sum[i, rows] = top + total.log()
                mixed[i, rows] = _product(share.to(value.dtype), columns) / total[:, None]
        ctx.save_for_backward(query, key, value, mixed, log_sum)
        return mixed

    @staticmethod
    @custom_bwd(device_type="cpu")
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        query, key, value, mixed, log_sum = ctx.saved_tensors
        gradient = gradient.contiguous()
        # What the gradient of a softmax subtracts, sum over places of share x its gradient.
        mean = (gradient.to(log_sum.dtype) * mixed).sum(2)
        of_query = torch.zeros_like(query, dtype=log_sum.dtype)
        of_key, of_value = torch.empty_like(key), torch.empty_like(value)
        for i in range(len(query)):
            columns, query_columns = gradient[i].T.contiguous(), query[i].T.contiguous()
            # By places, not pixels: two of the three large products then read rows as they lie.
            for rows in _blocks(key.shape[1]):
                share = _product(key[i, rows], query[i]).to(log_sum.dtype).sub_(log_sum[i]).exp_()
                of_value[i, rows] = _product(share.to(value.dtype), columns)
                of_logits = _product(value[i, rows], gradient[i]).to(log_sum.dtype).sub_(mean[i]).mul_(share)
                of_logits = of_logits.to(query.dtype)
                of_key[i, rows] = _product(of_logits, query_columns)
                of_query[i] += of_logits.T @ key[i, rows]
        return of_query.to(query.dtype), of_key, of_value


def _product(rows: Tensor, columns: Tensor) -> Tensor:
    """rows (m, k) times columns (n, k) transposed.

    In float32 as a 1 x 1 convolution, which torch gives to oneDNN: 230 to 250 billion multiplications a
    second on two cores of an AMD EPYC with AVX-512, where its matrix product (MKL) reaches 105.
    """
    if rows.dtype != torch.float32:
        return rows @ columns.T
    return F.conv2d(rows.T[None, :, :, None], columns[:, :, None, None])[0, :, :, 0].T


def _blocks(length: int) -> list[slice]:
    return [slice(begin, begin + _ROWS) for begin in range(0, length, _ROWS)]


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)
