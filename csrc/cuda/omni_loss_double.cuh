// The launchers for float64. Their kernels have a translation unit of their own, so that the compiler can be told
// to refuse doubles everywhere else.
#pragma once

#include <cstdint>

#include "cuda/gpu.h"
#include "cuda/omni_loss.h"

namespace pspgan::cuda {

cudaError_t launch_double_losses(const OmniLoss& call, void* losses, cudaStream_t stream);

cudaError_t launch_double_gradients(
    const OmniLoss& call,
    const void* grad,
    int64_t grad_stride,
    double grad_scale,
    void* grad_scores,
    cudaStream_t stream);

cudaError_t launch_double_reduction(const void* losses, int64_t n_row, bool mean, void* loss, cudaStream_t stream);

}  // namespace pspgan::cuda
