"""`PixelClassifier`: phases learned from label images, kept as one file without pickle."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ... import __version__
from ...weights import CheckpointError, checksum, load_tensors, load_weights, save_weights
from .fitting import UNLABELLED, standardised, train_network
from .network import MULTIPLE, SegmentationNetwork

STEPS = 600

_SCHEMA, _SCHEMA_VERSION = "pspgan-pixel-classifier", 1
_AT_ONCE = 2**20  # pixels that the network sees at once
_VIEWS = [(turns, mirrored) for turns in range(4) for mirrored in (False, True)]


class PixelClassifier:
    """Tells the phase of every pixel by its surroundings, as label images taught it.

    A small U-Net. Grey levels count relative to the mean and standard deviation of their micrograph; lengths
    count in pixels, so that micrographs of a pixel size like that of the labelled ones are asked for. A
    prediction is the mean over the eight ways to turn and mirror a micrograph.

    Args:
        steps: how many batches of four views of 192 x 192 px to learn from.
        seed: of all randomness.

    Attributes:
        names: classes, in the order of their indices; after `fit`.
        um_per_px: smallest and largest pixel size learned from, in um; None where unknown.
        path: absolute path of the file that it was saved to or loaded from; None where there is none.
    """

    def __init__(self, *, steps: int = STEPS, seed: int = 0) -> None:
        self.steps = steps
        self.seed = seed
        self.names: tuple[str, ...] = ()
        self.um_per_px: tuple[float, float] | None = None
        self._network: SegmentationNetwork | None = None
        self.path: str | None = None
        self._version = __version__

    def fit(
        self,
        micrographs: Sequence[np.ndarray],
        labels: Sequence[np.ndarray],
        names: Sequence[str],
        um_per_px: Sequence[float] | None = None,
        *,
        progress: str | None = "learning",
    ) -> PixelClassifier:
        """Learn from labelled micrographs.

        Args:
            micrographs: grey levels, (y, x) uint8 each, of any sizes.
            labels: class of every pixel, (y, x) uint8 each: an index into ``names``, or 255, unlabelled.
            names: of the classes.
            um_per_px: pixel size of each micrograph, in um; NaN where unknown.
            progress: what a bar on a terminal is called; None shows none.

        Raises:
            ValueError: labels do not fit the micrographs or the names, or nothing is labelled.
        """
        names = tuple(map(str, names))
        check_labels(micrographs, labels, names)
        if self.steps < 1:
            raise ValueError(f"steps {self.steps} is no number of batches to learn from")
        known = [float(size) for size in um_per_px or () if np.isfinite(size)]
        self._network = train_network(
            micrographs, labels, len(names), steps=self.steps, seed=self.seed, progress=progress
        )
        self.names, self.um_per_px = names, (min(known), max(known)) if known else None
        self.path, self._version = None, __version__
        return self

    def predict(self, micrograph: np.ndarray) -> np.ndarray:
        """The most probable class of every pixel.

        Args:
            micrograph: grey levels, (sample, y, x), of any size.

        Returns:
            (sample, y, x) uint8, indices into ``names``.
        """
        return self.predict_proba(micrograph).argmax(axis=-1).astype(np.uint8)

    def predict_proba(self, micrograph: np.ndarray) -> np.ndarray:
        """Probability of each class in every pixel.

        Args:
            micrograph: grey levels, (sample, y, x), of any size.

        Returns:
            (sample, y, x, class) float32. Probabilities add up to 1.

        Raises:
            ValueError: ``micrograph`` has another shape, or nothing has been learned yet.
        """
        network = self._learned()
        n, height, width = _checked(micrograph).shape
        probability = np.empty((n, height, width, len(self.names)), dtype=np.float32)
        for part, image, (top, left) in _padded(micrograph):
            found = _mean_over_views(network, image)
            probability[part] = found[:, :, top : top + height, left : left + width].movedim(1, -1).numpy()
        return probability

    def features(self, micrograph: np.ndarray) -> np.ndarray:
        """What the two coarsest levels of the network see, averaged over the micrograph.

        Args:
            micrograph: grey levels, (sample, y, x), of any size.

        Returns:
            (sample, feature) float32.

        Raises:
            ValueError: as `predict_proba` raises it.
        """
        network = self._learned()
        _checked(micrograph)
        found = []
        with torch.inference_mode():
            for _, image, _ in _padded(micrograph):
                levels = network.pyramid(image.contiguous(memory_format=torch.channels_last))[-2:]
                found.append(torch.cat([level.mean(dim=(2, 3)) for level in levels], dim=1).numpy())
        return np.concatenate(found)

    @property
    def sha256(self) -> str:
        """SHA-256 of what was learned and how, the same in memory and on disk."""
        return checksum(self._learned().state_dict(), self._description())

    def identity(self) -> dict[str, Any]:
        """What says which classifier this is, as JSON can hold it: path (None: not saved), names, SHA-256."""
        return {"path": self.path, "names": list(self.names), "sha256": self.sha256}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write one safetensors file, which holds everything.

        Raises:
            ValueError: nothing has been learned yet.
            OSError: it cannot be written; an older file of that name stays as it was.
        """
        save_weights(path, self._learned().state_dict(), json.loads(self._description()))
        self.path = os.fspath(Path(path).absolute())
        return Path(path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> PixelClassifier:
        """What `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            CheckpointError: it is damaged, or holds something else.
        """
        tensors, meta = load_weights(path)
        if meta.get("schema") != _SCHEMA:
            raise CheckpointError(f"{path} holds no pixel classifier; pspgan phases learn makes one")
        if meta["schema_version"] != _SCHEMA_VERSION:
            raise CheckpointError(
                f"{path} is a classifier of pspgan {meta['version']}, which this version cannot read; "
                "learn it again: pspgan phases learn"
            )
        classifier = cls(steps=meta["steps"], seed=meta["seed"])
        classifier._version = meta["version"]
        network = SegmentationNetwork(len(meta["names"]))
        load_tensors(network, tensors, path)
        classifier._network = network.to(memory_format=torch.channels_last).eval()
        classifier.names = tuple(meta["names"])
        classifier.um_per_px = tuple(meta["um_per_px"]) if meta["um_per_px"] else None
        classifier.path = os.fspath(Path(path).absolute())
        return classifier

    def _learned(self) -> SegmentationNetwork:
        if self._network is None:
            raise ValueError("this PixelClassifier has learned nothing yet: call fit, or load a saved one")
        return self._network

    def _description(self) -> str:
        return json.dumps(
            {
                "schema": _SCHEMA,
                "schema_version": _SCHEMA_VERSION,
                "version": self._version,
                "names": self.names,
                "um_per_px": self.um_per_px,
                "steps": self.steps,
                "seed": self.seed,
            }
        )


def open_classifier(
    given: PixelClassifier | str | os.PathLike[str] | None, identity: dict[str, Any] | None = None
) -> PixelClassifier:
    """The classifier that is meant, opened once however often it is asked for.

    Args:
        given: a classifier, or the path of a saved one; by default that of ``identity``.
        identity: as `PixelClassifier.identity` gave it; the classifier must be this one.

    Raises:
        ValueError: none is given, it has learned nothing, or it is another one.
        FileNotFoundError: there is no such file.
        CheckpointError: the file is damaged, or holds something else.
    """
    if given is None and identity is not None:
        given = identity["path"]
        if given is None:
            raise ValueError("the classifier of these settings was never saved; give it (classifier=)")
    if given is None:
        raise ValueError(
            'method "classifier" takes a trained classifier or its file (classifier=, --phases FILE); '
            "pspgan phases learn makes one"
        )
    if isinstance(given, PixelClassifier):
        found = given
        found._learned()
    else:
        path = os.path.abspath(given)
        if not os.path.isfile(path):
            raise FileNotFoundError(
                f"{given}: no such file of a classifier; "
                "pspgan phases learn writes classifier.safetensors into its folder"
            )
        found = _opened(path, os.stat(path).st_mtime_ns)
    if identity is not None and found.sha256 != identity["sha256"]:
        raise ValueError(
            f"{given} is another classifier (SHA-256 {found.sha256[:12]}) than the one these settings are of "
            f"({identity['sha256'][:12]})"
        )
    return found


def check_labels(
    micrographs: Sequence[np.ndarray],
    labels: Sequence[np.ndarray],
    names: Sequence[str],
    files: Sequence[str] | None = None,
) -> None:
    """Make sure that label images fit micrographs and classes.

    Args:
        micrographs, labels, names: as `PixelClassifier.fit` takes them.
        files: what to call the label images in errors.

    Raises:
        ValueError: they do not; the message names the image and the value.
    """
    if len(set(names)) < len(names) or not 2 <= len(names) <= UNLABELLED:
        raise ValueError(f"names {', '.join(names) or '(none)'} are not two or more different classes")
    if not len(micrographs) or len(micrographs) != len(labels):
        raise ValueError(f"{len(labels)} label images for {len(micrographs)} micrographs")
    present = np.zeros(256, dtype=bool)
    for i, (micrograph, label) in enumerate(zip(micrographs, labels, strict=True)):
        name = files[i] if files else f"label image {i}"
        if label.ndim != 2 or label.shape != micrograph.shape:
            raise ValueError(f"{name} is {label.shape}, but its micrograph {micrograph.shape}, (y, x)")
        if label.dtype != np.uint8:
            raise ValueError(f"{name} is {label.dtype}, not uint8: an index a class, 255 unlabelled")
        values = np.unique(label)
        wrong = values[(values >= len(names)) & (values != UNLABELLED)]
        if wrong.size:
            raise ValueError(
                f"{name} holds {wrong[0]}, which is none of {len(names)} classes "
                f"(0 {names[0]} to {len(names) - 1} {names[-1]}) and not 255, unlabelled"
            )
        present[values] = True
    if not present[: len(names)].any():
        raise ValueError("no pixel is labelled: all are 255")


@functools.lru_cache(maxsize=8)
def _opened(path: str, changed: int) -> PixelClassifier:
    """A saved classifier; one that was written anew is opened anew."""
    return PixelClassifier.load(path)


def _checked(micrograph: np.ndarray) -> np.ndarray:
    micrograph = np.asarray(micrograph)
    if micrograph.ndim != 3 or 0 in micrograph.shape[1:]:
        raise ValueError(f"micrograph must be (sample, y, x), got shape {micrograph.shape}")
    return micrograph


def _padded(micrograph: np.ndarray) -> Iterator[tuple[slice, torch.Tensor, tuple[int, int]]]:
    """A few micrographs at a time: which, as the network takes them, and where in that they begin, (y, x)."""
    micrograph = np.asarray(micrograph)
    extra = [-length % MULTIPLE for length in micrograph.shape[1:]]
    block = max(1, _AT_ONCE // (micrograph.shape[1] * micrograph.shape[2]))
    for start in range(0, len(micrograph), block):
        part = slice(start, start + block)
        grey = standardised(torch.from_numpy(np.array(micrograph[part])))
        padded = np.pad(grey, [(0, 0), *((e // 2, e - e // 2) for e in extra)], mode="symmetric")
        yield part, torch.from_numpy(padded)[:, None], (extra[0] // 2, extra[1] // 2)


def _mean_over_views(network: SegmentationNetwork, image: torch.Tensor) -> torch.Tensor:
    total = 0
    with torch.inference_mode():
        for turns, mirrored in _VIEWS:
            view = torch.rot90(image, turns, (-2, -1))
            view = view.flip(-1) if mirrored else view
            found = network(view.contiguous(memory_format=torch.channels_last)).softmax(dim=1)
            found = found.flip(-1) if mirrored else found
            total = total + torch.rot90(found, -turns, (-2, -1))
    return total / len(_VIEWS)
