// Marks a function that CPU kernels and GPU kernels share. It is always inlined: on the CPU a call would keep the
// loop around it scalar.
#pragma once

#if defined(__CUDACC__)
#define PSPGAN_HOST_DEVICE __host__ __device__ __forceinline__
#elif defined(__GNUC__)
#define PSPGAN_HOST_DEVICE [[gnu::always_inline]] inline
#else
#define PSPGAN_HOST_DEVICE inline
#endif
