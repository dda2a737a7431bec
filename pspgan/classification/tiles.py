"""Micrographs as classifiers see them: whole, or cut to the pixel and size of generated ones."""

from __future__ import annotations

import numpy as np
import xarray as xr
from sklearn.base import ClassifierMixin
from sklearn.pipeline import Pipeline

from ..ensemble import EnsembleError
from ..evaluation.matching import match
from ..sources.imaging import area_average
from ..statistics import TextureFeatures, texture_features
from .labels import labels_of


class Tiles:
    """Real micrographs as classifiers see them: whole, or cut to the pixel and size of generated ones."""

    label: str

    def __init__(
        self,
        real: xr.Dataset,
        truth: np.ndarray,
        label: str,
        reduction: int | None,
        classifier: ClassifierMixin,
        progress: bool,
    ) -> None:
        self._source, self._truth, self.label, self._reduction = real, truth, label, reduction
        self._real: xr.Dataset | None = None
        self._inputs: np.ndarray | None = None
        self._texture = isinstance(classifier, Pipeline) and isinstance(classifier[0], TextureFeatures)
        self._progress = progress

    def matched(self, generated: xr.Dataset) -> xr.Dataset:
        """Tiles of a fold's generated micrographs; the first fold's decide those of real ones."""
        if self._real is None:
            self._real, tiles = match(self._source, generated)
        else:
            own, tiles = match(self._real, generated)
            if own["micrograph"].shape != self._real["micrograph"].shape:
                raise EnsembleError(
                    "generated micrographs of this fold are smaller, or of larger pixels, than those of the "
                    "first: their classifiers could not be compared"
                )
        if self.label in generated.variables:
            own = labels_of(generated, self.label)[tiles["image"].values]
            tiles = tiles.assign_coords({self.label: ("sample", own)})
        return tiles

    @property
    def real(self) -> xr.Dataset:
        """Tiles of the real ones; coordinate ``image`` is the micrograph that they are of."""
        if self._real is None:
            own = int(self._source.attrs["reduction"])
            factor, rest = divmod(self._reduction or own, own)
            if rest or not factor:
                raise EnsembleError(
                    f"reduction {self._reduction} is no multiple of the ensemble's own, {own}"
                )
            grey = area_average(self._source["micrograph"].values, factor)
            image = ("sample", np.arange(len(grey)))
            self._real = self._source.drop_vars(["micrograph", "image"], errors="ignore").assign(
                micrograph=(("sample", "y", "x"), grey)
            )
            self._real = self._real.assign_coords(image=image)
        text = self._truth[self._real["image"].values]
        return self._real.assign_coords({self.label: ("sample", text)})

    @property
    def inputs(self) -> np.ndarray:
        """What the classifier takes of each tile of a real micrograph."""
        if self._inputs is None:
            self._inputs = self.inputs_of(self.real["micrograph"].values)
        return self._inputs

    def inputs_of(self, micrograph: np.ndarray) -> np.ndarray:
        """What the classifier takes: micrographs, or their texture features, which are computed only once."""
        if not self._texture or not len(micrograph):
            return micrograph
        return texture_features(micrograph, progress="texture" if self._progress else None)[0]

    def learner(self, classifier: ClassifierMixin) -> ClassifierMixin:
        """The classifier of `inputs`."""
        return classifier[1:] if self._texture else classifier
