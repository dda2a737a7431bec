// Where the emulator is: the launch, block and thread that run, and the place in the source; and how it stops
// there.
#pragma once

#include <ostream>
#include <source_location>
#include <sstream>
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

inline std::ostream& operator<<(std::ostream& out, const Place& place) {
  return out << place.file_name() << ":" << place.line();
}

inline std::ostream& operator<<(std::ostream& out, uint3 index) {
  return out << "(" << index.x << ", " << index.y << ", " << index.z << ")";
}

// The parts printed one after the other.
template <typename... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
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

template <typename... Parts>
[[noreturn]] void fail_in_block(const Parts&... what) {
  throw Fault(text(what..., "; kernel ", position.kernel, ", block ", position.block_index));
}

template <typename... Parts>
[[noreturn]] void fail_in_thread(const Place& place, const Parts&... what) {
  fail_in_block(what..., " at ", place, ", thread ", position.thread_index);
}

}  // namespace simt
