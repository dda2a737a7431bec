// CHECK: an expectation that, where it fails, says so and lets the test go on to fail at its end.
#pragma once

#include <cstdio>

namespace self_test {

inline int n_failure = 0;

inline void check(bool holds, const char* what, const char* file, int line) {
  if (!holds) {
    std::fprintf(stderr, "FAILED: %s:%d: %s\n", file, line, what);
    ++n_failure;
  }
}

}  // namespace self_test

#define CHECK(...) ::self_test::check(static_cast<bool>(__VA_ARGS__), #__VA_ARGS__, __FILE__, __LINE__)
