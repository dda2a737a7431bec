// DiffAugment on a GPU: one kernel that sums images for their contrast, one that paints. Each serves forward
// and backward, which differ in their windows only (see common/diff_augment.h).
//
// Painting goes through shared memory. An image that was moved by a number of columns that is no multiple of a
// vector lies askew to the output, and loads straight into place would ask for most sectors twice. So a block
// loads a tile in whole sectors as it lies in the input, and takes it out of shared memory as it lies in the
// output. Channels that are to be mixed meet there as well.
#pragma once

#include <cstdint>

#include "common/diff_augment.h"
#include "cuda/gpu.h"
#include "cuda/pack.cuh"
#include "cuda/reduce.cuh"

namespace pspgan::cuda {

constexpr int augment_threads = 256;

// Painting blocks that a multiprocessor has registers for: 64 a thread. Without the number ptxas aims at 64 as
// well on some GPUs, and spills.
constexpr int paint_blocks_at_once = 4;

// Vectors are loaded by the sector (32 bytes), which is what memory delivers.
template <int V>
constexpr int32_t columns_per_sector = V == 1 ? 1 : 2 * V;

// One call, as both kernels see it. An image lies in planes of rows of columns: (channel, y, x) has a plane a
// channel; (y, x, channel) has one plane, and in it `columns_per_pixel` columns for each pixel.
template <typename R>
struct AugmentCall {
  const R* brightness;  // the draws; null for an operation that was not drawn
  const R* saturation;
  const R* contrast;
  const int64_t* translation;
  const int64_t* cutout;
  int64_t planes;
  int32_t height, width;  // width in columns
  int32_t columns_per_pixel;
  bool mixing;  // whether colors of a pixel's channels depend on each other
  bool backward;

  // An image's sum is made in parts, by a block each: consecutive vectors of the image.
  int32_t parts;
  int64_t vectors_per_part;
  R* sums;  // (batch, parts); null without contrast

  __device__ __forceinline__ int64_t elements() const { return planes * height * width; }
};

// How painting divides an image into tiles, a block each: `rows` x `columns` of the output, of one plane, or of
// all where channels mix. Of more planes than fit into shared memory at once, `planes` at a time.
struct AugmentTiles {
  int32_t rows, columns;
  int32_t pitch;  // columns of a tile's row in shared memory: it may stick out by a sector
  int32_t planes;
  int32_t row_tiles, column_tiles;  // of an image
  int64_t plane_tiles;
};

// Elements that a tile takes of shared memory, rounded up so that anything may follow.
template <typename T>
__host__ __device__ __forceinline__ int32_t elements_of_tile(const AugmentTiles& tiles) {
  constexpr int32_t alignment = 16 / sizeof(T);
  return (tiles.planes * tiles.rows * tiles.pitch + alignment - 1) / alignment * alignment;
}

// What the image's draws and sum come to; made by one warp of a block for all.
template <typename R>
struct AugmentImage {
  augment::Window window;
  augment::Color<R> color;
  R offset, blank;
};

// The augmentation's window on an image.
template <typename R>
__device__ __forceinline__ augment::Window augmentation_window(const AugmentCall<R>& call, int64_t image) {
  int64_t translation[2], cutout[4];
  for (int i = 0; i < 2; ++i) {
    translation[i] = GPU_LOAD_IF(call.translation != nullptr, call.translation + 2 * image + i, int64_t(0));
  }
  for (int i = 0; i < 4; ++i) {
    cutout[i] = GPU_LOAD_IF(call.cutout != nullptr, call.cutout + 4 * image + i, int64_t(0));
  }
  return augment::forward_window(
      call.height, call.width / call.columns_per_pixel, call.columns_per_pixel, translation, cutout);
}

// All threads of the block call it and get the same; `lent` is shared.
template <typename R>
__device__ __forceinline__ void prepare_image(const AugmentCall<R>& call, int64_t image, AugmentImage<R>* lent) {
  if (threadIdx.x < warp_size) {
    R sum = 0;
    for (int32_t part = threadIdx.x; part < call.parts; part += warp_size) {
      sum += GPU_LOAD(call.sums + image * call.parts + part);
    }
    sum = reduce_warp(sum, Sum{});
    if (threadIdx.x == 0) {
      auto color = augment::Color<R>::neutral();
      color.brightness = GPU_LOAD_IF(call.brightness != nullptr, call.brightness + image, color.brightness);
      color.saturation = GPU_LOAD_IF(call.saturation != nullptr, call.saturation + image, color.saturation);
      color.contrast = GPU_LOAD_IF(call.contrast != nullptr, call.contrast + image, color.contrast);
      const R offset = call.contrast ? color.offset(sum / static_cast<R>(call.elements())) : color.brightness;
      const augment::Window window = augmentation_window(call, image);
      lent->window = call.backward ? augment::inverse(window) : window;
      lent->color = color;
      lent->offset = offset;
      lent->blank = call.backward ? offset : R(0);
    }
  }
  __syncthreads();
}

// sums[image, part] = sum of the part's elements; in the backward, of those that the augmentation showed.
template <typename T, int V>
__global__ void __launch_bounds__(augment_threads)
    sum_images(AugmentCall<Real<T>> call, const T* __restrict__ in) {
  using R = Real<T>;
  using Vector = Pack<T, V>;
  GPU_SHARED(augment::Window, shared_window, 1);
  GPU_SHARED(R, scratch, augment_threads / warp_size);

  const int64_t image = blockIdx.x / call.parts;
  const int32_t part = blockIdx.x % call.parts;
  if (threadIdx.x == 0) {
    shared_window[0] = call.backward ? augmentation_window(call, image)
                                     : augment::forward_window(call.height, call.width, 1, nullptr, nullptr);
  }
  __syncthreads();

  const int32_t vectors_per_row = call.width / V;
  const int64_t first = part * call.vectors_per_part;
  const int64_t left = call.elements() / V - first;
  const int32_t vectors = static_cast<int32_t>(left < call.vectors_per_part ? left : call.vectors_per_part);
  const int32_t first_row = static_cast<int32_t>(first / vectors_per_row % call.height);
  const int32_t first_vector = static_cast<int32_t>(first % vectors_per_row);
  const Vector* vector = reinterpret_cast<const Vector*>(in + image * call.elements()) + first;

  R sum = 0;
  for (int32_t i = threadIdx.x; i < vectors; i += augment_threads) {
    const int32_t rows_down = (first_vector + i) / vectors_per_row;
    const int32_t column = (first_vector + i - rows_down * vectors_per_row) * V;
    const augment::Spans spans = shared_window[0].spans((first_row + rows_down) % call.height);
    const int32_t sector = column / columns_per_sector<V> * columns_per_sector<V>;
    const bool wanted = spans.any_shown(sector, sector + columns_per_sector<V>);
    const Vector values = GPU_LOAD_IF(wanted, vector + i, Vector{});
#pragma unroll
    for (int k = 0; k < V; ++k) {
      sum += spans.shown(column + k) ? to_real(values.element[k]) : R(0);
    }
  }
  sum = reduce_block<augment_threads / warp_size>(sum, scratch, Sum{});
  if (threadIdx.x == 0) {
    GPU_STORE(call.sums + image * call.parts + part, sum);
  }
}

// A block's part of the output, and where the input of it lies in shared memory: row after row of each plane,
// from column `in_begin` on.
struct AugmentTile {
  int32_t first_row, rows;
  int32_t first_column, columns;
  int32_t in_begin, in_end;  // columns of the input, in whole sectors
  int32_t pitch;

  __device__ __forceinline__ int32_t at(int32_t plane, int32_t row, int32_t in_column) const {
    return (plane * rows + row) * pitch + (in_column - in_begin);
  }
};

template <int V>
__device__ __forceinline__ AugmentTile make_tile(
    const AugmentTiles& tiles, const augment::Window& window, int32_t row_tile, int32_t column_tile) {
  constexpr int32_t sector = columns_per_sector<V>;
  AugmentTile tile;
  tile.first_row = row_tile * tiles.rows;
  tile.rows = augment::smaller(tiles.rows, window.height - tile.first_row);
  tile.first_column = column_tile * tiles.columns;
  tile.columns = augment::smaller(tiles.columns, window.width - tile.first_column);
  const int32_t begin = augment::clamp(tile.first_column + window.column_shift, 0, window.width);
  const int32_t end = augment::clamp(tile.first_column + tile.columns + window.column_shift, begin, window.width);
  tile.in_begin = begin / sector * sector;
  tile.in_end = augment::smaller((end + sector - 1) / sector * sector, window.width);
  tile.pitch = tiles.pitch;
  return tile;
}

// Copies into shared memory what the tile shows of `planes` planes, the first of which begins at `in`. What is
// left out is not shown.
template <typename T, int V>
__device__ __forceinline__ void load_tile(
    const AugmentTile& tile, const augment::Window& window, int32_t planes, const T* __restrict__ in, T* shared) {
  using Vector = Pack<T, V>;
  constexpr int32_t sector = columns_per_sector<V>;
  const int32_t vectors_per_row = (tile.in_end - tile.in_begin) / V;
  const int32_t vectors = planes * tile.rows * vectors_per_row;
  for (int32_t i = threadIdx.x; i < vectors; i += augment_threads) {
    const int32_t line = i / vectors_per_row;
    const int32_t plane = line / tile.rows, row = line - plane * tile.rows;
    const int32_t in_column = tile.in_begin + (i - line * vectors_per_row) * V;
    const int32_t out_column = in_column / sector * sector - window.column_shift;
    const augment::Spans spans = window.spans(tile.first_row + row);
    const bool wanted = spans.any_shown(out_column, out_column + sector);
    const int64_t in_row = static_cast<int64_t>(plane) * window.height + tile.first_row + row + window.row_shift;
    const T* from = in + (in_row * window.width + in_column);
    const Vector values = GPU_LOAD_IF(wanted, reinterpret_cast<const Vector*>(from), Vector{});
    if (wanted) {
      *reinterpret_cast<Vector*>(shared + tile.at(plane, row, in_column)) = values;
    }
  }
}

// Adds to grey[pixel] of the tile, row after row, what the planes in shared memory have there.
template <typename T>
__device__ __forceinline__ void add_grey(
    const AugmentTile& tile,
    const augment::Window& window,
    int32_t planes,
    int32_t columns_per_pixel,
    const T* shared,
    Real<T>* grey) {
  const int32_t pixels_per_row = tile.columns / columns_per_pixel;
  for (int32_t pixel = threadIdx.x; pixel < tile.rows * pixels_per_row; pixel += augment_threads) {
    const int32_t row = pixel / pixels_per_row;
    const int32_t column = tile.first_column + (pixel - row * pixels_per_row) * columns_per_pixel;
    if (window.spans(tile.first_row + row).shown(column)) {
      Real<T> sum = 0;
      for (int32_t plane = 0; plane < planes; ++plane) {
        for (int32_t channel = 0; channel < columns_per_pixel; ++channel) {
          sum += to_real(shared[tile.at(plane, row, column + window.column_shift + channel)]);
        }
      }
      grey[pixel] += sum;
    }
  }
}

// Writes the tile's part of `planes` planes, the first of which begins at `out`. `addend` is that of each pixel
// where channels mix, else null.
template <typename T, int V>
__device__ __forceinline__ void store_tile(
    const AugmentTile& tile,
    const AugmentImage<Real<T>>& image,
    int32_t planes,
    int32_t columns_per_pixel,
    const T* shared,
    const Real<T>* addend,
    T* __restrict__ out) {
  using R = Real<T>;
  using Vector = Pack<T, V>;
  const augment::Window& window = image.window;
  const R scale = addend ? image.color.contrast * image.color.saturation : image.color.contrast;
  const int32_t vectors_per_row = tile.columns / V;
  const int32_t pixels_per_row = tile.columns / columns_per_pixel;
  for (int32_t i = threadIdx.x; i < planes * tile.rows * vectors_per_row; i += augment_threads) {
    const int32_t line = i / vectors_per_row;
    const int32_t plane = line / tile.rows, row = line - plane * tile.rows;
    const int32_t column_in_tile = (i - line * vectors_per_row) * V;
    const augment::Spans spans = window.spans(tile.first_row + row);
    Vector values;
#pragma unroll
    for (int k = 0; k < V; ++k) {
      const int32_t column = tile.first_column + column_in_tile + k;
      R value = image.blank;
      if (spans.shown(column)) {
        const R x = to_real(shared[tile.at(plane, row, column + window.column_shift)]);
        value = scale * x +
            (addend ? addend[row * pixels_per_row + (column_in_tile + k) / columns_per_pixel] : image.offset);
      }
      values.element[k] = from_real<T>(value);
    }
    const int64_t out_row = static_cast<int64_t>(plane) * window.height + tile.first_row + row;
    T* to = out + (out_row * window.width + tile.first_column + column_in_tile);
    GPU_STORE(reinterpret_cast<Vector*>(to), values);
  }
}

// out = in as the image's window shows it, colored; blank elsewhere, where `in` is not read. Dynamic shared
// memory: a tile and, where channels mix, a Real a pixel of it.
template <typename T, int V>
__global__ void __launch_bounds__(augment_threads, paint_blocks_at_once)
    paint_images(AugmentCall<Real<T>> call, AugmentTiles tiles, const T* __restrict__ in, T* __restrict__ out) {
  using R = Real<T>;
  GPU_SHARED(AugmentImage<R>, shared_image, 1);
  GPU_DYNAMIC_SHARED(T, shared);

  uint32_t block = blockIdx.x;
  const int32_t column_tile = block % tiles.column_tiles;
  block /= tiles.column_tiles;
  const int32_t row_tile = block % tiles.row_tiles;
  block /= tiles.row_tiles;
  const int64_t image_index = block / tiles.plane_tiles;
  const int64_t first_plane = block % tiles.plane_tiles;

  prepare_image(call, image_index, shared_image);
  const AugmentImage<R>& image = shared_image[0];
  const augment::Window window = image.window;
  const AugmentTile tile = make_tile<V>(tiles, window, row_tile, column_tile);
  const int64_t plane_elements = static_cast<int64_t>(call.height) * call.width;
  in += (image_index * call.planes + first_plane) * plane_elements;
  out += (image_index * call.planes + first_plane) * plane_elements;

  if (!call.mixing) {
    load_tile<T, V>(tile, window, 1, in, shared);
    __syncthreads();
    store_tile<T, V>(tile, image, 1, 1, shared, nullptr, out);
    return;
  }

  R* addend = reinterpret_cast<R*>(shared + elements_of_tile<T>(tiles));
  const int32_t pixels = tile.rows * (tile.columns / call.columns_per_pixel);
  for (int32_t pixel = threadIdx.x; pixel < pixels; pixel += augment_threads) {
    addend[pixel] = 0;
  }
  for (int64_t plane = 0; plane < call.planes; plane += tiles.planes) {
    const int32_t planes = augment::clamp(call.planes - plane, 1, tiles.planes);
    load_tile<T, V>(tile, window, planes, in + plane * plane_elements, shared);
    __syncthreads();
    add_grey(tile, window, planes, call.columns_per_pixel, shared, addend);
    __syncthreads();
  }
  const R channels = static_cast<R>(call.planes * call.columns_per_pixel);
  for (int32_t pixel = threadIdx.x; pixel < pixels; pixel += augment_threads) {
    addend[pixel] = image.color.contrast * image.color.grey_part(addend[pixel] / channels) + image.offset;
  }
  __syncthreads();
  for (int64_t plane = 0; plane < call.planes; plane += tiles.planes) {
    const int32_t planes = augment::clamp(call.planes - plane, 1, tiles.planes);
    if (tiles.planes < call.planes) {  // else all are still there
      __syncthreads();
      load_tile<T, V>(tile, window, planes, in + plane * plane_elements, shared);
      __syncthreads();
    }
    store_tile<T, V>(tile, image, planes, call.columns_per_pixel, shared, addend, out + plane * plane_elements);
  }
}

}  // namespace pspgan::cuda
