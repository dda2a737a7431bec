"""How near generated micrographs come to the real ones of their condition, measured while a training runs.

A difference of two samples is never zero, even where both are of the same micrographs. Here the part that
finite samples add is known, from the variance within each, and taken off, so that the figures are 0 on
average for a generator that cannot be told from the data. How far chance alone moves them is measured too,
on real crops put in place of generated ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..networks import Discriminator, Generator
from ..process import ProcessCondition
from .batches import Batches, from_grey, to_grey
from .structure import Moments, Structure, chance_distances, scatter_of_means

_REFERENCE = 4  # real crops that stand for the data, for every one put beside a generated micrograph
_RESAMPLES = 200  # of conditions for intervals, of real crops for what chance does
_TINY = 1e-9  # stands for what real crops that are all alike make 0
_INTERVAL = (5, 95)  # per cent; what chance does is the upper one


@dataclass(frozen=True)
class Measured:
    """What one measurement found.

    Attributes:
        figures: of all conditions together.
        table: a row a condition.
        micrographs: condition, real crops and generated micrographs, (n, y, x) uint8 each.
        um_per_px: size of their pixels, one a condition; NaN where it is unknown or not one.
    """

    figures: dict[str, float | str]
    table: list[dict[str, float | str]]
    micrographs: list[tuple[ProcessCondition, Tensor, Tensor]]
    um_per_px: list[float]


class Metrics:
    """Measures generators against the micrographs of a run.

    Real crops and latents follow from the seed, so that all measurements of a run compare with one another,
    and one that is resumed repeats them. What is measured of real crops is measured once.

    Args:
        batches: the run's micrographs.
        size: micrographs of each observed condition, generated and real; four times as many real crops stand
            for the data.
        seed: of the crops and latents.
    """

    def __init__(self, batches: Batches, size: int, seed: int) -> None:
        self._references = [
            _Reference(condition, batches, size, seed, k)
            for k, condition in enumerate(batches.space.observed_conditions)
        ]
        n = len(self._references)
        self._resampled = np.random.default_rng([seed, 9]).multinomial(n, np.full(n, 1 / n), size=_RESAMPLES)

    @torch.no_grad()
    def measure(
        self, generator: Generator, discriminator: Discriminator | None = None, batch: int = 64
    ) -> Measured:
        """Generate micrographs of every observed condition and compare them with the real ones.

        Args:
            generator: in eval mode.
            discriminator: names the conditions of micrographs; without it ``accuracy_*`` is left out.
                It is put into eval mode meanwhile.
            batch: micrographs a forward pass.

        Returns:
            In ``table``, a row a condition:

            - ``condition``, and ``micrographs`` that the data hold of it;
            - ``area_fraction``, ``area_fraction_real``: mean share of bright pixels, as `pspgan stats` cuts
              them; ``area_fraction_spread``, ``area_fraction_spread_real``: its standard deviation;
            - ``distance``: of the mean two-point statistics C(r) = <g(x) g(x + r)> of grey levels g, in
              standard deviations from the mean of the real ones: |C - C_real| / |C_real|, Euclidean over r.
              1: as far as blank micrographs of the right mean;
            - ``diversity``: standard deviation of a pixel between micrographs, over the real one;
            - ``variety``: root mean square distance of a micrograph's two-point statistics of the bright
              phase from their mean, over the real one. 1: as varied as the data; 0: all alike;
            - ``accuracy_FACTOR``, ``accuracy_FACTOR_real``: share of generated and of real micrographs for
              which the discriminator's highest score among the factor's levels is that of their condition.

            In ``figures``, of all conditions: root mean squares of ``distance`` and, as
            ``area_fraction_error``, of the difference of mean area fractions; means of all else;
            ``diversity_least`` and ``least_diverse``, the least value of ``diversity`` and where it is;
            ``separation``, where the data's conditions differ: root mean square distance of conditions' mean
            two-point statistics of the bright phase from the mean of all, over the real one. 1: they differ
            as much as the data's; 0: the generator does not hear its condition.
            ``*_low`` and ``*_high`` are the 5 and 95 % quantiles over resampled conditions.
            ``distance_real``, ``area_fraction_error_real``: what as many real crops in place of the generated
            stay below in 95 of 100 draws.
        """
        table, squares, phases, micrographs = [], [], [], []
        training = discriminator is not None and discriminator.training
        if training:
            discriminator.eval()  # else every look would turn its spectral norms a little
        for reference in self._references:
            fake = reference.generated(generator, batch)
            row, squared, phase = reference.compare(fake)
            if discriminator is not None:
                for suffix, shown in (("", fake), ("_real", reference.real)):
                    shares = reference.accuracy(discriminator, shown, batch)
                    row |= {f"accuracy_{name}{suffix}": share for name, share in shares.items()}
            table.append(row)
            squares.append(squared)
            phases.append(phase)
            micrographs.append((reference.condition, reference.real, fake))
        if training:
            discriminator.train()
        figures = self._summary(table, np.array(squares))
        sizes = [reference.um_per_px for reference in self._references]
        return Measured(figures | self._separation(phases), table, micrographs, sizes)

    def _summary(self, table: list[dict[str, float | str]], squares: np.ndarray) -> dict[str, float | str]:
        """Figures of all conditions together, from rows and squared differences (condition, 2)."""
        diversity = [row["diversity"] for row in table]
        least = int(np.argmin(diversity))
        chance = np.mean([reference.chance for reference in self._references], axis=0)
        figures: dict[str, float | str] = {}
        for k, name in enumerate(("distance", "area_fraction_error")):
            figures |= self._with_interval(name, squares[:, k], _root)
            figures[f"{name}_real"] = float(_root(np.percentile(chance[:, k], _INTERVAL[1])))
        shares = [name for name in table[0] if name.startswith("accuracy_")]
        for name in ("diversity", "variety", *shares):
            figures |= self._with_interval(name, np.array([row[name] for row in table]))
        return figures | {
            "diversity_least": diversity[least],
            "least_diverse": self._references[least].condition.label,
        }

    def _separation(self, phases: list[Moments]) -> dict[str, float | str]:
        counts = np.vstack([np.ones(len(phases)), self._resampled])  # all once, then resampled
        real = scatter_of_means([reference.phase for reference in self._references], counts)
        if real[0] <= _TINY:
            return {}
        ratio = _root(scatter_of_means(phases, counts)[real > _TINY] / real[real > _TINY])
        low, high = np.percentile(ratio[1:], _INTERVAL)
        return {
            "separation": float(ratio[0]),
            "separation_low": float(low),
            "separation_high": float(high),
        }

    def _with_interval(
        self, name: str, values: np.ndarray, read: Callable[[np.ndarray], np.ndarray] = np.asarray
    ) -> dict[str, float]:
        resampled = read(self._resampled @ values / len(values))
        low, high = np.percentile(resampled, _INTERVAL)
        return {name: float(read(values.mean())), f"{name}_low": float(low), f"{name}_high": float(high)}


class _Reference:
    """Real crops of one condition, and everything about them that stays the same all through a run."""

    def __init__(self, condition: ProcessCondition, batches: Batches, size: int, seed: int, k: int) -> None:
        self.condition = condition
        self._seed = [seed, 8, k]
        self._weights = torch.from_numpy(batches.space.encode(condition))
        self._target = batches.space.target(condition)
        self._micrographs = sum(c == condition for c in batches.conditions)
        self.um_per_px = batches.um_per_px_of(condition)
        rng = np.random.default_rng([seed, 9, k])
        crops = to_grey(batches.crops_of(condition, _REFERENCE * size, rng))[:, 0]
        self.real = crops[:size]
        grey = crops.numpy()
        # A micrograph of one grey level has none to spare; one step stands for its deviation.
        self._mean, self._deviation = float(grey.mean()), max(float(grey.std()), 1.0)
        self._pixel_deviation = max(float(grey.std(axis=0, ddof=1).mean()), _TINY)
        structure = Structure.of(crops, self._mean, self._deviation)
        self._area_fraction = Moments.of(structure.area_fraction)
        self.phase, self._grey = Moments.of(structure.phase), Moments.of(structure.grey)
        self._scale = max(self._grey.squared_norm(), _TINY)
        # Squared differences between real crops, of grey levels and of area fractions, (draw, 2).
        self.chance = np.stack(
            [
                chance_distances(vectors, size, _RESAMPLES, rng) / scale
                for vectors, scale in ((structure.grey, self._scale), (structure.area_fraction, 1.0))
            ],
            axis=1,
        )

    def generated(self, generator: Generator, batch: int) -> Tensor:
        """The same latents at every call, (n, y, x) uint8 of as many as there are real crops."""
        rng = np.random.default_rng(self._seed)
        z = torch.from_numpy(rng.standard_normal((len(self.real), generator.latent), dtype=np.float32))
        device = next(generator.parameters()).device
        weights = self._weights.to(device)
        return torch.cat(
            [
                to_grey(generator(part.to(device), weights.expand(len(part), -1)))[:, 0].cpu()
                for part in z.split(batch)
            ]
        )

    def compare(self, fake: Tensor) -> tuple[dict[str, float | str], tuple[float, float], Moments]:
        """A row of the table; squared differences of grey levels' statistics and of area fractions; and the
        two-point statistics of the bright phase."""
        structure = Structure.of(fake, self._mean, self._deviation)
        area_fraction, phase = Moments.of(structure.area_fraction), Moments.of(structure.phase)
        squares = (
            Moments.of(structure.grey).squared_distance(self._grey) / self._scale,
            area_fraction.squared_distance(self._area_fraction),
        )
        row: dict[str, float | str] = {
            "condition": str(self.condition),
            "micrographs": self._micrographs,
            "area_fraction": float(area_fraction.mean[0]),
            "area_fraction_real": float(self._area_fraction.mean[0]),
            "area_fraction_spread": math.sqrt(area_fraction.variance),
            "area_fraction_spread_real": math.sqrt(self._area_fraction.variance),
            "distance": float(_root(squares[0])),
            "diversity": float(fake.float().std(dim=0).mean()) / self._pixel_deviation,
            "variety": math.sqrt(phase.variance / max(self.phase.variance, _TINY)),
        }
        return row, squares, phase

    def accuracy(self, discriminator: Discriminator, shown: Tensor, batch: int) -> dict[str, float]:
        """Share of micrographs whose highest score among a factor's levels is that of this condition."""
        first = next(discriminator.parameters())
        scores = torch.cat(
            [discriminator(from_grey(part[:, None]).to(first)).cpu() for part in shown.split(batch)]
        )
        space = discriminator.space
        # Between two levels both are right; `target` has 0 for wrong ones alone.
        return {
            name: float((self._target[part][scores[:, part].argmax(dim=1).numpy()] != 0).mean())
            for name, part in zip(space.names, space.slices, strict=True)
        }


def _root(square: np.ndarray | float) -> np.ndarray:
    """Root of an estimated square, which chance takes below 0 where the true one is near it."""
    return np.sqrt(np.maximum(square, 0.0))
