"""Weights on disk: a safetensors file with a description in JSON and a checksum of both."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from .writing import replacing


class CheckpointError(ValueError):
    """A file of weights that is damaged, of another layout, of another process space or of something else."""


def save_weights(path: str | os.PathLike[str], tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
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
            save_file(plain, partial, metadata={"pspgan": text, "sha256": checksum(plain, text)})
        except safetensors.SafetensorError as error:
            raise OSError(error) from error


def load_weights(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
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
    if metadata.get("sha256") not in (None, checksum(tensors, metadata["pspgan"])):
        raise CheckpointError(f"{path} is damaged: its content does not match its checksum")
    return tensors, json.loads(metadata["pspgan"])


def load_tensors(module: torch.nn.Module, tensors: dict[str, Tensor], source: str | os.PathLike[str]) -> None:
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


def checksum(tensors: dict[str, Tensor], text: str) -> str:
    """SHA-256 of a description and of tensors on the CPU, their names, types and shapes included."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
