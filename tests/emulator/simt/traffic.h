// Counts what kernels ask of global memory, as the hardware sees it: warp by warp.
//
// A request is one passage of a warp by one GPU_LOAD, GPU_LOAD_IF or GPU_STORE of the source: the lanes'
// accesses on their first passage make one request, those on their second another, and so on. (Lanes that
// are to stay together must therefore pass together: that is what GPU_LOAD_IF is for.) It moves the 32-byte
// sectors that hold its bytes, each once, however many lanes want it. There is no cache: two requests for the
// same sector count it twice. An access wider than 16 bytes, or than its alignment allows, is several requests,
// as it is several instructions. A request that no lane wants is none.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "simt/sanitizers.h"
#include "simt/where.h"

namespace simt {

struct Movement {
  std::uint64_t requests = 0;
  std::uint64_t bytes = 0;    // that lanes asked for, twice where two lanes ask for the same
  std::uint64_t sectors = 0;  // of 32 bytes

  std::uint64_t moved_bytes() const { return 32 * sectors; }
  Movement& operator+=(const Movement& other) {
    requests += other.requests;
    bytes += other.bytes;
    sectors += other.sectors;
    return *this;
  }
};

struct KernelTraffic {
  std::uint64_t launches = 0;
  Movement loads, stores;
};

struct Traffic {
  KernelTraffic total;
  std::map<std::string, KernelTraffic> kernels;  // by their names as written at the launch
};

enum class Access { load, store };

class TrafficCounter {
 public:
  void begin_launch(const std::string& kernel, std::size_t n_thread) {
    kernel_ = &traffic_.kernels[kernel];
    ++kernel_->launches;
    ++traffic_.total.launches;
    n_thread_ = n_thread;
    sites_.clear();  // what a launch that failed has left
  }

  // Thread number `thread` of the block passes `place`, and wants `bytes` at `address` or, for nullptr, nothing.
  void pass(
      Access access,
      const Place& place,
      unsigned thread,
      const void* address,
      std::size_t bytes,
      std::size_t alignment) {
    Site& site = sites_[{place.line(), place.column(), place.file_name(), access, bytes}];
    site.access = access;
    site.bytes = bytes;
    site.width = std::min<std::size_t>(alignment, 16);
    site.passes.resize(n_thread_);
    const std::size_t pass = site.passes[thread]++;
    if (address != nullptr) {
      auto& warp = site.warps[thread / 32];
      warp.resize(std::max(warp.size(), pass + 1));
      warp[pass].push_back(reinterpret_cast<std::uintptr_t>(address));
    }
  }

  // The lanes of a block have all passed where they will.
  void end_block() {
    for (const auto& [key, site] : sites_) {
      Movement moved;
      for (const auto& [warp, passes] : site.warps) {
        for (const Addresses& addresses : passes) {
          moved += movement(addresses, site.bytes, site.width);
        }
      }
      (site.access == Access::load ? kernel_->loads : kernel_->stores) += moved;
      (site.access == Access::load ? traffic_.total.loads : traffic_.total.stores) += moved;
    }
    sites_.clear();
  }

  const Traffic& traffic() const { return traffic_; }

 private:
  using Addresses = std::vector<std::uintptr_t>;  // of the lanes that want something

  // One place of the source.
  struct Site {
    Access access;
    std::size_t bytes, width;           // of one lane's access, and of the widest instruction for it
    std::vector<std::uint32_t> passes;  // by thread: how often it has passed
    std::map<unsigned, std::vector<Addresses>> warps;  // by warp, then by passage
  };

  static Movement movement(const Addresses& addresses, std::size_t bytes, std::size_t width) {
    Movement moved;
    std::vector<std::uintptr_t> sectors;
    for (std::size_t offset = 0; offset < bytes && !addresses.empty(); offset += width) {
      sectors.clear();
      for (const std::uintptr_t address : addresses) {
        sectors.push_back((address + offset) / 32);  // all of it: widths are powers of two up to 16, and aligned
      }
      std::sort(sectors.begin(), sectors.end());
      const auto distinct = std::unique(sectors.begin(), sectors.end()) - sectors.begin();
      moved += {1, addresses.size() * width, static_cast<std::uint64_t>(distinct)};
    }
    return moved;
  }

  Traffic traffic_;
  KernelTraffic* kernel_ = nullptr;
  std::size_t n_thread_ = 0;
  std::map<std::tuple<unsigned, unsigned, std::string_view, Access, std::size_t>, Site> sites_;  // by place
};
inline TrafficCounter* counter = nullptr;  // nobody counts

// What the launches in `run` ask of global memory.
template <typename Run>
Traffic count(Run&& run) {
  struct Counting {
    TrafficCounter own;
    TrafficCounter* const outer = std::exchange(counter, &own);
    ~Counting() { counter = outer; }
  } counting;
  std::forward<Run>(run)();
  return counting.own.traffic();
}

}  // namespace simt
