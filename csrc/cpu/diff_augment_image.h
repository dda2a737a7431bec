// DiffAugment of one image on the CPU, forward and backward: plain loops over rows that compilers vectorise.
#pragma once

#include <algorithm>
#include <cstdint>

#include "common/diff_augment.h"
#include "cpu/clones.h"
#include "cpu/types.h"

namespace pspgan::cpu {

// How an image lies in memory: planes of rows of columns. (channel, y, x) has a plane a channel; (y, x,
// channel) has one plane, and in it `columns_per_pixel` columns for each pixel.
struct Layout {
  int64_t planes;
  int32_t height, width;  // width in columns
  int32_t columns_per_pixel;

  int64_t row(int64_t plane, int32_t row) const { return (plane * height + row) * width; }
  int64_t elements() const { return planes * height * width; }
  int64_t channels() const { return planes * columns_per_pixel; }
};

constexpr int32_t columns_per_chunk = 1024;  // of scratch on the stack; float sums of no more lose next to nothing

// Sum over the pixels that a window shows of its own output. Of rows in double, so that it does not matter
// how large an image is.
template <typename T>
PSPGAN_CPU_CLONES double sum_shown(const Layout& layout, const augment::Window& window, const T* image) {
  double total = 0;
  const auto add = [&](const T* row, int32_t begin, int32_t end) {
    for (int32_t start = begin; start < end; start += columns_per_chunk) {
      const int32_t stop = std::min(end, start + columns_per_chunk);
      Real<T> sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int32_t column = start; column < stop; ++column) {
        sum += to_real(row[column]);
      }
      total += sum;
    }
  };
  for (int64_t plane = 0; plane < layout.planes; ++plane) {
    for (int32_t y = 0; y < layout.height; ++y) {
      const auto spans = window.spans(y);
      add(image + layout.row(plane, y), spans.begin, spans.hole_begin);
      add(image + layout.row(plane, y), spans.hole_end, spans.end);
    }
  }
  return total;
}

// The three below paint n columns of an output row from an input row: color without mixing of channels, with
// mixing where they are planes `stride` apart, and where they lie side by side in a pixel.

template <typename T>
[[gnu::always_inline]] inline void paint_plane(int32_t n, Real<T> scale, Real<T> offset, const T* in, T* out) {
#pragma omp simd
  for (int32_t i = 0; i < n; ++i) {
    out[i] = from_real<T>(scale * to_real(in[i]) + offset);
  }
}

template <typename T>
[[gnu::always_inline]] inline void paint_planes(
    int64_t planes, int64_t stride, int32_t n, const augment::Color<Real<T>>& color, Real<T> offset, const T* in, T* out) {
  using R = Real<T>;
  const R scale = color.contrast * color.saturation;
  R addend[columns_per_chunk];
  for (int32_t start = 0; start < n; start += columns_per_chunk) {
    const int32_t count = std::min(n - start, columns_per_chunk);
    std::fill(addend, addend + count, R(0));
    for (int64_t plane = 0; plane < planes; ++plane) {
      const T* from = in + plane * stride + start;
#pragma omp simd
      for (int32_t i = 0; i < count; ++i) {
        addend[i] += to_real(from[i]);
      }
    }
#pragma omp simd
    for (int32_t i = 0; i < count; ++i) {
      addend[i] = color.contrast * color.grey_part(addend[i] / R(planes)) + offset;
    }
    for (int64_t plane = 0; plane < planes; ++plane) {
      const T* from = in + plane * stride + start;
      T* to = out + plane * stride + start;
#pragma omp simd
      for (int32_t i = 0; i < count; ++i) {
        to[i] = from_real<T>(scale * to_real(from[i]) + addend[i]);
      }
    }
  }
}

template <typename T>
[[gnu::always_inline]] inline void paint_pixels(
    int32_t channels, int32_t n, const augment::Color<Real<T>>& color, Real<T> offset, const T* in, T* out) {
  using R = Real<T>;
  const R scale = color.contrast * color.saturation;
  for (int32_t start = 0; start < n; start += channels) {
    R grey = 0;
    for (int32_t channel = start; channel < start + channels; ++channel) {
      grey += to_real(in[channel]);
    }
    const R addend = color.contrast * color.grey_part(grey / R(channels)) + offset;
    for (int32_t channel = start; channel < start + channels; ++channel) {
      out[channel] = from_real<T>(scale * to_real(in[channel]) + addend);
    }
  }
}

// out = what the window shows of `in`, colored; `blank` elsewhere, where `in` is not read. `offset` is the
// color's for the image's level. Without `mixing` the color's saturation is 1, or there is one channel.
template <typename T>
PSPGAN_CPU_CLONES void augment_image(
    const Layout& layout,
    const augment::Window& window,
    const augment::Color<Real<T>>& color,
    bool mixing,
    Real<T> offset,
    Real<T> blank,
    const T* in,
    T* out) {
  const int64_t stride = layout.row(1, 0);
  const auto paint = [&](const T* from, T* to, int32_t n) {
    if (!mixing) {
      for (int64_t plane = 0; plane < layout.planes; ++plane) {
        paint_plane<T>(n, color.contrast, offset, from + plane * stride, to + plane * stride);
      }
    } else if (layout.columns_per_pixel == 1) {
      paint_planes<T>(layout.planes, stride, n, color, offset, from, to);
    } else {
      paint_pixels<T>(layout.columns_per_pixel, n, color, offset, from, to);
    }
  };
  const T blank_element = from_real<T>(blank);
  for (int32_t y = 0; y < layout.height; ++y) {
    const auto spans = window.spans(y);
    for (int64_t plane = 0; plane < layout.planes; ++plane) {
      T* to = out + layout.row(plane, y);
      std::fill(to, to + spans.begin, blank_element);
      std::fill(to + spans.hole_begin, to + spans.hole_end, blank_element);
      std::fill(to + spans.end, to + layout.width, blank_element);
    }
    if (window.row_shown(y)) {
      const int64_t from = layout.row(0, y + window.row_shift) + window.column_shift;
      const int64_t to = layout.row(0, y);
      paint(in + (from + spans.begin), out + (to + spans.begin), spans.hole_begin - spans.begin);
      paint(in + (from + spans.hole_end), out + (to + spans.hole_end), spans.end - spans.hole_end);
    }
  }
}

}  // namespace pspgan::cpu
