"""Runs that nobody trained: a generator of random weights, in the folder that a training would leave."""

from pathlib import Path
from typing import Any

import torch

import pspgan as psp
from pspgan.networks import Generator, save_weights
from pspgan.process import ProcessSpace
from pspgan.training import make_config


def make_run(folder: Path, space: ProcessSpace, data: dict[str, Any], reduction: int) -> Path:
    """A run folder whose generator has random weights."""
    settings = {"resolution": 32, "ch": 8, "latent": 16, "embedding": 8, "init": "orthogonal"}
    config = make_config("demo", **settings, reduction=reduction)
    draws = torch.Generator().manual_seed(0)
    generator = Generator(space, 32, 8, 16, config.attention, embedding=8, init="orthogonal", generator=draws)
    data = {"licence": "CC BY", "attribution": "somebody"} | data
    meta = {
        "process_space": space.to_json(),
        "config": config.model_dump(),
        "preset": "demo",
        "data": data,
        "pspgan": psp.__version__,
        "images": 10,
    }
    save_weights(folder / "generator.safetensors", generator.state_dict(), meta)
    psp.Run(folder).create(config, "demo", space, data)
    return folder
