// The traffic counters against kernels whose requests, bytes and sectors are counted by hand.
#include <cstdint>
#include <vector>

#include "check.h"
#include "cuda/gpu.h"

namespace {

struct alignas(16) Four {
  float element[4];
};

struct alignas(16) Eight {
  float element[8];
};

struct Three {
  float element[3];
};

// Global memory, as a GPU's allocator gives it: at the beginning of a sector.
template <typename T>
struct Buffer {
  explicit Buffer(std::size_t n) : storage((n * sizeof(T) + 31) / 32) {}
  T* data() { return reinterpret_cast<T*>(storage.data()); }

  struct alignas(32) Sector {
    unsigned char bytes[32] = {};
  };
  std::vector<Sector> storage;
};

bool is(const simt::Movement& movement, std::uint64_t requests, std::uint64_t bytes, std::uint64_t sectors) {
  return movement.requests == requests && movement.bytes == bytes && movement.sectors == sectors;
}

template <typename T>
__global__ void copy(const T* from, T* to, int n, int stride) {
  for (int i = threadIdx.x + blockIdx.x * blockDim.x; i < n; i += gridDim.x * blockDim.x) {
    GPU_STORE(to + i, GPU_LOAD(from + i * stride));
  }
}

// Copies n elements, `stride` apart and from the `offset`-th on, by one block of 64 threads.
template <typename T>
simt::Traffic copied(int n, int stride = 1, int offset = 0) {
  Buffer<T> from(n * stride + offset + 1), to(n);
  return simt::count([&] { GPU_LAUNCH(copy<T>, 1, 64, 0, nullptr, from.data() + offset, to.data(), n, stride); });
}

void whole_warps() {
  // 256 floats, 64 threads: 2 warps of 4 passages, each 128 bytes.
  const simt::Traffic floats = copied<float>(256);
  CHECK(is(floats.total.loads, 8, 1024, 32));
  CHECK(is(floats.total.stores, 8, 1024, 32));
  CHECK(floats.total.loads.moved_bytes() == 1024);
  // As many packs of 16 bytes: 512 bytes a request.
  CHECK(is(copied<Four>(256).total.loads, 8, 4096, 128));
  // Two bytes each: 64 bytes a request.
  CHECK(is(copied<std::uint16_t>(256).total.loads, 8, 512, 16));
}

void misaligned_and_strided() {
  // One element later each warp's 128 bytes begin and end within a sector.
  CHECK(is(copied<float>(256, 1, 1).total.loads, 8, 1024, 40));
  // Packs that begin in the middle of a sector: 17 for 512 bytes.
  CHECK(is(copied<Four>(64, 1, 1).total.loads, 2, 1024, 34));
  // Every other element touches every sector of twice the bytes; every 8th, a sector each.
  CHECK(is(copied<float>(256, 2).total.loads, 8, 1024, 64));
  CHECK(is(copied<float>(256, 8).total.loads, 8, 1024, 256));
  // All lanes want the same.
  CHECK(is(copied<float>(64, 0).total.loads, 2, 256, 2));
}

void more_than_one_instruction() {
  // 32 bytes in two requests of 16 each, and each of them touches every sector.
  CHECK(is(copied<Eight>(32).total.loads, 2, 1024, 64));
  // 12 bytes that are aligned to 4: three requests, each of which touches all of 384 bytes.
  CHECK(is(copied<Three>(32).total.loads, 3, 384, 36));
}

// 100 floats: passages of 64 and of 36, the latter of a whole warp and of 4 lanes.
void tails_of_loops() {
  CHECK(is(copied<float>(100).total.loads, 4, 400, 13));
  CHECK(is(copied<float>(0).total.loads, 0, 0, 0));
}

// Each lane loads its own number of elements: lane i passes i times.
__global__ void triangle(const float* from, float* to) {
  float sum = 0;
  for (unsigned i = 0; i < threadIdx.x; ++i) {
    sum += GPU_LOAD(from + 32 * i + threadIdx.x);
  }
  GPU_STORE(to + threadIdx.x, sum);
}

void divergent_loops() {
  Buffer<float> from(32 * 32), to(32);
  const auto traffic = simt::count([&] { GPU_LAUNCH(triangle, 1, 32, 0, nullptr, from.data(), to.data()); });
  // The first passage is made by lanes 1 to 31, the next by 2 to 31, and so on: 31 + 30 + ... lanes. Four sectors
  // are touched while the first lane is one of 1 to 7, three from 8 on, then two, then one.
  CHECK(is(traffic.total.loads, 31, 4 * (31 * 32 / 2), 7 * 4 + 8 * 3 + 8 * 2 + 8 * 1));
}

// Odd lanes skip the first load with a branch, or pass it wanting nothing.
template <bool predicated>
__global__ void skipping(const float* from, float* to) {
  float sum = 0;
  for (int i = 0; i < 2; ++i) {
    const bool wanted = i == 1 || threadIdx.x % 2 == 0;
    if (predicated) {
      sum += GPU_LOAD_IF(wanted, from + 32 * i + threadIdx.x, 1.0f);
    } else if (wanted) {
      sum += GPU_LOAD(from + 32 * i + threadIdx.x);
    }
  }
  GPU_STORE(to + threadIdx.x, sum);
}

void predicated_loads() {
  Buffer<float> from(64), to(32);
  const auto run = [&](auto kernel) {
    return simt::count([&] { GPU_LAUNCH(kernel, 1, 32, 0, nullptr, from.data(), to.data()); }).total.loads;
  };
  // Those who pass both times stay together: 16 lanes of the first row, 32 of the second.
  CHECK(is(run(skipping<true>), 2, 192, 8));
  CHECK(to.data()[0] == 0 && to.data()[1] == 1);
  // Otherwise the odd lanes' second row is their first passage, which they share with the even lanes' first.
  CHECK(is(run(skipping<false>), 2, 192, 12));
}

__global__ void nobody_wants(const float* from, float* to) {
  GPU_STORE(to + threadIdx.x, GPU_LOAD_IF(threadIdx.x > 99, from + threadIdx.x, 1.0f));
}

void requests_of_nobody() {
  Buffer<float> to(32);
  const float* const nowhere = nullptr;
  const auto traffic = simt::count([&] { GPU_LAUNCH(nobody_wants, 1, 32, 0, nullptr, nowhere, to.data()); });
  CHECK(is(traffic.total.loads, 0, 0, 0));
  CHECK(is(traffic.total.stores, 1, 128, 4));
}

__global__ void twice_in_a_line(const float* from, float* to) {
  GPU_STORE(to + threadIdx.x, GPU_LOAD(from + threadIdx.x) + GPU_LOAD(from + threadIdx.x));
}

void places_and_kernels_are_told_apart() {
  Buffer<float> from(32), to(32);
  const simt::Traffic traffic = simt::count([&] {
    GPU_LAUNCH(twice_in_a_line, 1, 32, 0, nullptr, from.data(), to.data());
    GPU_LAUNCH((copy<float>), 2, 16, 0, nullptr, from.data(), to.data(), 32, 1);
    GPU_LAUNCH((copy<float>), 2, 16, 0, nullptr, from.data(), to.data(), 32, 1);
  });
  CHECK(traffic.kernels.size() == 2 && traffic.total.launches == 3);
  const simt::KernelTraffic& twice = traffic.kernels.at("twice_in_a_line");
  CHECK(twice.launches == 1 && is(twice.loads, 2, 256, 8) && is(twice.stores, 1, 128, 4));
  const simt::KernelTraffic& copies = traffic.kernels.at("copy<float>");
  CHECK(copies.launches == 2 && is(copies.loads, 4, 256, 8) && is(copies.stores, 4, 256, 8));
  CHECK(is(traffic.total.loads, 6, 512, 16));
}

// Counts do not depend on who comes first.
void schedules_do_not_matter() {
  for (int seed = 0; seed < 5; ++seed) {
    simt::config().seed = seed;
    CHECK(is(copied<float>(1000, 3, 1).total.loads, 32, 4000, 375));
  }
}

}  // namespace

int main() {
  whole_warps();
  misaligned_and_strided();
  more_than_one_instruction();
  tails_of_loops();
  divergent_loops();
  predicated_loads();
  requests_of_nobody();
  places_and_kernels_are_told_apart();
  schedules_do_not_matter();
  return self_test::n_failure != 0;
}
