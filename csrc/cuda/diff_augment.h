// DiffAugment on a GPU: launchers on plain pointers, without CUDA's or torch's types.
#pragma once

#include <cstdint>

#include "cuda/type.h"

namespace pspgan::cuda {

// Images of one batch and what was drawn for each; a null pointer for an operation that was not drawn.
// Images, and results likewise, lie densely in order (batch, channel, y, x), or (batch, y, x, channel) where
// `channels_last`. Color draws are float; double for float64 images.
struct DiffAugment {
  Type type;
  const void* brightness;      // (batch)
  const void* saturation;      // (batch)
  const void* contrast;        // (batch)
  const int64_t* translation;  // (batch, 2): rows, columns
  const int64_t* cutout;       // (batch, 4): top, bottom, left, right
  int64_t batch, channels, height, width;
  bool channels_last;
};

// More channels than this, side by side, are not supported: a pixel has to fit into a block's shared memory.
constexpr int64_t most_channels_last = 4096;

// Floats (doubles for float64 images) of device memory that the two functions below need as scratch.
int64_t diff_augment_scratch(const DiffAugment& call);

// y = augmented x. Returns a cudaError_t; `stream` is a cudaStream_t.
int diff_augment(const DiffAugment& call, const void* x, void* y, void* scratch, void* stream);

// grad_x = gradient of sum(grad_y * augmented x) by x. The brightness does not matter.
int diff_augment_backward(const DiffAugment& call, const void* grad_y, void* grad_x, void* scratch, void* stream);

}  // namespace pspgan::cuda
