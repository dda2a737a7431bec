// exp() that a compiler can vectorise: no branch, no table, no call.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "common/host_device.h"

namespace pspgan {

// 2^n for n in [-126, 127], put together from its bits.
PSPGAN_HOST_DEVICE float power_of_two(int32_t n) {
  const uint32_t bits = static_cast<uint32_t>(n + 127) << 23;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// e^x within 1 unit in the last place over the whole range of float, subnormal results included; NaN gives
// NaN, +inf gives +inf, -inf gives 0.
//
// x = n ln2 + r with |r| <= ln2 / 2, and e^x = 2^n e^r. On that interval e^r = 1 + r + r^2 q(r), where q
// is the polynomial of degree 4 whose largest relative error (3.1e-9) is least, a twentieth of float's
// rounding. libm's expf is as good but a call an element, which keeps the loop around it scalar.
PSPGAN_HOST_DEVICE float exponential(float x) {
  constexpr float log2_e = 1.442695041f;
  constexpr float ln2_high = 0.693359375f;  // 10 bits: n * ln2_high is exact for every n that occurs
  constexpr float ln2_low = -2.12194440e-4f;
  constexpr float round_to_integer = 12582912.0f;  // 1.5 * 2^23: adding it leaves n in the low bits

  // Beyond these the result is 0 or inf all the same. Both comparisons are false for NaN, which passes.
  x = x < -104.0f ? -104.0f : x;
  x = x > 89.0f ? 89.0f : x;

  // n is read from the bits: converting a NaN to an integer would be undefined.
  const float shifted = x * log2_e + round_to_integer;
  uint32_t shifted_bits, zero_bits;
  std::memcpy(&shifted_bits, &shifted, sizeof shifted);
  std::memcpy(&zero_bits, &round_to_integer, sizeof round_to_integer);
  const int32_t n = static_cast<int32_t>(shifted_bits - zero_bits);
  const float n_float = shifted - round_to_integer;

  const float r = (x - n_float * ln2_high) - n_float * ln2_low;
  float q = 1.3814532e-3f;
  q = q * r + 8.3687454e-3f;
  q = q * r + 4.1668393e-2f;
  q = q * r + 1.6666521e-1f;
  q = q * r + 4.9999994e-1f;
  const float e_r = q * (r * r) + r + 1.0f;

  // Two factors, because 2^128 and 2^-150 are no floats while e^r times them can be.
  const int32_t half = n >> 1;
  return e_r * power_of_two(half) * power_of_two(n - half);
}

// Double precision is for checks, not for speed: the library's own.
PSPGAN_HOST_DEVICE double exponential(double x) { return std::exp(x); }

}  // namespace pspgan
