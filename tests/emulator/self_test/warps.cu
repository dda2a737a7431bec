// Faults within a warp: shuffles that not all lanes reach, wrong masks, missing __syncwarp.
#include "cases.h"

namespace self_test {
namespace {

// The sum of the first n lanes' numbers.
template <bool planted>
__global__ void sum_of_some(const float* numbers, float* out, unsigned n) {
  float value = GPU_LOAD_IF(threadIdx.x < n, numbers + threadIdx.x, 0.0f);
  if (!planted || threadIdx.x < n) {
    value = warp_sum(value);
  }
  if (threadIdx.x == 0) {
    GPU_STORE(out, value);
  }
}

template <bool planted>
bool sum_of_some_right() {
  const std::vector<float> numbers = wave(20);
  float out = 0;
  GPU_LAUNCH(sum_of_some<planted>, 1, 32, 0, nullptr, numbers.data(), &out, 20u);
  return close(out, sum(numbers));
}

// Both halves of a warp call the same shuffle, but at two places.
template <bool planted>
__global__ void shuffle_at_two_places(int* out) {
  int value = threadIdx.x;
  if (planted && threadIdx.x < 16) {
    value = __shfl_xor_sync(all_lanes, value, 1);
  } else {
    value = __shfl_xor_sync(all_lanes, value, 1);
  }
  GPU_STORE(out + threadIdx.x, value);
}

template <bool planted>
bool shuffle_at_two_places_right() {
  std::vector<int> out(32);
  GPU_LAUNCH(shuffle_at_two_places<planted>, 1, 32, 0, nullptr, out.data());
  return out[0] == 1 && out[31] == 30;
}

// A block of 20 threads has no lanes 20 to 31.
template <bool planted>
__global__ void absent_lanes(int* out) {
  const unsigned mask = planted ? all_lanes : (1u << 20) - 1;
  GPU_STORE(out + threadIdx.x, __popc(__ballot_sync(mask, 1)));
}

template <bool planted>
bool absent_lanes_right() {
  std::vector<int> out(20);
  GPU_LAUNCH(absent_lanes<planted>, 1, 20, 0, nullptr, out.data());
  return out[19] == 20;
}

// Each half of a warp passes numbers down; with the fault, across the border of its mask.
template <bool planted>
__global__ void neighbours_of_halves(int* out) {
  const unsigned lane = threadIdx.x, half = lane < 16 ? 0x0000ffffu : 0xffff0000u;
  const unsigned neighbour = planted ? (lane + 1) % 32 : lane / 16 * 16 + (lane + 1) % 16;
  int value = 0;
  if (lane < 16) {
    value = __shfl_sync(half, static_cast<int>(lane), neighbour);
  } else {
    value = __shfl_sync(half, static_cast<int>(lane), neighbour);
  }
  GPU_STORE(out + lane, value);
}

template <bool planted>
bool neighbours_of_halves_right() {
  std::vector<int> out(32);
  GPU_LAUNCH(neighbours_of_halves<planted>, 1, 32, 0, nullptr, out.data());
  return out[0] == 1 && out[15] == 0 && out[16] == 17 && out[31] == 16;
}

template <bool planted>
__global__ void mask_without_oneself(int* out) {
  const unsigned mask = planted ? 0x0000ffffu : all_lanes;
  __syncwarp(mask);
  GPU_STORE(out + threadIdx.x, 1);
}

template <bool planted>
bool mask_without_oneself_right() {
  std::vector<int> out(32);
  GPU_LAUNCH(mask_without_oneself<planted>, 1, 32, 0, nullptr, out.data());
  return out[31] == 1;
}

enum class Between { nothing, shuffle, own_half, warp, block };

// Lanes write to shared memory and read what a lane of `distance` away wrote. What is between decides.
template <Between between>
__global__ void through_shared_memory(int* out, int distance) {
  GPU_SHARED(int, kept, 64);
  const int thread = threadIdx.x, lane = thread % 32;
  kept[thread] = thread;
  if (between == Between::shuffle) {
    __shfl_xor_sync(all_lanes, thread, 1);
  } else if (between == Between::own_half) {
    if (lane < 16) {
      __syncwarp(0x0000ffffu);
    } else {
      __syncwarp(0xffff0000u);
    }
  } else if (between == Between::warp) {
    __syncwarp();
  } else if (between == Between::block) {
    __syncthreads();
  }
  GPU_STORE(out + thread, kept[thread ^ distance]);
}

template <Between between, int distance>
bool through_shared_memory_right() {
  std::vector<int> out(64);
  GPU_LAUNCH(through_shared_memory<between>, 1, 64, 0, nullptr, out.data(), distance);
  for (int thread = 0; thread < 64; ++thread) {
    if (out[thread] != (thread ^ distance)) {
      return false;
    }
  }
  return true;
}

}  // namespace

const std::vector<Case> warp_cases = {
    {"shuffle_of_some_lanes", sum_of_some_right<true>, sum_of_some_right<false>},
    {"shuffle_at_two_places", shuffle_at_two_places_right<true>, shuffle_at_two_places_right<false>},
    {"mask_of_absent_lanes", absent_lanes_right<true>, absent_lanes_right<false>},
    {"shuffle_from_outside_the_mask", neighbours_of_halves_right<true>, neighbours_of_halves_right<false>},
    {"mask_without_oneself", mask_without_oneself_right<true>, mask_without_oneself_right<false>},
    {"missing_syncwarp",
     through_shared_memory_right<Between::nothing, 1>,
     through_shared_memory_right<Between::warp, 1>},
    {"shuffle_for_syncwarp",
     through_shared_memory_right<Between::shuffle, 1>,
     through_shared_memory_right<Between::warp, 1>},
    {"syncwarp_of_the_wrong_lanes",
     through_shared_memory_right<Between::own_half, 16>,
     through_shared_memory_right<Between::own_half, 1>},
    {"syncwarp_for_syncthreads",
     through_shared_memory_right<Between::warp, 32>,
     through_shared_memory_right<Between::block, 32>},
};

}  // namespace self_test
