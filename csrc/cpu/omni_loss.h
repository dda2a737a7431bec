// Omni loss on the CPU, forward and backward, on torch's tensors.
#pragma once

#include <cstdint>

#include <torch/csrc/stable/tensor.h>

namespace pspgan::cpu {

// Loss a row, their mean or their sum.
//   scores     (batch, class)  float, double, half or bfloat16
//   labels     (batch, class)  int8 or int64; 1 positive, 0 negative, anything else ignored
//   reduction  as at::Reduction: 0 none, 1 mean (NaN for an empty batch), 2 sum
// Returns (batch) or a scalar, float; double for double scores.
torch::stable::Tensor omni_loss(
    torch::stable::Tensor scores, torch::stable::Tensor labels, double margin, double gamma, int64_t reduction);

// Gradient of sum(grad * omni_loss(scores, ...)) with respect to the scores, in their shape and dtype.
//   grad  in the shape and dtype of what omni_loss returns
torch::stable::Tensor omni_loss_backward(
    torch::stable::Tensor grad,
    torch::stable::Tensor scores,
    torch::stable::Tensor labels,
    double margin,
    double gamma,
    int64_t reduction);

}  // namespace pspgan::cpu
