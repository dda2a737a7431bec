// The Omni loss on a GPU: launchers on plain pointers, without CUDA's or torch's types. They return a cudaError_t;
// `stream` is a cudaStream_t.
#pragma once

#include <cstdint>

#include "cuda/type.h"

namespace pspgan::cuda {

// Scores and labels, (row, class), each row without gaps; rows may lie any number of elements apart. Losses and
// their gradients are float; double for float64 scores.
struct OmniLoss {
  const void* scores;
  const void* labels;
  Type type;         // of the scores
  bool wide_labels;  // int64, else int8; 1 positive, 0 negative, anything else ignored
  int64_t n_row, n_class, score_stride, label_stride;
  double margin, gamma;
};

// losses (row) = loss of each row.
int omni_loss(const OmniLoss& call, void* losses, void* stream);

// grad_scores (row, class), without gaps, in the scores' type = gradient of sum(grad_scale * grad * losses) by the
// scores. grad (row) lies `grad_stride` apart: 0 for one number that is every row's.
int omni_loss_backward(
    const OmniLoss& call, const void* grad, int64_t grad_stride, double grad_scale, void* grad_scores, void* stream);

// loss = sum or mean (NaN for no rows) of what omni_loss() gave for scores of this type.
int omni_loss_reduce(const void* losses, Type type, int64_t n_row, bool mean, void* loss, void* stream);

}  // namespace pspgan::cuda
