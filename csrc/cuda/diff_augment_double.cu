// DiffAugment's kernels for float64.
#include "cuda/diff_augment_double.cuh"

#include "cuda/diff_augment_launch.cuh"

namespace pspgan::cuda {

cudaError_t launch_double(
    const DiffAugment& call, bool backward, const void* in, void* out, void* scratch, cudaStream_t stream) {
  return launch_aligned<double>(call, backward, in, out, scratch, stream);
}

}  // namespace pspgan::cuda
