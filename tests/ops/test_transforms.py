"""The operators under what PyTorch does around functions: checkpointing, hooks, torch.func, forward mode."""

import pytest
import torch
from torch.autograd import forward_ad
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.checkpoint import checkpoint

from pspgan import ops

needs_native = pytest.mark.skipif(not ops.native_status().available, reason=str(ops.native_status()))
SHAPE = (4, 2, 6, 5)
LABELS = torch.tensor([[0, 1, 0, -1, 0]] * 4)
DRAWS = ops.draw_diff_augment(SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def loss(x, impl):
    return ops.omni_loss(x.mean(dim=(1, 2)), LABELS, 0.1, 2.0, impl=impl)


def augmented(x, impl):
    return (ops.diff_augment(x, DRAWS, impl) ** 2).sum()


functions = pytest.mark.parametrize("function", [loss, augmented])


def images():
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@functions
@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointing(function, reentrant):
    gradients = []
    for impl in ("auto", "reference"):
        x = images().requires_grad_()
        value = checkpoint(lambda x, impl=impl: function(2 * x, impl), x, use_reentrant=reentrant)
        gradients.append(torch.autograd.grad(value, x) if not reentrant else value.backward() or x.grad)
    torch.testing.assert_close(*gradients)


@needs_native
@functions
def test_saved_tensors_may_be_made_anew_with_autograd(function):
    differentiable = []

    def unpack(packed):
        if packed.is_floating_point():
            with torch.enable_grad():  # as checkpointing does
                again = packed.clone().requires_grad_() * 1
            differentiable.append(again.grad_fn is not None)
        return packed

    x = images().requires_grad_()
    with saved_tensors_hooks(lambda tensor: tensor.detach(), unpack):
        value = function(x, "native")
        value.backward()
    assert differentiable
    assert all(differentiable)
    expected = images().requires_grad_()
    function(expected, "reference").backward()
    torch.testing.assert_close(x.grad, expected.grad)


@functions
@pytest.mark.parametrize("transform", [torch.func.grad, torch.func.hessian, torch.func.jacfwd])
def test_transforms_of_functions_take_the_reference(function, transform):
    x = images()
    got, expected = (transform(lambda x, impl=impl: function(x, impl))(x) for impl in ("auto", "reference"))
    torch.testing.assert_close(got, expected)
    assert got.abs().sum() > 0


def test_over_a_batch_of_batches():
    scores = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(2))
    got = torch.func.vmap(lambda scores: ops.omni_loss(scores, LABELS))(scores)
    expected = [ops.omni_loss(part, LABELS, impl="reference") for part in scores]
    torch.testing.assert_close(got, torch.stack(expected))


@functions
def test_forward_mode(function):
    tangent = torch.ones(SHAPE, dtype=torch.float64)
    with forward_ad.dual_level():
        value = function(forward_ad.make_dual(images(), tangent), "auto")
        got = forward_ad.unpack_dual(value).tangent
    x = images().requires_grad_()
    (gradient,) = torch.autograd.grad(function(x, "reference"), x)
    torch.testing.assert_close(got, gradient.sum())


@needs_native
@functions
def test_native_says_that_it_has_no_rules_for_transforms(function):
    with pytest.raises(RuntimeError, match=r"no rules for torch.func's transforms.*impl='auto'"):
        torch.func.grad(lambda x: function(x, "native"))(images())
