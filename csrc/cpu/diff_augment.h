// DiffAugment on the CPU: what is registered for `pspgan::diff_augment` and its backward.
#pragma once

#include <torch/csrc/stable/tensor.h>

namespace pspgan::cpu {

// Augmented images, in the shape, dtype and layout of x.
//   x            (batch, channel, y, x)  float, double, half or bfloat16
//   brightness, saturation, contrast     (batch)     float; double for double images
//   translation  (batch, 2)  rows, columns           int64
//   cutout       (batch, 4)  top, bottom, left, right  int64
// An operation that was not drawn: a tensor without elements.
torch::stable::Tensor diff_augment(
    torch::stable::Tensor x,
    torch::stable::Tensor brightness,
    torch::stable::Tensor saturation,
    torch::stable::Tensor contrast,
    torch::stable::Tensor translation,
    torch::stable::Tensor cutout);

// Gradient of sum(grad * diff_augment(x, ...)) by x, which depends on neither x nor the brightness.
torch::stable::Tensor diff_augment_backward(
    torch::stable::Tensor grad,
    torch::stable::Tensor saturation,
    torch::stable::Tensor contrast,
    torch::stable::Tensor translation,
    torch::stable::Tensor cutout);

}  // namespace pspgan::cpu
