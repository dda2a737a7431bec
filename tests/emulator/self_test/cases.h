// A planted fault and its sound twin: two versions of one kernel that differ in the fault alone.
#pragma once

#include <cmath>
#include <string_view>
#include <vector>

#include "cuda/gpu.h"

namespace self_test {

// Each launches its kernel once and says whether the result was right.
struct Case {
  std::string_view name;
  bool (*planted)();
  bool (*sound)();
};

extern const std::vector<Case> barrier_cases, warp_cases, memory_cases, launch_cases;

constexpr unsigned all_lanes = 0xffffffffu;

// What the kernels compute with: n numbers of both signs.
inline std::vector<float> wave(int n) {
  std::vector<float> numbers(n);
  for (int i = 0; i < n; ++i) {
    numbers[i] = std::sin(0.7f * static_cast<float>(i)) + 0.25f;
  }
  return numbers;
}

inline float sum(const std::vector<float>& numbers) {
  double total = 0;
  for (const float number : numbers) {
    total += number;
  }
  return static_cast<float>(total);
}

inline float sum_of_squares(std::vector<float> numbers) {
  for (float& number : numbers) {
    number *= number;
  }
  return sum(numbers);
}

// NaN is close to nothing.
inline bool close(float got, float expected) {
  return std::fabs(got - expected) <= 1e-4f * (1 + std::fabs(expected));
}

__device__ inline float warp_sum(float value) {
  for (int distance = 16; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(all_lanes, value, distance);
  }
  return value;
}

}  // namespace self_test
