// Element types on the CPU: what each is computed in, and the way there and back.
#pragma once

#include <type_traits>

#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>
#include <torch/headeronly/util/BFloat16.h>
#include <torch/headeronly/util/Half.h>

#include "common/float16.h"

namespace pspgan::cpu {

using torch::headeronly::BFloat16;
using torch::headeronly::Half;

// What an element of type T is computed in.
template <typename T>
using Real = std::conditional_t<std::is_same_v<T, double>, double, float>;

template <typename T>
PSPGAN_HOST_DEVICE Real<T> to_real(T x) {
  if constexpr (std::is_same_v<T, Half>) {
    return half_to_float(x.x);
  } else if constexpr (std::is_same_v<T, BFloat16>) {
    return bfloat16_to_float(x.x);
  } else {
    return x;
  }
}

// Rounds to nearest, ties to even.
template <typename T>
PSPGAN_HOST_DEVICE T from_real(Real<T> x) {
  if constexpr (std::is_same_v<T, Half>) {
    return Half(float_to_half(x), Half::from_bits());
  } else if constexpr (std::is_same_v<T, BFloat16>) {
    return BFloat16(float_to_bfloat16(x), BFloat16::from_bits());
  } else {
    return x;
  }
}

// Calls f with a value of the C++ type of the tensor's elements, which has been checked to be floating.
template <typename F>
void with_float_type(const torch::stable::Tensor& tensor, const F& f) {
  using torch::headeronly::ScalarType;
  switch (tensor.scalar_type()) {
    case ScalarType::Double:
      return f(double{});
    case ScalarType::Half:
      return f(Half{});
    case ScalarType::BFloat16:
      return f(BFloat16{});
    default:
      return f(float{});
  }
}

}  // namespace pspgan::cpu
