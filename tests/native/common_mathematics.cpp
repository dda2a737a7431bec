// csrc/common against closed forms in long double.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <vector>

#include "common/exponential.h"
#include "common/float16.h"
#include "common/logarithm.h"
#include "common/omni_loss.h"

namespace {

constexpr float inf = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();
int failures = 0;

void check(bool holds, const char* what, double got, double expected) {
  if (!holds) {
    std::fprintf(stderr, "FAILED: %s: got %.9g, expected %.9g\n", what, got, expected);
    ++failures;
  }
}

// Distance in units in the last place of `expected`, which shrink no further below the smallest normal.
double error_in_ulp(float got, long double expected) {
  const float rounded = static_cast<float>(std::fabs(expected));
  const long double ulp = std::nextafter(rounded, inf) - rounded;
  return static_cast<double>(std::fabs(got - expected) / ulp);
}

// Every 997th float of both signs, so that each binade is visited at many fractions.
void exponential_is_accurate() {
  double worst_normal = 0, worst_subnormal = 0;
  for (uint64_t bits = 0; bits < (uint64_t{1} << 32); bits += 997) {
    const uint32_t word = static_cast<uint32_t>(bits);
    float x;
    std::memcpy(&x, &word, sizeof x);
    if (!(std::fabs(x) <= 110.0f)) {
      continue;
    }
    const long double expected = std::exp(static_cast<long double>(x));
    const float got = pspgan::exponential(x);
    if (expected > static_cast<long double>(std::numeric_limits<float>::max())) {
      check(got == inf, "exponential overflows", got, inf);
    } else if (expected >= static_cast<long double>(std::numeric_limits<float>::min())) {
      worst_normal = std::fmax(worst_normal, error_in_ulp(got, expected));
    } else {
      worst_subnormal = std::fmax(worst_subnormal, error_in_ulp(got, expected));
    }
  }
  std::printf("exponential: %.3f ulp, subnormal results %.3f ulp\n", worst_normal, worst_subnormal);
  check(worst_normal <= 1.0, "exponential, ulp", worst_normal, 1.0);
  check(worst_subnormal <= 1.0, "exponential, subnormal ulp", worst_subnormal, 1.0);
}

void exponential_of_special_values() {
  check(pspgan::exponential(0.0f) == 1.0f, "e^0", pspgan::exponential(0.0f), 1);
  check(pspgan::exponential(inf) == inf, "e^inf", pspgan::exponential(inf), inf);
  check(pspgan::exponential(-inf) == 0.0f, "e^-inf", pspgan::exponential(-inf), 0);
  check(std::isnan(pspgan::exponential(nan)), "e^nan", pspgan::exponential(nan), nan);
  check(std::isnan(pspgan::exponential(-nan)), "e^-nan", pspgan::exponential(-nan), nan);
}

// Every 997th float above -1.
void log_of_one_plus_is_accurate() {
  double worst = 0;
  for (uint64_t bits = 0; bits < (uint64_t{1} << 32); bits += 997) {
    const float x = pspgan::float_of(static_cast<uint32_t>(bits));
    if (x > -1 && x < inf) {
      worst = std::fmax(worst, error_in_ulp(pspgan::log_of_one_plus(x), std::log1p(static_cast<long double>(x))));
    }
  }
  std::printf("log_of_one_plus: %.3f ulp\n", worst);
  check(worst <= 1.0, "log_of_one_plus, ulp", worst, 1.0);
  check(pspgan::log_of_one_plus(0.0f) == 0.0f, "log 1", pspgan::log_of_one_plus(0.0f), 0);
  check(pspgan::log_of_one_plus(inf) == inf, "log inf", pspgan::log_of_one_plus(inf), inf);
  check(std::isnan(pspgan::log_of_one_plus(nan)), "log nan", pspgan::log_of_one_plus(nan), nan);
}

// What 16 bits with so many bits of mantissa mean, by the definition of such numbers.
double value_of(uint16_t bits, int mantissa_bits) {
  const int largest_exponent = (1 << (15 - mantissa_bits)) - 1, bias = largest_exponent / 2;
  const int exponent = (bits & 0x7fff) >> mantissa_bits, mantissa = bits & ((1 << mantissa_bits) - 1);
  const double sign = bits & 0x8000 ? -1 : 1;
  if (exponent == largest_exponent) {
    return mantissa != 0 ? std::nan("") : sign * std::numeric_limits<double>::infinity();
  }
  const int hidden = exponent != 0 ? 1 << mantissa_bits : 0;
  return sign * std::ldexp(hidden + mantissa, (exponent != 0 ? exponent : 1) - bias - mantissa_bits);
}

// Every number of 16 bits comes back as itself; what lies between two neighbours goes to the nearer, and from
// the middle to the even one. Beyond the largest number there is infinity, as if one more step away.
template <typename Widen, typename Narrow>
void narrowing_is_exact(const char* name, int mantissa_bits, Widen widen, Narrow narrow) {
  for (uint32_t word = 0; word < 0x10000; ++word) {
    const uint16_t bits = static_cast<uint16_t>(word);
    const double value = value_of(bits, mantissa_bits);
    const float x = widen(bits);
    if (std::isnan(value)) {
      check(std::isnan(x) && std::isnan(value_of(narrow(x), mantissa_bits)), name, x, value);
      continue;
    }
    check(x == value && std::signbit(x) == std::signbit(value), name, x, value);
    check(narrow(x) == bits, name, narrow(x), bits);
    if (std::isinf(value)) {
      continue;
    }
    const double step = std::fabs(value - value_of(static_cast<uint16_t>(bits ^ 1), mantissa_bits));
    const double away = bits & 0x8000 ? -step : step;
    const bool is_even = (bits & 1) == 0;
    const float middle = static_cast<float>(value + away / 2);
    const uint16_t next = static_cast<uint16_t>(bits + 1);
    check(narrow(middle) == (is_even ? bits : next), name, narrow(middle), is_even ? bits : next);
    check(narrow(std::nextafter(middle, x)) == bits, name, narrow(std::nextafter(middle, x)), bits);
    const float beyond = std::nextafter(middle, away > 0 ? inf : -inf);
    check(narrow(beyond) == next, name, narrow(beyond), next);
  }
}

// log(1 + sum e^x) the way the kernels compute it, in float, and the weight of its first exponent.
struct Side {
  float value, first_weight;
};

Side side(const std::vector<float>& exponents) {
  float largest = -inf;
  for (const float x : exponents) {
    largest = largest < x ? x : largest;
  }
  const float shift = pspgan::omni::shift(largest);
  float sum = 0;
  for (const float x : exponents) {
    sum += pspgan::exponential(x - shift);
  }
  const float first = exponents.empty() ? 0 : pspgan::exponential(exponents[0] - shift);
  return {pspgan::omni::log_one_plus(sum, shift), first / pspgan::omni::one_plus(sum, shift)};
}

void log_one_plus_is_accurate() {
  const std::vector<std::vector<float>> cases = {
      {}, {0}, {0, 0, 0, 0}, {-40}, {-40, -41, -80}, {3.5f, -2, 0.25f}, {1e-6f, -1e-6f}, {30}, {30, 30, 29}, {-inf, 1}};
  for (const auto& exponents : cases) {
    long double sum = 0;
    for (const float x : exponents) {
      sum += std::exp(static_cast<long double>(x));
    }
    const long double value = std::log1p(sum);
    const Side got = side(exponents);
    check(std::fabs(got.value - value) <= 3e-7L * value, "log(1 + sum)", got.value, static_cast<double>(value));
    if (!exponents.empty()) {
      const long double weight = std::exp(static_cast<long double>(exponents[0])) / (1 + sum);
      const bool close = std::fabs(got.first_weight - weight) <= 5e-7L * weight;
      check(close, "weight of the first", got.first_weight, static_cast<double>(weight));
    }
  }
}

void log_one_plus_at_the_edges() {
  check(side({1e4f, -1e4f}).value == 1e4f, "large", side({1e4f, -1e4f}).value, 1e4);
  check(side({-1e4f}).value == 0.0f, "none left", side({-1e4f}).value, 0);
  check(side({inf, 1}).value == inf, "infinite", side({inf, 1}).value, inf);
  check(std::isnan(side({nan, 1}).value), "NaN first", side({nan, 1}).value, nan);
  check(std::isnan(side({1, nan}).value), "NaN last", side({1, nan}).value, nan);
  check(std::isnan(side({inf, nan}).value), "NaN beside inf", side({inf, nan}).value, nan);
}

// 7 + 8 + 4 + 2 targets at score 0: 4 positives and 17 negatives give log 18 + log 5.
void row_of_the_paper() {
  const float loss = side(std::vector<float>(17, 0)).value + side(std::vector<float>(4, 0)).value;
  check(std::fabs(loss - 4.49981f) < 1e-5f, "loss at score 0", loss, 4.49981);
}

void exponent_changes_sign_for_positives() {
  const float of_negative = pspgan::omni::exponent(1.5f, false, 0.5f, 3.0f);
  const float of_positive = pspgan::omni::exponent(1.5f, true, 0.5f, 3.0f);
  check(of_negative == 6.0f, "exponent of a negative", of_negative, 6);
  check(of_positive == -6.0f, "exponent of a positive", of_positive, -6);
}

}  // namespace

int main() {
  exponential_is_accurate();
  exponential_of_special_values();
  log_of_one_plus_is_accurate();
  narrowing_is_exact("bfloat16", 7, pspgan::bfloat16_to_float, pspgan::float_to_bfloat16);
  narrowing_is_exact("half", 10, pspgan::half_to_float, pspgan::float_to_half);
  log_one_plus_is_accurate();
  log_one_plus_at_the_edges();
  row_of_the_paper();
  exponent_changes_sign_for_positives();
  std::printf(failures == 0 ? "all passed\n" : "%d failed\n", failures);
  return failures != 0;
}
