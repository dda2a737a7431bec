// The Omni loss of one row of class scores, element by element: shared by every backend.
//
//   loss = log(1 + sum_{negative} e^t) + log(1 + sum_{positive} e^-t),   t = gamma (score + margin)
//
// (Eq. 1 of Safiuddin et al., after Zhou et al., "Omni-GAN: On the Secrets of cGANs and Beyond",
// arXiv:2011.13074, with the margin and scale of the latter's code.) Each side is a log-sum-exp whose
// leading 1 is the exponential of a class with score 0.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "common/exponential.h"
#include "common/host_device.h"
#include "common/logarithm.h"

namespace pspgan::omni {

// Labels; any other number is ignored.
constexpr int8_t negative = 0;
constexpr int8_t positive = 1;

// What an element puts into the exponential of the side that it belongs to.
template <typename Real>
PSPGAN_HOST_DEVICE Real exponent(Real score, bool is_positive, Real margin, Real gamma) {
  const Real t = gamma * (score + margin);
  return is_positive ? -t : t;
}

// The number taken off every exponent of one side. It is the largest of them and of the leading 1's 0,
// so that nothing overflows; where that is infinite it is 0, since inf - inf would turn an infinite loss
// into NaN. `largest` may have been found by comparisons, which overlook NaN: the sum will not.
template <typename Real>
PSPGAN_HOST_DEVICE Real shift(Real largest) {
  const Real at_least_zero = largest > Real(0) ? largest : Real(0);
  return at_least_zero < std::numeric_limits<Real>::infinity() ? at_least_zero : Real(0);
}

// log(1 + sum e^x), given sum e^(x - shift). The 1 enters as e^-shift - 1 under a log(1 + ...): where shift is
// 0 and the sum is tiny, log of the two added up would lose the sum. The difference itself may cancel: where
// shift is 0 it is exactly 0, and elsewhere the sum beside it is at least 1, its largest term.
template <typename Real>
PSPGAN_HOST_DEVICE Real log_one_plus(Real shifted_sum, Real shift) {
  return shift + log_of_one_plus(shifted_sum + (exponential(-shift) - Real(1)));
}

// 1 + sum e^x in units of e^shift: what e^(x - shift) is divided by in the gradient.
template <typename Real>
PSPGAN_HOST_DEVICE Real one_plus(Real shifted_sum, Real shift) {
  return shifted_sum + exponential(-shift);
}

}  // namespace pspgan::omni
