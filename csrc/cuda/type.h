// Element types by value, for interfaces that carry plain pointers.
#pragma once

namespace pspgan::cuda {

enum class Type { float32, float64, float16, bfloat16 };

}  // namespace pspgan::cuda
