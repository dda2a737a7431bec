// Omni loss on the CPU, forward and backward: one row at a time, rows spread over torch's threads.
#include "cpu/omni_loss.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include <torch/csrc/stable/ops.h>

#include "arguments/omni_loss.h"
#include "common/omni_loss.h"
#include "cpu/clones.h"
#include "cpu/types.h"

namespace pspgan::cpu {
namespace {

using torch::stable::Tensor;

// Below this many elements a thread costs more to wake than it saves.
constexpr int64_t elements_per_task = 8192;

// What is worked on at once stays in the first-level cache.
constexpr int64_t elements_per_tile = 1024;

// As many numbers as the widest processors have in a vector; others take several.
template <typename R>
constexpr int64_t n_lane = 64 / sizeof(R);

// A batch as the kernels see it: rows without gaps, any distance apart.
template <typename T, typename L>
struct Batch {
  const T* scores;
  const L* labels;
  int64_t n_class, score_stride, label_stride;
  Real<T> margin, gamma;
};

// A thread's working memory for a few rows, each filled up with ignored classes to whole vectors. A row often
// has two dozen classes only: loops over those left over would take longer than the ones over vectors, and
// what happens once a row (two shifts, two sums, two logarithms) happens to many rows at once.
template <typename R>
struct Tile {
  explicit Tile(int64_t n_class)
      : n_vector(std::max<int64_t>(1, (n_class + n_lane<R> - 1) / n_lane<R>)),
        max_rows(std::max<int64_t>(1, elements_per_tile / width())),
        labels(max_rows * width(), -1),
        scores(max_rows * width()),
        terms(max_rows * width()),
        negatives(max_rows * width()),
        positives(max_rows * width()),
        negative_shifts(max_rows),
        negative_sums(max_rows),
        positive_shifts(max_rows),
        positive_sums(max_rows) {}

  // Of a row. The compiler has to see that it is a whole number of vectors.
  int64_t width() const { return n_vector * n_lane<R>; }

  int64_t n_vector, max_rows;
  std::vector<int32_t> labels;  // as wide as a float: with 8-bit ones loops would use an eighth of a vector
  std::vector<R> scores;
  std::vector<R> terms;                 // of either side: exponents, then e^(exponent - shift)
  std::vector<R> negatives, positives;  // the same of one side, elsewhere what a maximum or a sum ignores
  std::vector<R> negative_shifts, negative_sums, positive_shifts, positive_sums;  // a row; sums of e^(... - shift)
};

inline int32_t widen(int8_t label) { return label; }
inline int32_t widen(int64_t label) { return label >> 1 == 0 ? static_cast<int32_t>(label) : -1; }

// All numbers combined into one: whole vectors first, then the lanes of the last by halves. (A reduction clause
// would go through the lanes one by one.)
template <typename R, typename Combine>
[[gnu::always_inline]] inline R reduce_lanes(const R* numbers, int64_t n, const Combine& combine) {
  R lanes[n_lane<R>];
  std::copy_n(numbers, n_lane<R>, lanes);
  for (int64_t start = n_lane<R>; start < n; start += n_lane<R>) {
#pragma omp simd
    for (int64_t lane = 0; lane < n_lane<R>; ++lane) {
      lanes[lane] = combine(lanes[lane], numbers[start + lane]);
    }
  }
#pragma GCC unroll 4
  for (int64_t half = n_lane<R> / 2; half > 0; half /= 2) {
    for (int64_t lane = 0; lane < half; ++lane) {
      lanes[lane] = combine(lanes[lane], lanes[lane + half]);
    }
  }
  return lanes[0];
}

// Fills the tile from the rows at `start` and adds up their terms by side. Both sides are worked out for every
// class and one is selected: branches would keep the loops scalar.
template <typename T, typename L>
[[gnu::always_inline]] inline void sum_sides(
    const Batch<T, L>& batch, int64_t start, int64_t n_row, Tile<Real<T>>& tile) {
  using R = Real<T>;
  constexpr R nothing = -std::numeric_limits<R>::infinity();
  const auto larger = [](R a, R b) { return a < b ? b : a; };
  const auto sum = [](R a, R b) { return a + b; };
  int32_t* label = tile.labels.data();
  R* score = tile.scores.data();
  R* term = tile.terms.data();
  R* negative = tile.negatives.data();
  R* positive = tile.positives.data();
  const int64_t width = tile.width();

  for (int64_t row = 0; row < n_row; ++row) {
    const T* scores = batch.scores + (start + row) * batch.score_stride;
    const L* labels = batch.labels + (start + row) * batch.label_stride;
    int32_t* to_label = label + row * width;
    R* to_score = score + row * width;
#pragma omp simd
    for (int64_t i = 0; i < batch.n_class; ++i) {
      to_label[i] = widen(labels[i]);
      to_score[i] = to_real(scores[i]);
    }
  }

#pragma omp simd
  for (int64_t i = 0; i < n_row * width; ++i) {
    const bool is_negative = label[i] == omni::negative, is_positive = label[i] == omni::positive;
    const R x = omni::exponent(score[i], is_positive, batch.margin, batch.gamma);
    term[i] = x;
    negative[i] = is_negative ? x : nothing;
    positive[i] = is_positive ? x : nothing;
  }

  for (int64_t row = 0; row < n_row; ++row) {
    const int64_t first = row * width;
    const R negative_shift = omni::shift(reduce_lanes(negative + first, width, larger));
    const R positive_shift = omni::shift(reduce_lanes(positive + first, width, larger));
    tile.negative_shifts[row] = negative_shift;
    tile.positive_shifts[row] = positive_shift;
#pragma omp simd
    for (int64_t i = first; i < first + width; ++i) {
      const bool is_negative = label[i] == omni::negative, is_positive = label[i] == omni::positive;
      const R e_x = exponential(term[i] - (is_positive ? positive_shift : negative_shift));
      term[i] = e_x;
      negative[i] = is_negative ? e_x : R(0);
      positive[i] = is_positive ? e_x : R(0);
    }
  }

  for (int64_t row = 0; row < n_row; ++row) {
    tile.negative_sums[row] = reduce_lanes(negative + row * width, width, sum);
    tile.positive_sums[row] = reduce_lanes(positive + row * width, width, sum);
  }
}

// Losses of rows [begin, end).
template <typename T, typename L>
PSPGAN_CPU_CLONES void row_losses(
    const Batch<T, L>& batch, int64_t begin, int64_t end, Tile<Real<T>>& tile, Real<T>* losses) {
  for (int64_t start = begin; start < end; start += tile.max_rows) {
    const int64_t n_row = std::min(tile.max_rows, end - start);
    sum_sides(batch, start, n_row, tile);
#pragma omp simd
    for (int64_t row = 0; row < n_row; ++row) {
      losses[start + row] = omni::log_one_plus(tile.negative_sums[row], tile.negative_shifts[row]) +
          omni::log_one_plus(tile.positive_sums[row], tile.positive_shifts[row]);
    }
  }
}

// A function of its own, because deep in another one the conversion to half stays scalar.
template <typename T>
PSPGAN_CPU_CLONES void narrow(const Real<T>* from, int64_t n, T* to) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    to[i] = from_real<T>(from[i]);
  }
}

// Gradients of rows [begin, end). d loss / d score is gamma e^t / (1 + sum) for a negative and -gamma e^-t /
// (1 + sum) for a positive. The sums are made again, not saved by the forward: that costs no exponential
// beyond those the gradient needs.
template <typename T, typename L>
PSPGAN_CPU_CLONES void row_gradients(
    const Batch<T, L>& batch,
    int64_t begin,
    int64_t end,
    const Real<T>* grad,
    int64_t grad_stride,
    Real<T> grad_scale,
    Tile<Real<T>>& tile,
    T* grad_scores) {
  using R = Real<T>;
  const int64_t width = tile.width();
  for (int64_t start = begin; start < end; start += tile.max_rows) {
    const int64_t n_row = std::min(tile.max_rows, end - start);
    sum_sides(batch, start, n_row, tile);
    R* negative_scale = tile.negative_sums.data();
    R* positive_scale = tile.positive_sums.data();
#pragma omp simd
    for (int64_t row = 0; row < n_row; ++row) {
      const R scale = grad[(start + row) * grad_stride] * grad_scale * batch.gamma;
      negative_scale[row] = scale / omni::one_plus(tile.negative_sums[row], tile.negative_shifts[row]);
      positive_scale[row] = -scale / omni::one_plus(tile.positive_sums[row], tile.positive_shifts[row]);
    }
    const int32_t* label = tile.labels.data();
    R* slope = tile.terms.data();
    for (int64_t row = 0; row < n_row; ++row) {
      const R of_negative = negative_scale[row], of_positive = positive_scale[row];
#pragma omp simd
      for (int64_t i = row * width; i < (row + 1) * width; ++i) {
        const bool is_negative = label[i] == omni::negative, is_positive = label[i] == omni::positive;
        const R x = slope[i] * (is_positive ? of_positive : of_negative);
        slope[i] = is_negative | is_positive ? x : R(0);
      }
    }
    for (int64_t row = 0; row < n_row; ++row) {
      narrow(slope + row * width, batch.n_class, grad_scores + (start + row) * batch.n_class);
    }
  }
}

// In double and one after the other, so that neither the batch's size nor the number of threads matters.
template <typename R>
R reduce(const std::vector<R>& losses, Reduction reduction) {
  double sum = 0;
  for (const R loss : losses) {
    sum += loss;
  }
  return static_cast<R>(reduction == Reduction::mean ? sum / static_cast<double>(losses.size()) : sum);
}

// Calls f with the batch, its pointers in the tensors' C++ types.
template <typename F>
void with_batch(const Tensor& scores, const Tensor& labels, double margin, double gamma, const F& f) {
  with_float_type(scores, [&](auto score) {
    using T = decltype(score);
    const auto call = [&](auto label) {
      using L = decltype(label);
      f(Batch<T, L>{
          scores.const_data_ptr<T>(),
          labels.const_data_ptr<L>(),
          scores.size(1),
          scores.stride(0),
          labels.stride(0),
          static_cast<Real<T>>(margin),
          static_cast<Real<T>>(gamma)});
    };
    labels.scalar_type() == ScalarType::Long ? call(int64_t{}) : call(int8_t{});
  });
}

// Calls f(begin, end, tile) for ranges that make up all rows, with a tile that is the thread's own.
template <typename R, typename F>
void for_ranges_of_rows(int64_t n_row, int64_t n_class, const F& f) {
  const int64_t rows_per_task = std::max<int64_t>(1, elements_per_task / std::max<int64_t>(1, n_class));
  torch::stable::parallel_for(0, n_row, rows_per_task, [&](int64_t begin, int64_t end) {
    Tile<R> tile(n_class);
    f(begin, end, tile);
  });
}

}  // namespace

Tensor omni_loss(Tensor scores, Tensor labels, double margin, double gamma, int64_t reduction_number) {
  check_matrices(scores, labels);
  const Reduction reduction = checked_reduction(reduction_number);
  scores = with_dense_rows(scores);
  labels = with_dense_rows(labels);
  const int64_t n_row = scores.size(0);
  Tensor loss = reduction == Reduction::none ? torch::stable::new_empty(scores, {n_row}, real_type(scores))
                                             : torch::stable::new_empty(scores, {}, real_type(scores));

  with_batch(scores, labels, margin, gamma, [&]<typename T, typename L>(const Batch<T, L>& batch) {
    using R = Real<T>;
    R* out = loss.mutable_data_ptr<R>();
    std::vector<R> unreduced(reduction == Reduction::none ? 0 : n_row);
    R* losses = reduction == Reduction::none ? out : unreduced.data();
    for_ranges_of_rows<R>(n_row, batch.n_class, [&](int64_t begin, int64_t end, Tile<R>& tile) {
      row_losses(batch, begin, end, tile, losses);
    });
    if (reduction != Reduction::none) {
      *out = reduce(unreduced, reduction);
    }
  });
  return loss;
}

Tensor omni_loss_backward(
    Tensor grad, Tensor scores, Tensor labels, double margin, double gamma, int64_t reduction_number) {
  check_matrices(scores, labels);
  const Reduction reduction = checked_reduction(reduction_number);
  check_gradient(grad, scores, reduction);
  scores = with_dense_rows(scores);
  labels = with_dense_rows(labels);
  const int64_t n_row = scores.size(0), n_class = scores.size(1);
  Tensor grad_scores = torch::stable::new_empty(scores, {n_row, n_class});

  with_batch(scores, labels, margin, gamma, [&]<typename T, typename L>(const Batch<T, L>& batch) {
    using R = Real<T>;
    const R* upstream = grad.const_data_ptr<R>();
    const int64_t upstream_stride = reduction == Reduction::none ? grad.stride(0) : 0;
    const R upstream_scale = reduction == Reduction::mean ? R(1) / static_cast<R>(n_row) : R(1);
    T* out = grad_scores.mutable_data_ptr<T>();
    for_ranges_of_rows<R>(n_row, n_class, [&](int64_t begin, int64_t end, Tile<R>& tile) {
      row_gradients(batch, begin, end, upstream, upstream_stride, upstream_scale, tile, out);
    });
  });
  return grad_scores;
}

}  // namespace pspgan::cpu
