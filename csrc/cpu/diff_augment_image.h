// DiffAugment of one image on the CPU, forward and backward: plain loops over rows that compilers vectorise.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

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

// Loops over n columns. Functions of their own, which compilers vectorise more surely than loops deep in others.

template <typename T>
PSPGAN_CPU_CLONES Real<T> sum_columns(const T* in, int32_t n) {
  Real<T> sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int32_t i = 0; i < n; ++i) {
    sum += to_real(in[i]);
  }
  return sum;
}

template <typename T>
PSPGAN_CPU_CLONES void add_columns(const T* in, int32_t n, Real<T>* sums) {
#pragma omp simd
  for (int32_t i = 0; i < n; ++i) {
    sums[i] += to_real(in[i]);
  }
}

template <typename T>
PSPGAN_CPU_CLONES void scale_columns(const T* in, int32_t n, Real<T> scale, Real<T> addend, T* out) {
#pragma omp simd
  for (int32_t i = 0; i < n; ++i) {
    out[i] = from_real<T>(scale * to_real(in[i]) + addend);
  }
}

template <typename T>
PSPGAN_CPU_CLONES void scale_columns(const T* in, int32_t n, Real<T> scale, const Real<T>* addends, T* out) {
#pragma omp simd
  for (int32_t i = 0; i < n; ++i) {
    out[i] = from_real<T>(scale * to_real(in[i]) + addends[i]);
  }
}

// Color with mixing of channels, n columns of a row; of planes `stride` apart.
template <typename T>
void mix_planes(
    const augment::Color<Real<T>>& color, Real<T> offset, int64_t planes, int64_t stride, const T* in, int32_t n, T* out) {
  Real<T> addends[columns_per_chunk];
  for (int32_t start = 0; start < n; start += columns_per_chunk) {
    const int32_t count = std::min(n - start, columns_per_chunk);
    std::fill(addends, addends + count, Real<T>(0));
    for (int64_t plane = 0; plane < planes; ++plane) {
      add_columns(in + plane * stride + start, count, addends);
    }
    for (int32_t i = 0; i < count; ++i) {
      addends[i] = color.contrast * color.grey_part(addends[i] / Real<T>(planes)) + offset;
    }
    for (int64_t plane = 0; plane < planes; ++plane) {
      const int64_t place = plane * stride + start;
      scale_columns<T>(in + place, count, color.contrast * color.saturation, addends, out + place);
    }
  }
}

// The same where a pixel's channels lie side by side.
template <typename T>
void mix_pixels(const augment::Color<Real<T>>& color, Real<T> offset, int32_t channels, const T* in, int32_t n, T* out) {
  using R = Real<T>;
  const R scale = color.contrast * color.saturation;
  if (channels > columns_per_chunk / 8) {  // a pixel is a row long enough
    for (int32_t start = 0; start < n; start += channels) {
      const R grey = sum_columns(in + start, channels) / R(channels);
      scale_columns<T>(in + start, channels, scale, color.contrast * color.grey_part(grey) + offset, out + start);
    }
    return;
  }
  R values[columns_per_chunk], addends[columns_per_chunk];
  const int32_t whole_pixels = columns_per_chunk / channels * channels;
  for (int32_t start = 0; start < n; start += whole_pixels) {
    const int32_t count = std::min(n - start, whole_pixels);
    std::fill(values, values + count, R(0));
    add_columns(in + start, count, values);
    for (int32_t pixel = 0; pixel < count; pixel += channels) {
      R grey = 0;
      for (int32_t channel = pixel; channel < pixel + channels; ++channel) {
        grey += values[channel];
      }
      const R addend = color.contrast * color.grey_part(grey / R(channels)) + offset;
      std::fill(addends + pixel, addends + pixel + channels, addend);
    }
    scale_columns<T>(in + start, count, scale, addends, out + start);
  }
}

// Sum over rows of n columns, `stride` apart. All add to the same lanes: what a hole leaves of a row is short, and
// adding up the lanes of each would take longer than the row.
template <typename T>
PSPGAN_CPU_CLONES double sum_rows(const T* in, int32_t rows, int64_t stride, int32_t n) {
  constexpr int32_t n_lane = 64;
  constexpr int64_t most_elements = 256 * n_lane;  // before the lanes go over into double
  double total = 0;
  Real<T> lanes[n_lane] = {};
  int64_t in_lanes = 0;
  for (int32_t row = 0; row < rows; ++row) {
    for (int32_t start = 0; start < n; start += n_lane) {
      const T* from = in + (row * stride + start);
      const int32_t count = std::min(n - start, n_lane);
      if (count == n_lane) {
#pragma omp simd
        for (int32_t lane = 0; lane < n_lane; ++lane) {
          lanes[lane] += to_real(from[lane]);
        }
      } else {
#pragma omp simd
        for (int32_t lane = 0; lane < count; ++lane) {
          lanes[lane] += to_real(from[lane]);
        }
      }
      in_lanes += n_lane;
      if (in_lanes >= most_elements || (row == rows - 1 && start + n_lane >= n)) {
        Real<T> sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int32_t lane = 0; lane < n_lane; ++lane) {
          sum += lanes[lane];
          lanes[lane] = 0;
        }
        total += sum;
        in_lanes = 0;
      }
    }
  }
  return total;
}

// Sum over n elements; beyond a chunk in double, so that it does not matter how many there are.
template <typename T>
double sum_all(const T* in, int64_t n) {
  double total = 0;
  for (int64_t start = 0; start < n; start += columns_per_chunk) {
    total += sum_columns(in + start, static_cast<int32_t>(std::min<int64_t>(n - start, columns_per_chunk)));
  }
  return total;
}

// Sum over the pixels that a window shows of its own output: rows above, beside and below the hole.
template <typename T>
double sum_shown(const Layout& layout, const augment::Window& window, const T* image) {
  const int32_t first = augment::clamp(-window.row_shift, 0, layout.height);
  const int32_t last = augment::clamp(layout.height - window.row_shift, first, layout.height);
  const int32_t top = augment::clamp(window.hole_top, first, last);
  const int32_t bottom = augment::clamp(window.hole_bottom, top, last);
  double total = 0;
  const auto add = [&](int64_t plane, int32_t from, int32_t to, int32_t begin, int32_t end) {
    total += sum_rows(image + (layout.row(plane, from) + begin), to - from, layout.width, end - begin);
  };
  for (int64_t plane = 0; plane < layout.planes; ++plane) {
    for (const auto& [from, to] : {std::pair{first, top}, std::pair{top, bottom}, std::pair{bottom, last}}) {
      if (from < to) {
        const auto spans = window.spans(from);
        add(plane, from, to, spans.begin, spans.hole_begin);
        add(plane, from, to, spans.hole_end, spans.end);
      }
    }
  }
  return total;
}

// out = what the window shows of `in`, colored; `blank` elsewhere, where `in` is not read. `offset` is the
// color's for the image's level. Without `mixing` the color's saturation is 1, or there is one channel.
template <typename T>
void augment_image(
    const Layout& layout,
    const augment::Window& window,
    const augment::Color<Real<T>>& color,
    bool mixing,
    Real<T> offset,
    Real<T> blank,
    const T* in,
    T* out) {
  const int64_t stride = layout.row(1, 0);
  const auto paint = [&](const T* from, int32_t n, T* to) {
    if (!mixing) {
      for (int64_t plane = 0; plane < layout.planes; ++plane) {
        scale_columns<T>(from + plane * stride, n, color.contrast, offset, to + plane * stride);
      }
    } else if (layout.columns_per_pixel == 1) {
      mix_planes<T>(color, offset, layout.planes, stride, from, n, to);
    } else {
      mix_pixels<T>(color, offset, layout.columns_per_pixel, from, n, to);
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
      paint(in + (from + spans.begin), spans.hole_begin - spans.begin, out + (to + spans.begin));
      paint(in + (from + spans.hole_end), spans.end - spans.hole_end, out + (to + spans.hole_end));
    }
  }
}

}  // namespace pspgan::cpu
