// The shared memory of the block that runs.
//
// Every array is a heap block of its own and of exactly its size, so that AddressSanitizer sees an access
// beyond it, and begins as NaN of whatever type, so that a result made from what nobody wrote shows it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>
#include <vector>

#include "simt/sanitizers.h"
#include "simt/where.h"

namespace simt {

constexpr std::size_t most_shared_bytes = 48 * 1024;  // what a launch gets without asking for more

class SharedMemory {
 public:
  void begin_block(std::size_t dynamic_bytes) {
    arrays_.clear();
    dynamic_bytes_ = dynamic_bytes;
    used_ = dynamic_bytes;
  }

  void end_block() { arrays_.clear(); }

  // The array whose declaration is known by `identity`: made for the first thread that comes, the same for all.
  void* array(const void* identity, std::size_t bytes) {
    Bookkeeping unseen;
    for (const Array& array : arrays_) {
      if (array.identity == identity) {
        return array.bytes.get();
      }
    }
    used_ += identity == dynamic_identity() ? 0 : bytes;
    if (used_ > most_shared_bytes) {
      fail_in_block("too much shared memory: ", used_, " bytes, of at most ", most_shared_bytes);
    }
    arrays_.push_back({identity, std::make_unique<std::byte[]>(bytes)});
    std::memset(arrays_.back().bytes.get(), 0xff, bytes);
    return arrays_.back().bytes.get();
  }

  void* dynamic_array() { return array(dynamic_identity(), dynamic_bytes_); }

 private:
  struct Array {
    const void* identity;
    std::unique_ptr<std::byte[]> bytes;
  };

  static const void* dynamic_identity() {
    static const char identity = 0;
    return &identity;
  }

  std::vector<Array> arrays_;
  std::size_t dynamic_bytes_ = 0, used_ = 0;
};
inline SharedMemory shared_memory;

// CUDA constructs nothing in shared memory, so neither type may expect it.
template <typename T>
constexpr bool can_be_shared =
    std::is_trivially_default_constructible_v<T> && std::is_trivially_destructible_v<T> && alignof(T) <= 16;

template <typename T, std::size_t n>
T (&shared_array(const void* identity))
[n] {
  static_assert(can_be_shared<T>);
  return *static_cast<T(*)[n]>(shared_memory.array(identity, sizeof(T[n])));
}

template <typename T>
T* dynamic_shared_array() {
  static_assert(can_be_shared<T>);
  return static_cast<T*>(shared_memory.dynamic_array());
}

}  // namespace simt
