"""Loads the native module whose path is given and checks one loss in closed form; run by CTest."""

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


if __name__ == "__main__":
    main(sys.argv[1])
