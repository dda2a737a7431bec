"""DiffAugment: differentiable augmentation of real and generated images, with the draws as an argument.

Drawing and applying are two functions, so that a pair of images can get the same augmentation and a test
or a resumed run can repeat one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from . import _native, reference

POLICIES: dict[str, tuple[str, ...]] = {
    "color": ("brightness", "saturation", "contrast"),
    "translation": ("translation",),
    "cutout": ("cutout",),
}
OPERATIONS: tuple[str, ...] = tuple(operation for operations in POLICIES.values() for operation in operations)
PLACES = {"translation": (2,), "cutout": (4,)}  # operations drawn in pixels: numbers an image
MAX_STRENGTH = 8.0  # translation by up to the whole image; the other operations are beyond use long before


@dataclass(frozen=True)
class DiffAugmentDraws:
    """What was drawn for each image of a batch; None for an operation that is not in the policy.

    `draws[2:5]` and `draws[indices]` pick images, `len(draws)` counts them.

    Attributes:
        image_size: (height, width) in pixels of the images that the draws are for.
        brightness: (batch,) added to every pixel; 0 is neutral.
        saturation: (batch,) factor on the distance from the channels' mean; 1 is neutral.
        contrast: (batch,) factor on the distance from the image's mean; 1 is neutral.
        translation: (batch, 2) int64, rows and columns: out[i, j] = in[i + rows, j + columns]; 0 is neutral.
        cutout: (batch, 4) int64, the rectangle set to zero: rows [top, bottom), columns [left, right), which
            may reach over the image's edge; an empty one is neutral.
    """

    image_size: tuple[int, int]
    brightness: Tensor | None = None
    saturation: Tensor | None = None
    contrast: Tensor | None = None
    translation: Tensor | None = None
    cutout: Tensor | None = None

    def __len__(self) -> int:
        return next((len(getattr(self, operation)) for operation in self.drawn), 0)

    def __getitem__(self, images: slice | Tensor) -> DiffAugmentDraws:
        return self._map(lambda draw: draw[images])

    @property
    def drawn(self) -> tuple[str, ...]:
        """Names of the operations in the policy, in the order in which they are applied."""
        return tuple(operation for operation in OPERATIONS if getattr(self, operation) is not None)

    def to(self, device: torch.device | str) -> DiffAugmentDraws:
        """The same draws on `device`."""
        return self._map(lambda draw: draw.to(device))

    @staticmethod
    def cat(parts: Sequence[DiffAugmentDraws]) -> DiffAugmentDraws:
        """Draws for the images of all `parts`, one after the other.

        Raises:
            ValueError: where the parts differ in image size or policy.
        """
        first = parts[0]
        for part in parts[1:]:
            if part.image_size != first.image_size or part.drawn != first.drawn:
                raise ValueError(
                    f"cannot concatenate draws of {first.drawn} for {first.image_size} with draws of "
                    f"{part.drawn} for {part.image_size}"
                )
        draws = {name: torch.cat([getattr(part, name) for part in parts]) for name in first.drawn}
        return DiffAugmentDraws(first.image_size, **draws)

    def _map(self, function: Callable[[Tensor], Tensor]) -> DiffAugmentDraws:
        draws = {operation: function(getattr(self, operation)) for operation in self.drawn}
        return DiffAugmentDraws(self.image_size, **draws)


def draw_diff_augment(
    shape: Sequence[int],
    policy: str = "color,translation,cutout",
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
    strength: float | Mapping[str, float] = 1.0,
    probability: float | Mapping[str, float] = 1.0,
) -> DiffAugmentDraws:
    """Draw an augmentation for each image of a batch.

    At full strength, for an image of `size` rows (columns alike), with U uniform on [0, 1):

    =============  ===========================================================================
    brightness     U - 0.5
    saturation     2 U
    contrast       U + 0.5
    translation    an integer in [-d, d], d = size / 8 rounded
    cutout         a rectangle of size / 2 (rounded) around a pixel anywhere in the image
    =============  ===========================================================================

    Args:
        shape: (batch, channel, y, x) of the images.
        policy: the published policies "color" (brightness, saturation, contrast), "translation" and "cutout",
            comma-separated, in this order; "" for none.
        generator: source of randomness; None is torch's global one, and then `torch.manual_seed(s)` before
            the call reproduces the published function. Operations draw in the order of the table, rows
            before columns.
        device: where to draw; default the generator's device, else torch's default device.
        dtype: of the color draws. The images' own reproduces the published function.
        strength: 0 makes an operation neutral, 1 is as published; scales the range of brightness, of the
            distance of saturation and contrast from 1, of translation, and the side of the cutout.
            One number for all operations, or numbers by operation name (1 where absent).
        probability: that an operation is applied to an image; 1 is as published. One number, or numbers by
            operation name (1 where absent). Which images are left alone is drawn after everything else and
            only where a probability is below 1, so that a seed gives the others what it gave before.
            Augmentations that leak into generated images, as cutout does on small data, stop to when images
            without them are frequent (Karras et al., "Training Generative Adversarial Networks with Limited
            Data", arXiv:2006.06676, section 2.2).

    Returns:
        The draws, to be given to `diff_augment`.

    Raises:
        ValueError: for another shape, policy or operation name, a strength outside [0, 8], or a probability
            outside [0, 1].

    Source: Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", arXiv:2006.10738, and
    its published code for ranges and order.
    """
    if len(shape) != 4:
        raise ValueError(f"draw_diff_augment: shape {tuple(shape)} is not (batch, channel, y, x)")
    batch, _, height, width = shape
    operations = _operations(policy)
    strengths = _by_operation("strength", strength, largest=MAX_STRENGTH)
    probabilities = _by_operation("probability", probability, largest=1.0)
    if device is None and generator is not None:
        device = generator.device

    def uniform() -> Tensor:
        return torch.rand(batch, generator=generator, device=device, dtype=dtype)

    def integer(low: int, high: int) -> Tensor:
        return torch.randint(low, high, (batch,), generator=generator, device=device)

    draws: dict[str, Tensor] = {}
    if "brightness" in operations:
        draws["brightness"] = (uniform() - 0.5) * strengths["brightness"]
    if "saturation" in operations:
        draws["saturation"] = _away_from_one(uniform() * 2, strengths["saturation"])
    if "contrast" in operations:
        draws["contrast"] = _away_from_one(uniform() + 0.5, strengths["contrast"])
    if "translation" in operations:
        reach = [int(size * 0.125 * strengths["translation"] + 0.5) for size in (height, width)]
        draws["translation"] = torch.stack([integer(-most, most + 1) for most in reach], dim=1)
    if "cutout" in operations:
        edges = []
        for size in (height, width):
            side = int(size * 0.5 * strengths["cutout"] + 0.5)
            start = integer(0, size + 1 - side % 2) - side // 2
            edges += [start, start + side]
        draws["cutout"] = torch.stack(edges, dim=1)

    for operation in operations:
        if probabilities[operation] < 1.0:
            applied = torch.rand(batch, generator=generator, device=device) < probabilities[operation]
            draw = draws[operation]
            neutral = 1 if operation in ("saturation", "contrast") else 0
            draws[operation] = torch.where(applied.view(-1, *[1] * (draw.ndim - 1)), draw, neutral)
    return DiffAugmentDraws((height, width), **draws)


def diff_augment(x: Tensor, draws: DiffAugmentDraws, impl: str = "auto") -> Tensor:
    """Augment images, differentiably.

    In this order, each where it was drawn: brightness `x + b`; saturation `(x - mean) * s + mean` with the
    mean over channels; contrast the same with the mean over channels and pixels, after the two before;
    translation, zero from outside the image; cutout to zero. Nothing is clamped. The result is affine in `x`,
    and can be differentiated by it any number of times. Low-precision images are computed in float32 and
    rounded once, so autocast needs no rule for this operator.

    Args:
        x: (batch, channel, y, x) images, float32, float64, float16 or bfloat16, contiguous or channels-last
            (others are copied first).
        draws: what `draw_diff_augment(x.shape, ...)` gave, on the device of `x`.
        impl: "auto", "native" or "reference".

    Returns:
        The augmented images, in the shape, dtype, device and memory format of `x`.

    Raises:
        TypeError: for images of another dtype, or a translation or cutout that is not int64.
        ValueError: where `draws` have another shape, are for another number or size of images or on another
            device, or for an unknown `impl`.
        RuntimeError: for impl "native" where the native operator is not available, or for draws that require
            a gradient, which only the reference gives.

    Source: Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", arXiv:2006.10738.

    >>> x = torch.ones(2, 1, 8, 8)
    >>> draws = draw_diff_augment(x.shape, policy="cutout")
    >>> diff_augment(x, draws).shape
    torch.Size([2, 1, 8, 8])
    """
    if x.dtype not in _native.DTYPES:
        raise TypeError(f"diff_augment: images are {x.dtype}; a floating dtype of 16 to 64 bits is needed")
    if x.ndim != 4:
        raise ValueError(f"diff_augment: images {tuple(x.shape)} are not (batch, channel, y, x)")
    if draws.image_size != tuple(x.shape[2:]):
        raise ValueError(f"diff_augment: draws for {draws.image_size} pixels, images of {tuple(x.shape[2:])}")
    for operation in draws.drawn:
        draw = getattr(draws, operation)
        if len(draw) != len(x):
            raise ValueError(f"diff_augment: draws for {len(draw)} images, {len(x)} images")
        if draw.shape[1:] != PLACES.get(operation, ()):
            wanted = ("batch", *PLACES.get(operation, ()))
            raise ValueError(
                f"diff_augment: {operation} {tuple(draw.shape)} is not ({', '.join(map(str, wanted))})"
            )
        if operation in PLACES and draw.dtype != torch.int64:
            raise TypeError(f"diff_augment: {operation} is {draw.dtype}, not int64")
        if draw.device != x.device:
            raise ValueError(
                f"diff_augment: draws are on {draw.device}, images on {x.device}; use draws.to(x.device)"
            )
    if _native.use_native("diff_augment", impl, x.device, _unsupported(draws)):
        return torch.ops.pspgan.diff_augment(x, *_arguments(x, draws))
    return reference.diff_augment(x, draws)


def _away_from_one(factor: Tensor, strength: float) -> Tensor:
    # lerp gives its end exactly at weight 1, so that full strength repeats the published numbers.
    return torch.lerp(torch.ones_like(factor), factor, strength)


def _operations(policy: str) -> tuple[str, ...]:
    names = [name.strip() for name in policy.split(",")] if policy else []
    if names != [name for name in POLICIES if name in names]:
        raise ValueError(
            f"draw_diff_augment: policy {policy!r} is not a comma-separated choice of {', '.join(POLICIES)}, "
            "each once and in this order, in which they are applied"
        )
    return tuple(operation for name in names for operation in POLICIES[name])


def _by_operation(name: str, values: float | Mapping[str, float], largest: float) -> dict[str, float]:
    given = values if isinstance(values, Mapping) else dict.fromkeys(OPERATIONS, values)
    for operation, value in given.items():
        if operation not in OPERATIONS:
            raise ValueError(
                f"draw_diff_augment: {name} of {operation!r}, which is none of {', '.join(OPERATIONS)}"
            )
        if not 0.0 <= value <= largest:
            raise ValueError(
                f"draw_diff_augment: {name} of {operation} is {value}; it must be in [0, {largest:g}]"
            )
    return dict.fromkeys(OPERATIONS, 1.0) | dict(given)


def _unsupported(draws: DiffAugmentDraws) -> str | None:
    if any(getattr(draws, operation).requires_grad for operation in draws.drawn):
        return "it has no derivative by the draws, and some require one"
    return None


def _arguments(x: Tensor, draws: DiffAugmentDraws) -> list[Tensor]:
    """The draws as the native operator takes them: one tensor an operation, empty where it was not drawn."""
    real = torch.float64 if x.dtype == torch.float64 else torch.float32
    arguments = []
    for operation in OPERATIONS:
        draw = getattr(draws, operation)
        dtype = real if operation in POLICIES["color"] else torch.int64
        arguments.append(x.new_empty(0, dtype=dtype) if draw is None else draw.to(dtype))
    return arguments


# What torch has to know of the two native operators. Each is the other's derivative: the augmentation is
# affine, its backward the transposed linear part, and the backward of that the linear part again, which is
# the augmentation without its brightness.


def _fake_diff_augment(x: Tensor, *draws: Tensor) -> Tensor:
    last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    return torch.empty_like(x, memory_format=torch.channels_last if last else torch.contiguous_format)


def _save_draws(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[-4:])  # all but the images and the brightness


def _differentiate_forward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    grad_x = torch.ops.pspgan.diff_augment_backward(grad, *ctx.saved_tensors)
    return grad_x, None, None, None, None, None


def _differentiate_backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
    saturation, *others = ctx.saved_tensors
    no_brightness = saturation.new_empty(0)
    grad = torch.ops.pspgan.diff_augment(cotangent, no_brightness, saturation, *others)
    return grad, None, None, None, None


if _native.status.available:
    for name, differentiate in {
        "pspgan::diff_augment": _differentiate_forward,
        "pspgan::diff_augment_backward": _differentiate_backward,
    }.items():
        torch.library.register_fake(name, _fake_diff_augment)
        torch.library.register_autograd(name, differentiate, setup_context=_save_draws)
