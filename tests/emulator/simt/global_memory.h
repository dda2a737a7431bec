// Loads and stores of global memory, behind GPU_LOAD, GPU_LOAD_IF and GPU_STORE: refused where misaligned, as
// by the hardware, and counted if somebody counts.
#pragma once

#include <cstdint>
#include <type_traits>

#include "simt/scheduler.h"
#include "simt/traffic.h"

namespace simt {

template <typename T>
void access(Access kind, const T* pointer, const Place& place) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (reinterpret_cast<std::uintptr_t>(pointer) % alignof(T) != 0) {
    fail_in_thread(place, "misaligned ", kind == Access::load ? "load" : "store", " of ", sizeof(T), " bytes");
  }
  if (counter != nullptr) {
    Bookkeeping unseen;
    counter->pass(kind, place, Block::running().current().number, pointer, sizeof(T), alignof(T));
  }
}

template <typename T>
T load(const T* pointer, Place place = Place::current()) {
  access(Access::load, pointer, place);
  return *pointer;
}

template <typename T>
void store(T* pointer, std::type_identity_t<T> value, Place place = Place::current()) {
  access(Access::store, pointer, place);
  *pointer = value;
}

// A lane passes a load of T and wants nothing.
template <typename T, typename Otherwise>
Otherwise&& pass_load(Otherwise&& otherwise, Place place = Place::current()) {
  if (counter != nullptr) {
    Bookkeeping unseen;
    counter->pass(Access::load, place, Block::running().current().number, nullptr, sizeof(T), alignof(T));
  }
  return static_cast<Otherwise&&>(otherwise);
}

}  // namespace simt
