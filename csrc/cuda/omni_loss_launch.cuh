// How the rows of an Omni loss are given to teams of threads, and launched: the same for all element types.
#pragma once

#include <cstdint>
#include <limits>

#include "cuda/gpu.h"
#include "cuda/omni_loss.cuh"
#include "cuda/omni_loss.h"
#include "cuda/pack.cuh"

namespace pspgan::cuda {

constexpr int64_t most_classes_of_warp = 512;
constexpr int64_t most_classes = int64_t(1) << 30;  // classes are counted in 32 bits

template <typename T, typename L>
OmniRows<T, L> typed_rows(const OmniLoss& call) {
  return {
      static_cast<const T*>(call.scores),
      static_cast<const L*>(call.labels),
      call.n_row,
      call.score_stride,
      call.label_stride,
      static_cast<int32_t>(call.n_class),
      static_cast<Real<T>>(call.margin),
      static_cast<Real<T>>(call.gamma)};
}

// Whether rows `stride` elements apart consist of whole packs that can be loaded and stored as such.
template <typename Element, int V>
bool are_packs(const void* first_row, int64_t stride, int64_t n_row) {
  constexpr uintptr_t alignment = alignof(Pack<Element, V>);
  return reinterpret_cast<uintptr_t>(first_row) % alignment == 0 &&
      (n_row == 1 || stride * static_cast<int64_t>(sizeof(Element)) % static_cast<int64_t>(alignment) == 0);
}

// Calls launch<L, V, Team>(grid) with the labels' type, elements to load at once and the team that suits them.
// `out` is what the kernel writes like scores without gaps, or null.
template <typename T, typename Launch>
cudaError_t launch_for_rows(const OmniLoss& call, const void* out, const Launch& launch) {
  if (call.n_row == 0) {
    return cudaSuccess;
  }
  const bool by_warp = call.n_class <= most_classes_of_warp;
  const int64_t rows_per_block = by_warp ? omni_threads / warp_size : 1;
  const int64_t blocks = (call.n_row + rows_per_block - 1) / rows_per_block;
  if (call.n_class > most_classes || blocks > std::numeric_limits<int32_t>::max()) {
    return cudaErrorInvalidConfiguration;
  }
  const dim3 grid(static_cast<unsigned>(blocks));
  const auto for_labels = [&]<typename L>() {
    constexpr int V = vector_size<T>;
    const bool in_packs = call.n_class % V == 0 && are_packs<T, V>(call.scores, call.score_stride, call.n_row) &&
        are_packs<L, V>(call.labels, call.label_stride, call.n_row) && are_packs<T, V>(out, call.n_class, call.n_row);
    if (by_warp) {
      in_packs ? launch.template operator()<L, V, OneWarp>(grid) : launch.template operator()<L, 1, OneWarp>(grid);
    } else {
      in_packs ? launch.template operator()<L, V, OneBlock>(grid) : launch.template operator()<L, 1, OneBlock>(grid);
    }
  };
  call.wide_labels ? for_labels.template operator()<int64_t>() : for_labels.template operator()<int8_t>();
  return cudaGetLastError();
}

template <typename T>
cudaError_t launch_losses(const OmniLoss& call, void* losses, cudaStream_t stream) {
  return launch_for_rows<T>(call, nullptr, [&]<typename L, int V, typename Team>(dim3 grid) {
    GPU_LAUNCH(
        (omni_losses<T, L, V, Team>),
        grid,
        dim3(omni_threads),
        0,
        stream,
        typed_rows<T, L>(call),
        static_cast<Real<T>*>(losses));
  });
}

template <typename T>
cudaError_t launch_gradients(
    const OmniLoss& call,
    const void* grad,
    int64_t grad_stride,
    double grad_scale,
    void* grad_scores,
    cudaStream_t stream) {
  return launch_for_rows<T>(call, grad_scores, [&]<typename L, int V, typename Team>(dim3 grid) {
    GPU_LAUNCH(
        (omni_gradients<T, L, V, Team>),
        grid,
        dim3(omni_threads),
        0,
        stream,
        typed_rows<T, L>(call),
        static_cast<const Real<T>*>(grad),
        grad_stride,
        static_cast<Real<T>>(grad_scale),
        static_cast<T*>(grad_scores));
  });
}

template <typename R>
cudaError_t launch_reduction(const void* losses, int64_t n_row, bool mean, void* loss, cudaStream_t stream) {
  const R divisor = mean ? static_cast<R>(n_row) : R(1);
  GPU_LAUNCH(
      (reduce_losses<R>),
      dim3(1),
      dim3(reduce_threads),
      0,
      stream,
      static_cast<const R*>(losses),
      n_row,
      divisor,
      static_cast<R*>(loss));
  return cudaGetLastError();
}

}  // namespace pspgan::cuda
