// What the Omni loss asks of its arguments, on any device.
#pragma once

#include <cstdint>

#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/util/Exception.h>

#include "arguments/types.h"

namespace pspgan {

// at::Reduction's numbers.
enum class Reduction : int64_t { none = 0, mean = 1, sum = 2 };

inline Reduction checked_reduction(int64_t reduction) {
  STD_TORCH_CHECK(
      reduction >= 0 && reduction <= 2, "pspgan::omni_loss: reduction must be 0 (none), 1 (mean) or 2 (sum)");
  return static_cast<Reduction>(reduction);
}

inline void check_matrices(const torch::stable::Tensor& scores, const torch::stable::Tensor& labels) {
  STD_TORCH_CHECK(
      scores.dim() == 2 && labels.dim() == 2 && scores.size(0) == labels.size(0) && scores.size(1) == labels.size(1),
      "pspgan::omni_loss: scores and labels must both be (batch, class)");
  STD_TORCH_CHECK(labels.device() == scores.device(), "pspgan::omni_loss: labels must be on the scores' device");
  check_floating(scores, "pspgan::omni_loss: scores");
  STD_TORCH_CHECK(
      labels.scalar_type() == ScalarType::Char || labels.scalar_type() == ScalarType::Long,
      "pspgan::omni_loss: labels must be int8 or int64");
}

// `grad` is what the loss is: one number a row, or one number of all.
inline void check_gradient(
    const torch::stable::Tensor& grad, const torch::stable::Tensor& scores, Reduction reduction) {
  const bool fits = reduction == Reduction::none ? grad.dim() == 1 && grad.size(0) == scores.size(0) : grad.dim() == 0;
  STD_TORCH_CHECK(
      fits && grad.device() == scores.device() && grad.scalar_type() == real_type(scores),
      "pspgan::omni_loss_backward: grad must have the shape, dtype and device of the loss");
}

// Rows that may lie any distance apart (those of an expanded matrix on top of each other), each without gaps.
inline torch::stable::Tensor with_dense_rows(const torch::stable::Tensor& matrix) {
  return matrix.size(1) <= 1 || matrix.stride(1) == 1 ? matrix : torch::stable::contiguous(matrix);
}

}  // namespace pspgan
