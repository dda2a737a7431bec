// The operators on CUDA tensors: checks arguments, allocates results, calls launchers, registers all this.
//
// The schemas are the CPU module's, which is loaded first. Kernels run on the tensors' device and torch's
// current stream, and what is allocated here belongs to that stream: torch reuses the memory of a scratch
// tensor, freed on return, only for work that is queued behind the kernels.
#include <cstdint>

#include <cuda_runtime.h>
#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/macros.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include "arguments/diff_augment.h"
#include "arguments/omni_loss.h"
#include "cuda/diff_augment.h"
#include "cuda/omni_loss.h"

namespace pspgan {
namespace {

using torch::stable::Tensor;
using torch::stable::accelerator::DeviceGuard;

void* current_stream(const Tensor& tensor) {
  void* stream = nullptr;
  TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(tensor.get_device_index(), &stream));
  return stream;
}

// Of a tensor that has passed check_floating().
cuda::Type element_type(const Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case ScalarType::Double:
      return cuda::Type::float64;
    case ScalarType::Half:
      return cuda::Type::float16;
    case ScalarType::BFloat16:
      return cuda::Type::bfloat16;
    default:
      return cuda::Type::float32;
  }
}

void check_launch(int error) { STD_CUDA_CHECK(static_cast<cudaError_t>(error)); }

using DiffAugmentLauncher = decltype(&cuda::diff_augment);

// Forward and backward: either maps images to images.
Tensor map_images(
    DiffAugmentLauncher launch,
    const Images& images,
    const void* brightness,
    const Tensor& saturation,
    const Tensor& contrast,
    const Tensor& translation,
    const Tensor& cutout) {
  if (images.channels_last && images.channels > cuda::most_channels_last) {
    const Images by_channel = dense_images(torch::stable::contiguous(images.tensor));
    const Tensor result = map_images(launch, by_channel, brightness, saturation, contrast, translation, cutout);
    return torch::stable::contiguous(result, torch::headeronly::MemoryFormat::ChannelsLast);
  }
  const Tensor saturations = color_draws(saturation, images, "saturation");
  const Tensor contrasts = color_draws(contrast, images, "contrast");
  const Tensor translations = translation_draws(translation, images);
  const Tensor cutouts = cutout_draws(cutout, images);
  const cuda::DiffAugment call{
      .type = element_type(images.tensor),
      .brightness = brightness,
      .saturation = pointer_or_null<void>(saturations),
      .contrast = pointer_or_null<void>(contrasts),
      .translation = pointer_or_null<int64_t>(translations),
      .cutout = pointer_or_null<int64_t>(cutouts),
      .batch = images.batch,
      .channels = images.channels,
      .height = images.height,
      .width = images.width,
      .channels_last = images.channels_last};

  Tensor result = empty_like(images);
  if (result.numel() == 0) {
    return result;
  }
  const DeviceGuard guard(images.tensor.get_device_index());
  const Tensor scratch =
      torch::stable::new_empty(images.tensor, {cuda::diff_augment_scratch(call)}, real_type(images.tensor));
  check_launch(launch(
      call,
      images.tensor.const_data_ptr(),
      result.mutable_data_ptr(),
      scratch.mutable_data_ptr(),
      current_stream(images.tensor)));
  return result;
}

Tensor diff_augment(
    Tensor x, Tensor brightness, Tensor saturation, Tensor contrast, Tensor translation, Tensor cutout) {
  const Images images = dense_images(x);
  const Tensor brightnesses = color_draws(brightness, images, "brightness");
  return map_images(
      cuda::diff_augment,
      images,
      pointer_or_null<void>(brightnesses),
      saturation,
      contrast,
      translation,
      cutout);
}

Tensor diff_augment_backward(
    Tensor grad, Tensor saturation, Tensor contrast, Tensor translation, Tensor cutout) {
  return map_images(
      cuda::diff_augment_backward, dense_images(grad), nullptr, saturation, contrast, translation, cutout);
}

cuda::OmniLoss describe(const Tensor& scores, const Tensor& labels, double margin, double gamma) {
  return {
      .scores = scores.const_data_ptr(),
      .labels = labels.const_data_ptr(),
      .type = element_type(scores),
      .wide_labels = labels.scalar_type() == ScalarType::Long,
      .n_row = scores.size(0),
      .n_class = scores.size(1),
      .score_stride = scores.stride(0),
      .label_stride = labels.stride(0),
      .margin = margin,
      .gamma = gamma};
}

Tensor omni_loss(Tensor scores, Tensor labels, double margin, double gamma, int64_t reduction) {
  check_matrices(scores, labels);
  const Reduction kind = checked_reduction(reduction);
  scores = with_dense_rows(scores);
  labels = with_dense_rows(labels);
  const DeviceGuard guard(scores.get_device_index());
  void* stream = current_stream(scores);
  const Tensor rows = torch::stable::new_empty(scores, {scores.size(0)}, real_type(scores));
  if (scores.size(0) > 0) {
    check_launch(cuda::omni_loss(describe(scores, labels, margin, gamma), rows.mutable_data_ptr(), stream));
  }
  if (kind == Reduction::none) {
    return rows;
  }
  const Tensor loss = torch::stable::new_empty(scores, {}, real_type(scores));
  check_launch(cuda::omni_loss_reduce(
      rows.const_data_ptr(),
      element_type(scores),
      scores.size(0),
      kind == Reduction::mean,
      loss.mutable_data_ptr(),
      stream));
  return loss;
}

Tensor omni_loss_backward(
    Tensor grad, Tensor scores, Tensor labels, double margin, double gamma, int64_t reduction) {
  check_matrices(scores, labels);
  const Reduction kind = checked_reduction(reduction);
  check_gradient(grad, scores, kind);
  scores = with_dense_rows(scores);
  labels = with_dense_rows(labels);
  const DeviceGuard guard(scores.get_device_index());
  const Tensor grad_scores = torch::stable::new_empty(scores, {scores.size(0), scores.size(1)});
  if (grad_scores.numel() == 0) {
    return grad_scores;
  }
  check_launch(cuda::omni_loss_backward(
      describe(scores, labels, margin, gamma),
      grad.const_data_ptr(),
      kind == Reduction::none ? grad.stride(0) : 0,
      kind == Reduction::mean ? 1.0 / static_cast<double>(scores.size(0)) : 1.0,
      grad_scores.mutable_data_ptr(),
      current_stream(scores)));
  return grad_scores;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(pspgan, CUDA, library) {
  library.impl("diff_augment", TORCH_BOX(&diff_augment));
  library.impl("diff_augment_backward", TORCH_BOX(&diff_augment_backward));
  library.impl("omni_loss", TORCH_BOX(&omni_loss));
  library.impl("omni_loss_backward", TORCH_BOX(&omni_loss_backward));
}

}  // namespace pspgan
