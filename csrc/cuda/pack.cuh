// Elements as they lie in memory, several at once, and as they are computed with.
#pragma once

#include <type_traits>

#include "cuda/gpu.h"

namespace pspgan::cuda {

// N elements that are loaded and stored together: by one instruction up to 16 bytes, by several beyond.
template <typename T, int N>
struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) Pack {
  T element[N];
};

// Elements in 16 bytes.
template <typename T>
constexpr int vector_size = 16 / sizeof(T);

// What an element of type T is computed in.
template <typename T>
using Real = std::conditional_t<std::is_same_v<T, double>, double, float>;

__device__ __forceinline__ float to_real(float x) { return x; }
__device__ __forceinline__ double to_real(double x) { return x; }
__device__ __forceinline__ float to_real(__half x) { return __half2float(x); }
__device__ __forceinline__ float to_real(__nv_bfloat16 x) { return __bfloat162float(x); }

// Rounds to nearest, ties to even.
template <typename T>
__device__ __forceinline__ T from_real(Real<T> x) {
  if constexpr (std::is_same_v<T, __half>) {
    return __float2half_rn(x);
  } else if constexpr (std::is_same_v<T, __nv_bfloat16>) {
    return __float2bfloat16_rn(x);
  } else {
    return x;
  }
}

}  // namespace pspgan::cuda
