// The SIMT emulator: CUDA kernels on the CPU, for tests. What csrc/cuda/gpu.h includes where the compiler is
// not nvcc; the README beside it says what is modelled.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>

#include "simt/cuda_types.h"
#include "simt/global_memory.h"
#include "simt/launch.h"
#include "simt/numbers.h"
#include "simt/shared_memory.h"
#include "simt/warp.h"
#include "simt/where.h"

inline const uint3& threadIdx = simt::position.thread_index;
inline const uint3& blockIdx = simt::position.block_index;
inline const dim3& blockDim = simt::position.block;
inline const dim3& gridDim = simt::position.grid;

// What csrc/cuda/gpu.h defines for CUDA. A static's address is a shared array's identity: both are one for
// every instantiation of the function around them.

#define GPU_SHARED(T, name, n)           \
  static const char name##_identity = 0; \
  T(&name)[n] = ::simt::shared_array<T, n>(&name##_identity)

#define GPU_DYNAMIC_SHARED(T, name) T* const name = ::simt::dynamic_shared_array<T>()

#define GPU_LAUNCH(kernel, grid, block, shared_bytes, stream, ...) \
  ::simt::launch(#kernel, kernel, grid, block, shared_bytes, stream __VA_OPT__(, ) __VA_ARGS__)

#define GPU_LOAD(pointer) (::simt::load(pointer))
#define GPU_LOAD_IF(wanted, pointer, otherwise) \
  ((wanted) ? ::simt::load(pointer) : ::simt::pass_load<std::remove_cvref_t<decltype(*(pointer))>>(otherwise))
#define GPU_STORE(pointer, value) (::simt::store(pointer, value))

// CUDA's functions that <cmath> lacks. The fast ones are as exact here as the others.

using std::max;
using std::min;
inline int __popc(unsigned x) { return std::popcount(x); }
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }
inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }
inline float __fdividef(float x, float y) { return x / y; }

template <typename T>
T atomicAdd(T* address, T value) {
  return std::atomic_ref<T>(*address).fetch_add(value, std::memory_order_relaxed);
}
