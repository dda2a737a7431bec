// The one header that device code includes: CUDA under nvcc, and under any other C++20 compiler the SIMT
// emulator of tests/emulator, which has to be on the include path.
#pragma once

#if defined(__CUDACC__)

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

// An array in a block's shared memory.
#define GPU_SHARED(T, name, n) __shared__ T name[n]

// The shared memory whose size is given at launch, as an array of T; at most once a kernel.
#define GPU_DYNAMIC_SHARED(T, name)                               \
  extern __shared__ __align__(16) unsigned char name##_storage[]; \
  T* const name = reinterpret_cast<T*>(name##_storage)

#define GPU_LAUNCH(kernel, grid, block, shared_bytes, stream, ...) \
  kernel<<<(grid), (block), (shared_bytes), (stream)>>>(__VA_ARGS__)

// Global memory is read and written through these, so that the emulator can count what a warp moves. A lane
// that wants nothing still passes through GPU_LOAD_IF: the lanes of one request stay together.
#define GPU_LOAD(pointer) (*(pointer))
#define GPU_LOAD_IF(wanted, pointer, otherwise) ((wanted) ? *(pointer) : (otherwise))
#define GPU_STORE(pointer, value) (*(pointer) = (value))

#else

#include "simt.h"

#endif
