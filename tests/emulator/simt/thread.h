// One GPU thread: its fiber, and what it waits for.
#pragma once

#include <bit>
#include <cstdint>
#include <sstream>
#include <string>

#include "simt/fiber.h"
#include "simt/where.h"

namespace simt {

constexpr unsigned warp_size = 32;

enum class State { ready, at_barrier, in_warp, returned };

// What one lane brings to an operation of its warp, and what it takes from it.
struct Exchange {
  std::uint64_t sent = 0;
  unsigned source = 0;         // the lane that it wants to hear
  std::uint64_t received = 0;  // what that lane sent
  unsigned votes = 0;          // the lanes that sent other than zero
};

struct Thread {
  Fiber fiber;
  uint3 index{};
  unsigned number = 0;  // in the block
  State state = State::ready;
  const char* operation = "";  // the last that it waited in, and
  Place place;                 // where
  unsigned mask = 0;
  Exchange exchange;

  unsigned lane() const { return number % warp_size; }
};

// What a thread does that does not run, for reports.
inline std::string description(const Thread& thread) {
  if (thread.state == State::returned) {
    return "have returned";
  }
  std::ostringstream out;
  out << "wait in " << thread.operation << " at " << thread.place;
  if (thread.state == State::in_warp) {
    out << ", mask " << std::hex << thread.mask;
  }
  return out.str();
}

// The lanes of a mask as "0-3 7".
inline std::string ranges(std::uint64_t lanes) {
  std::ostringstream out;
  const char* separator = "";
  for (int begin = 0, end; lanes >> begin != 0; begin = end) {
    begin += std::countr_zero(lanes >> begin);
    end = begin + std::countr_one(lanes >> begin);
    out << separator << begin;
    if (end - begin > 1) {
      out << "-" << end - 1;
    }
    separator = " ";
  }
  return out.str();
}

}  // namespace simt
