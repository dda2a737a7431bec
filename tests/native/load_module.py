"""Loads the native module whose path is given and checks each operator in closed form; run by CTest."""

import math
import sys

import torch


def main(module: str) -> None:
    torch.ops.load_library(module)
    labels = torch.tensor([[1] * 4 + [0] * 17])
    loss = torch.ops.pspgan.omni_loss(torch.zeros(1, 21), labels, 0.0, 1.0, 1).item()
    expected = math.log(18) + math.log(5)
    if abs(loss - expected) > 1e-6:
        sys.exit(f"{module}: loss at score 0 is {loss}, not {expected}")

    image = torch.tensor([[[[1.0, 2.0], [3.0, 6.0]]]])  # mean 3
    brightness, contrast = torch.tensor([0.25]), torch.tensor([0.5])
    not_drawn, no_places = torch.empty(0), torch.empty(0, dtype=torch.int64)
    one_up = torch.tensor([[1, 0]])
    got = torch.ops.pspgan.diff_augment(image, brightness, not_drawn, contrast, one_up, no_places)
    expected = torch.tensor([[[[3.25, 4.75], [0.0, 0.0]]]])
    if not torch.equal(got, expected):
        sys.exit(f"{module}: augmented image is {got}, not {expected}")


if __name__ == "__main__":
    main(sys.argv[1])
