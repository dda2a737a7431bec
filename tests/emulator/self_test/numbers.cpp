// The software __half and __nv_bfloat16 against their definition: what each of the 65536 patterns is worth by
// a formula in double, and rounding by comparing distances.
#include "simt/numbers.h"

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>

#include "check.h"

namespace {

// A format with 1 sign bit.
struct Format {
  int exponent_bits, fraction_bits;

  int bias() const { return (1 << (exponent_bits - 1)) - 1; }
  std::uint32_t infinity() const { return ((1u << exponent_bits) - 1) << fraction_bits; }

  // The worth of a pattern without its sign. Infinity's is that of the next power of two, which is what
  // decides where rounding overflows.
  double magnitude(std::uint32_t bits) const {
    const int exponent = static_cast<int>(bits >> fraction_bits);
    const std::uint32_t fraction = bits & ((1u << fraction_bits) - 1);
    return exponent == 0 ? std::ldexp(fraction, 1 - bias() - fraction_bits)
                         : std::ldexp((1u << fraction_bits) + fraction, exponent - bias() - fraction_bits);
  }
};

constexpr Format half{5, 10}, bfloat16{8, 7};
constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

std::uint16_t rounded(const Format& format, float x) {
  return format.exponent_bits == 5 ? __float2half_rn(x).bits : __float2bfloat16_rn(x).bits;
}

float worth(const Format& format, std::uint16_t bits) {
  return format.exponent_bits == 5 ? __half2float(__half{bits}) : __bfloat162float(__nv_bfloat16{bits});
}

bool same_number(float a, float b) { return simt::bits_of(a) == simt::bits_of(b); }

void every_pattern_is_worth_its_formula(const Format& format) {
  for (std::uint32_t bits = 0; bits <= 0xffff; ++bits) {
    const std::uint32_t magnitude = bits & 0x7fff;
    const float got = worth(format, static_cast<std::uint16_t>(bits));
    if (magnitude > format.infinity()) {
      CHECK(std::isnan(got));
      CHECK(rounded(format, got) == 0x7fff);
    } else {
      const double expected = magnitude == format.infinity() ? infinity : format.magnitude(magnitude);
      CHECK(same_number(got, static_cast<float>(bits >= 0x8000 ? -expected : expected)));
      CHECK(rounded(format, got) == bits);
    }
  }
}

// Between each two neighbours of the format, up to what would follow the largest: the middle, the floats beside
// it, and those beside the neighbours.
void rounding_goes_to_the_nearest_and_ties_to_even(const Format& format) {
  for (std::uint32_t low = 0; low < format.infinity(); ++low) {
    const double a = format.magnitude(low), b = format.magnitude(low + 1);
    const double middle = a + (b - a) / 2;
    const float tie = static_cast<float>(middle);  // exact, but beside bfloat16's least numbers, which are float's
    for (const float x :
         {std::nextafter(static_cast<float>(a), infinity),
          std::nextafter(tie, 0.0f),
          tie,
          std::nextafter(tie, infinity),
          std::nextafter(static_cast<float>(b), 0.0f)}) {
      if (!(x >= a && x <= b)) {
        continue;
      }
      const std::uint32_t nearest = x < middle ? low : x > middle ? low + 1 : low + low % 2;
      CHECK(rounded(format, x) == nearest);
      CHECK(rounded(format, -x) == (nearest | 0x8000));
    }
  }
}

void nan_and_what_is_too_large(const Format& format) {
  CHECK(rounded(format, nan) == 0x7fff);
  CHECK(rounded(format, -nan) == 0x7fff);
  CHECK(rounded(format, simt::float_of(0x7f800001)) == 0x7fff);  // a NaN whose upper half looks like infinity
  CHECK(rounded(format, infinity) == format.infinity());
  CHECK(rounded(format, -infinity) == (format.infinity() | 0x8000));
  CHECK(rounded(format, std::numeric_limits<float>::max()) == format.infinity());
}

}  // namespace

int main() {
  for (const Format& format : {half, bfloat16}) {
    every_pattern_is_worth_its_formula(format);
    rounding_goes_to_the_nearest_and_ties_to_even(format);
    nan_and_what_is_too_large(format);
  }
  return self_test::n_failure != 0;
}
