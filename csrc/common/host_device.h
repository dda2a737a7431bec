// Marks a function that CPU kernels and GPU kernels share.
#pragma once

#if defined(__CUDACC__)
#define PSPGAN_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define PSPGAN_HOST_DEVICE inline
#endif
