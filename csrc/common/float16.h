// Between float and half or bfloat16 by their bits: without a branch and without a processor's own instructions,
// so that loops around it vectorise everywhere.
#pragma once

#include <cstdint>
#include <cstring>

#include "common/host_device.h"

namespace pspgan {

PSPGAN_HOST_DEVICE uint32_t bits_of(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

PSPGAN_HOST_DEVICE float float_of(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

PSPGAN_HOST_DEVICE float bfloat16_to_float(uint16_t bfloat16) { return float_of(uint32_t{bfloat16} << 16); }

// Half's bits as those of a float are the number, subnormal ones included, but for the difference of the
// exponents' biases, which a multiplication makes good.
PSPGAN_HOST_DEVICE float half_to_float(uint16_t half) {
  const uint32_t magnitude = (half & 0x7fffu) << 13;
  const uint32_t finite = bits_of(float_of(magnitude) * 0x1p112f);  // 127 - 15
  const uint32_t not_finite = magnitude | 0x7f800000u;              // infinity, or NaN with what it carries
  return float_of((magnitude < 0x7c00u << 13 ? finite : not_finite) | (half & 0x8000u) << 16);
}

// To nearest, ties to even. A bfloat16 is the upper half of a float: half a unit of its last place less one
// is added, and one more where that place is odd. The carry runs through mantissa and exponent up to
// infinity, as it should; only NaN must not be rounded.
PSPGAN_HOST_DEVICE uint16_t float_to_bfloat16(float x) {
  const uint32_t bits = bits_of(x);
  const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  return static_cast<uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : rounded);
}

// To nearest, ties to even. A half has 1 sign, 5 exponent (bias 15) and 10 mantissa bits; a float 1, 8 (bias
// 127) and 23. Among half's subnormals the rounding is that of an addition: floats in [0.5, 1) lie as far
// apart as those do, 2^-24.
PSPGAN_HOST_DEVICE uint16_t float_to_half(float x) {
  const uint32_t sign = bits_of(x) & 0x80000000u;
  const uint32_t magnitude = bits_of(x) ^ sign;
  const uint32_t rounded = ((magnitude + 0xfff + ((magnitude >> 13) & 1)) >> 13) - ((127 - 15) << 10);
  const uint32_t normal = rounded < 0x7c00u ? rounded : 0x7c00u;  // at most infinity
  const uint32_t subnormal = bits_of(float_of(magnitude) + 0.5f) - bits_of(0.5f);
  const uint32_t finite = magnitude < bits_of(0x1p-14f) ? subnormal : normal;
  const uint32_t half = magnitude > 0x7f800000u ? 0x7e00u : finite;  // NaN
  return static_cast<uint16_t>(half | sign >> 16);
}

}  // namespace pspgan
