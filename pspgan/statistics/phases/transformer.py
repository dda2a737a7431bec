"""`Phases`: how micrographs become phases, as a scikit-learn transformer whose settings can be kept."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import dask.array
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from . import thresholds as by_threshold
from .classifier import PixelClassifier, open_classifier
from .states import one_hot, primitive

if TYPE_CHECKING:
    from sklearn.utils import Tags

Lazy = TypeVar("Lazy", np.ndarray, dask.array.Array)

# What each method takes, beside the micrographs.
METHODS: dict[str, tuple[str, ...]] = {
    "otsu": ("background",),
    "multi-otsu": ("n_phases", "background"),
    "threshold": ("n_phases", "thresholds"),
    "local": ("window",),
    "primitive": ("n_phases", "low", "high"),
    "classifier": ("classifier",),
}
CLASSIFIER = "classifier.safetensors"  #: name of the copy that stores and linkages keep
BACKGROUND = 16.0  # px, standard deviation of the mean above which Otsu's thresholds are taken
WINDOW = 31  # px, side of the surroundings of a local threshold
_DEFAULTS = {
    "n_phases": 2,
    "thresholds": None,
    "background": BACKGROUND,
    "window": WINDOW,
    "low": 0.0,
    "high": 255.0,
    "classifier": None,
}
_MOST_CLASSES = 4  # of a search over all thresholds; a fifth takes a hundred times as long


class Phases(TransformerMixin, BaseEstimator):
    """Grey levels to phases.

    Every micrograph is treated by itself, so that nothing is learned from those given to ``fit``, which only
    checks the settings. Options that the method does not use must keep their defaults.

    Args:
        method: ``"otsu"``, dark and bright by one threshold a micrograph above its background;
            ``"multi-otsu"``, several such thresholds; ``"threshold"``, grey levels that are the same for all;
            ``"local"``, dark and bright by a threshold of every pixel's surroundings; ``"primitive"``,
            PyMKS's soft states, shares of evenly spaced grey levels; ``"classifier"``, a trained
            `PixelClassifier`.
        n_phases: how many, of ``"multi-otsu"``, ``"threshold"`` and ``"primitive"``.
        thresholds: grey levels of ``"threshold"``, ascending, one fewer than phases; above each begins the
            next phase. By default they part 0 to 255 evenly: 127.5 for two phases.
        background: standard deviation, in pixels, of the Gaussian mean that ``"otsu"`` and ``"multi-otsu"``
            subtract first; 0 subtracts nothing.
        window: side of the surroundings of ``"local"``, in pixels, odd.
        low, high: grey levels of the first and the last state of ``"primitive"``.
        classifier: that of ``"classifier"``, or the path of a saved one.

    >>> import numpy as np
    >>> Phases("otsu", background=0).segment(np.array([[[10, 10, 200], [10, 200, 10]]]))
    array([[[0, 0, 1],
            [0, 1, 0]]], dtype=uint8)
    >>> Phases("primitive", 3, high=100).fit_transform(np.array([[[0, 25, 100]]]))
    array([[[[1. , 0. , 0. ],
             [0.5, 0.5, 0. ],
             [0. , 0. , 1. ]]]])
    """

    def __init__(
        self,
        method: str = "otsu",
        n_phases: int = 2,
        *,
        thresholds: Sequence[float] | None = None,
        background: float = BACKGROUND,
        window: int = WINDOW,
        low: float = 0.0,
        high: float = 255.0,
        classifier: PixelClassifier | str | os.PathLike[str] | None = None,
    ) -> None:
        self.method = method
        self.n_phases = n_phases
        self.thresholds = thresholds
        self.background = background
        self.window = window
        self.low = low
        self.high = high
        self.classifier = classifier

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags

    def fit(self, X: Any = None, y: Any = None) -> Phases:
        """Check the settings; a saved classifier is opened.

        Args:
            X, y: not used.

        Raises:
            ValueError: the method is unknown, an option does not fit, or is not one of the method.
            FileNotFoundError: there is no such classifier.
        """
        self._check()
        return self

    def transform(self, X: Lazy) -> Lazy:
        """Share of every state in every pixel.

        Args:
            X: grey levels, (sample, y, x). Of a dask array the result is one as well, chunked over samples.

        Returns:
            (sample, y, x, state) float64; shares add up to 1, and of hard methods one is 1.

        Raises:
            ValueError: ``X`` has another shape or no grey levels, or as `fit` raises it.
        """
        self._check()
        return _by_samples(self._states, X, np.float64, self.n_states)

    def segment(self, X: Lazy) -> Lazy:
        """Phase of every pixel; of ``"primitive"`` the state with the largest share.

        Args:
            X: grey levels, (sample, y, x). Of a dask array the result is one as well, chunked over samples.

        Returns:
            (sample, y, x) uint8, indices into ``names``.

        Raises:
            ValueError: as `transform` raises it.
        """
        self._check()
        return _by_samples(self._phase, X, np.uint8)

    @property
    def n_states(self) -> int:
        """How many phases there are."""
        return len(self.names)

    @property
    def names(self) -> tuple[str, ...]:
        """What phases are called, in the order of their indices."""
        self._check()
        if self.method == "classifier":
            return open_classifier(self.classifier).names
        n = self.n_phases if "n_phases" in METHODS[self.method] else 2
        between = ("grey",) if n == 3 else tuple(f"grey_{i}" for i in range(1, n - 1))
        return ("dark", *between, "bright")

    def settings(self) -> dict[str, Any]:
        """What changes the result, as JSON can hold it; a classifier by its path, names and SHA-256.

        Two `Phases` of equal settings give equal phases. Where only the path of a classifier differs, they do
        as well.
        """
        self._check()
        found: dict[str, Any] = {"method": self.method}
        for name in METHODS[self.method]:
            value = getattr(self, name)
            if name == "classifier":
                value = open_classifier(value).identity()
            elif name == "thresholds":
                value = [float(level) for level in self._levels()]
            else:
                value = int(value) if name in ("n_phases", "window") else float(value)
            found[name] = value
        return found

    def save_classifier(self, path: str | os.PathLike[str]) -> None:
        """Write a copy of the classifier, if one makes the phases, for `from_settings`.

        Raises:
            OSError: it cannot be written.
        """
        if self.method == "classifier":
            # A copy remembers the new place; that of the settings stays what it is.
            copy.copy(open_classifier(self.classifier)).save(path)

    @classmethod
    def from_settings(
        cls, settings: dict[str, Any], *, classifier: PixelClassifier | str | os.PathLike[str] | None = None
    ) -> Phases:
        """The same `Phases` again.

        Args:
            settings: what `settings` gave.
            classifier: where the classifier is now, if it is not where it was; it must be the same one.

        Raises:
            ValueError: the settings are not of this kind, or the classifier is another one.
            FileNotFoundError: the classifier is neither there nor in the old place.
        """
        options = dict(settings)
        method = options.pop("method", None)
        if method not in METHODS:
            raise ValueError(f'method "{method}" is none of {", ".join(METHODS)}')
        unknown = sorted(set(options) - set(METHODS[method]))
        if unknown:
            raise ValueError(f'"{unknown[0]}" is no setting of method "{method}"')
        if method == "classifier":
            options["classifier"] = open_classifier(classifier, options["classifier"])
        return cls(method, **options).fit()

    def _check(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f'method "{self.method}" is none of {", ".join(METHODS)}')
        used = METHODS[self.method]
        for name, default in _DEFAULTS.items():
            value = getattr(self, name)
            if name not in used and (value is not None if default is None else value != default):
                takes = [method for method, names in METHODS.items() if name in names]
                raise ValueError(
                    f'{name} is no option of method "{self.method}"; it is one of {", ".join(takes)}'
                )
        if "n_phases" in used and not (_whole(self.n_phases) and 2 <= self.n_phases <= 256):
            raise ValueError(f"n_phases {self.n_phases} is no number of phases from 2 to 256")
        if self.method == "multi-otsu" and self.n_phases > _MOST_CLASSES:
            raise ValueError(
                f"n_phases {self.n_phases} is more than the {_MOST_CLASSES} that multi-otsu finds in "
                "reasonable time; give thresholds, or take primitive"
            )
        if "background" in used and not (np.isfinite(self.background) and self.background >= 0):
            raise ValueError(f"background {self.background} px is no standard deviation; 0 subtracts nothing")
        if "window" in used and not (_whole(self.window) and self.window >= 3 and self.window % 2):
            raise ValueError(f"window {self.window} px is no odd number from 3 on; the pixel is its middle")
        if "low" in used and not (np.isfinite([self.low, self.high]).all() and self.low < self.high):
            raise ValueError(f"low {self.low} and high {self.high} are no ascending grey levels")
        if "thresholds" in used:
            self._levels()
        if "classifier" in used:
            open_classifier(self.classifier)

    def _levels(self) -> np.ndarray:
        """The grey levels of ``"threshold"``."""
        if self.thresholds is None:
            return 255.0 * np.arange(1, self.n_phases) / self.n_phases
        levels = np.atleast_1d(np.asarray(self.thresholds, dtype=float))
        if levels.ndim != 1 or not np.isfinite(levels).all() or (np.diff(levels) <= 0).any():
            raise ValueError(f"thresholds {self.thresholds} are no ascending grey levels")
        if len(levels) != self.n_phases - 1:
            raise ValueError(
                f"n_phases {self.n_phases} does not fit {len(levels)} thresholds, which part "
                f"{len(levels) + 1} phases"
            )
        return levels

    def _phase(self, micrograph: np.ndarray) -> np.ndarray:
        if self.method == "otsu":
            return by_threshold.otsu(micrograph, self.background)
        if self.method == "multi-otsu":
            return by_threshold.multi_otsu(micrograph, self.n_phases, self.background)
        if self.method == "threshold":
            return by_threshold.fixed(micrograph, self._levels())
        if self.method == "local":
            return by_threshold.local(micrograph, self.window)
        if self.method == "primitive":
            return self._states(micrograph).argmax(axis=-1).astype(np.uint8)
        return open_classifier(self.classifier).predict(micrograph)

    def _states(self, micrograph: np.ndarray) -> np.ndarray:
        if self.method == "primitive":
            return primitive(micrograph, self.n_phases, self.low, self.high)
        return one_hot(self._phase(micrograph), self.n_states)


def phases_of(phases: Phases | str | os.PathLike[str]) -> Phases:
    """How micrographs become phases: as given, by the method of that name, or by a saved classifier.

    Raises:
        ValueError: no such method.
        FileNotFoundError: there is no such classifier.
    """
    if isinstance(phases, Phases):
        return phases.fit()
    if phases in METHODS or not os.path.isfile(phases):
        return Phases(os.fspath(phases)).fit()
    return Phases("classifier", classifier=os.path.abspath(phases)).fit()


def segment(micrograph: np.ndarray, method: str = "otsu", n_phases: int = 2, **options: Any) -> np.ndarray:
    """Phase of every pixel: `Phases` with these settings, in one call.

    Args:
        micrograph: grey levels, (sample, y, x).
        method, n_phases, options: as `Phases` takes them.

    Returns:
        (sample, y, x) uint8.

    Raises:
        ValueError: ``micrograph`` has another shape, or a setting does not fit.

    >>> segment(np.array([[[10, 100, 200]]]), "threshold", 3, thresholds=[50, 150])
    array([[[0, 1, 2]]], dtype=uint8)
    """
    return Phases(method, n_phases, **options).segment(micrograph)


def _whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _by_samples(function: Any, X: Any, dtype: type, *last: int) -> Any:
    """Call a function of (sample, y, x), for a dask array chunk by chunk with whole images in each."""
    if not isinstance(X, dask.array.Array):
        X = np.asarray(X)
    if X.ndim != 3:
        raise ValueError(f"micrographs must be (sample, y, x), got shape {X.shape}")
    if X.dtype.kind not in "uif":
        raise ValueError(f"micrographs must be grey levels, got {X.dtype}")
    if isinstance(X, np.ndarray):
        if X.dtype.kind == "f" and not np.isfinite(X).all():
            raise ValueError("micrographs hold NaN or infinity, which are no grey levels")
        return function(X)
    X = X.rechunk({1: -1, 2: -1})
    added = {"new_axis": [3], "chunks": (*X.chunks, last)} if last else {}
    return X.map_blocks(function, dtype=dtype, meta=np.empty((0,) * (3 + len(last)), dtype), **added)
