// The Omni loss' CUDA kernels in the emulator, against its definition in double.
//
//   omni_loss_kernels [cases [most classes]]
//
// Buffers end where the data end, so that AddressSanitizer sees every overrun. Under ThreadSanitizer few cases are
// enough: it finds races whatever the values. NaN and infinities are left to tests against the CPU operators.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "cases.h"
#include "cuda/gpu.h"
#include "cuda/omni_loss.h"
#include "cuda/pack.cuh"

namespace {

using pspgan::cuda::OmniLoss;
using pspgan::cuda::Real;
using pspgan::cuda::vector_size;

void check(bool holds, uint64_t seed, const char* what, double got, double expected) {
  if (!holds) {
    std::fprintf(
        stderr, "FAILED: case %llu: %s: %.9g, expected %.9g\n", static_cast<unsigned long long>(seed), what, got, expected);
    ++failures;
  }
}

// Scores and labels, their rows apart by more than their length or not at all.
template <typename T, typename L>
struct Case {
  int64_t n_row, n_class, score_stride, label_stride;
  double margin, gamma;
  Buffer<T> scores;
  Buffer<L> labels;

  OmniLoss call() const {
    return {scores.data, labels.data, type_of<T>, sizeof(L) == 8, n_row, n_class, score_stride, label_stride, margin, gamma};
  }
  double exponent(int64_t row, int64_t i) const {
    const double t = gamma * (pspgan::cuda::to_real(scores.data[row * score_stride + i]) + margin);
    return label(row, i) == 1 ? -t : t;
  }
  L label(int64_t row, int64_t i) const { return labels.data[row * label_stride + i]; }

  // 1 + the sum of a side's exponentials. Exponents are small enough for double.
  double one_plus(int64_t row, L side) const {
    double sum = 1;
    for (int64_t i = 0; i < n_class; ++i) {
      sum += label(row, i) == side ? std::exp(exponent(row, i)) : 0;
    }
    return sum;
  }
  double loss(int64_t row) const { return std::log(one_plus(row, 0)) + std::log(one_plus(row, 1)); }
};

int64_t stride_of(Random& random, int64_t n_class, int64_t whole) {
  switch (integer(random, 0, 5)) {
    case 0:
      return 0;
    case 1:
      return n_class + integer(random, 1, 5);
    case 2:
      return n_class + whole * integer(random, 1, 3);
    default:
      return n_class;
  }
}

template <typename T, typename L>
Case<T, L> random_case(Random& random, int64_t most_classes) {
  constexpr int V = vector_size<T>;
  const bool is_long = integer(random, 0, 2) == 0;
  int64_t n_class = integer(random, 0, is_long ? most_classes : 40);
  n_class = integer(random, 0, 1) ? n_class : n_class / V * V;  // half of the rows are whole vectors
  const int64_t n_row = integer(random, 1, is_long ? 4 : 20);
  const int64_t score_stride = stride_of(random, n_class, V), label_stride = stride_of(random, n_class, V);
  const int64_t skipped_scores = integer(random, 0, 3) == 0, skipped_labels = integer(random, 0, 3) == 0;
  Case<T, L> drawn{
      n_row,
      n_class,
      score_stride,
      label_stride,
      static_cast<Real<T>>(real(random, -1, 1)),
      static_cast<Real<T>>(real(random, 0.2, 2)),
      Buffer<T>((n_row - 1) * score_stride + n_class, skipped_scores),
      Buffer<L>((n_row - 1) * label_stride + n_class, skipped_labels)};
  const double scale = integer(random, 0, 3) == 0 ? 100 : 3;
  const L labels[] = {0, 0, 0, 1, 1, -1, 2, static_cast<L>(int64_t{1} << 32 | 5)};  // the last three are ignored
  for (int64_t row = 0; row < n_row; ++row) {
    for (int64_t i = 0; i < n_class; ++i) {
      const auto score = static_cast<Real<T>>(real(random, -scale, scale));
      drawn.scores.data[row * score_stride + i] = pspgan::cuda::from_real<T>(score);
      drawn.labels.data[row * label_stride + i] = labels[integer(random, 0, std::size(labels) - 1)];
    }
  }
  return drawn;
}

// Losses and their sum or mean, under two schedules: the same bits.
template <typename T, typename L>
void check_forward(const Case<T, L>& drawn, uint64_t seed, bool mean) {
  using R = Real<T>;
  std::vector<R> losses(drawn.n_row), again(drawn.n_row);
  R reduced, reduced_again;
  int error = 0;
  for (const bool first : {true, false}) {
    simt::config().seed = 2 * seed + first;
    auto* out = first ? losses.data() : again.data();
    error |= pspgan::cuda::omni_loss(drawn.call(), out, nullptr);
    error |= pspgan::cuda::omni_loss_reduce(out, type_of<T>, drawn.n_row, mean, first ? &reduced : &reduced_again, nullptr);
  }
  check(error == cudaSuccess, seed, "error", error, cudaSuccess);
  check(std::memcmp(losses.data(), again.data(), drawn.n_row * sizeof(R)) == 0, seed, "repeated", again[0], losses[0]);
  check(reduced == reduced_again, seed, "reduction repeated", reduced_again, reduced);

  constexpr double close = tolerance<Real<T>>;
  double sum = 0;
  for (int64_t row = 0; row < drawn.n_row; ++row) {
    const double expected = drawn.loss(row);
    check(std::fabs(losses[row] - expected) <= close * (1 + expected), seed, "loss", losses[row], expected);
    sum += losses[row];
  }
  const double expected = mean ? sum / drawn.n_row : sum;
  check(std::fabs(reduced - expected) <= close * expected, seed, "reduction", reduced, expected);
}

template <typename T, typename L>
void check_backward(const Case<T, L>& drawn, uint64_t seed, int64_t grad_stride, double grad_scale, int64_t skipped) {
  using R = Real<T>;
  const int64_t n_grad = (drawn.n_row - 1) * grad_stride + 1;
  Buffer<R> grad(n_grad, 0);
  for (int64_t i = 0; i < n_grad; ++i) {
    grad.data[i] = static_cast<R>(0.25 * (i + 1) - 1.1);
  }
  Buffer<T> slopes(drawn.n_row * drawn.n_class, skipped);
  const int error =
      pspgan::cuda::omni_loss_backward(drawn.call(), grad.data, grad_stride, grad_scale, slopes.data, nullptr);
  check(error == cudaSuccess, seed, "error of the backward", error, cudaSuccess);

  for (int64_t row = 0; row < drawn.n_row; ++row) {
    const double scale = grad.data[row * grad_stride] * grad_scale * drawn.gamma;
    const double of_negative = scale / drawn.one_plus(row, 0), of_positive = -scale / drawn.one_plus(row, 1);
    for (int64_t i = 0; i < drawn.n_class; ++i) {
      const double e_x = std::exp(drawn.exponent(row, i));
      const L label = drawn.label(row, i);
      const double expected = label == 0 ? e_x * of_negative : label == 1 ? e_x * of_positive : 0;
      const double got = pspgan::cuda::to_real(slopes.data[row * drawn.n_class + i]);
      const double close = 2 * tolerance<T> * (std::fabs(expected) + 1e-3 * std::fabs(scale));
      check(std::fabs(got - expected) <= close, seed, "gradient", got, expected);
    }
  }
}

template <typename T, typename L>
void check_case(uint64_t seed, int64_t most_classes) {
  Random random(seed);
  const auto drawn = random_case<T, L>(random, most_classes);
  simt::config().shuffle = seed % 5 != 0;
  check_forward(drawn, seed, integer(random, 0, 1));
  check_backward(drawn, seed, integer(random, 0, 2), real(random, 0.1, 2), integer(random, 0, 3) == 0);
}

template <typename T>
void check_case(uint64_t seed, int64_t most_classes) {
  seed / 4 % 2 == 0 ? check_case<T, int8_t>(seed, most_classes) : check_case<T, int64_t>(seed, most_classes);
}

// The last rows of more than 2^31 scores, of which memory has no other pages.
void check_beyond_32_bits() {
  constexpr int64_t n_class = 64, rows_per_block = 8, n_row = (int64_t{1} << 31) / n_class + 8 * rows_per_block;
  LazyBuffer<float> scores(n_row * n_class), slopes(n_row * n_class), losses(n_row);
  LazyBuffer<int8_t> labels(n_row * n_class);
  const int64_t last = n_row - 1;
  for (int64_t i = 0; i < n_class; ++i) {
    scores.data[last * n_class + i] = 0.5f;
  }
  const OmniLoss call{scores.data, labels.data, type_of<float>, false, n_row, n_class, n_class, n_class, 0, 1};
  const float grad = 2;
  simt::config().first_block = n_row / rows_per_block - 1;
  int error = pspgan::cuda::omni_loss(call, losses.data, nullptr);
  error |= pspgan::cuda::omni_loss_backward(call, &grad, 0, 1, slopes.data, nullptr);
  simt::config().first_block = 0;
  const double sum = n_class * std::exp(0.5), loss = std::log(1 + sum), slope = 2 * std::exp(0.5) / (1 + sum);
  const double got_loss = losses.data[last], got_slope = slopes.data[last * n_class + n_class - 1];
  check(error == cudaSuccess, 0, "error beyond 2^31 scores", error, cudaSuccess);
  check(std::fabs(got_loss - loss) <= 1e-5, 0, "loss beyond 2^31 scores", got_loss, loss);
  check(std::fabs(got_slope - slope) <= 1e-6, 0, "gradient beyond 2^31 scores", got_slope, slope);
}

void check_edges() {
  OmniLoss call{nullptr, nullptr, type_of<float>, false, 0, 21, 21, 21, 0, 1};
  check(pspgan::cuda::omni_loss(call, nullptr, nullptr) == cudaSuccess, 0, "no rows", 0, 0);
  float mean, sum;
  pspgan::cuda::omni_loss_reduce(nullptr, type_of<float>, 0, true, &mean, nullptr);
  pspgan::cuda::omni_loss_reduce(nullptr, type_of<float>, 0, false, &sum, nullptr);
  check(std::isnan(mean), 0, "mean of no rows", mean, NAN);
  check(sum == 0, 0, "sum of no rows", sum, 0);
  call.n_row = int64_t{1} << 35;
  const int error = pspgan::cuda::omni_loss(call, nullptr, nullptr);
  check(error == cudaErrorInvalidConfiguration, 0, "more rows than a grid has", error, cudaErrorInvalidConfiguration);
}

}  // namespace

int main(int n, char** arguments) {
  const int64_t cases = check_cases(
      n, arguments, 3000, []<typename T>(uint64_t seed, int64_t size) { check_case<T>(seed, size); });
  check_beyond_32_bits();
  check_edges();
  return conclude(cases);
}
