// log(1 + x) that a compiler can vectorise: no branch, no table, no call.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "common/exponential.h"
#include "common/float16.h"
#include "common/host_device.h"

namespace pspgan {

// log(1 + x) for x > -1 within 1 unit in the last place; NaN gives NaN, +inf gives +inf.
//
// 1 + x = 2^k (1 + f) with 1 + f in [3/4, 3/2), and log(1 + x) = k ln2 + log(1 + f). k is read from the rounded
// 1 + x, but f made from x: it is x itself where k is 0, so that a tiny x keeps its digits, and exact elsewhere
// (for x > 0 because x / 2^k and 1 - 1 / 2^k are within a factor of 2). On that interval
// log(1 + f) = f - f^2 / 2 + f^3 p(f), where p is the polynomial of degree 7 whose largest relative error
// (4.9e-9) is least, a twelfth of float's rounding.
PSPGAN_HOST_DEVICE float log_of_one_plus(float x) {
  constexpr float ln2_high = 0.693359375f;  // 10 bits: k * ln2_high is exact for every k that occurs
  constexpr float ln2_low = -2.12194440e-4f;

  const int32_t k = static_cast<int32_t>(bits_of(1.0f + x) - bits_of(0.75f)) >> 23;
  const int32_t half = k >> 1;  // two factors, because 2^-128 is no normal float
  const float scale_a = power_of_two(-half), scale_b = power_of_two(half - k);
  const float f = x * scale_a * scale_b + (scale_a * scale_b - 1.0f);

  float p = -4.50748072e-2f;
  p = p * f + 1.04630227e-1f;
  p = p * f - 1.31611936e-1f;
  p = p * f + 1.44783949e-1f;
  p = p * f - 1.66473122e-1f;
  p = p * f + 1.99908612e-1f;
  p = p * f - 2.50000958e-1f;
  p = p * f + 3.33334491e-1f;
  const float k_float = static_cast<float>(k);
  const float log_1_f = f + ((p * f - 0.5f) * (f * f) + k_float * ln2_low);
  const float result = log_1_f + k_float * ln2_high;
  return x < std::numeric_limits<float>::infinity() ? result : x;  // inf and NaN do not survive the above
}

// Double precision is for checks, not for speed: the library's own.
PSPGAN_HOST_DEVICE double log_of_one_plus(double x) { return std::log1p(x); }

}  // namespace pspgan
