"""The layout of the paper's published generator, read into ours."""

from __future__ import annotations

import os
import re
from pathlib import Path

import torch
from torch import Tensor

from ..process import ProcessSpace
from ..weights import CheckpointError, load_tensors
from .biggan_deep import GENERATOR_STAGES, Generator

_PUBLISHED_TABLES = ("embed_temp.weight", "embed_time.weight", "embed_cool.weight")
_SPECTRAL = {"weight_orig": "weight", "weight_u": "u", "weight_v": "v"}


def load_published(path: str | os.PathLike[str]) -> Generator:
    """The generator in the layout of the paper's published checkpoint (``.pth``).

    Width, latent length and resolution are read off the tensors. The process space is the paper's; the file
    does not say which combinations its training saw.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: the file is damaged or of another layout or process space.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such checkpoint")
    try:
        published = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(f"{path} cannot be read as a state_dict: {error}") from None
    if not isinstance(published, dict) or not all(isinstance(value, Tensor) for value in published.values()):
        raise CheckpointError(f"{path} is not a state_dict of tensors")
    missing = [
        name
        for name in (*_PUBLISHED_TABLES, "linear.weight_orig", "final_layer.2.weight_orig")
        if name not in published
    ]
    if missing:
        raise CheckpointError(f"{path} lacks {', '.join(missing)}: not the layout of the published generator")
    space = ProcessSpace.uhcsdb()
    for factor, name in zip(space.factors, _PUBLISHED_TABLES, strict=True):
        found, wanted = len(published[name]), len(factor.levels)
        if found != wanted:
            raise CheckpointError(f"{path}: {name} has {found} levels, the paper's {factor.name} {wanted}")
    embedding = published[_PUBLISHED_TABLES[0]].shape[1]
    stages = (
        len(
            {
                name.split(".")[1]
                for name in published
                if re.fullmatch(r"blocks\.\d+\.conv1\.weight_orig", name)
            }
        )
        // 2
    )
    channels, last = published["final_layer.2.weight_orig"].shape[:2]
    resolution = 4 * 2**stages
    if resolution not in GENERATOR_STAGES:
        raise CheckpointError(
            f"{path} has {stages} stages of two blocks; no published resolution has that many"
        )
    with torch.device("meta"):
        generator = Generator(
            space,
            resolution=resolution,
            ch=last // GENERATOR_STAGES[resolution][-1][1],
            latent=published["linear.weight_orig"].shape[1] - embedding * len(space.factors),
            attention="sagan",
            embedding=embedding,
            channels=channels,
        )
    load_tensors(generator, {_own_name(name): tensor for name, tensor in published.items()}, path)
    return generator.eval()


def _own_name(name: str) -> str:
    """Our name of a tensor of the published checkpoint."""
    if name in _PUBLISHED_TABLES:
        return f"embeddings.{_PUBLISHED_TABLES.index(name)}.weight"
    name = name.replace("final_layer.0.", "norm.").replace("final_layer.2.", "output.")
    name = re.sub(r"\.(query|key|value)_conv\.", r".\1.", name)
    head, _, last = name.rpartition(".")
    return f"{head}.{_SPECTRAL.get(last, last)}"
