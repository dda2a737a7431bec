// How fast the emulator is, in this build: turns of threads, launches, loads and stores.
#include <chrono>
#include <cstdio>
#include <vector>

#include "cuda/gpu.h"

namespace {

// 6 turns of each thread in a step, five shuffles and a barrier, and one to begin with.
__global__ void meet(float* out, int n_step) {
  float value = static_cast<float>(threadIdx.x);
  for (int step = 0; step < n_step; ++step) {
    for (int distance = 16; distance > 0; distance /= 2) {
      value += __shfl_xor_sync(0xffffffffu, value, distance);
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) {
    GPU_STORE(out + blockIdx.x, value);
  }
}

__global__ void copy(const float* from, float* to, int n) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    GPU_STORE(to + i, GPU_LOAD(from + i));
  }
}

template <typename Run>
double seconds(Run run) {
  const auto begin = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

int main() {
  constexpr int n_block = 20, n_thread = 256, n_step = 20, n = 1 << 18;
  std::vector<float> from(n), to(n);
  const double meetings = seconds([&] { GPU_LAUNCH(meet, n_block, n_thread, 0, nullptr, to.data(), n_step); });
  const double blocks = seconds([&] { GPU_LAUNCH(meet, n_block, n_thread, 0, nullptr, to.data(), 0); });
  const auto copies = [&] { GPU_LAUNCH(copy, n_block, n_thread, 0, nullptr, from.data(), to.data(), n); };
  const double plain = seconds(copies);
  const double counted = seconds([&] { simt::count(copies); });
  std::printf("turns of threads        %10.3g /s\n", n_block * n_thread * (6.0 * n_step + 1) / meetings);
  std::printf("blocks of %d threads   %10.3g /s\n", n_thread, n_block / blocks);
  std::printf("loads and stores        %10.3g /s\n", 2 * n / plain);
  std::printf("the same, counted       %10.3g /s\n", 2 * n / counted);
}
