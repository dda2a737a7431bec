// DiffAugment's kernels for float64 are a unit of their own: everywhere else the compile gate forbids doubles.
#pragma once

#include "cuda/diff_augment.h"
#include "cuda/gpu.h"

namespace pspgan::cuda {

cudaError_t launch_double(
    const DiffAugment& call, bool backward, const void* in, void* out, void* scratch, cudaStream_t stream);

}  // namespace pspgan::cuda
