// Operations of a warp by CUDA's names: synchronisation, shuffles, votes. Only __syncwarp orders memory.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "simt/scheduler.h"

namespace simt {

// Lane `source` of the caller's warp is who the caller hears; it has to take part.
template <typename T>
T shuffle(const char* operation, unsigned mask, T value, unsigned source, Place place) {
  static_assert(std::is_arithmetic_v<T> && sizeof(T) <= sizeof(std::uint64_t));
  if ((mask >> source & 1) == 0) {
    fail_in_thread(place, "lane outside the mask: ", operation, " reads lane ", source);
  }
  Exchange exchange;
  exchange.source = source;
  std::memcpy(&exchange.sent, &value, sizeof value);
  exchange = Block::running().wait_for_warp(operation, mask, exchange, Memory::unordered, place);
  std::memcpy(&value, &exchange.received, sizeof value);
  return value;
}

inline unsigned vote(const char* operation, unsigned mask, bool predicate, Place place) {
  Exchange exchange;
  exchange.source = Block::running().current().lane();
  exchange.sent = predicate ? 1 : 0;
  return Block::running().wait_for_warp(operation, mask, exchange, Memory::unordered, place).votes;
}

}  // namespace simt

inline void __syncthreads(simt::Place place = simt::Place::current()) {
  simt::Block::running().wait_for_block(place);
}

inline void __syncwarp(unsigned mask = 0xffffffffu, simt::Place place = simt::Place::current()) {
  simt::Exchange nothing;
  nothing.source = simt::Block::running().current().lane();
  simt::Block::running().wait_for_warp("__syncwarp", mask, nothing, simt::Memory::ordered, place);
}

// A shuffle works within segments of `width` lanes, a power of two. __shfl_sync counts lanes round within the
// segment; the others leave a lane its own value where its source would lie beyond.

template <typename T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, simt::Place place = simt::Place::current()) {
  const unsigned lane = simt::Block::running().current().lane(),
                 segment = lane & ~(static_cast<unsigned>(width) - 1);
  const unsigned wanted = segment + (static_cast<unsigned>(source) & (static_cast<unsigned>(width) - 1));
  return simt::shuffle("__shfl_sync", mask, value, wanted, place);
}

template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned n, int width = 32, simt::Place place = simt::Place::current()) {
  const unsigned lane = simt::Block::running().current().lane(),
                 segment = lane & ~(static_cast<unsigned>(width) - 1);
  return simt::shuffle("__shfl_up_sync", mask, value, lane - segment < n ? lane : lane - n, place);
}

template <typename T>
T __shfl_down_sync(
    unsigned mask, T value, unsigned n, int width = 32, simt::Place place = simt::Place::current()) {
  const unsigned lane = simt::Block::running().current().lane(), last = lane | (static_cast<unsigned>(width) - 1);
  return simt::shuffle("__shfl_down_sync", mask, value, last - lane < n ? lane : lane + n, place);
}

template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, simt::Place place = simt::Place::current()) {
  const unsigned lane = simt::Block::running().current().lane(), last = lane | (static_cast<unsigned>(width) - 1);
  const unsigned wanted = lane ^ static_cast<unsigned>(bits);
  return simt::shuffle("__shfl_xor_sync", mask, value, wanted > last ? lane : wanted, place);
}

inline unsigned __ballot_sync(unsigned mask, int predicate, simt::Place place = simt::Place::current()) {
  return simt::vote("__ballot_sync", mask, predicate != 0, place);
}

inline int __any_sync(unsigned mask, int predicate, simt::Place place = simt::Place::current()) {
  return simt::vote("__any_sync", mask, predicate != 0, place) != 0;
}

inline int __all_sync(unsigned mask, int predicate, simt::Place place = simt::Place::current()) {
  return simt::vote("__all_sync", mask, predicate != 0, place) == mask;
}
