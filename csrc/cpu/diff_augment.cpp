// DiffAugment on the CPU, forward and backward: one image at a time, images spread over torch's threads. An
// image that was summed for its contrast is still in the cache when it is painted.
#include "cpu/diff_augment.h"

#include <algorithm>
#include <cstdint>

#include <torch/csrc/stable/ops.h>

#include "arguments/diff_augment.h"
#include "cpu/diff_augment_image.h"
#include "cpu/types.h"

namespace pspgan::cpu {
namespace {

using torch::stable::Tensor;

// Below this many elements a thread costs more to wake than it saves.
constexpr int64_t elements_per_task = 32768;

// What was drawn for each image; null for an operation that was not.
template <typename R>
struct Draws {
  const R* brightness;
  const R* saturation;
  const R* contrast;
  const int64_t* translation;
  const int64_t* cutout;

  augment::Color<R> color(int64_t image) const {
    auto color = augment::Color<R>::neutral();
    color.brightness = brightness ? brightness[image] : color.brightness;
    color.saturation = saturation ? saturation[image] : color.saturation;
    color.contrast = contrast ? contrast[image] : color.contrast;
    return color;
  }

  augment::Window window(int64_t image, const Layout& layout) const {
    return augment::forward_window(
        layout.height,
        layout.width / layout.columns_per_pixel,
        layout.columns_per_pixel,
        translation ? translation + 2 * image : nullptr,
        cutout ? cutout + 4 * image : nullptr);
  }
};

Layout layout_of(const Images& images) {
  const int64_t columns_per_pixel = images.channels_last ? images.channels : 1;
  return {
      images.channels_last ? 1 : images.channels,
      static_cast<int32_t>(images.height),
      static_cast<int32_t>(images.width * columns_per_pixel),
      static_cast<int32_t>(columns_per_pixel)};
}

template <typename T>
void forward_image(const Layout& layout, const Draws<Real<T>>& draws, int64_t image, const T* in, T* out) {
  const auto color = draws.color(image);
  const bool mixing = draws.saturation && layout.channels() > 1;
  Real<T> offset = color.brightness;
  if (draws.contrast) {
    offset = color.offset(sum_all(in, layout.elements()) / layout.elements());
  }
  augment_image<T>(layout, draws.window(image, layout), color, mixing, offset, 0, in, out);
}

// What the forward did not show has no gradient but through the image's level, which is one value for all.
template <typename T>
void backward_image(const Layout& layout, const Draws<Real<T>>& draws, int64_t image, const T* grad_out, T* grad_in) {
  const auto color = draws.color(image);
  const bool mixing = draws.saturation && layout.channels() > 1;
  const auto window = draws.window(image, layout);
  Real<T> offset = 0;
  if (draws.contrast) {
    offset = color.offset(sum_shown(layout, window, grad_out) / layout.elements());
  }
  augment_image<T>(layout, augment::inverse(window), color, mixing, offset, offset, grad_out, grad_in);
}

// Makes a batch in the layout of x: calls f(layout, draws, image, in, out) for every image.
template <typename F>
Tensor for_each_image(
    const Tensor& x,
    const Tensor& brightness,
    const Tensor& saturation,
    const Tensor& contrast,
    const Tensor& translation,
    const Tensor& cutout,
    const F& f) {
  const Images images = dense_images(x);
  const Layout layout = layout_of(images);
  const Tensor brightnesses = color_draws(brightness, images, "brightness");
  const Tensor saturations = color_draws(saturation, images, "saturation");
  const Tensor contrasts = color_draws(contrast, images, "contrast");
  const Tensor translations = translation_draws(translation, images);
  const Tensor cutouts = cutout_draws(cutout, images);
  Tensor result = empty_like(images);

  const int64_t elements = layout.elements();
  const int64_t images_per_task = std::max<int64_t>(1, elements_per_task / std::max<int64_t>(1, elements));
  with_float_type(x, [&](auto type) {
    using T = decltype(type);
    const Draws<Real<T>> draws{
        pointer_or_null<Real<T>>(brightnesses),
        pointer_or_null<Real<T>>(saturations),
        pointer_or_null<Real<T>>(contrasts),
        pointer_or_null<int64_t>(translations),
        pointer_or_null<int64_t>(cutouts)};
    const T* in = images.tensor.const_data_ptr<T>();
    T* out = result.mutable_data_ptr<T>();
    torch::stable::parallel_for(0, images.batch, images_per_task, [&](int64_t begin, int64_t end) {
      for (int64_t image = begin; image < end; ++image) {
        f(layout, draws, image, in + image * elements, out + image * elements);
      }
    });
  });
  return result;
}

}  // namespace

Tensor diff_augment(
    Tensor x, Tensor brightness, Tensor saturation, Tensor contrast, Tensor translation, Tensor cutout) {
  return for_each_image(
      x, brightness, saturation, contrast, translation, cutout, [](const auto&... image) { forward_image(image...); });
}

Tensor diff_augment_backward(Tensor grad, Tensor saturation, Tensor contrast, Tensor translation, Tensor cutout) {
  const Tensor no_brightness = torch::stable::new_empty(grad, {0}, real_type(grad));
  return for_each_image(
      grad, no_brightness, saturation, contrast, translation, cutout, [](const auto&... image) { backward_image(image...); });
}

}  // namespace pspgan::cpu
