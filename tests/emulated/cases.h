// What the tests of emulated kernels share: random numbers, buffers that an overrun leaves, types by value.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <type_traits>
#include <vector>

#include <sys/mman.h>

#include "cuda/gpu.h"
#include "cuda/type.h"

using Random = std::mt19937_64;

inline int64_t integer(Random& random, int64_t low, int64_t high) {
  return std::uniform_int_distribution<int64_t>(low, high)(random);
}

inline double real(Random& random, double low, double high) {
  return std::uniform_real_distribution<double>(low, high)(random);
}

template <typename T>
constexpr pspgan::cuda::Type type_of = pspgan::cuda::Type::float32;
template <>
constexpr pspgan::cuda::Type type_of<double> = pspgan::cuda::Type::float64;
template <>
constexpr pspgan::cuda::Type type_of<__half> = pspgan::cuda::Type::float16;
template <>
constexpr pspgan::cuda::Type type_of<__nv_bfloat16> = pspgan::cuda::Type::bfloat16;

// Largest error that one rounding to T, and sums in its Real, explain.
template <typename T>
constexpr double tolerance = std::is_same_v<T, double> ? 1e-12 : std::is_same_v<T, float> ? 2e-5 : 0.02;

// `data` begins `skipped` elements into a buffer of its own that ends with it: aligned to 16 bytes or not.
template <typename T>
struct Buffer {
  Buffer(int64_t n, int64_t skipped)
      : bytes((n + skipped) * sizeof(T), 0xff), data(reinterpret_cast<T*>(bytes.data()) + skipped) {}

  std::vector<unsigned char> bytes;
  T* data;
};

// Memory of any size, of which only the pages exist that are touched.
template <typename T>
struct LazyBuffer {
  explicit LazyBuffer(int64_t n) : bytes(n * sizeof(T)) {
    void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
      std::perror("mmap");
      std::exit(1);
    }
    data = static_cast<T*>(memory);
  }
  ~LazyBuffer() { munmap(data, bytes); }
  LazyBuffer(const LazyBuffer&) = delete;
  LazyBuffer& operator=(const LazyBuffer&) = delete;

  size_t bytes;
  T* data;
};

inline int failures = 0;

// Calls check_case<T>(seed, size) for so many seeds, element types in turn: arguments[1] cases, up to size
// arguments[2]. Returns how many.
template <typename CheckCase>
int64_t check_cases(int n, char** arguments, int64_t size, const CheckCase& check_case) {
  const int64_t cases = n > 1 ? std::atoll(arguments[1]) : 200;
  size = n > 2 ? std::atoll(arguments[2]) : size;
  for (int64_t seed = 0; seed < cases; ++seed) {
    seed % 4 == 0   ? check_case.template operator()<float>(seed, size)
    : seed % 4 == 1 ? check_case.template operator()<double>(seed, size)
    : seed % 4 == 2 ? check_case.template operator()<__half>(seed, size)
                    : check_case.template operator()<__nv_bfloat16>(seed, size);
  }
  return cases;
}

// What a test says last, and its exit status.
inline int conclude(int64_t cases) {
  std::printf(failures == 0 ? "%lld cases passed\n" : "%lld cases, of which some failed\n", static_cast<long long>(cases));
  return failures != 0;
}
