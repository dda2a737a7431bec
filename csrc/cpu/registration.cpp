// The operators' schemas, and their CPU kernels.
//
// The module has no Python part: `torch.ops.load_library` opens it, which runs the registrations below.
// So it builds without Python's headers and serves every interpreter.
#include <torch/csrc/stable/library.h>

#include "cpu/diff_augment.h"
#include "cpu/omni_loss.h"

STABLE_TORCH_LIBRARY(pspgan, library) {
  library.def(
      "diff_augment(Tensor x, Tensor brightness, Tensor saturation, Tensor contrast, Tensor translation, "
      "Tensor cutout) -> Tensor");
  library.def(
      "diff_augment_backward(Tensor grad, Tensor saturation, Tensor contrast, Tensor translation, "
      "Tensor cutout) -> Tensor");
  library.def("omni_loss(Tensor scores, Tensor labels, float margin, float gamma, int reduction) -> Tensor");
  library.def(
      "omni_loss_backward(Tensor grad, Tensor scores, Tensor labels, float margin, float gamma, int reduction)"
      " -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(pspgan, CPU, library) {
  library.impl("diff_augment", TORCH_BOX(&pspgan::cpu::diff_augment));
  library.impl("diff_augment_backward", TORCH_BOX(&pspgan::cpu::diff_augment_backward));
  library.impl("omni_loss", TORCH_BOX(&pspgan::cpu::omni_loss));
  library.impl("omni_loss_backward", TORCH_BOX(&pspgan::cpu::omni_loss_backward));
}
