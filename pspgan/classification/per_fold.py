"""A generator for each fold that has seen the fold's training specimens and no other, and the proof of it."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import xarray as xr

from ..ensemble import EnsembleError
from ..generation import generate
from ..training import Run, train
from ..training.config import make_config
from .labels import AGREEMENT, label_by_condition, labels_of


class Generator(Protocol):
    """Whatever makes a generated ensemble of real micrographs that training may see."""

    def __call__(self, real: xr.Dataset, name: str, seed: int) -> xr.Dataset:
        """A generated ensemble.

        Args:
            real: micrographs of a fold's training specimens.
            name: of the fold, fit for the name of a folder.
            seed: of all randomness.

        Returns:
            An ensemble whose provenance says what its generator has seen, see `specimens_seen`.
        """


@dataclass(frozen=True)
class TrainedPerFold:
    """Trains a run for each fold, in a folder of its own, and generates from it. Goes on where it was killed.

    Args:
        folder: gets ``<fold>/run`` of each fold.
        preset: of the training, see `pspgan.train`.
        ratio: the highest ratio of generated micrographs to real ones, for which enough are generated.
        label: coordinate of the labels.
        agreement: see `label_by_condition`.
        settings: of the training, such as ``{"minutes": 10}``; ``seed`` is the fold's.
        device: where to train and generate; by default the GPU if there is one.
        progress: show bars on a terminal.
    """

    folder: str | os.PathLike[str]
    preset: str = "uhcs-64"
    ratio: float = 1.0
    label: str = "microconstituent"
    agreement: float = AGREEMENT
    settings: Mapping[str, Any] = field(default_factory=dict)
    device: str | None = None
    progress: bool = True

    def __call__(self, real: xr.Dataset, name: str, seed: int) -> xr.Dataset:
        """Train on ``real``, or go on with a training that was killed, and generate, see `Generator`."""
        run = Path(self.folder) / name / "run"
        asked = dict(self.settings) | {"seed": seed}
        trained = train(
            real, self.preset, run, resume=True, progress=self.progress, device=self.device, **asked
        )
        table = label_by_condition(real, self.label, agreement=self.agreement)
        conditions = table["condition"][table["label"] != ""].tolist()
        if not conditions:
            raise EnsembleError(
                f"no condition has a label that {self.agreement:.0%} of its real micrographs share; "
                "lower agreement (--agreement), or generate with the label as a factor"
            )
        n = self._enough(real, table, trained)
        return generate(trained, conditions, n=n, seed=seed, device=self.device, progress=self.progress)

    def describe(self) -> dict[str, Any]:
        """What the generated micrographs depend on besides those that it is given, as JSON can hold it."""
        return {
            "preset": self.preset,
            "settings": make_config(self.preset, **self.settings).model_dump(),
            "agreement": self.agreement,
        }

    def _enough(self, real: xr.Dataset, table: Any, run: Run) -> int:
        """Micrographs a condition, so that every class has as many as its highest ratio takes."""
        config, sizes = run.config, real["micrograph"].shape[1:]
        factor = config.reduction // int(real.attrs["reduction"])
        tiles = math.prod(size // factor // config.resolution for size in sizes)
        labels, counts = np.unique(labels_of(real, self.label), return_counts=True)
        there = dict(zip(labels.tolist(), counts.tolist(), strict=True))
        return max(
            math.ceil(self.ratio * there[label] * tiles / len(part))
            for label, part in table[table["label"] != ""].groupby("label")
        )
