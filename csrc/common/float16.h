// Float to half and to bfloat16 by its bits: without a branch and without a processor's own instructions,
// so that loops around it vectorise everywhere. (The ways back are simple, and vectorise as torch has them.)
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
