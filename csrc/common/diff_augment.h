// DiffAugment of one image: which input each output pixel shows, and in which color. Shared by every backend.
//
// Everything that it does is one affine map. With brightness b, saturation s and contrast k, `grey` a pixel's
// mean over the channels and `level` the image's mean over everything, the color operations make of x
//
//   k (s x + (grey - s grey)) + (level - k level) + b
//
// (neither brightness nor saturation changes what comes out of the means but by b), then pixels are moved and
// blanked. The linear part of the color operations is symmetric, hence the gradient is the same color map
// without b after the inverse move: backward and forward are the same code with another window.
#pragma once

#include <cstdint>

#include "common/host_device.h"

namespace pspgan::augment {

// The color operations on one image.
template <typename Real>
struct Color {
  Real brightness, saturation, contrast;

  PSPGAN_HOST_DEVICE static Color neutral() { return {0, 1, 1}; }

  // What is added to every pixel once the contrast has multiplied it. Differences of products, here and in
  // `grey_part`, not products of differences: an infinite mean has to end in NaN, as when computed in steps.
  PSPGAN_HOST_DEVICE Real offset(Real level) const { return (level - contrast * level) + brightness; }

  PSPGAN_HOST_DEVICE Real grey_part(Real grey) const { return grey - saturation * grey; }
};

PSPGAN_HOST_DEVICE int32_t smaller(int32_t a, int32_t b) { return a < b ? a : b; }
PSPGAN_HOST_DEVICE int32_t larger(int32_t a, int32_t b) { return a > b ? a : b; }

PSPGAN_HOST_DEVICE int32_t clamp(int64_t value, int64_t low, int64_t high) {
  return static_cast<int32_t>(value < low ? low : value > high ? high : value);
}

// Columns of one row that show something: [begin, hole_begin) and [hole_end, end). The others are blank.
// begin <= hole_begin <= hole_end <= end, always.
struct Spans {
  int32_t begin, hole_begin, hole_end, end;

  PSPGAN_HOST_DEVICE bool shown(int32_t column) const {
    return column >= begin && column < end && !(column >= hole_begin && column < hole_end);
  }

  // Whether anything is shown in the columns [first, last).
  PSPGAN_HOST_DEVICE bool any_shown(int32_t first, int32_t last) const {
    return larger(first, begin) < smaller(last, hole_begin) || larger(first, hole_end) < smaller(last, end);
  }
};

// Which pixel of the input each pixel of the output shows: (row, column) shows (row + row_shift, column +
// column_shift), and nothing where that is outside the image or in the hole. Where the channels of a pixel
// lie side by side, a column is one channel of one pixel.
struct Window {
  int32_t height, width;
  int32_t row_shift, column_shift;
  int32_t hole_top, hole_bottom, hole_left, hole_right;  // within the image

  PSPGAN_HOST_DEVICE bool row_shown(int32_t row) const { return row + row_shift >= 0 && row + row_shift < height; }

  PSPGAN_HOST_DEVICE Spans spans(int32_t row) const;
};

PSPGAN_HOST_DEVICE Spans Window::spans(int32_t row) const {
  if (!row_shown(row)) {
    return {0, 0, 0, 0};
  }
  const int32_t begin = column_shift < 0 ? -column_shift : 0;
  const int32_t end = column_shift > 0 ? width - column_shift : width;
  if (row < hole_top || row >= hole_bottom) {
    return {begin, begin, begin, end};
  }
  const int32_t hole_begin = clamp(hole_left, begin, end);
  return {begin, hole_begin, clamp(hole_right, hole_begin, end), end};
}

// The augmentation itself: moves by `translation` (rows, columns), then blanks `cutout` (top, bottom, left,
// right). Either may be null: not drawn. `columns_per_pixel` is 1, or the channels where they lie side by side.
PSPGAN_HOST_DEVICE Window forward_window(
    int32_t height,
    int32_t pixels_per_row,
    int32_t columns_per_pixel,
    const int64_t* translation,
    const int64_t* cutout) {
  // A draw may be any number: one that moves everything out does so whatever its size.
  const int32_t rows = translation ? clamp(translation[0], -height, height) : 0;
  const int32_t pixels = translation ? clamp(translation[1], -pixels_per_row, pixels_per_row) : 0;
  Window window{height, pixels_per_row * columns_per_pixel, rows, pixels * columns_per_pixel, 0, 0, 0, 0};
  if (cutout) {
    window.hole_top = clamp(cutout[0], 0, height);
    window.hole_bottom = clamp(cutout[1], window.hole_top, height);
    window.hole_left = clamp(cutout[2], 0, pixels_per_row) * columns_per_pixel;
    window.hole_right = clamp(cutout[3], window.hole_left / columns_per_pixel, pixels_per_row) * columns_per_pixel;
  }
  return window;
}

// The inverse move: what a window shows goes back to where it came from, and the rest is blank.
PSPGAN_HOST_DEVICE Window inverse(const Window& window) {
  Window back = window;
  back.row_shift = -window.row_shift;
  back.column_shift = -window.column_shift;
  back.hole_top = clamp(window.hole_top + window.row_shift, 0, window.height);
  back.hole_bottom = clamp(window.hole_bottom + window.row_shift, 0, window.height);
  back.hole_left = clamp(window.hole_left + window.column_shift, 0, window.width);
  back.hole_right = clamp(window.hole_right + window.column_shift, 0, window.width);
  return back;
}

}  // namespace pspgan::augment
