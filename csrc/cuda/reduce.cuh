// Sums and maxima over a warp and over a block, in an order that is always the same.
#pragma once

#include "cuda/gpu.h"

namespace pspgan::cuda {

constexpr int warp_size = 32;
constexpr unsigned all_lanes = 0xffffffffu;

struct Sum {
  template <typename R>
  __device__ __forceinline__ R operator()(R a, R b) const {
    return a + b;
  }
};

// Of numbers: NaN must not occur.
struct Maximum {
  template <typename R>
  __device__ __forceinline__ R operator()(R a, R b) const {
    return a < b ? b : a;
  }
};

// Every lane gets the result. All 32 lanes take part.
template <typename Combine, typename R>
__device__ __forceinline__ R reduce_warp(R value, Combine combine) {
#pragma unroll
  for (int distance = warp_size / 2; distance > 0; distance /= 2) {
    value = combine(value, __shfl_xor_sync(all_lanes, value, distance));
  }
  return value;
}

// Every thread gets the result. All n_warp * 32 threads take part; `scratch` is shared memory for n_warp
// values, free again for anybody on return.
template <int n_warp, typename Combine, typename R>
__device__ __forceinline__ R reduce_block(R value, R* scratch, Combine combine) {
  value = reduce_warp(value, combine);
  if (threadIdx.x % warp_size == 0) {
    scratch[threadIdx.x / warp_size] = value;
  }
  __syncthreads();
  value = scratch[0];
#pragma unroll
  for (int warp = 1; warp < n_warp; ++warp) {
    value = combine(value, scratch[warp]);
  }
  __syncthreads();  // or the next use of the scratch would overtake a warp that still reads
  return value;
}

}  // namespace pspgan::cuda
