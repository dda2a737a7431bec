// DiffAugment's launchers, and its kernels for everything but float64.
#include "cuda/diff_augment.h"

#include "cuda/diff_augment_double.cuh"
#include "cuda/diff_augment_launch.cuh"
#include "cuda/for_type.cuh"

namespace pspgan::cuda {
namespace {

int launch_typed(const DiffAugment& call, bool backward, const void* in, void* out, void* scratch, void* stream) {
  const auto cuda_stream = static_cast<cudaStream_t>(stream);
  return launch_for_type(
      call.type,
      [&]<typename T>() { return launch_aligned<T>(call, backward, in, out, scratch, cuda_stream); },
      [&] { return launch_double(call, backward, in, out, scratch, cuda_stream); });
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
