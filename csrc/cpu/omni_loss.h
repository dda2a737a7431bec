// Omni loss on the CPU: what is registered for `pspgan::omni_loss` and its backward.
#pragma once

#include <torch/csrc/stable/tensor.h>

namespace pspgan::cpu {

// Loss a row.
//   scores  (batch, class)  float, double, half or bfloat16
//   labels  (batch, class)  int8 or int64; 1 positive, 0 negative, anything else ignored
// Returns (batch), float; double for double scores.
torch::stable::Tensor omni_loss(
    torch::stable::Tensor scores, torch::stable::Tensor labels, double margin, double gamma);

// Gradient of sum(grad * omni_loss(scores, ...)) with respect to the scores, in their shape and dtype.
//   grad  (batch)  in the dtype that omni_loss returns
torch::stable::Tensor omni_loss_backward(
    torch::stable::Tensor grad,
    torch::stable::Tensor scores,
    torch::stable::Tensor labels,
    double margin,
    double gamma);

}  // namespace pspgan::cpu
