// DiffAugment's launchers, and its kernels for everything but float64.
#include "cuda/diff_augment_launch.cuh"
#include "cuda/diff_augment_double.cuh"

namespace pspgan::cuda {
namespace {

int launch_typed(const DiffAugment& call, bool backward, const void* in, void* out, void* scratch, void* stream) {
  const auto cuda_stream = static_cast<cudaStream_t>(stream);
  switch (call.type) {
    case Type::float32:
      return launch_aligned<float>(call, backward, in, out, scratch, cuda_stream);
    case Type::float64:
      return launch_double(call, backward, in, out, scratch, cuda_stream);
    case Type::float16:
      return launch_aligned<__half>(call, backward, in, out, scratch, cuda_stream);
    case Type::bfloat16:
      return launch_aligned<__nv_bfloat16>(call, backward, in, out, scratch, cuda_stream);
  }
  return cudaErrorInvalidValue;
}

}  // namespace

int64_t diff_augment_scratch(const DiffAugment& call) { return call.batch * parts(call); }

int diff_augment(const DiffAugment& call, const void* x, void* y, void* scratch, void* stream) {
  return launch_typed(call, false, x, y, scratch, stream);
}

int diff_augment_backward(const DiffAugment& call, const void* grad_y, void* grad_x, void* scratch, void* stream) {
  return launch_typed(call, true, grad_y, grad_x, scratch, stream);
}

}  // namespace pspgan::cuda
