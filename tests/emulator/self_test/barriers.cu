// Faults of __syncthreads: missing, too few, not reached by all; and of blocks that are not independent.
#include "cases.h"

namespace self_test {
namespace {

constexpr int n_number = 1000;
constexpr int n_thread = 256, n_warp = n_thread / 32;

// A sum over the block. The first barrier lets everybody see what each warp wrote, the second keeps the
// scratch from being written again while somebody still reads.
template <bool first_barrier, bool second_barrier>
__device__ float block_sum(float value, float* scratch) {
  value = warp_sum(value);
  if (threadIdx.x % 32 == 0) {
    scratch[threadIdx.x / 32] = value;
  }
  if (first_barrier) {
    __syncthreads();
  }
  float total = 0;
  for (int warp = 0; warp < n_warp; ++warp) {
    total += scratch[warp];
  }
  if (second_barrier) {
    __syncthreads();
  }
  return total;
}

template <bool first_barrier, bool second_barrier>
__global__ void two_sums(const float* numbers, float* out) {
  GPU_SHARED(float, scratch, n_warp);
  float plain = 0, squares = 0;
  for (int i = threadIdx.x; i < n_number; i += n_thread) {
    const float number = GPU_LOAD(numbers + i);
    plain += number;
    squares += number * number;
  }
  plain = block_sum<first_barrier, second_barrier>(plain, scratch);
  squares = block_sum<first_barrier, second_barrier>(squares, scratch);
  if (threadIdx.x == n_thread - 1) {
    GPU_STORE(out, plain);
    GPU_STORE(out + 1, squares);
  }
}

template <bool first_barrier, bool second_barrier>
bool two_sums_right() {
  const std::vector<float> numbers = wave(n_number);
  std::vector<float> out(2);
  GPU_LAUNCH((two_sums<first_barrier, second_barrier>), 1, n_thread, 0, nullptr, numbers.data(), out.data());
  return close(out[0], sum(numbers)) && close(out[1], sum_of_squares(numbers));
}

// Two warps pass one barrier, six the other. A GPU lets them, or hangs.
template <bool planted>
__global__ void at_two_places(float* out) {
  if (planted && threadIdx.x < 64) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  GPU_STORE(out + threadIdx.x, 1.0f);
}

template <bool planted>
bool at_two_places_right() {
  std::vector<float> out(n_thread);
  GPU_LAUNCH(at_two_places<planted>, 1, n_thread, 0, nullptr, out.data());
  return sum(out) == n_thread;
}

// Reverses n numbers through shared memory, with more threads than numbers.
template <bool planted>
__global__ void reverse(const float* numbers, float* out, int n) {
  GPU_SHARED(float, kept, n_thread);
  const int i = threadIdx.x;
  if (planted && i >= n) {
    return;
  }
  if (i < n) {
    kept[i] = GPU_LOAD(numbers + i);
  }
  __syncthreads();
  if (i < n) {
    GPU_STORE(out + i, kept[n - 1 - i]);
  }
}

template <bool planted>
bool reverse_right() {
  const std::vector<float> numbers = wave(200);
  std::vector<float> out(200);
  GPU_LAUNCH(reverse<planted>, 1, n_thread, 0, nullptr, numbers.data(), out.data(), 200);
  return std::vector<float>(out.rbegin(), out.rend()) == numbers;
}

// The number of threads in the even warps, which need no barrier that the odd ones do not reach.
template <bool planted>
__global__ void barrier_of_some_warps(int* out) {
  const bool even = threadIdx.x / 32 % 2 == 0;
  if (even) {
    const int lanes = __popc(__ballot_sync(all_lanes, even));
    if (planted) {
      __syncthreads();
    }
    GPU_STORE(out + threadIdx.x, lanes);
  } else {
    __syncwarp();
  }
}

template <bool planted>
bool barrier_of_some_warps_right() {
  std::vector<int> out(n_thread);
  GPU_LAUNCH(barrier_of_some_warps<planted>, 1, n_thread, 0, nullptr, out.data());
  return out[0] == 32 && out[32] == 0 && out[64] == 32;
}

// Every block has a cell, or all have the same one.
template <bool planted>
__global__ void block_number(int* out) {
  if (threadIdx.x == 0) {
    GPU_STORE(out + (planted ? 0 : blockIdx.x), static_cast<int>(blockIdx.x) + 1);
  }
}

template <bool planted>
bool block_number_right() {
  std::vector<int> out(4, 0);
  GPU_LAUNCH(block_number<planted>, 4, 32, 0, nullptr, out.data());
  return planted ? out[0] == 4 : out == std::vector<int>{1, 2, 3, 4};
}

[[gnu::noinline]] __device__ void write_one_and_two(int* to) {
  to[0] = 1;
  to[1] = 2;
}

// The same, at a barrier's wrong side for anybody who thinks that barriers order blocks. (What is written comes
// from an array on the thread's own stack: there, blocks must not be taken to race.)
template <bool planted>
__global__ void block_number_then_barrier(int* out) {
  int own[2];
  write_one_and_two(own);
  if (threadIdx.x == 0) {
    GPU_STORE(out + (planted ? 0 : blockIdx.x), own[threadIdx.x]);
  }
  __syncthreads();
  if (threadIdx.x == 1) {
    GPU_STORE(out + (planted ? 0 : blockIdx.x), own[threadIdx.x]);
  }
}

template <bool planted>
bool block_number_then_barrier_right() {
  std::vector<int> out(4, 0);
  GPU_LAUNCH(block_number_then_barrier<planted>, 4, 32, 0, nullptr, out.data());
  return planted ? out[0] == 2 : out == std::vector<int>{2, 2, 2, 2};
}

// Blocks add to one counter.
template <bool planted>
__global__ void count_blocks(int* counter) {
  if (threadIdx.x == 0) {
    if (planted) {
      GPU_STORE(counter, GPU_LOAD(counter) + 1);
    } else {
      atomicAdd(counter, 1);
    }
  }
}

template <bool planted>
bool count_blocks_right() {
  int counter = 0;
  GPU_LAUNCH(count_blocks<planted>, 4, 32, 0, nullptr, &counter);
  return counter == 4;
}

}  // namespace

const std::vector<Case> barrier_cases = {
    {"missing_barrier", two_sums_right<false, true>, two_sums_right<true, true>},
    {"scratch_reused_at_once", two_sums_right<true, false>, two_sums_right<true, true>},
    {"barrier_at_two_places", at_two_places_right<true>, at_two_places_right<false>},
    {"barrier_after_return", reverse_right<true>, reverse_right<false>},
    {"barrier_of_some_warps", barrier_of_some_warps_right<true>, barrier_of_some_warps_right<false>},
    {"one_cell_for_all_blocks", block_number_right<true>, block_number_right<false>},
    {"one_cell_between_barriers", block_number_then_barrier_right<true>, block_number_then_barrier_right<false>},
    {"plain_addition_across_blocks", count_blocks_right<true>, count_blocks_right<false>},
};

}  // namespace self_test
