// Launches a kernel: checks the grid as CUDA does, then runs its blocks one after the other.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <numeric>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "simt/scheduler.h"
#include "simt/shared_memory.h"
#include "simt/traffic.h"

namespace simt {

// How launches run from now on.
struct Config {
  std::uint64_t seed = 1;
  bool shuffle = true;  // false: blocks and threads by their numbers
  // Run only these blocks of the grid, counted x first, then y, then z. The kernel sees the grid as launched.
  std::uint64_t first_block = 0, last_block = std::numeric_limits<std::uint64_t>::max();  // not itself
};

inline Config& config() {
  static Config config;
  return config;
}

// Why the last launch that cudaGetLastError() called an invalid configuration was one.
inline std::string& configuration_error() {
  static std::string reason;
  return reason;
}

inline cudaError_t last_error = cudaSuccess;

inline std::mutex one_launch_at_a_time;

struct Launch {
  std::string kernel;
  dim3 grid, block;
  std::size_t shared_bytes;
};

// What CUDA refuses on every device of compute capability 8 and later; empty if nothing.
inline std::string objections(const Launch& launch) {
  std::string found;
  const auto limit = [&](const char* what, std::uint64_t n, std::uint64_t least, std::uint64_t most) {
    if (n < least || n > most) {
      found += text(what, " is ", n, ", not from ", least, " to ", most, "; ");
    }
  };
  const dim3 grid = launch.grid, block = launch.block;
  limit("grid.x", grid.x, 1, 0x7fffffff);
  limit("grid.y", grid.y, 1, 65535);
  limit("grid.z", grid.z, 1, 65535);
  limit("block.x", block.x, 1, 1024);
  limit("block.y", block.y, 1, 1024);
  limit("block.z", block.z, 1, 64);
  limit("the number of threads in a block", std::uint64_t{block.x} * block.y * block.z, 1, 1024);
  limit("the size of dynamic shared memory", launch.shared_bytes, 0, most_shared_bytes);
  return found;
}

// For the threads of one block, kept for the next; but ThreadSanitizer, to which blocks run at the same time,
// would take the use of one block's frames by another for a race, and forgets them only when they are unmapped.
inline std::unique_ptr<Stacks> kept_stacks;

inline const Stacks& stacks_for(std::size_t n_thread) {
  if (under_thread_sanitizer || kept_stacks == nullptr || kept_stacks->size() < n_thread) {
    kept_stacks.reset();
    kept_stacks = std::make_unique<Stacks>(n_thread);
  }
  return *kept_stacks;
}

inline std::vector<std::uint64_t> blocks_to_run(const dim3& grid, Block::Random* random) {
  const std::uint64_t end = std::min(std::uint64_t{grid.x} * grid.y * grid.z, config().last_block);
  std::vector<std::uint64_t> blocks(end - std::min(config().first_block, end));
  std::iota(blocks.begin(), blocks.end(), config().first_block);
  if (random != nullptr) {
    std::shuffle(blocks.begin(), blocks.end(), *random);
  }
  return blocks;
}

inline void run_blocks(const Launch& launch, void (*body)()) {
  Bookkeeping unseen;
  TsanThreads tsan_threads;
  Block::Random generator(config().seed);
  Block::Random* const random = config().shuffle ? &generator : nullptr;
  Block block(launch.block, body);
  position = {launch.kernel, launch.grid, launch.block};
  const std::size_t n_thread = std::size_t{launch.block.x} * launch.block.y * launch.block.z;
  if (counter != nullptr) {
    counter->begin_launch(launch.kernel, n_thread);
  }
  for (const std::uint64_t number : blocks_to_run(launch.grid, random)) {
    const std::uint64_t row = number / launch.grid.x;
    position.block_index = {
        static_cast<unsigned>(number % launch.grid.x),
        static_cast<unsigned>(row % launch.grid.y),
        static_cast<unsigned>(row / launch.grid.y)};
    shared_memory.begin_block(launch.shared_bytes);
    block.run(stacks_for(n_thread), tsan_threads, random);
    shared_memory.end_block();
    if (counter != nullptr) {
      counter->end_block();
    }
  }
}

// Parameters become of the kernel's types at the launch, and each thread gets copies.
template <typename... Parameters, typename... Arguments>
void launch(
    const char* name,
    void (*kernel)(Parameters...),
    dim3 grid,
    dim3 block,
    std::size_t shared_bytes,
    cudaStream_t,
    Arguments&&... arguments) {
  static_assert((std::is_trivially_copyable_v<Parameters> && ...), "kernel parameters are copied as bytes");
  const std::lock_guard lock(one_launch_at_a_time);
  std::string plain_name = name;
  if (plain_name.front() == '(') {  // (kernel<a, b>): the parentheses are there for the macro
    plain_name = plain_name.substr(1, plain_name.size() - 2);
  }
  const Launch launch{plain_name, grid, block, shared_bytes};
  if (const std::string reason = objections(launch); !reason.empty()) {
    last_error = cudaErrorInvalidConfiguration;
    configuration_error() = text("kernel ", plain_name, ": ", reason);
    return;
  }
  using Call = std::pair<void (*)(Parameters...), std::tuple<Parameters...>>;
  static const Call* call;
  const Call this_call{kernel, {std::forward<Arguments>(arguments)...}};
  call = &this_call;
  try {
    run_blocks(launch, [] { std::apply(call->first, call->second); });
  } catch (...) {
    kept_stacks.reset();  // threads were left in the middle
    throw;
  }
}

}  // namespace simt

inline cudaError_t cudaGetLastError() { return std::exchange(simt::last_error, cudaSuccess); }
