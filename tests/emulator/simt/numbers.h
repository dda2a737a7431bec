// __half and __nv_bfloat16 in software: their bits, and the conversions to and from float, bit for bit those
// of CUDA, NaN included. Arithmetic is not offered: device code computes in float.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

// 1 sign, 5 exponent (bias 15) and 10 fraction bits.
struct __half {
  std::uint16_t bits;
};

// 1 sign, 8 exponent (bias 127) and 7 fraction bits: the upper half of a float.
struct __nv_bfloat16 {
  std::uint16_t bits;
};

namespace simt {

inline std::uint32_t bits_of(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

inline float float_of(std::uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

// Drops the lowest `n` bits, rounding to nearest, ties to even. A carry out of the fraction raises the
// exponent, which is what rounding up to the next power of two means.
inline std::uint32_t drop_bits(std::uint32_t x, int n) {
  const std::uint32_t kept = x >> n, dropped = x & ((1u << n) - 1), tie = 1u << (n - 1);
  return kept + (dropped > tie || (dropped == tie && kept % 2 == 1));
}

constexpr std::uint32_t float_infinity = 0x7f800000;
constexpr std::uint16_t nan16 = 0x7fff;  // what CUDA makes of every NaN, in both types

}  // namespace simt

inline float __half2float(__half h) {
  const std::uint32_t sign = (h.bits & 0x8000u) << 16, exponent = h.bits >> 10 & 0x1f, fraction = h.bits & 0x3ff;
  if (exponent == 0x1f) {
    return simt::float_of(fraction != 0 ? 0x7fffffffu : sign | simt::float_infinity);
  }
  if (exponent == 0) {
    return std::copysign(static_cast<float>(fraction) * 0x1p-24f, sign != 0 ? -1.0f : 1.0f);
  }
  return simt::float_of(sign | (exponent + 127 - 15) << 23 | fraction << 13);
}

inline __half __float2half_rn(float x) {
  const std::uint32_t sign = simt::bits_of(x) & 0x80000000u, magnitude = simt::bits_of(x) ^ sign;
  const auto signed_half = [sign](std::uint32_t bits) {
    return __half{static_cast<std::uint16_t>(sign >> 16 | bits)};
  };
  if (magnitude > simt::float_infinity) {
    return {simt::nan16};
  }
  if (magnitude < simt::bits_of(0x1p-14f)) {  // subnormal: a multiple of 2^-24, of which 1024 are the least normal
    const float multiple = std::fabs(x) * 0x1p24f;
    return signed_half(static_cast<std::uint32_t>(std::nearbyint(multiple)));
  }
  if (magnitude >= simt::bits_of(65536.0f)) {  // below it, rounding carries into infinity by itself
    return signed_half(0x7c00);
  }
  return signed_half(simt::drop_bits(magnitude, 13) - ((127u - 15u) << 10));
}

inline float __bfloat162float(__nv_bfloat16 b) { return simt::float_of(std::uint32_t{b.bits} << 16); }

inline __nv_bfloat16 __float2bfloat16_rn(float x) {
  const std::uint32_t bits = simt::bits_of(x);
  if ((bits & 0x7fffffffu) > simt::float_infinity) {
    return {simt::nan16};
  }
  return {static_cast<std::uint16_t>(simt::drop_bits(bits, 16))};
}
