// The CUDA launchers for Python's tests and benchmarks: they run in the emulator, on memory given by its address,
// and what they move can be counted. (The operators themselves are never bound so: they are torch's.)
#include <cstdint>
#include <stdexcept>
#include <string>

#include <pybind11/pybind11.h>

#include "cuda/diff_augment.h"
#include "cuda/gpu.h"
#include "cuda/omni_loss.h"

namespace py = pybind11;
using namespace py::literals;
using pspgan::cuda::DiffAugment;
using pspgan::cuda::OmniLoss;
using pspgan::cuda::Type;

namespace {

template <typename T = void>
T* pointer(uintptr_t address) {
  return reinterpret_cast<T*>(address);
}

void check_launch(int error) {
  if (error != cudaSuccess) {
    throw std::runtime_error("cudaError_t " + std::to_string(error) + ": " + simt::configuration_error());
  }
}

void bind_emulator(py::module_& module) {
  module.def(
      "schedule",
      [](uint64_t seed) { simt::config().seed = seed; },
      "seed"_a,
      "From now on, blocks and threads take turns in the random order of this seed.");
  py::class_<simt::Movement>(module, "Movement", "What a warp asks of memory, added up.")
      .def_readonly("requests", &simt::Movement::requests)
      .def_readonly("bytes", &simt::Movement::bytes)
      .def_readonly("sectors", &simt::Movement::sectors, "of 32 bytes, each once a request");
  py::class_<simt::KernelTraffic>(module, "Traffic")
      .def_readonly("launches", &simt::KernelTraffic::launches)
      .def_readonly("loads", &simt::KernelTraffic::loads)
      .def_readonly("stores", &simt::KernelTraffic::stores);
  module.def(
      "count",
      [](const py::function& run) { return simt::count([&] { run(); }).total; },
      "run"_a,
      "The traffic of all kernels that a function launches.");
  py::enum_<Type>(module, "Type", "Element types, by the names that torch gives them.")
      .value("float32", Type::float32)
      .value("float64", Type::float64)
      .value("float16", Type::float16)
      .value("bfloat16", Type::bfloat16);
}

void bind_omni_loss(py::module_& module) {
  py::class_<OmniLoss>(module, "OmniLoss")
      .def(
          py::init([](uintptr_t scores,
                      uintptr_t labels,
                      Type type,
                      bool wide_labels,
                      int64_t n_row,
                      int64_t n_class,
                      int64_t score_stride,
                      int64_t label_stride,
                      double margin,
                      double gamma) {
            return OmniLoss{
                pointer(scores), pointer(labels), type, wide_labels, n_row, n_class, score_stride, label_stride, margin, gamma};
          }),
          py::kw_only(),
          "scores"_a,
          "labels"_a,
          "type"_a,
          "wide_labels"_a,
          "n_row"_a,
          "n_class"_a,
          "score_stride"_a,
          "label_stride"_a,
          "margin"_a,
          "gamma"_a);
  module.def(
      "omni_loss",
      [](const OmniLoss& call, uintptr_t losses) {
        check_launch(pspgan::cuda::omni_loss(call, pointer(losses), nullptr));
      },
      "call"_a,
      "losses"_a);
  module.def(
      "omni_loss_backward",
      [](const OmniLoss& call, uintptr_t grad, int64_t grad_stride, double grad_scale, uintptr_t grad_scores) {
        check_launch(pspgan::cuda::omni_loss_backward(
            call, pointer(grad), grad_stride, grad_scale, pointer(grad_scores), nullptr));
      },
      "call"_a,
      "grad"_a,
      "grad_stride"_a,
      "grad_scale"_a,
      "grad_scores"_a);
  module.def(
      "omni_loss_reduce",
      [](uintptr_t losses, Type type, int64_t n_row, bool mean, uintptr_t loss) {
        check_launch(pspgan::cuda::omni_loss_reduce(pointer(losses), type, n_row, mean, pointer(loss), nullptr));
      },
      "losses"_a,
      "type"_a,
      "n_row"_a,
      "mean"_a,
      "loss"_a);
}

// A pointer of 0: not drawn.
void bind_diff_augment(py::module_& module) {
  py::class_<DiffAugment>(module, "DiffAugment")
      .def(
          py::init([](Type type,
                      uintptr_t brightness,
                      uintptr_t saturation,
                      uintptr_t contrast,
                      uintptr_t translation,
                      uintptr_t cutout,
                      int64_t batch,
                      int64_t channels,
                      int64_t height,
                      int64_t width,
                      bool channels_last) {
            return DiffAugment{
                type,
                pointer(brightness),
                pointer(saturation),
                pointer(contrast),
                pointer<int64_t>(translation),
                pointer<int64_t>(cutout),
                batch,
                channels,
                height,
                width,
                channels_last};
          }),
          py::kw_only(),
          "type"_a,
          "brightness"_a = 0,
          "saturation"_a = 0,
          "contrast"_a = 0,
          "translation"_a = 0,
          "cutout"_a = 0,
          "batch"_a,
          "channels"_a,
          "height"_a,
          "width"_a,
          "channels_last"_a);
  module.def("diff_augment_scratch", &pspgan::cuda::diff_augment_scratch, "call"_a);
  module.def(
      "diff_augment",
      [](const DiffAugment& call, uintptr_t x, uintptr_t y, uintptr_t scratch) {
        check_launch(pspgan::cuda::diff_augment(call, pointer(x), pointer(y), pointer(scratch), nullptr));
      },
      "call"_a,
      "x"_a,
      "y"_a,
      "scratch"_a);
  module.def(
      "diff_augment_backward",
      [](const DiffAugment& call, uintptr_t grad_y, uintptr_t grad_x, uintptr_t scratch) {
        check_launch(
            pspgan::cuda::diff_augment_backward(call, pointer(grad_y), pointer(grad_x), pointer(scratch), nullptr));
      },
      "call"_a,
      "grad_y"_a,
      "grad_x"_a,
      "scratch"_a);
}

}  // namespace

PYBIND11_MODULE(emulated_kernels, module) {
  bind_emulator(module);
  bind_omni_loss(module);
  bind_diff_augment(module);
}
