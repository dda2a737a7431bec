// The Omni loss' launchers, and its kernels for everything but float64.
#include "cuda/omni_loss.h"

#include "cuda/omni_loss_double.cuh"
#include "cuda/omni_loss_launch.cuh"

namespace pspgan::cuda {

int omni_loss(const OmniLoss& call, void* losses, void* stream) {
  const auto cuda_stream = static_cast<cudaStream_t>(stream);
  switch (call.type) {
    case Type::float32:
      return launch_losses<float>(call, losses, cuda_stream);
    case Type::float64:
      return launch_double_losses(call, losses, cuda_stream);
    case Type::float16:
      return launch_losses<__half>(call, losses, cuda_stream);
    case Type::bfloat16:
      return launch_losses<__nv_bfloat16>(call, losses, cuda_stream);
  }
  return cudaErrorInvalidValue;
}

int omni_loss_backward(
    const OmniLoss& call, const void* grad, int64_t grad_stride, double grad_scale, void* grad_scores, void* stream) {
  const auto cuda_stream = static_cast<cudaStream_t>(stream);
  switch (call.type) {
    case Type::float32:
      return launch_gradients<float>(call, grad, grad_stride, grad_scale, grad_scores, cuda_stream);
    case Type::float64:
      return launch_double_gradients(call, grad, grad_stride, grad_scale, grad_scores, cuda_stream);
    case Type::float16:
      return launch_gradients<__half>(call, grad, grad_stride, grad_scale, grad_scores, cuda_stream);
    case Type::bfloat16:
      return launch_gradients<__nv_bfloat16>(call, grad, grad_stride, grad_scale, grad_scores, cuda_stream);
  }
  return cudaErrorInvalidValue;
}

int omni_loss_reduce(const void* losses, Type type, int64_t n_row, bool mean, void* loss, void* stream) {
  const auto cuda_stream = static_cast<cudaStream_t>(stream);
  return type == Type::float64 ? launch_double_reduction(losses, n_row, mean, loss, cuda_stream)
                               : launch_reduction<float>(losses, n_row, mean, loss, cuda_stream);
}

}  // namespace pspgan::cuda
