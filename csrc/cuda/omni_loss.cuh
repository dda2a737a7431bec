// The Omni loss on a GPU, forward and backward: a team of threads for each row, one warp or one block.
//
// A row is read once to sum its two sides: exponents are taken relative to the largest met so far, and what was
// summed before is scaled down when a larger one comes. The backward reads it once more, now with the sums known.
#pragma once

#include <cstdint>

#include "common/omni_loss.h"
#include "cuda/gpu.h"
#include "cuda/pack.cuh"
#include "cuda/reduce.cuh"

namespace pspgan::cuda {

constexpr int omni_threads = 256;  // of a block
constexpr int reduce_threads = 1024;

// Scores and labels as the kernels see them.
template <typename T, typename L>
struct OmniRows {
  const T* scores;
  const L* labels;
  int64_t n_row, score_stride, label_stride;
  int32_t n_class;
  Real<T> margin, gamma;
};

// Teams. Every thread of one gets what it reduces; `scratch` is shared memory for a number a warp.

struct OneWarp {
  static constexpr int size = warp_size;

  template <typename R, typename Combine>
  static __device__ __forceinline__ R reduce(R value, R*, Combine combine) {
    return reduce_warp(value, combine);
  }
};

struct OneBlock {
  static constexpr int size = omni_threads;

  template <typename R, typename Combine>
  static __device__ __forceinline__ R reduce(R value, R* scratch, Combine combine) {
    return reduce_block<size / warp_size>(value, scratch, combine);
  }
};

// One side of a row, as far as it is known: its largest exponent, and the sum of e^(exponent - shift(largest)).
// It begins with the leading 1's exponent, but not with its term: omni::log_one_plus() takes the sum without.
template <typename R>
struct OmniSide {
  R largest = 0;
  R sum = 0;

  __device__ __forceinline__ R shift() const { return omni::shift(largest); }

  __device__ __forceinline__ void raise(R larger) {
    if (larger > largest) {
      sum *= exponential(shift() - omni::shift(larger));
      largest = larger;
    }
  }
};

template <typename R>
struct OmniSides {
  OmniSide<R> negative, positive;
};

template <typename T, typename L, int V>
__device__ __forceinline__ void add_classes(
    Pack<T, V> scores, Pack<L, V> labels, Real<T> margin, Real<T> gamma, OmniSides<Real<T>>& sides) {
  using R = Real<T>;
  R exponents[V];
  R negative_largest = sides.negative.largest, positive_largest = sides.positive.largest;
#pragma unroll
  for (int i = 0; i < V; ++i) {
    const bool is_negative = labels.element[i] == omni::negative, is_positive = labels.element[i] == omni::positive;
    const R x = omni::exponent(to_real(scores.element[i]), is_positive, margin, gamma);
    negative_largest = is_negative && x > negative_largest ? x : negative_largest;
    positive_largest = is_positive && x > positive_largest ? x : positive_largest;
    exponents[i] = x;
  }
  sides.negative.raise(negative_largest);
  sides.positive.raise(positive_largest);
  const R negative_shift = sides.negative.shift(), positive_shift = sides.positive.shift();
#pragma unroll
  for (int i = 0; i < V; ++i) {
    const bool is_negative = labels.element[i] == omni::negative, is_positive = labels.element[i] == omni::positive;
    const R e_x = exponential(exponents[i] - (is_positive ? positive_shift : negative_shift));
    sides.negative.sum += is_negative ? e_x : R(0);
    sides.positive.sum += is_positive ? e_x : R(0);
  }
}

template <typename Team, typename R>
__device__ __forceinline__ void combine_side(OmniSide<R>& side, R* scratch) {
  side.raise(Team::reduce(side.largest, scratch, Maximum{}));
  side.sum = Team::reduce(side.sum, scratch, Sum{});
}

// The sides of a row whose classes begin at `scores` and `labels`; every thread of the team gets them.
template <typename Team, typename T, typename L, int V>
__device__ __forceinline__ OmniSides<Real<T>> sum_sides(
    const OmniRows<T, L>& rows, const Pack<T, V>* scores, const Pack<L, V>* labels, Real<T>* scratch) {
  OmniSides<Real<T>> sides;
  for (int32_t i = threadIdx.x % Team::size; i < rows.n_class / V; i += Team::size) {
    add_classes(GPU_LOAD(scores + i), GPU_LOAD(labels + i), rows.margin, rows.gamma, sides);
  }
  combine_side<Team>(sides.negative, scratch);
  combine_side<Team>(sides.positive, scratch);
  return sides;
}

// The row of this thread's team; there may be none of that number.
template <typename Team>
__device__ __forceinline__ int64_t row_of_team() {
  return int64_t(blockIdx.x) * (omni_threads / Team::size) + threadIdx.x / Team::size;
}

template <typename T, typename L, int V, typename Team>
__global__ void __launch_bounds__(omni_threads) omni_losses(OmniRows<T, L> rows, Real<T>* losses) {
  GPU_SHARED(Real<T>, scratch, omni_threads / warp_size);
  const int64_t row = row_of_team<Team>();
  if (row >= rows.n_row) {
    return;
  }
  const auto* scores = reinterpret_cast<const Pack<T, V>*>(rows.scores + row * rows.score_stride);
  const auto* labels = reinterpret_cast<const Pack<L, V>*>(rows.labels + row * rows.label_stride);
  const auto sides = sum_sides<Team>(rows, scores, labels, scratch);
  if (threadIdx.x % Team::size == 0) {
    const Real<T> loss = omni::log_one_plus(sides.negative.sum, sides.negative.shift()) +
        omni::log_one_plus(sides.positive.sum, sides.positive.shift());
    GPU_STORE(losses + row, loss);
  }
}

// d loss / d score is gamma e^t / (1 + sum) for a negative and -gamma e^-t / (1 + sum) for a positive.
template <typename T, typename L, int V, typename Team>
__global__ void __launch_bounds__(omni_threads) omni_gradients(
    OmniRows<T, L> rows, const Real<T>* grad, int64_t grad_stride, Real<T> grad_scale, T* grad_scores) {
  using R = Real<T>;
  GPU_SHARED(R, scratch, omni_threads / warp_size);
  const int64_t row = row_of_team<Team>();
  if (row >= rows.n_row) {
    return;
  }
  const auto* scores = reinterpret_cast<const Pack<T, V>*>(rows.scores + row * rows.score_stride);
  const auto* labels = reinterpret_cast<const Pack<L, V>*>(rows.labels + row * rows.label_stride);
  auto* out = reinterpret_cast<Pack<T, V>*>(grad_scores + row * rows.n_class);
  const auto sides = sum_sides<Team>(rows, scores, labels, scratch);

  const R scale = GPU_LOAD(grad + row * grad_stride) * grad_scale * rows.gamma;
  const R negative_shift = sides.negative.shift(), positive_shift = sides.positive.shift();
  const R negative_scale = scale / omni::one_plus(sides.negative.sum, negative_shift);
  const R positive_scale = -scale / omni::one_plus(sides.positive.sum, positive_shift);
  for (int32_t i = threadIdx.x % Team::size; i < rows.n_class / V; i += Team::size) {
    const Pack<T, V> score = GPU_LOAD(scores + i);
    const Pack<L, V> label = GPU_LOAD(labels + i);
    Pack<T, V> slope;
#pragma unroll
    for (int k = 0; k < V; ++k) {
      const bool is_negative = label.element[k] == omni::negative, is_positive = label.element[k] == omni::positive;
      const R x = omni::exponent(to_real(score.element[k]), is_positive, rows.margin, rows.gamma);
      const R e_x = exponential(x - (is_positive ? positive_shift : negative_shift));
      const R of_class = e_x * (is_positive ? positive_scale : negative_scale);
      slope.element[k] = from_real<T>(is_negative || is_positive ? of_class : R(0));
    }
    GPU_STORE(out + i, slope);
  }
}

// One block for all rows: few numbers, always added up in the same order.
template <typename R>
__global__ void __launch_bounds__(reduce_threads) reduce_losses(const R* losses, int64_t n_row, R divisor, R* loss) {
  GPU_SHARED(R, scratch, reduce_threads / warp_size);
  R sum = 0;
  for (int64_t row = threadIdx.x; row < n_row; row += reduce_threads) {
    sum += GPU_LOAD(losses + row);
  }
  sum = reduce_block<reduce_threads / warp_size>(sum, scratch, Sum{});
  if (threadIdx.x == 0) {
    GPU_STORE(loss, sum / divisor);
  }
}

}  // namespace pspgan::cuda
