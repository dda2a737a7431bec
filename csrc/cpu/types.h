// Element types of the CPU operators: which there are, what each is computed in, and the way between.
#pragma once

#include <type_traits>

#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>
#include <torch/headeronly/util/BFloat16.h>
#include <torch/headeronly/util/Exception.h>
#include <torch/headeronly/util/Half.h>

#include "common/float16.h"

namespace pspgan::cpu {

using torch::headeronly::BFloat16;
using torch::headeronly::Half;
using torch::headeronly::ScalarType;

// What an element of type T is computed in.
template <typename T>
using Real = std::conditional_t<std::is_same_v<T, double>, double, float>;

inline ScalarType real_type(const torch::stable::Tensor& tensor) {
  return tensor.scalar_type() == ScalarType::Double ? ScalarType::Double : ScalarType::Float;
}

template <typename T>
inline Real<T> to_real(T x) {
  return static_cast<Real<T>>(x);
}

// Rounds to nearest, ties to even. torch's own rounding has branches, which keep loops scalar.
template <typename T>
inline T from_real(Real<T> x) {
  if constexpr (std::is_same_v<T, Half>) {
    return Half(float_to_half(x), Half::from_bits());
  } else if constexpr (std::is_same_v<T, BFloat16>) {
    return BFloat16(float_to_bfloat16(x), BFloat16::from_bits());
  } else {
    return x;
  }
}

// Calls f with a value of the tensor's C++ type. `name` is the tensor's, for the message that refuses others.
template <typename F>
void with_float_type(const torch::stable::Tensor& tensor, const char* name, const F& f) {
  switch (tensor.scalar_type()) {
    case ScalarType::Float:
      return f(float{});
    case ScalarType::Double:
      return f(double{});
    case ScalarType::Half:
      return f(Half{});
    case ScalarType::BFloat16:
      return f(BFloat16{});
    default:
      STD_TORCH_CHECK(false, name, " must be float32, float64, float16 or bfloat16");
  }
}

}  // namespace pspgan::cpu
