// Omni loss on the CPU, forward and backward: one row at a time, rows spread over torch's threads.
#include "cpu/omni_loss.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include <torch/csrc/stable/ops.h>
#include <torch/headeronly/core/ScalarType.h>
#include <torch/headeronly/util/BFloat16.h>
#include <torch/headeronly/util/Exception.h>
#include <torch/headeronly/util/Half.h>

#include "common/omni_loss.h"
#include "cpu/clones.h"

namespace pspgan::cpu {
namespace {

using torch::headeronly::BFloat16;
using torch::headeronly::Half;
using torch::headeronly::ScalarType;
using torch::stable::Tensor;

// What a score of type T is computed in.
template <typename T>
using Real = std::conditional_t<std::is_same_v<T, double>, double, float>;

// Below this many elements a thread costs more to wake than it saves.
constexpr int64_t elements_per_task = 8192;

// The sums of one row's two sides, in units of e^shift of each.
template <typename R>
struct Sides {
  R negative_shift, negative_sum;
  R positive_shift, positive_sum;
};

// A thread's working memory for one row.
template <typename R>
struct Scratch {
  explicit Scratch(int64_t n_class) : labels(n_class), terms(n_class) {}

  std::vector<int32_t> labels;  // as wide as a float: with 8-bit ones the loops below use an eighth of a vector
  std::vector<R> terms;         // e^(exponent - shift); anything for an ignored element
};

// Fills the scratch from one row and adds up its terms by side. Both sides are worked out for every element
// and one is selected: branches would keep the loops scalar.
template <typename T, typename L>
[[gnu::always_inline]] inline Sides<Real<T>> sum_sides(
    const T* scores, const L* labels, int64_t n_class, Real<T> margin, Real<T> gamma, Scratch<Real<T>>& scratch) {
  using R = Real<T>;
  constexpr R nothing = -std::numeric_limits<R>::infinity();
  int32_t* label = scratch.labels.data();
  R* term = scratch.terms.data();

  for (int64_t i = 0; i < n_class; ++i) {
    label[i] = labels[i] == omni::positive ? omni::positive : labels[i] == omni::negative ? omni::negative : -1;
  }

  R largest_negative = nothing, largest_positive = nothing;
#pragma omp simd reduction(max : largest_negative, largest_positive)
  for (int64_t i = 0; i < n_class; ++i) {
    const bool is_negative = label[i] == omni::negative, is_positive = label[i] == omni::positive;
    const R x = omni::exponent(static_cast<R>(scores[i]), is_positive, margin, gamma);
    const R negative = is_negative ? x : nothing;
    const R positive = is_positive ? x : nothing;
    term[i] = x;
    largest_negative = largest_negative < negative ? negative : largest_negative;
    largest_positive = largest_positive < positive ? positive : largest_positive;
  }

  const R negative_shift = omni::shift(largest_negative), positive_shift = omni::shift(largest_positive);
  R negative_sum = 0, positive_sum = 0;
#pragma omp simd reduction(+ : negative_sum, positive_sum)
  for (int64_t i = 0; i < n_class; ++i) {
    const bool is_negative = label[i] == omni::negative, is_positive = label[i] == omni::positive;
    const R e_x = exponential(term[i] - (is_positive ? positive_shift : negative_shift));
    term[i] = e_x;
    negative_sum += is_negative ? e_x : R(0);
    positive_sum += is_positive ? e_x : R(0);
  }
  return {negative_shift, negative_sum, positive_shift, positive_sum};
}

template <typename T, typename L>
PSPGAN_CPU_CLONES Real<T> row_loss(
    const T* scores, const L* labels, int64_t n_class, Real<T> margin, Real<T> gamma, Scratch<Real<T>>& scratch) {
  const auto sides = sum_sides(scores, labels, n_class, margin, gamma, scratch);
  return omni::log_one_plus(sides.negative_sum, sides.negative_shift) +
      omni::log_one_plus(sides.positive_sum, sides.positive_shift);
}

// d loss / d score is gamma e^t / (1 + sum) for a negative and -gamma e^-t / (1 + sum) for a positive. The
// sums are made again, not saved by the forward: that costs no exponential beyond those the gradient needs.
template <typename T, typename L>
PSPGAN_CPU_CLONES void row_gradient(
    Real<T> grad,
    const T* scores,
    const L* labels,
    int64_t n_class,
    Real<T> margin,
    Real<T> gamma,
    Scratch<Real<T>>& scratch,
    T* grad_scores) {
  using R = Real<T>;
  const auto sides = sum_sides(scores, labels, n_class, margin, gamma, scratch);
  const R negative_scale = grad * gamma / omni::one_plus(sides.negative_sum, sides.negative_shift);
  const R positive_scale = -grad * gamma / omni::one_plus(sides.positive_sum, sides.positive_shift);
  const int32_t* label = scratch.labels.data();
  const R* term = scratch.terms.data();
#pragma omp simd
  for (int64_t i = 0; i < n_class; ++i) {
    const bool is_negative = label[i] == omni::negative, is_positive = label[i] == omni::positive;
    const R slope = term[i] * (is_positive ? positive_scale : negative_scale);
    grad_scores[i] = static_cast<T>(is_negative | is_positive ? slope : R(0));
  }
}

// Rows of a matrix that may lie any distance apart (an expanded one: on top of each other).
Tensor with_dense_rows(const Tensor& matrix) {
  return matrix.size(1) <= 1 || matrix.stride(1) == 1 ? matrix : torch::stable::contiguous(matrix);
}

void check_matrices(const Tensor& scores, const Tensor& labels) {
  STD_TORCH_CHECK(
      scores.dim() == 2 && labels.dim() == 2 && scores.size(0) == labels.size(0) && scores.size(1) == labels.size(1),
      "pspgan::omni_loss: scores and labels must both be (batch, class)");
  STD_TORCH_CHECK(labels.is_cpu(), "pspgan::omni_loss: labels must be on the CPU, like scores");
}

bool is_low_precision(const Tensor& scores) {
  return scores.scalar_type() == ScalarType::Half || scores.scalar_type() == ScalarType::BFloat16;
}

ScalarType loss_type(const Tensor& scores) {
  return is_low_precision(scores) ? ScalarType::Float : scores.scalar_type();
}

// Calls f with a value of the scores' and of the labels' C++ type.
template <typename F>
void with_types(const Tensor& scores, const Tensor& labels, const F& f) {
  const auto with_label_type = [&](auto score) {
    switch (labels.scalar_type()) {
      case ScalarType::Char:
        return f(score, int8_t{});
      case ScalarType::Long:
        return f(score, int64_t{});
      default:
        STD_TORCH_CHECK(false, "pspgan::omni_loss: labels must be int8 or int64");
    }
  };
  switch (scores.scalar_type()) {
    case ScalarType::Float:
      return with_label_type(float{});
    case ScalarType::Double:
      return with_label_type(double{});
    case ScalarType::Half:
      return with_label_type(Half{});
    case ScalarType::BFloat16:
      return with_label_type(BFloat16{});
    default:
      STD_TORCH_CHECK(false, "pspgan::omni_loss: scores must be float32, float64, float16 or bfloat16");
  }
}

// Calls f(row, scratch) for every row, with a scratch that is the thread's own.
template <typename R, typename F>
void for_each_row(int64_t n_row, int64_t n_class, const F& f) {
  const int64_t rows_per_task = std::max<int64_t>(1, elements_per_task / std::max<int64_t>(1, n_class));
  torch::stable::parallel_for(0, n_row, rows_per_task, [&](int64_t begin, int64_t end) {
    Scratch<R> scratch(n_class);
    for (int64_t row = begin; row < end; ++row) {
      f(row, scratch);
    }
  });
}

}  // namespace

Tensor omni_loss(Tensor scores, Tensor labels, double margin, double gamma) {
  check_matrices(scores, labels);
  scores = with_dense_rows(scores);
  labels = with_dense_rows(labels);
  const int64_t n_row = scores.size(0), n_class = scores.size(1);
  Tensor loss = torch::stable::new_empty(scores, {n_row}, loss_type(scores));

  with_types(scores, labels, [&](auto score_type, auto label_type) {
    using T = decltype(score_type);
    using L = decltype(label_type);
    const T* score = scores.const_data_ptr<T>();
    const L* label = labels.const_data_ptr<L>();
    Real<T>* out = loss.mutable_data_ptr<Real<T>>();
    const int64_t score_stride = scores.stride(0), label_stride = labels.stride(0);
    for_each_row<Real<T>>(n_row, n_class, [&](int64_t row, Scratch<Real<T>>& scratch) {
      out[row] = row_loss<T, L>(
          score + row * score_stride, label + row * label_stride, n_class, margin, gamma, scratch);
    });
  });
  return loss;
}

Tensor omni_loss_backward(Tensor grad, Tensor scores, Tensor labels, double margin, double gamma) {
  check_matrices(scores, labels);
  STD_TORCH_CHECK(
      grad.dim() == 1 && grad.size(0) == scores.size(0) && grad.is_cpu() && grad.scalar_type() == loss_type(scores),
      "pspgan::omni_loss_backward: grad must be (batch), in the dtype and on the device of the loss");
  scores = with_dense_rows(scores);
  labels = with_dense_rows(labels);
  const int64_t n_row = scores.size(0), n_class = scores.size(1);
  Tensor grad_scores = torch::stable::new_empty(scores, {n_row, n_class});

  with_types(scores, labels, [&](auto score_type, auto label_type) {
    using T = decltype(score_type);
    using L = decltype(label_type);
    const Real<T>* upstream = grad.const_data_ptr<Real<T>>();
    const T* score = scores.const_data_ptr<T>();
    const L* label = labels.const_data_ptr<L>();
    T* out = grad_scores.mutable_data_ptr<T>();
    const int64_t upstream_stride = grad.stride(0);  // 0 under mean and sum, whose gradient is expanded
    const int64_t score_stride = scores.stride(0), label_stride = labels.stride(0);
    for_each_row<Real<T>>(n_row, n_class, [&](int64_t row, Scratch<Real<T>>& scratch) {
      row_gradient<T, L>(
          upstream[row * upstream_stride],
          score + row * score_stride,
          label + row * label_stride,
          n_class,
          margin,
          gamma,
          scratch,
          out + row * n_class);
    });
  });
  return grad_scores;
}

}  // namespace pspgan::cpu
