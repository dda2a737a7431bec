// From an element type by value to one of C++.
#pragma once

#include "cuda/gpu.h"
#include "cuda/type.h"

namespace pspgan::cuda {

// Calls launch<T>(), but for float64 launch_double(): those kernels are compiled elsewhere, so that the compiler can
// be told to refuse doubles in all others.
template <typename Launch, typename LaunchDouble>
cudaError_t launch_for_type(Type type, const Launch& launch, const LaunchDouble& launch_double) {
  switch (type) {
    case Type::float32:
      return launch.template operator()<float>();
    case Type::float64:
      return launch_double();
    case Type::float16:
      return launch.template operator()<__half>();
    case Type::bfloat16:
      return launch.template operator()<__nv_bfloat16>();
  }
  return cudaErrorInvalidValue;
}

}  // namespace pspgan::cuda
