// How a call of DiffAugment is divided into blocks, and launched: the same for all element types.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "cuda/diff_augment.cuh"
#include "cuda/diff_augment.h"
#include "cuda/gpu.h"
#include "cuda/pack.cuh"

namespace pspgan::cuda {

constexpr int64_t elements_per_part = 8192;  // of an image's sum: 32 a thread
constexpr int64_t most_parts = 64;           // every painting block adds them up again

// Shared memory of a tile: small enough for several blocks on a multiprocessor to hide each other's latency.
// Where channels mix a tile holds all of them, if it can do so with rows of some length.
constexpr int64_t tile_bytes = 16 * 1024;
constexpr int64_t mixing_tile_bytes = 32 * 1024;
constexpr int64_t sectors_per_mixing_row = 8;
constexpr int64_t most_tile_bytes = 40 * 1024;

inline int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

inline int64_t columns_per_pixel(const DiffAugment& call) { return call.channels_last ? call.channels : 1; }
inline int64_t planes(const DiffAugment& call) { return call.channels_last ? 1 : call.channels; }
inline int64_t elements(const DiffAugment& call) { return call.channels * call.height * call.width; }

// Parts of an image's sum.
inline int64_t parts(const DiffAugment& call) {
  return call.contrast ? std::clamp<int64_t>(divide_up(elements(call), elements_per_part), 1, most_parts) : 0;
}

// Whether colors of a pixel's channels depend on each other.
inline bool mixes_channels(const DiffAugment& call) { return call.saturation && call.channels > 1; }

inline AugmentTiles divide_into_tiles(
    const DiffAugment& call, int64_t element_size, int64_t real_size, int64_t columns_per_sector) {
  const bool mixing = mixes_channels(call);
  const int64_t width = call.width * columns_per_pixel(call);
  const int64_t shortest_row = (sectors_per_mixing_row + 1) * columns_per_sector;
  const int64_t most_planes = (mixing_tile_bytes / shortest_row - real_size) / element_size;
  const int64_t tile_planes = mixing ? std::clamp<int64_t>(most_planes, 1, planes(call)) : 1;

  // Columns that fit in if a tile is one row; where channels mix, with a Real a pixel.
  const int64_t longest_row = mixing
      ? mixing_tile_bytes * columns_per_pixel(call) / (tile_planes * element_size * columns_per_pixel(call) + real_size)
      : tile_bytes / element_size;
  // Tiles begin with a sector and, where channels mix, with a pixel.
  const int64_t step = columns_per_sector * (mixing ? columns_per_pixel(call) : 1);
  const bool whole_rows = width <= longest_row;
  const int64_t columns = whole_rows ? width : std::max<int64_t>(1, (longest_row - columns_per_sector) / step) * step;
  const int64_t pitch = whole_rows ? width : columns + columns_per_sector;
  const int64_t most_rows = std::clamp<int64_t>(longest_row / pitch, 1, call.height);
  const int64_t row_tiles = divide_up(call.height, most_rows);

  AugmentTiles tiles;
  tiles.rows = static_cast<int32_t>(divide_up(call.height, row_tiles));
  tiles.columns = static_cast<int32_t>(columns);
  tiles.pitch = static_cast<int32_t>(pitch);
  tiles.planes = static_cast<int32_t>(tile_planes);
  tiles.row_tiles = static_cast<int32_t>(row_tiles);
  tiles.column_tiles = static_cast<int32_t>(divide_up(width, columns));
  tiles.plane_tiles = mixing ? 1 : planes(call);
  return tiles;
}

template <typename T>
int64_t bytes_of_tile(const DiffAugment& call, const AugmentTiles& tiles) {
  const int64_t pixels = mixes_channels(call) ? tiles.rows * tiles.columns / columns_per_pixel(call) : 0;
  return elements_of_tile<T>(tiles) * sizeof(T) + pixels * sizeof(Real<T>);
}

template <typename T, int V>
cudaError_t launch(
    const DiffAugment& call, bool backward, const AugmentTiles& tiles, const T* in, T* out, void* scratch, cudaStream_t stream) {
  using R = Real<T>;
  AugmentCall<R> device;
  device.brightness = backward ? nullptr : static_cast<const R*>(call.brightness);
  device.saturation = static_cast<const R*>(call.saturation);
  device.contrast = static_cast<const R*>(call.contrast);
  device.translation = call.translation;
  device.cutout = call.cutout;
  device.planes = planes(call);
  device.height = static_cast<int32_t>(call.height);
  device.width = static_cast<int32_t>(call.width * columns_per_pixel(call));
  device.columns_per_pixel = static_cast<int32_t>(columns_per_pixel(call));
  device.mixing = mixes_channels(call);
  device.backward = backward;
  device.parts = static_cast<int32_t>(parts(call));
  device.vectors_per_part = call.contrast ? divide_up(elements(call) / V, parts(call)) : 0;
  device.sums = static_cast<R*>(scratch);

  const int64_t sum_blocks = call.batch * parts(call);
  const int64_t paint_blocks = call.batch * tiles.plane_tiles * tiles.row_tiles * tiles.column_tiles;
  if (std::max(sum_blocks, paint_blocks) > std::numeric_limits<int32_t>::max()) {
    return cudaErrorInvalidConfiguration;
  }
  if (call.contrast) {
    GPU_LAUNCH((sum_images<T, V>), dim3(sum_blocks), dim3(augment_threads), 0, stream, device, in);
  }
  const int64_t shared = bytes_of_tile<T>(call, tiles);
  GPU_LAUNCH((paint_images<T, V>), dim3(paint_blocks), dim3(augment_threads), shared, stream, device, tiles, in, out);
  return cudaGetLastError();
}

// Vectors where every row begins at a multiple of 16 bytes, else single elements.
template <typename T>
cudaError_t launch_aligned(
    const DiffAugment& call, bool backward, const void* in, void* out, void* scratch, cudaStream_t stream) {
  if (call.batch * elements(call) == 0) {
    return cudaSuccess;
  }
  constexpr int V = vector_size<T>;
  const auto* from = static_cast<const T*>(in);
  auto* to = static_cast<T*>(out);
  const auto tiles = divide_into_tiles(call, sizeof(T), sizeof(Real<T>), columns_per_sector<V>);
  const bool aligned = reinterpret_cast<uintptr_t>(in) % 16 == 0 && reinterpret_cast<uintptr_t>(out) % 16 == 0 &&
      call.width * columns_per_pixel(call) % V == 0;
  if (aligned && bytes_of_tile<T>(call, tiles) <= most_tile_bytes) {
    return launch<T, V>(call, backward, tiles, from, to, scratch, stream);
  }
  return launch<T, 1>(call, backward, divide_into_tiles(call, sizeof(T), sizeof(Real<T>), 1), from, to, scratch, stream);
}

}  // namespace pspgan::cuda
