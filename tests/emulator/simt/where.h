// Where the emulator is: the launch, block and thread that run, and the place in the source; and how it stops
// there.
#pragma once

#include <cstdint>
#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>

#include "simt/cuda_types.h"

namespace simt {

// A place in a kernel's source. A parameter `Place place = Place::current()` is the caller's.
using Place = std::source_location;

inline bool same(const Place& a, const Place& b) {
  return a.line() == b.line() && a.column() == b.column() &&
         (a.file_name() == b.file_name() || std::string_view(a.file_name()) == b.file_name());
}

inline std::string text(const Place& place) {
  return std::string(place.file_name()) + ":" + std::to_string(place.line());
}

inline std::string text(uint3 index) {
  return "(" + std::to_string(index.x) + ", " + std::to_string(index.y) + ", " + std::to_string(index.z) + ")";
}

// What threadIdx, blockIdx, blockDim and gridDim show. They change at every switch of threads.
struct Position {
  std::string kernel;  // as written at its launch
  dim3 grid, block;
  uint3 block_index{}, thread_index{};
};
inline Position position;

// A kernel did what no GPU promises to survive. what() begins with the kind.
struct Fault : std::logic_error {
  using std::logic_error::logic_error;
};

[[noreturn]] inline void fail_in_block(const std::string& what) {
  throw Fault(what + "; kernel " + position.kernel + ", block " + text(position.block_index));
}

[[noreturn]] inline void fail_in_thread(const std::string& what, const Place& place) {
  fail_in_block(what + " at " + text(place) + ", thread " + text(position.thread_index));
}

}  // namespace simt
