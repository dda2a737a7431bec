// What kernels and launches mean: indices, shuffles, votes, schedules, parts of a grid, errors.
#include <sys/mman.h>

#include <cmath>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "check.h"
#include "cuda/gpu.h"

namespace {

constexpr unsigned all_lanes = 0xffffffffu;

// ---- Indices ----

__global__ void number_threads(int* out) {
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  GPU_STORE(out + block * (blockDim.x * blockDim.y * blockDim.z) + thread, static_cast<int>(thread));
}

void every_thread_of_every_block_runs_once() {
  std::vector<int> out(2 * 3 * 4 * 24, -1);
  GPU_LAUNCH(number_threads, dim3(2, 3, 4), dim3(4, 3, 2), 0, nullptr, out.data());
  bool right = true;
  for (std::size_t i = 0; i < out.size(); ++i) {
    right &= out[i] == static_cast<int>(i % 24);
  }
  CHECK(right);
}

// ---- Operations of a warp ----

enum class Shuffle { lane, up, down, exclusive_or };

template <typename T>
__global__ void shuffle(Shuffle kind, int argument, int width, T* out) {
  const T value = static_cast<T>(threadIdx.x) + T(0.5);
  T got = 0;
  if (kind == Shuffle::lane) {
    got = __shfl_sync(all_lanes, value, argument, width);
  } else if (kind == Shuffle::up) {
    got = __shfl_up_sync(all_lanes, value, argument, width);
  } else if (kind == Shuffle::down) {
    got = __shfl_down_sync(all_lanes, value, argument, width);
  } else {
    got = __shfl_xor_sync(all_lanes, value, argument, width);
  }
  GPU_STORE(out + threadIdx.x, got);
}

// The lane that is heard, by the pseudocode of the PTX manual's `shfl.sync`.
int heard(Shuffle kind, int lane, int argument, int width) {
  const int segment_mask = 32 - width, first = lane & segment_mask, clamp = kind == Shuffle::up ? 0 : 31;
  const int limit = first | (clamp & ~segment_mask & 31);
  if (kind == Shuffle::up) {
    return lane - argument >= limit ? lane - argument : lane;
  }
  const int source = kind == Shuffle::down           ? lane + argument
                     : kind == Shuffle::exclusive_or ? lane ^ argument
                                                     : first | (argument & ~segment_mask & 31);
  return source <= limit ? source : lane;
}

template <typename T>
void shuffles() {
  for (const Shuffle kind : {Shuffle::lane, Shuffle::up, Shuffle::down, Shuffle::exclusive_or}) {
    for (const int width : {1, 2, 8, 16, 32}) {
      for (const int argument : {0, 1, 5, 16, 31}) {
        std::vector<T> out(64);
        GPU_LAUNCH(shuffle<T>, 1, 64, 0, nullptr, kind, argument, width, out.data());
        for (int thread = 0; thread < 64; ++thread) {
          const int source = thread / 32 * 32 + heard(kind, thread % 32, argument, width);
          CHECK(out[thread] == static_cast<T>(source) + T(0.5));
        }
      }
    }
  }
}

__global__ void votes(unsigned lanes, unsigned mask, unsigned* out) {
  if ((mask >> threadIdx.x & 1) == 0) {
    return;
  }
  const int vote = lanes >> threadIdx.x & 1 ? -7 : 0;  // anything but zero is a yes
  GPU_STORE(out, __ballot_sync(mask, vote));
  GPU_STORE(out + 1, static_cast<unsigned>(__any_sync(mask, vote)));
  GPU_STORE(out + 2, static_cast<unsigned>(__all_sync(mask, vote)));
}

void votes_are_counted() {
  const auto result = [](unsigned lanes, unsigned mask) {
    std::vector<unsigned> out(3);
    GPU_LAUNCH(votes, 1, 32, 0, nullptr, lanes, mask, out.data());
    return out;
  };
  using Out = std::vector<unsigned>;
  CHECK(result(0x80000005, all_lanes) == Out{0x80000005, 1, 0});
  CHECK(result(0, all_lanes) == Out{0, 0, 0});
  CHECK(result(all_lanes, all_lanes) == Out{all_lanes, 1, 1});
  CHECK(result(0xff, 0xf) == Out{0xf, 1, 1});
  CHECK(result(0xf0, 0xf) == Out{0, 0, 0});
}

// ---- Shared memory ----

template <typename T, int n>
__device__ T* one_array() {
  GPU_SHARED(T, array, n);
  static_assert(sizeof array == n * sizeof(T));
  return array;
}

__global__ void compare_arrays(bool* same) {
  const void *a = one_array<float, 4>(), *b = one_array<float, 4>(), *c = one_array<float, 5>(),
             *d = one_array<int, 4>();
  GPU_DYNAMIC_SHARED(float, dynamic);
  const bool different = a != c && a != d && c != d && a != dynamic;
  GPU_STORE(same + threadIdx.x, a == b && different && reinterpret_cast<std::uintptr_t>(dynamic) % 16 == 0);
}

__global__ void unwritten(bool* is_nan) {
  GPU_SHARED(float, floats, 1);
  GPU_SHARED(double, doubles, 1);
  GPU_SHARED(__half, halves, 1);
  GPU_SHARED(__nv_bfloat16, bfloats, 1);
  GPU_STORE(is_nan + 0, std::isnan(floats[0]));
  GPU_STORE(is_nan + 1, std::isnan(doubles[0]));
  GPU_STORE(is_nan + 2, std::isnan(__half2float(halves[0])));
  GPU_STORE(is_nan + 3, std::isnan(__bfloat162float(bfloats[0])));
}

// Arrays are told apart as statics are: one for each instantiation of the function, however often it is called.
void shared_arrays() {
  bool same[2] = {}, is_nan[4] = {};
  GPU_LAUNCH(compare_arrays, 1, 2, 16, nullptr, same);
  CHECK(same[0] && same[1]);
  GPU_LAUNCH(unwritten, 1, 1, 0, nullptr, is_nan);
  CHECK(is_nan[0] && is_nan[1] && is_nan[2] && is_nan[3]);
}

// ---- Schedules ----

std::vector<unsigned> order;  // who ran, in turn

__global__ void record_order() {
  for (int turn = 0; turn < 2; ++turn) {
    order.push_back(blockIdx.x * blockDim.x + threadIdx.x);
    __syncwarp();
  }
}

std::vector<unsigned> order_with(const simt::Config& config) {
  simt::config() = config;
  order.clear();
  GPU_LAUNCH(record_order, 3, 64, 0, nullptr);
  simt::config() = {};
  return order;
}

void seeds_repeat_and_differ() {
  std::set<std::vector<unsigned>> orders;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    CHECK(order_with({.seed = seed}) == order_with({.seed = seed}));
    orders.insert(order_with({.seed = seed}));
  }
  CHECK(orders.size() == 20);
  const std::vector<unsigned> plain = order_with({.shuffle = false});
  CHECK(plain[0] == 0 && plain[31] == 31 && plain[32] == 0 && plain[64] == 32 && plain.back() == 191);
}

// A few seeds show a warp far ahead of another, and warps that take turns; and every block first and last.
void schedules_are_diverse() {
  bool ahead = false, in_turns = false;
  std::set<unsigned> first_blocks, last_blocks;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const std::vector<unsigned> turns = order_with({.seed = seed});
    first_blocks.insert(turns.front() / 64);
    last_blocks.insert(turns.back() / 64);
    std::size_t changes = 0;
    for (std::size_t i = 1; i < 128; ++i) {
      changes += turns[i] / 32 != turns[i - 1] / 32;
    }
    ahead |= changes == 1;
    in_turns |= changes > 40;
  }
  CHECK(ahead && in_turns);
  CHECK(first_blocks.size() == 3 && last_blocks.size() == 3);
}

// ---- Parts of a grid ----

__global__ void mark(unsigned char* out, std::int64_t bytes_per_block) {
  GPU_STORE(out + blockIdx.x * bytes_per_block + threadIdx.x, static_cast<unsigned char>(gridDim.x % 256));
}

// 2^32 bytes of which only the touched pages exist, and a grid of 2^20 blocks of which three run.
void part_of_a_grid_on_sparse_memory() {
  constexpr std::int64_t bytes = std::int64_t{1} << 32, n_block = 1 << 20, bytes_per_block = bytes / n_block;
  void* const memory =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    std::printf("skipped: no address space for 4 GiB\n");
    return;
  }
  auto* const out = static_cast<unsigned char*>(memory);
  simt::config() = {.first_block = n_block - 3, .last_block = n_block};
  GPU_LAUNCH(mark, n_block - 1, 32, 0, nullptr, out, bytes_per_block);
  simt::config() = {};
  CHECK(out[bytes - 4 * bytes_per_block] == 0);
  CHECK(out[bytes - 3 * bytes_per_block] == 255 && out[bytes - 2 * bytes_per_block + 31] == 255);
  CHECK(out[bytes - bytes_per_block] == 0);  // the grid ends before `last_block`
  munmap(memory, bytes);
}

// ---- Errors ----

__global__ void diverge() {
  if (threadIdx.y == 1) {
    __syncwarp(0x0000ffff);
  }
}

void faults_say_where() {
  simt::config() = {.first_block = 5, .last_block = 6};
  std::string what;
  try {
    GPU_LAUNCH(diverge, dim3(2, 2, 2), dim3(16, 2), 0, nullptr);
  } catch (const simt::Fault& fault) {
    what = fault.what();
  }
  simt::config() = {};
  CHECK(what.starts_with("lane outside its own mask: __syncwarp at "));
  for (const char* part : {"semantics.cu:", "thread (", ", 1, 0)", "kernel diverge", "block (1, 0, 1)"}) {
    CHECK(what.find(part) != std::string::npos);
  }
}

[[gnu::noinline]] __device__ void fill(int* numbers, int n, int value) {
  for (int i = 0; i < n; ++i) {
    numbers[i] = value;
  }
}

// Threads that keep arrays of some size on their stacks. They may end in the middle: the last by a fault, for
// which the others are left where they wait.
template <int n>
__global__ void keep_array(bool fail, int* out) {
  int kept[n];
  fill(kept, n, threadIdx.x);
  if (fail && threadIdx.x == 31) {
    __syncwarp(1);
  } else if (fail) {
    __syncthreads();
  }
  GPU_STORE(out + threadIdx.x, kept[n / 2]);
}

// A launch after a fault finds nothing of it, neither in the emulator nor on the stacks.
void faults_leave_nothing_behind() {
  std::vector<int> out(32);
  simt::config() = {.shuffle = false};
  try {
    GPU_LAUNCH(keep_array<40>, 1, 32, 0, nullptr, true, out.data());
    CHECK(false);
  } catch (const simt::Fault&) {
    GPU_LAUNCH(keep_array<400>, 1, 32, 0, nullptr, false, out.data());
    CHECK(out[0] == 0 && out[31] == 31);
  }
  simt::config() = {};
}

void refused_launches() {
  CHECK(cudaGetLastError() == cudaSuccess);
  GPU_LAUNCH(record_order, 1, 1025, 0, nullptr);
  CHECK(simt::configuration_error().starts_with("kernel record_order: block.x is 1025"));
  order_with({});  // one that succeeds does not take the error back
  CHECK(cudaGetLastError() == cudaErrorInvalidConfiguration);
  CHECK(cudaGetLastError() == cudaSuccess);
}

void device_code_outside_a_kernel() {
  try {
    __syncthreads();
    CHECK(false);
  } catch (const simt::Fault&) {
  }
}

// ---- The rest of CUDA's words ----

__global__ void functions(float* out) {
  GPU_STORE(out + 0, rsqrtf(4.0f));
  GPU_STORE(out + 1, static_cast<float>(rsqrt(16.0)));
  GPU_STORE(out + 2, __expf(0.0f) + __logf(1.0f) + __fdividef(1.0f, 2.0f));
  GPU_STORE(out + 3, static_cast<float>(max(1, 2) + min(1, 2)));
  GPU_STORE(out + 4, static_cast<float>(__popc(0xf0f0f0f0u)));
  atomicAdd(out + 5, 1.0f);
}

void functions_are_right() {
  std::vector<float> out(6);
  GPU_LAUNCH(functions, 7, 1, 0, nullptr, out.data());
  CHECK(out == std::vector<float>{0.5f, 0.25f, 1.5f, 3, 16, 7});
}

}  // namespace

int main() {
  every_thread_of_every_block_runs_once();
  shuffles<float>();
  shuffles<double>();
  shuffles<int>();
  shuffles<std::int64_t>();
  votes_are_counted();
  shared_arrays();
  seeds_repeat_and_differ();
  schedules_are_diverse();
  part_of_a_grid_on_sparse_memory();
  faults_say_where();
  faults_leave_nothing_behind();
  refused_launches();
  device_code_outside_a_kernel();
  functions_are_right();
  return self_test::n_failure != 0;
}
