// The Omni loss' kernels for float64.
#include "cuda/omni_loss_double.cuh"

#include "cuda/omni_loss_launch.cuh"

namespace pspgan::cuda {

cudaError_t launch_double_losses(const OmniLoss& call, void* losses, cudaStream_t stream) {
  return launch_losses<double>(call, losses, stream);
}

cudaError_t launch_double_gradients(
    const OmniLoss& call,
    const void* grad,
    int64_t grad_stride,
    double grad_scale,
    void* grad_scores,
    cudaStream_t stream) {
  return launch_gradients<double>(call, grad, grad_stride, grad_scale, grad_scores, stream);
}

cudaError_t launch_double_reduction(const void* losses, int64_t n_row, bool mean, void* loss, cudaStream_t stream) {
  return launch_reduction<double>(losses, n_row, mean, loss, stream);
}

}  // namespace pspgan::cuda
