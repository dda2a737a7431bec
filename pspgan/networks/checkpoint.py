"""Weights on disk: our own safetensors files, and the layout of the paper's published generator."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..process import ProcessSpace
from ..writing import replacing
from .biggan_deep import GENERATOR_STAGES, Generator

_PUBLISHED_TABLES = ("embed_temp.weight", "embed_time.weight", "embed_cool.weight")
_SPECTRAL = {"weight_orig": "weight", "weight_u": "u", "weight_v": "v"}


class CheckpointError(ValueError):
    """A file of weights that is damaged, of another layout or of another process space."""


def save_weights(path: str | os.PathLike, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
    """Write tensors, a JSON description and a checksum of both to one safetensors file, atomically.

    Args:
        path: the file.
        tensors: name -> tensor of any dtype and device.
        meta: what JSON holds; read back by `load_weights`.

    Raises:
        OSError: it cannot be written; an older file of that name stays as it was.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(meta)
    with replacing(path) as partial:
        try:
            save_file(plain, partial, metadata={"pspgan": text, "sha256": _checksum(plain, text)})
        except safetensors.SafetensorError as error:
            raise OSError(error) from error


def load_weights(path: str | os.PathLike) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_weights` wrote.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: not a safetensors file of this package, or one that is truncated or altered.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file of weights")
    try:
        with safetensors.safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
        tensors = load_file(path)
    except (safetensors.SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read as safetensors: {error}") from None
    if "pspgan" not in metadata:
        raise CheckpointError(f"{path} holds tensors, but was not written by pspgan")
    # Files of earlier versions have no checksum.
    if metadata.get("sha256") not in (None, _checksum(tensors, metadata["pspgan"])):
        raise CheckpointError(f"{path} is damaged: its content does not match its checksum")
    return tensors, json.loads(metadata["pspgan"])


def _checksum(tensors: dict[str, Tensor], text: str) -> str:
    """SHA-256 of a description and of tensors on the CPU, their names, types and shapes included."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def load_published(path: str | os.PathLike) -> Generator:
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


def load_tensors(module: torch.nn.Module, tensors: dict[str, Tensor], source: str | os.PathLike) -> None:
    """Put tensors into a network, all of them and nothing else; one on the meta device takes them over.

    Raises:
        CheckpointError: names the first tensor that is missing, left over or of another shape.
    """
    own = module.state_dict()
    for name in own:
        if name not in tensors:
            raise CheckpointError(f"{source}: tensor {name} is missing")
        found, wanted = tuple(tensors[name].shape), tuple(own[name].shape)
        if found != wanted:
            raise CheckpointError(f"{source}: tensor {name} has shape {found}, the network wants {wanted}")
    extra = [name for name in tensors if name not in own]
    if extra:
        raise CheckpointError(
            f"{source}: tensor {extra[0]} (and {len(extra) - 1} more) has no place in the network"
        )
    module.load_state_dict(tensors, assign=any(tensor.is_meta for tensor in own.values()))
