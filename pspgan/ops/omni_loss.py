"""Omni loss: one multi-label loss over the class scores of all process factors and of real and fake."""

from typing import Any

import torch
from torch import Tensor

from . import _native, reference

LABEL_DTYPES = (torch.int8, torch.int64)
REDUCTIONS = {"none": 0, "mean": 1, "sum": 2}  # as at::Reduction numbers them


def omni_loss(
    scores: Tensor,
    labels: Tensor,
    margin: float = 0.0,
    gamma: float = 1.0,
    reduction: str = "mean",
    impl: str = "auto",
) -> Tensor:
    r"""Omni loss of class scores against multi-label targets.

    For each row, with `t = gamma * (score + margin)`,

        loss = log(1 + sum over negatives of exp(t)) + log(1 + sum over positives of exp(-t)).

    A side without a member contributes 0. Nothing overflows however large the scores are; NaN in a positive
    or negative score gives NaN, in an ignored one nothing. Low-precision scores are read as they are and
    computed and returned in float32, so autocast needs no rule for this operator; their gradient has their
    dtype. The loss can be differentiated twice and more.

    Args:
        scores: (batch, class), float32, float64, float16 or bfloat16.
        labels: (batch, class), int8 or int64: 1 positive, 0 negative, -1 ignored. Note that the paper's
            equations write -1 for negative. Values are not checked, since a GPU would have to wait for
            that; any other than 0 and 1 is ignored.
        margin: added to every score before `gamma` multiplies it.
        gamma: scale of the scores.
        reduction: "mean" over the batch (NaN for an empty one), "sum", or "none".
        impl: "auto", "native" or "reference".

    Returns:
        A scalar, or (batch,) for reduction "none"; float64 for float64 scores, else float32.

    Raises:
        TypeError: for scores or labels of another dtype, or a margin or gamma that is no number.
        ValueError: for shapes that are not (batch, class) in both, tensors on different devices, or an
            unknown `reduction` or `impl`.
        RuntimeError: for impl "native" where the native operator is not available.

    Source: Eq. 1 of Safiuddin et al., "Establishing process-structure linkages using Generative Adversarial
    Networks", after Zhou et al., "Omni-GAN: On the Secrets of cGANs and Beyond", arXiv:2011.13074; margin
    and gamma as in the published code of the latter.

    >>> labels = torch.tensor([[0, 0, 1, 0]])
    >>> omni_loss(torch.zeros(1, 4), labels)  # log(1 + 3) + log(1 + 1)
    tensor(2.0794)
    """
    _check(scores, labels, margin, gamma, reduction)
    if _native.use_native("omni_loss", impl, scores.device):
        operator = torch.ops.pspgan.omni_loss if torch.compiler.is_compiling() else _EagerOmniLoss.apply
        return operator(scores, labels, margin, gamma, REDUCTIONS[reduction])
    rows = reference.omni_loss(scores, labels, margin, gamma)
    if reduction == "mean":
        return rows.mean()
    return rows.sum() if reduction == "sum" else rows


def _check(scores: Tensor, labels: Tensor, margin: float, gamma: float, reduction: str) -> None:
    if scores.dtype not in _native.DTYPES:
        raise TypeError(f"omni_loss: scores are {scores.dtype}; a floating dtype of 16 to 64 bits is needed")
    if labels.dtype not in LABEL_DTYPES:
        raise TypeError(f"omni_loss: labels are {labels.dtype}, not int8 or int64; use labels.to(torch.int8)")
    if scores.ndim != 2 or labels.shape != scores.shape:
        raise ValueError(
            f"omni_loss: scores {tuple(scores.shape)} and labels {tuple(labels.shape)} "
            "must both be (batch, class)"
        )
    if labels.device != scores.device:
        raise ValueError(f"omni_loss: labels are on {labels.device}, scores on {scores.device}")
    for name, value in (("margin", margin), ("gamma", gamma)):
        if isinstance(value, Tensor):
            raise TypeError(f"omni_loss: {name} is a tensor, and would get no gradient; give a number")
    if reduction not in REDUCTIONS:
        raise ValueError(f"omni_loss: reduction={reduction!r} is none of 'none', 'mean', 'sum'")


# What torch has to know of the two native operators: the shape and dtype of their results (for
# torch.compile and fake tensors) and their derivatives. The backward is an operator with a derivative of
# its own: without one, differentiating twice would give wrong numbers and no more than a warning.


def _fake_omni_loss(scores: Tensor, labels: Tensor, margin: float, gamma: float, reduction: int) -> Tensor:
    dtype = torch.float64 if scores.dtype == torch.float64 else torch.float32
    return scores.new_empty(scores.shape[:1] if reduction == REDUCTIONS["none"] else (), dtype=dtype)


def _fake_omni_loss_backward(
    grad: Tensor, scores: Tensor, labels: Tensor, margin: float, gamma: float, reduction: int
) -> Tensor:
    return scores.new_empty(scores.shape)


def _save_for_backward(ctx: Any, inputs: tuple[Any, ...], output: Tensor | None) -> None:
    *tensors, ctx.margin, ctx.gamma, ctx.reduction = inputs
    ctx.save_for_backward(*tensors)


def _differentiate_forward(
    ctx: Any, grad: Tensor, saved: tuple[Tensor, ...] | None = None
) -> tuple[Tensor | None, ...]:
    scores, labels = saved or ctx.saved_tensors
    grad_scores = torch.ops.pspgan.omni_loss_backward.default(
        grad, scores, labels, ctx.margin, ctx.gamma, ctx.reduction
    )
    return grad_scores, None, None, None, None


def _differentiate_backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
    """Derivatives of sum(cotangent * backward) by `grad` and `scores`.

    With w the slope of a row's loss and g the gradient that arrives at the row, backward = g * w. On each
    side w is +-gamma times a softmax p (with a class of score 0 beside it), and dp_i / dt_j =
    p_i (delta_ij - p_j); so, side by side, d/dscore_j = g * w_j * (+-gamma * cotangent_j -
    sum_i w_i * cotangent_i). Rarely asked for, hence in plain PyTorch, which can be differentiated further.
    """
    grad, scores, labels = ctx.saved_tensors
    cotangent = cotangent.to(grad.dtype)
    slope = reference.omni_loss_slope(scores, labels, ctx.margin, ctx.gamma)
    weighted = slope * cotangent
    is_positive = labels == 1
    positive_sum = weighted.masked_fill(~is_positive, 0.0).sum(dim=1, keepdim=True)
    negative_sum = weighted.masked_fill(is_positive, 0.0).sum(dim=1, keepdim=True)
    change = torch.where(
        is_positive, -ctx.gamma * cotangent - positive_sum, ctx.gamma * cotangent - negative_sum
    )
    by_row = weighted.sum(dim=1)
    if ctx.reduction == REDUCTIONS["none"]:
        row_grad, grad_grad = grad[:, None], by_row
    elif ctx.reduction == REDUCTIONS["mean"]:
        row_grad, grad_grad = grad / max(len(scores), 1), by_row.mean()
    else:
        row_grad, grad_grad = grad, by_row.sum()
    return grad_grad, (row_grad * slope * change).to(scores.dtype), None, None, None, None


class _EagerOmniLoss(torch.autograd.Function):
    """The operator with its derivatives, for calls outside torch.compile.

    Below, torch is given the same derivatives, and wraps them in Python that every call of either operator
    passes through before it comes to a kernel. On the few numbers of a batch that takes a third of the time
    of forward and backward; here the kernels are called from below that wrapper.
    """

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        _save_for_backward(ctx, inputs, None)
        with torch._C._AutoDispatchBelowAutograd():
            return torch.ops.pspgan.omni_loss.default(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # the backward will be differentiated itself
            return _differentiate_forward(ctx, grad)
        saved = ctx.saved_tensors  # before the guard: checkpointing makes them anew here
        with torch._C._AutoDispatchBelowAutograd():
            return _differentiate_forward(ctx, grad, saved)


if _native.status.available:
    torch.library.register_fake("pspgan::omni_loss", _fake_omni_loss)
    torch.library.register_fake("pspgan::omni_loss_backward", _fake_omni_loss_backward)
    torch.library.register_autograd(
        "pspgan::omni_loss", _differentiate_forward, setup_context=_save_for_backward
    )
    torch.library.register_autograd(
        "pspgan::omni_loss_backward", _differentiate_backward, setup_context=_save_for_backward
    )
