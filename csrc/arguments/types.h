// Element types that the operators take, and what they compute in.
#pragma once

#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>
#include <torch/headeronly/util/Exception.h>

namespace pspgan {

using torch::headeronly::ScalarType;

inline void check_floating(const torch::stable::Tensor& tensor, const char* what) {
  const ScalarType type = tensor.scalar_type();
  STD_TORCH_CHECK(
      type == ScalarType::Float || type == ScalarType::Double || type == ScalarType::Half ||
          type == ScalarType::BFloat16,
      what,
      " must be float32, float64, float16 or bfloat16");
}

// The type that sums over elements of this tensor are made in: its own, but float for half and bfloat16.
inline ScalarType real_type(const torch::stable::Tensor& tensor) {
  const ScalarType type = tensor.scalar_type();
  return type == ScalarType::Half || type == ScalarType::BFloat16 ? ScalarType::Float : type;
}

}  // namespace pspgan
