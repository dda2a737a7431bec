"""Calls the CUDA operators with CPU tensors: `python run_emulated.py MODULE SEEDS`, run by test_emulated.py.

The module is glue, launchers and kernels, the latter executed by the emulator. It needs a process of its own:
once loaded, the operators are registered for CUDA.
"""

import re
import sys

import pytest
import torch
from operator_calls import assert_same, calls

from pspgan.ops import native_status

ON_CUDA = torch._C.DispatchKeySet(torch._C.DispatchKey.CUDA)
X, ROW = torch.zeros(2, 3, 4, 4), torch.zeros(2)
NONE, NO_PLACE = torch.empty(0), torch.empty(0, dtype=torch.int64)
SCORES, LABELS = torch.zeros(2, 3), torch.zeros(2, 3, dtype=torch.int8)
REFUSED = {  # what the message names: the call
    "images must be (batch, channel, y, x)": ("diff_augment", (X[0], NONE, NONE, NONE, NO_PLACE, NO_PLACE)),
    "images must be float32": ("diff_augment", (X.int(), NONE, NONE, NONE, NO_PLACE, NO_PLACE)),
    "brightness must be (batch)": ("diff_augment", (X, torch.zeros(3), NONE, NONE, NO_PLACE, NO_PLACE)),
    "contrast must be float32": ("diff_augment_backward", (X, NONE, ROW.double(), NO_PLACE, NO_PLACE)),
    "translation must be (batch, 2)": ("diff_augment_backward", (X, NONE, NONE, LABELS.long(), NO_PLACE)),
    "cutout must be int64": ("diff_augment_backward", (X, NONE, NONE, NO_PLACE, torch.zeros(2, 4))),
    "must both be (batch, class)": ("omni_loss", (SCORES, LABELS[:, :2], 0.0, 1.0, 0)),
    "labels must be int8 or int64": ("omni_loss", (SCORES, LABELS.int(), 0.0, 1.0, 0)),
    "reduction must be 0": ("omni_loss", (SCORES, LABELS, 0.0, 1.0, 3)),
    "grad must have the shape": ("omni_loss_backward", (ROW, SCORES, LABELS, 0.0, 1.0, 1)),
}


def on_cuda(name: str, arguments: tuple) -> torch.Tensor:
    return getattr(torch.ops.pspgan, name).default.redispatch(ON_CUDA, *arguments)


def main(module: str, seeds: int) -> None:
    assert native_status().devices == ("cpu",), native_status()
    torch.ops.load_library(module)
    for seed in range(seeds):
        for name, arguments in calls(seed):
            expected = getattr(torch.ops.pspgan, name)(*arguments)
            got = on_cuda(name, arguments)
            assert_same(got, expected, (name, arguments))
    for complaint, (name, arguments) in REFUSED.items():
        with pytest.raises(RuntimeError, match=re.escape(complaint)):
            on_cuda(name, arguments)
    print("passed")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
