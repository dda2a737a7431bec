"""Weights trained on one process space, put into networks of another: what both share is taken."""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..process import Factor, ProcessSpace, Value
from ..weights import CheckpointError, load_tensors
from .biggan_deep import Discriminator, Generator
from .spectral_norm import FIRST_ITERATIONS

# Layers that read latent vector and embeddings side by side: the first, and those of conditional batch norm.
_READS_CONDITION = re.compile(r"(linear|.*\.(gain|bias))\.(weight|v)")


@dataclass(frozen=True)
class _Move:
    """One axis of a tensor that depends on the process space, by what its rows or columns stand for.

    Attributes:
        origin: name of the tensor in the old network; None where it has no counterpart.
        dim: the axis.
        there, here: what its places stand for in the old network and in the new one.
        drawn: new places keep what they were drawn as; else they start at zero.
    """

    origin: str | None
    dim: int
    there: Sequence[Hashable]
    here: Sequence[Hashable]
    drawn: bool

    @property
    def loses(self) -> bool:
        """Whether something is left behind."""
        return not set(self.there) <= set(self.here)

    def fit(self, tensors: dict[str, Tensor], own: Tensor, source: str | os.PathLike[str]) -> Tensor:
        """The new network's tensor.

        Args:
            tensors: of the old network.
            own: the new network's tensor, as drawn.
            source: for messages.
        """
        if self.origin is None:
            return own
        if self.origin not in tensors:
            raise CheckpointError(f"{source}: tensor {self.origin} is missing")
        old = tensors[self.origin]
        wanted = (*own.shape[: self.dim], len(self.there), *own.shape[self.dim + 1 :])
        if old.shape != wanted:
            raise CheckpointError(
                f"{source}: tensor {self.origin} has shape {tuple(old.shape)}, the network wants {wanted}"
            )
        index = {what: i for i, what in enumerate(self.there)}
        places = torch.tensor([index.get(what, -1) for what in self.here])
        known = (places >= 0).reshape([-1 if d == self.dim else 1 for d in range(old.ndim)])
        new = own if self.drawn else torch.zeros_like(own)
        return torch.where(known, old.index_select(self.dim, places.clamp_min(0)), new)


@torch.no_grad()
def transfer_tensors(
    network: Generator | Discriminator,
    tensors: dict[str, Tensor],
    space: ProcessSpace,
    source: str | os.PathLike[str],
) -> None:
    """Put tensors of a network of one process space into a freshly drawn one of another.

    What does not depend on the process space is taken as it is; embeddings and the discriminator's outputs
    level by level, and what reads the condition factor by factor. Factors are the same where name, kind and
    unit agree (see `shared_levels`). Embeddings of new levels and factors stay as drawn. What reads a new
    factor, and the discriminator's weights of a new level, start at zero: spectral norm divides a whole
    matrix by one number, and rows and columns drawn anew could outweigh what was learned. So additions change
    no output that was there before; where something is left behind, the norm is estimated anew.

    Args:
        network: takes the tensors; of the same architecture.
        tensors: all of the old network, as its ``state_dict`` names them.
        space: process space of the old network.
        source: the file that they come from, for messages.

    Raises:
        CheckpointError: a tensor is missing, left over or of a shape that is not the architecture's.
    """
    own = network.state_dict()
    if isinstance(network, Generator):
        moves = _generator_moves(network, space, list(own))
    else:
        moves = _discriminator_moves(network, space)
    tables = re.compile(r"embeddings\.\d+\.weight")
    fitted = {name: t for name, t in tensors.items() if name not in moves and not tables.fullmatch(name)}
    fitted |= {name: move.fit(tensors, own[name].cpu(), source) for name, move in moves.items()}
    load_tensors(network, fitted, source)
    for name, move in moves.items():
        layer, _, tensor = name.rpartition(".")
        if tensor == "weight" and f"{layer}.u" in own and move.loses:
            network.get_submodule(layer).iterate(FIRST_ITERATIONS)


def shared_levels(space: ProcessSpace, other: ProcessSpace, shared: bool = True) -> dict[str, list[Value]]:
    """Factor name -> levels of ``space`` that ``other`` has too, or with ``shared=False`` has not.

    >>> old = ProcessSpace((Factor("bath", ("oil",), "nominal"),))
    >>> new = ProcessSpace((Factor("bath", ("oil", "air"), "nominal"),))
    >>> shared_levels(new, old), shared_levels(new, old, shared=False)
    ({'bath': ['oil']}, {'bath': ['air']})
    """
    there = {label for factor in other.factors for label in _levels(factor)}
    found = {
        factor.name: [level for same, level in _levels(factor) if ((same, level) in there) == shared]
        for factor in space.factors
    }
    return {name: levels for name, levels in found.items() if levels}


def _same(factor: Factor) -> tuple[str, str, str]:
    """What two factors must have in common for their levels to mean the same."""
    return factor.name, factor.kind, factor.unit


def _levels(factor: Factor) -> list[tuple[Hashable, Value]]:
    return [(_same(factor), level) for level in factor.levels]


def _generator_moves(network: Generator, space: ProcessSpace, names: list[str]) -> dict[str, _Move]:
    width = network.embeddings[0].embedding_dim

    def columns(of: ProcessSpace) -> list[Hashable]:
        return [*range(network.latent), *((_same(f), k) for f in of.factors for k in range(width))]

    there, here = columns(space), columns(network.space)
    moves = {
        name: _Move(name, 1 if name.endswith("weight") else 0, there, here, drawn=False)
        for name in names
        if _READS_CONDITION.fullmatch(name)
    }
    old = {_same(factor): j for j, factor in enumerate(space.factors)}
    for i, factor in enumerate(network.space.factors):
        j = old.get(_same(factor))
        origin = None if j is None else f"embeddings.{j}.weight"
        rows = [] if j is None else _levels(space.factors[j])
        moves[f"embeddings.{i}.weight"] = _Move(origin, 0, rows, _levels(factor), drawn=True)
    return moves


def _discriminator_moves(network: Discriminator, space: ProcessSpace) -> dict[str, _Move]:
    def outputs(of: ProcessSpace) -> list[Hashable]:
        return [*(label for factor in of.factors for label in _levels(factor)), "real", "fake"]

    there, here = outputs(space), outputs(network.space)
    return {
        f"linear.{name}": _Move(f"linear.{name}", 0, there, here, drawn=name == "bias")
        for name in ("weight", "bias", "u")
    }
