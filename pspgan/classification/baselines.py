"""Two baseline classifiers of micrographs: texture features with a linear model, and a small network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from ..progress import progress_bar
from ..statistics import TextureFeatures
from ..weights import CheckpointError, load_tensors, load_weights, save_weights

_SCHEMA, _SCHEMA_VERSION = "pspgan-micrograph-classifier", 1
_WIDTHS = (16, 32, 64, 96)
_BATCH = 32
_LEARNING_RATE = 3e-3  # the highest
_GAIN = 0.3  # ln of the contrast of a view, at most
_VIEWS = 4  # along each axis of a micrograph, at most, when it is judged


def texture_classifier() -> Pipeline:
    """Texture features, standardised, and logistic regression with classes weighted alike.

    Of logistic regression, a support vector machine and a random forest it did best on specimens of UHCSDB
    that were held out (macro-F1 0.43, 0.37, 0.37, pixels reduced three times), in a thirtieth of a forest's
    time.

    Returns:
        A scikit-learn pipeline for ``fit(micrographs, labels)``, micrographs (sample, y, x) uint8.
    """
    model = LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000)
    return Pipeline([("texture", TextureFeatures()), ("scale", StandardScaler()), ("model", model)])


class NetworkClassifier(ClassifierMixin, BaseEstimator):
    """A small convolutional network, in scikit-learn's style.

    It learns from square views anywhere in micrographs, turned by quarters, mirrored, of changed contrast,
    every class as often as every other. Grey levels count relative to the mean and standard deviation of a
    view. A micrograph is judged by the mean over views side by side.

    Args:
        steps: how many batches of 32 views to learn from.
        view: side of a view, px; micrographs must be as large.
        seed: of all randomness.

    Attributes:
        classes_: names, sorted, after `fit`.
    """

    def __init__(self, steps: int = 400, view: int = 64, seed: int = 0) -> None:
        self.steps = steps
        self.view = view
        self.seed = seed

    def fit(
        self, micrographs: np.ndarray, labels: np.ndarray, *, progress: str | None = None
    ) -> NetworkClassifier:
        """Learn.

        Args:
            micrographs: grey levels, (sample, y, x) uint8.
            labels: class of each, (sample,).
            progress: what a bar on a terminal is called; None shows none.

        Raises:
            ValueError: shapes that do not fit, micrographs smaller than a view, or fewer than two classes.
        """
        micrographs, labels = self._checked(micrographs), np.asarray(labels)
        if labels.shape != micrographs.shape[:1]:
            raise ValueError(f"labels must be ({len(micrographs)},), got shape {labels.shape}")
        self.classes_: np.ndarray
        self.classes_, index = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("all micrographs are of one class; there is nothing to tell apart")
        if self.steps < 1:
            raise ValueError(f"steps {self.steps} is no number of batches to learn from")
        members = [np.flatnonzero(index == k) for k in range(len(self.classes_))]
        rng = np.random.default_rng(self.seed)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.seed)  # of the CPU alone, which the fork gives back
            self.network_: nn.Module = _network(len(self.classes_))
        optimizer = torch.optim.AdamW(self.network_.parameters(), lr=_LEARNING_RATE, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LEARNING_RATE, self.steps, pct_start=0.2)
        self.network_.train()
        for _ in progress_bar(range(self.steps), desc=progress, unit="step", leave=False, shown=progress):
            truth = rng.integers(len(members), size=_BATCH)
            chosen = np.array([rng.choice(members[k]) for k in truth])
            loss = F.cross_entropy(
                self.network_(self._views(micrographs, chosen, rng)), torch.from_numpy(truth)
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        self.network_.eval()
        return self

    def predict(self, micrographs: np.ndarray) -> np.ndarray:
        """The most probable class of each micrograph, (sample,)."""
        found = self.predict_proba(micrographs).argmax(axis=1)
        return self.classes_[found]

    def predict_proba(self, micrographs: np.ndarray) -> np.ndarray:
        """Probability of each class, (sample, class).

        Raises:
            NotFittedError: nothing has been learned yet.
            ValueError: micrographs of another shape, or smaller than a view.
        """
        self._require_fitted()
        micrographs = self._checked(micrographs)
        rows, columns = (self._places(size) for size in micrographs.shape[1:])
        probability = np.zeros((len(micrographs), len(self.classes_)))
        with torch.inference_mode():
            for start in range(0, len(micrographs), 64):
                block = micrographs[start : start + 64]
                for r in rows:
                    for c in columns:
                        view = np.ascontiguousarray(block[:, r : r + self.view, c : c + self.view])
                        logits = self.network_(_standardised(torch.from_numpy(view)[:, None]))
                        probability[start : start + 64] += logits.softmax(dim=1).numpy()
        return probability / (len(rows) * len(columns))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write one safetensors file, which holds everything.

        Raises:
            NotFittedError: nothing has been learned yet.
            OSError: it cannot be written; an older file of that name stays as it was.
        """
        self._require_fitted()
        save_weights(path, self.network_.state_dict(), self._description())
        return Path(path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> NetworkClassifier:
        """What `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            CheckpointError: it is damaged, or holds something else.
        """
        tensors, meta = load_weights(path)
        if meta.get("schema") != _SCHEMA:
            raise CheckpointError(
                f"{path} holds no classifier of micrographs; NetworkClassifier.save makes one"
            )
        if meta.get("schema_version") != _SCHEMA_VERSION:
            raise CheckpointError(f"{path} is of schema version {meta.get('schema_version')}; upgrade pspgan")
        classifier = cls(**meta["settings"])
        classifier.classes_ = np.array(meta["classes"])
        with torch.random.fork_rng(devices=[]):
            classifier.network_ = _network(len(meta["classes"]))
        load_tensors(classifier.network_, tensors, path)
        classifier.network_.eval()
        return classifier

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")

    def _description(self) -> dict[str, Any]:
        names = [str(name) for name in self.classes_]
        return {
            "schema": _SCHEMA,
            "schema_version": _SCHEMA_VERSION,
            "settings": self.get_params(),
            "classes": names,
        }

    def _require_fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            raise NotFittedError("this NetworkClassifier has not learned anything yet; call fit first")

    def _checked(self, micrographs: np.ndarray) -> np.ndarray:
        micrographs = np.asarray(micrographs)
        if micrographs.ndim != 3 or micrographs.dtype != np.uint8:
            raise ValueError(
                f"micrographs must be (sample, y, x) uint8, got {micrographs.dtype} {micrographs.shape}"
            )
        if min(micrographs.shape[1:]) < self.view:
            raise ValueError(
                f"micrographs of {micrographs.shape[1]} x {micrographs.shape[2]} px are smaller than a view "
                f"of {self.view} px; give a smaller view"
            )
        return micrographs

    def _views(self, micrographs: np.ndarray, chosen: np.ndarray, rng: np.random.Generator) -> Tensor:
        side, (height, width) = self.view, micrographs.shape[1:]
        views = []
        for i in chosen:
            r, c = rng.integers(height - side + 1), rng.integers(width - side + 1)
            view = np.rot90(micrographs[i, r : r + side, c : c + side], rng.integers(4))
            views.append(view[:, ::-1] if rng.integers(2) else view)
        gain = np.exp(rng.uniform(-_GAIN, _GAIN, (len(chosen), 1, 1, 1))).astype(np.float32)
        return _standardised(torch.from_numpy(np.stack(views))[:, None]) * torch.from_numpy(gain)

    def _places(self, size: int) -> list[int]:
        """Where views begin along an axis: side by side, at most so many, from border to border."""
        count = min(-(-size // self.view), _VIEWS)
        return np.linspace(0, size - self.view, count).round().astype(int).tolist()


def _network(n_classes: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    inputs = 1
    for width in _WIDTHS:
        layers += [
            nn.Conv2d(inputs, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
        ]
        inputs = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, n_classes))


def _standardised(views: Tensor) -> Tensor:
    """Grey levels of zero mean and unit variance in each view, (batch, 1, y, x) float32."""
    grey = views.float()
    mean, deviation = grey.mean((-2, -1), keepdim=True), grey.std((-2, -1), keepdim=True, correction=0)
    return (grey - mean) / (deviation + 1e-3)  # a view of one grey level becomes zero
