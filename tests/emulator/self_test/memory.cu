// Faults of addresses: beyond an array, misaligned, never written; and launches that CUDA refuses.
#include "cases.h"

namespace self_test {
namespace {

struct alignas(16) Pack {
  float element[4];
};

// 32 numbers doubled; the offset and the length of the arrays make the faults.
__global__ void double_numbers(const float* numbers, float* out, int n) {
  for (int i = threadIdx.x; i < n; i += 32) {
    GPU_STORE(out + i, 2 * GPU_LOAD(numbers + i));
  }
}

template <int n_read, int n_written>
bool double_numbers_right() {
  const std::vector<float> numbers = wave(n_read);
  std::vector<float> out(n_written);
  GPU_LAUNCH(double_numbers, 1, 32, 0, nullptr, numbers.data(), out.data(), 100);
  return out[50] == 2 * numbers[50];
}

// By GPU_LOAD, as in this project, or by a bare pointer.
template <bool bare>
__global__ void load_pack(const float* numbers, float* out) {
  const Pack* const pack = reinterpret_cast<const Pack*>(numbers) + threadIdx.x;
  float total = 0;
  if (bare) {
    total = pack->element[0] + pack->element[3];
  } else {
    const Pack loaded = GPU_LOAD(pack);
    total = loaded.element[0] + loaded.element[3];
  }
  GPU_STORE(out + threadIdx.x, total);
}

template <bool bare, int offset>
bool load_pack_right() {
  alignas(16) float numbers[132];
  for (int i = 0; i < 132; ++i) {
    numbers[i] = static_cast<float>(i);
  }
  std::vector<float> out(32);
  GPU_LAUNCH(load_pack<bare>, 1, 32, 0, nullptr, numbers + offset, out.data());
  return out[31] == 251 + 2 * offset;
}

__global__ void store_pack(float* out) {
  const Pack pack = {{1, 2, 3, 4}};
  GPU_STORE(reinterpret_cast<Pack*>(out) + threadIdx.x, pack);
}

template <int offset>
bool store_pack_right() {
  alignas(16) float out[132] = {};
  GPU_LAUNCH(store_pack, 1, 32, 0, nullptr, out + offset);
  return out[127 + offset] == 4;
}

__device__ void fill(float* array, int n) {
  for (int i = threadIdx.x; i < n; i += 32) {
    array[i] = static_cast<float>(i);
  }
  __syncthreads();
}

// Fills an array of 50 by a pointer, which carries no bounds.
template <bool planted>
__global__ void fill_shared(float* out) {
  GPU_SHARED(float, array, 50);
  fill(array, planted ? 51 : 50);
  GPU_STORE(out + threadIdx.x, array[threadIdx.x]);
}

template <bool planted>
__global__ void fill_dynamic(float* out, int n) {
  GPU_DYNAMIC_SHARED(float, array);
  fill(array, planted ? n + 1 : n);
  GPU_STORE(out + threadIdx.x, array[threadIdx.x]);
}

// Reads an array of 50 by its name.
template <bool planted>
__global__ void index_shared(float* out) {
  GPU_SHARED(float, array, 50);
  fill(array, 50);
  const unsigned index = threadIdx.x + (planted ? 19 : 18);
  GPU_STORE(out + threadIdx.x, array[index] - static_cast<float>(index - threadIdx.x));
}

// Sums an array of 32 of which all, or all but one, were written.
template <bool planted>
__global__ void sum_of_unwritten(float* out) {
  GPU_SHARED(float, array, 32);
  if (!planted || threadIdx.x != 7) {
    array[threadIdx.x] = static_cast<float>(threadIdx.x);
  }
  __syncthreads();
  GPU_STORE(out + threadIdx.x, warp_sum(array[threadIdx.x]) - 496 + static_cast<float>(threadIdx.x));
}

// Kernels of 32 threads that make out[i] = i.
template <void (*kernel)(float*)>
bool counts_up() {
  std::vector<float> out(32);
  GPU_LAUNCH(kernel, 1, 32, 0, nullptr, out.data());
  return out[31] == 31;
}

template <bool planted>
bool fill_dynamic_right() {
  std::vector<float> out(32);
  GPU_LAUNCH(fill_dynamic<planted>, 1, 32, 50 * sizeof(float), nullptr, out.data(), 50);
  return out[31] == 31;
}

// 40 KB and 40 KB are more than 48 KiB. nvcc refuses it, too.
template <bool planted>
__global__ void much_shared(float* out) {
  GPU_SHARED(float, a, 10000);
  a[threadIdx.x] = static_cast<float>(threadIdx.x);
  if (planted) {
    GPU_SHARED(float, b, 10000);
    b[threadIdx.x] = 0;
  }
  __syncthreads();
  GPU_STORE(out + threadIdx.x, a[threadIdx.x]);
}

__global__ void nothing(int* ran) { GPU_STORE(ran, 1); }

// Right if it was launched.
bool launched(dim3 grid, dim3 block, std::size_t shared_bytes) {
  int ran = 0;
  simt::config().last_block = 1;  // of what may be billions
  GPU_LAUNCH(nothing, grid, block, shared_bytes, nullptr, &ran);
  simt::config().last_block = simt::Config().last_block;
  const cudaError_t error = cudaGetLastError();
  if (error != cudaSuccess) {
    throw simt::Fault("invalid configuration: " + simt::configuration_error());
  }
  return ran == 1;
}

}  // namespace

const std::vector<Case> memory_cases = {
    {"load_beyond_array", double_numbers_right<100 - 1, 100>, double_numbers_right<100, 100>},
    {"store_beyond_array", double_numbers_right<100, 100 - 1>, double_numbers_right<100, 100>},
    {"misaligned_load", load_pack_right<false, 1>, load_pack_right<false, 4>},
    {"misaligned_store", store_pack_right<1>, store_pack_right<4>},
    {"misaligned_pointer", load_pack_right<true, 1>, load_pack_right<true, 4>},
    {"shared_beyond_array", counts_up<fill_shared<true>>, counts_up<fill_shared<false>>},
    {"dynamic_beyond_array", fill_dynamic_right<true>, fill_dynamic_right<false>},
    {"index_beyond_array", counts_up<index_shared<true>>, counts_up<index_shared<false>>},
    {"unwritten_shared", counts_up<sum_of_unwritten<true>>, counts_up<sum_of_unwritten<false>>},
    {"too_much_static_shared", counts_up<much_shared<true>>, counts_up<much_shared<false>>},
};

const std::vector<Case> launch_cases = {
    {"grid_too_wide", [] { return launched(0x80000000u, 32, 0); }, [] { return launched(0x7fffffffu, 1, 0); }},
    {"grid_too_high", [] { return launched({1, 65536}, 32, 0); }, [] { return launched({1, 65535}, 1, 0); }},
    {"grid_too_deep", [] { return launched({1, 1, 65536}, 32, 0); }, [] { return launched({1, 1, 65535}, 1, 0); }},
    {"empty_grid", [] { return launched(0, 32, 0); }, [] { return launched(1, 1, 0); }},
    {"block_too_large", [] { return launched(1, {32, 33}, 0); }, [] { return launched(1, {1, 1, 1}, 0); }},
    {"block_too_deep", [] { return launched(1, {1, 1, 65}, 0); }, [] { return launched(1, {1, 1, 1}, 0); }},
    {"too_much_dynamic_shared", [] { return launched(1, 32, 49153); }, [] { return launched(1, 1, 49152); }},
};

}  // namespace self_test
