// What DiffAugment asks of its arguments, on any device, and the layout in which kernels get them.
#pragma once

#include <algorithm>
#include <cstdint>

#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/MemoryFormat.h>
#include <torch/headeronly/util/Exception.h>

#include "arguments/types.h"

namespace pspgan {

// A batch of images without gaps, in order (batch, channel, y, x), or (batch, y, x, channel).
struct Images {
  torch::stable::Tensor tensor;
  int64_t batch, channels, height, width;
  bool channels_last;
};

// Whether the images lie in order (batch, y, x, channel), without gaps, and that is not the other order as
// well, as it is with one channel or one pixel. Strides of dimensions of size 1 mean nothing.
inline bool is_channels_last(const torch::stable::Tensor& x) {
  if (x.is_contiguous()) {
    return false;
  }
  int64_t dense_stride = 1;
  for (const int64_t dimension : {1, 3, 2, 0}) {
    const int64_t size = x.size(dimension);
    if (size != 1 && x.stride(dimension) != dense_stride) {
      return false;
    }
    dense_stride *= size;
  }
  return true;
}

constexpr int64_t most_in_a_row = int64_t{1} << 30;  // sums of two places fit into 32 bits

// The images as they are where they have no gaps, else a copy in order (batch, channel, y, x).
inline Images dense_images(const torch::stable::Tensor& x) {
  STD_TORCH_CHECK(x.dim() == 4, "pspgan::diff_augment: images must be (batch, channel, y, x)");
  check_floating(x, "pspgan::diff_augment: images");
  const bool channels_last = is_channels_last(x);
  STD_TORCH_CHECK(
      std::max(x.size(2), x.size(3) * (channels_last ? x.size(1) : 1)) <= most_in_a_row,
      "pspgan::diff_augment: images have more than 2^30 rows, or values in a row");
  const auto dense = channels_last ? x : torch::stable::contiguous(x);
  return {dense, x.size(0), x.size(1), x.size(2), x.size(3), channels_last};
}

// New images in the same layout, without values.
inline torch::stable::Tensor empty_like(const Images& images) {
  using torch::headeronly::MemoryFormat;
  return torch::stable::empty(
      {images.batch, images.channels, images.height, images.width},
      images.tensor.scalar_type(),
      std::nullopt,
      images.tensor.device(),
      std::nullopt,
      images.channels_last ? MemoryFormat::ChannelsLast : MemoryFormat::Contiguous);
}

// The draws of one operation without gaps: (batch), or (batch, columns) where `columns` is not 0. An operation
// that was not drawn comes and stays as a tensor without elements.
inline torch::stable::Tensor dense_draws(
    const torch::stable::Tensor& draws, const Images& images, ScalarType type, int64_t columns, const char* name) {
  if (draws.dim() == 1 && draws.numel() == 0) {
    return draws;
  }
  const bool fits = columns == 0 ? draws.dim() == 1 : draws.dim() == 2 && draws.size(1) == columns;
  STD_TORCH_CHECK(
      fits && draws.size(0) == images.batch,
      "pspgan::diff_augment: ",
      name,
      columns == 0 ? " must be (batch)" : " must be (batch, ",
      columns == 0 ? "" : columns == 2 ? "2)" : "4)");
  STD_TORCH_CHECK(
      draws.scalar_type() == type,
      "pspgan::diff_augment: ",
      name,
      type == ScalarType::Long ? " must be int64" : " must be float32; float64 for float64 images");
  STD_TORCH_CHECK(
      draws.device() == images.tensor.device(), "pspgan::diff_augment: ", name, " must be on the images' device");
  return torch::stable::contiguous(draws);
}

// Brightness, saturation or contrast.
inline torch::stable::Tensor color_draws(
    const torch::stable::Tensor& draws, const Images& images, const char* name) {
  return dense_draws(draws, images, real_type(images.tensor), 0, name);
}

// Rows and columns that images are shifted by.
inline torch::stable::Tensor translation_draws(const torch::stable::Tensor& draws, const Images& images) {
  return dense_draws(draws, images, ScalarType::Long, 2, "translation");
}

// Top, bottom, left and right of the rectangles set to zero.
inline torch::stable::Tensor cutout_draws(const torch::stable::Tensor& draws, const Images& images) {
  return dense_draws(draws, images, ScalarType::Long, 4, "cutout");
}

// Where the draws lie, or null for an operation that was not drawn.
template <typename T>
const T* pointer_or_null(const torch::stable::Tensor& draws) {
  return draws.numel() == 0 ? nullptr : static_cast<const T*>(draws.const_data_ptr());
}

}  // namespace pspgan
