// What the CUDA glue takes from libtorch_cuda.so, for torch without CUDA: there the glue can be linked against
// this and loaded. EMULATED adds torch's device guard, which finds no GPU to guard; then kernels that the
// emulator executes can be called as well.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT int32_t aoti_torch_get_current_cuda_stream(int32_t, void** stream) {
  *stream = nullptr;
  return 0;
}

EXPORT int32_t torch_c10_cuda_check_msg(
    int32_t error, const char*, const char*, uint32_t, bool, char** message) {
  *message = error == 0 ? nullptr : strdup("a CUDA error");
  return 0;
}

EXPORT void torch_c10_cuda_free_error_msg(char* message) { std::free(message); }

#ifdef EMULATED
EXPORT int32_t aoti_torch_create_device_guard(int32_t, void** guard) {
  *guard = nullptr;
  return 0;
}

EXPORT int32_t aoti_torch_delete_device_guard(void*) { return 0; }
#endif
