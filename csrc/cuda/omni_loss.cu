// The Omni loss' launchers, and its kernels for everything but float64.
#include "cuda/omni_loss.h"

#include "cuda/for_type.cuh"
#include "cuda/omni_loss_double.cuh"
#include "cuda/omni_loss_launch.cuh"

namespace pspgan::cuda {

int omni_loss(const OmniLoss& call, void* losses, void* stream) {
  const auto cuda_stream = static_cast<cudaStream_t>(stream);
  return launch_for_type(
      call.type,
      [&]<typename T>() { return launch_losses<T>(call, losses, cuda_stream); },
      [&] { return launch_double_losses(call, losses, cuda_stream); });
}

int omni_loss_backward(
    const OmniLoss& call, const void* grad, int64_t grad_stride, double grad_scale, void* grad_scores, void* stream) {
  const auto cuda_stream = static_cast<cudaStream_t>(stream);
  return launch_for_type(
      call.type,
      [&]<typename T>() {
        return launch_gradients<T>(call, grad, grad_stride, grad_scale, grad_scores, cuda_stream);
      },
      [&] { return launch_double_gradients(call, grad, grad_stride, grad_scale, grad_scores, cuda_stream); });
}

int omni_loss_reduce(const void* losses, Type type, int64_t n_row, bool mean, void* loss, void* stream) {
  const auto cuda_stream = static_cast<cudaStream_t>(stream);
  return type == Type::float64 ? launch_double_reduction(losses, n_row, mean, loss, cuda_stream)
                               : launch_reduction<float>(losses, n_row, mean, loss, cuda_stream);
}

}  // namespace pspgan::cuda
