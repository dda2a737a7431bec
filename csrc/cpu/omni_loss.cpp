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

// Rows whose logarithms are taken together: one row has two, which would leave a vector empty.
constexpr int64_t rows_per_tile = 64;

// A batch as the kernels see it: rows without gaps, any distance apart.
template <typename T, typename L>
struct Batch {
  const T* scores;
  const L* labels;
  int64_t n_class, score_stride, label_stride;
  Real<T> margin, gamma;
};

// The sums of one row's two sides, in units of e^shift of each.
template <typename R>
struct Sides {
  R negative_shift, negative_sum;
  R positive_shift, positive_sum;
};

// A thread's working memory for one row. It ends in ignored classes that make it whole vectors: a row has
// two dozen classes, and a loop over those that are left over takes longer than the one over vectors.
template <typename R>
struct Scratch {
  explicit Scratch(int64_t n_class)
      : size((n_class + vector_size - 1) / vector_size * vector_size), labels(size, -1), exponents(size), terms(size) {}

  static constexpr int64_t vector_size = 64 / sizeof(R);
  int64_t size;
  std::vector<int32_t> labels;  // as wide as a float: with 8-bit ones the loops below use an eighth of a vector
  std::vector<R> exponents;
  std::vector<R> terms;  // e^(exponent - shift); anything for an ignored class
};

// Fills the scratch from one row and adds up its terms by side. Both sides are worked out for every element
// and one is selected: branches would keep the loops scalar.
template <typename T, typename L>
[[gnu::always_inline]] inline Sides<Real<T>> sum_sides(
    const Batch<T, L>& batch, int64_t row, Scratch<Real<T>>& scratch) {
  using R = Real<T>;
  constexpr R nothing = -std::numeric_limits<R>::infinity();
  const T* scores = batch.scores + row * batch.score_stride;
  const L* labels = batch.labels + row * batch.label_stride;
  int32_t* label = scratch.labels.data();
  R* exponent = scratch.exponents.data();
  R* term = scratch.terms.data();

#pragma omp simd
  for (int64_t i = 0; i < batch.n_class; ++i) {
    const bool is_negative = labels[i] == omni::negative, is_positive = labels[i] == omni::positive;
    label[i] = is_positive ? omni::positive : is_negative ? omni::negative : -1;
    exponent[i] = omni::exponent(to_real(scores[i]), is_positive, batch.margin, batch.gamma);
  }

  R largest_negative = nothing, largest_positive = nothing;
#pragma omp simd reduction(max : largest_negative, largest_positive)
  for (int64_t i = 0; i < scratch.size; ++i) {
    const R negative = label[i] == omni::negative ? exponent[i] : nothing;
    const R positive = label[i] == omni::positive ? exponent[i] : nothing;
    largest_negative = largest_negative < negative ? negative : largest_negative;
    largest_positive = largest_positive < positive ? positive : largest_positive;
  }

  const R negative_shift = omni::shift(largest_negative), positive_shift = omni::shift(largest_positive);
  R negative_sum = 0, positive_sum = 0;
#pragma omp simd reduction(+ : negative_sum, positive_sum)
  for (int64_t i = 0; i < scratch.size; ++i) {
    const bool is_negative = label[i] == omni::negative, is_positive = label[i] == omni::positive;
    const R e_x = exponential(exponent[i] - (is_positive ? positive_shift : negative_shift));
    term[i] = e_x;
    negative_sum += is_negative ? e_x : R(0);
    positive_sum += is_positive ? e_x : R(0);
  }
  return {negative_shift, negative_sum, positive_shift, positive_sum};
}

// Losses of rows [begin, end).
template <typename T, typename L>
PSPGAN_CPU_CLONES void row_losses(
    const Batch<T, L>& batch, int64_t begin, int64_t end, Scratch<Real<T>>& scratch, Real<T>* losses) {
  using R = Real<T>;
  R negative_shift[rows_per_tile], negative_sum[rows_per_tile];
  R positive_shift[rows_per_tile], positive_sum[rows_per_tile];
  for (int64_t start = begin; start < end; start += rows_per_tile) {
    const int64_t n_row = std::min(rows_per_tile, end - start);
    for (int64_t i = 0; i < n_row; ++i) {
      const auto sides = sum_sides(batch, start + i, scratch);
      negative_shift[i] = sides.negative_shift;
      negative_sum[i] = sides.negative_sum;
      positive_shift[i] = sides.positive_shift;
      positive_sum[i] = sides.positive_sum;
    }
#pragma omp simd
    for (int64_t i = 0; i < n_row; ++i) {
      losses[start + i] = omni::log_one_plus(negative_sum[i], negative_shift[i]) +
          omni::log_one_plus(positive_sum[i], positive_shift[i]);
    }
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
    Scratch<Real<T>>& scratch,
    T* grad_scores) {
  using R = Real<T>;
  for (int64_t row = begin; row < end; ++row) {
    const auto sides = sum_sides(batch, row, scratch);
    const R scale = grad[row * grad_stride] * grad_scale * batch.gamma;
    const R negative_scale = scale / omni::one_plus(sides.negative_sum, sides.negative_shift);
    const R positive_scale = -scale / omni::one_plus(sides.positive_sum, sides.positive_shift);
    const int32_t* label = scratch.labels.data();
    const R* term = scratch.terms.data();
    T* out = grad_scores + row * batch.n_class;
#pragma omp simd
    for (int64_t i = 0; i < batch.n_class; ++i) {
      const bool is_negative = label[i] == omni::negative, is_positive = label[i] == omni::positive;
      const R slope = term[i] * (is_positive ? positive_scale : negative_scale);
      out[i] = from_real<T>(is_negative | is_positive ? slope : R(0));
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

// Calls f(begin, end, scratch) for ranges that make up all rows, with a scratch that is the thread's own.
template <typename R, typename F>
void for_ranges_of_rows(int64_t n_row, int64_t n_class, const F& f) {
  const int64_t rows_per_task = std::max<int64_t>(1, elements_per_task / std::max<int64_t>(1, n_class));
  torch::stable::parallel_for(0, n_row, rows_per_task, [&](int64_t begin, int64_t end) {
    Scratch<R> scratch(n_class);
    f(begin, end, scratch);
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
    for_ranges_of_rows<R>(n_row, batch.n_class, [&](int64_t begin, int64_t end, Scratch<R>& scratch) {
      row_losses(batch, begin, end, scratch, losses);
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
    for_ranges_of_rows<R>(n_row, n_class, [&](int64_t begin, int64_t end, Scratch<R>& scratch) {
      row_gradients(batch, begin, end, upstream, upstream_stride, upstream_scale, scratch, out);
    });
  });
  return grad_scores;
}

}  // namespace pspgan::cpu
