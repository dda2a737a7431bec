"""A trained generator that answers in conditions, and the latent vectors that it is asked with."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..networks import FrozenGenerator
from ..process import ConditionLike, ProcessCondition, ProcessSpace


@dataclass(frozen=True, eq=False)
class Model:
    """A generator that answers in conditions. Made by `load`.

    Attributes:
        generator: the network, frozen for sampling.
        name: of the run or file.
        reduction: source pixels, along each axis, in one of its pixels.
        um_per_px: size of its pixels; NaN where those of its training data differ or are unknown. Where the
            pixel size is a factor, conditions say it.
        provenance: where it comes from, for the stores it writes.
        licence, attribution: of the micrographs it was trained on.
        path: the file that it was loaded from, where other processes load it; None if it comes from none.
    """

    generator: FrozenGenerator
    name: str
    reduction: int
    um_per_px: float
    provenance: dict[str, Any]
    licence: str = ""
    attribution: str = ""
    path: Path | None = None

    @property
    def space(self) -> ProcessSpace:
        """The process space, with the combinations that training saw."""
        return self.generator.space

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return next(self.generator.parameters()).device

    def __repr__(self) -> str:
        n, side = len(self.space.observed), self.generator.resolution
        names = ", ".join(self.space.names)
        return f"<Model {self.name}: {side} x {side} px, {names}; {n} combinations observed>"

    def _repr_html_(self) -> str:
        from ..notebook import facts, titled

        side = self.generator.resolution
        shown = {
            "micrograph": f"{side} x {side} px",
            "pixel": "unknown size" if np.isnan(self.um_per_px) else f"{self.um_per_px:.3g} um",
            "latent": self.generator.latent,
            "device": str(self.device),
            "licence": self.licence,
        }
        return titled(f"Model {self.name}", facts(shown), self.space._repr_html_())

    def sample(
        self,
        conditions: Iterable[ConditionLike] | ConditionLike,
        seeds: Sequence[int] | None = None,
        *,
        z: Tensor | np.ndarray | None = None,
        psi: float = 1.0,
    ) -> Tensor:
        """Generate one micrograph a condition.

        Args:
            conditions: n of them, in any form; values between levels and unseen combinations work, the latter
                with a warning.
            seeds: n latent seeds; default 0 to n - 1. A seed and a condition always give the same micrograph.
            z: (n, latent) latent vectors instead of seeds.
            psi: truncation, what latent vectors are multiplied by, see `latents`.

        Returns:
            (n, channel, y, x) float32 in [-1, 1].

        Raises:
            ConditionError: a condition outside the process space.
            ValueError: numbers of conditions, seeds and latents differ, or psi is not above 0 and at most 1.
        """
        check_psi(psi)
        points = self.space.conditions(conditions)
        if z is None:
            z = latents(range(len(points)) if seeds is None else seeds, self.generator.latent)
        elif seeds is not None:
            raise ValueError("give seeds or z, not both")
        z = torch.as_tensor(z, dtype=torch.float32) * psi
        if len(z) != len(points):
            raise ValueError(f"{len(points)} conditions, but {len(z)} latent vectors")
        warn_unobserved(self, points, stacklevel=3)
        weights = torch.from_numpy(self.space.encode(points))
        return self.generator(z.to(self.device), weights.to(self.device)).cpu()

    def describe(self, conditions: Iterable[ConditionLike] | ConditionLike) -> list[str]:
        """One line a condition: its notation, and whether training saw it."""
        points = self.space.conditions(conditions)
        if not self.space.observed:
            return [f"{c.label}: this model does not say what its training saw" for c in points]
        return [f"{c.label}: {'observed' if c.observed else 'never observed in training'}" for c in points]


def latents(seeds: Iterable[int], length: int, psi: float = 1.0) -> Tensor:
    """Latent vectors, psi times standard normal; each depends on its own seed alone.

    A ``psi`` below 1 draws them towards their mean, 0: micrographs become more typical of their condition and
    vary less. StyleGAN's psi (Karras, Laine, Aila, arXiv:1812.04948, appendix B) does the same to the output
    of its mapping network. BigGAN truncates instead (Brock, Donahue, Simonyan, arXiv:1809.11096, section
    3.1): it draws values beyond a threshold again, which trades alike, but gives a seed another micrograph at
    every threshold; with psi, the micrograph of a seed changes continuously.

    Args:
        seeds: from 0 on.
        length: of a vector.
        psi: above 0, at most 1; 1 is what the generator was trained with.

    Returns:
        (seed, length) float32.

    Raises:
        ValueError: psi out of range.

    >>> latents([0, 3], 16, psi=0.5).equal(0.5 * latents([0, 3], 16))
    True
    """
    check_psi(psi)
    rows = [
        np.random.Generator(np.random.Philox(key=seed)).standard_normal(length, dtype=np.float32)
        for seed in seeds
    ]
    return torch.from_numpy(np.stack(rows)) * psi if rows else torch.empty(0, length)


def check_psi(psi: float) -> None:
    """Raise ValueError where psi is out of range."""
    if not 0 < psi <= 1:
        raise ValueError(f"psi {psi:g} is not above 0 and at most 1; 1 is as trained")


def warn_unobserved(model: Model, points: Iterable[ProcessCondition], stacklevel: int) -> None:
    """Warn of conditions that training never saw."""
    unseen = list(dict.fromkeys(point.label for point in points if not point.observed))
    if unseen and model.space.observed:
        shown = ", ".join(unseen[:5]) + (f" and {len(unseen) - 5} more" if len(unseen) > 5 else "")
        warnings.warn(
            f"training of {model.name} never saw {shown}; what is generated there is extrapolation",
            stacklevel=stacklevel,
        )
