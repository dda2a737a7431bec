"""Fields of one size, at one pixel size or several, cut from micrographs of any size and magnification."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import dask.array
import numpy as np

from ..process import ProcessCondition, ProcessSpace, Value
from . import imaging
from .rows import SourceError
from .summary import left_out_lines

T = TypeVar("T")

# Of a source pixel: what rounding of pixel sizes may take from the last tile of a row.
_SLACK = 1e-6
_MOST = 1_000_000  # tiles of one micrograph


@dataclass(frozen=True)
class Tiling:
    """How micrographs are cut into square tiles.

    Tiles lie side by side, without overlap and in the middle of the micrograph; what is left at its edges is
    dropped.

    Args:
        side: of a tile, px.
        um_per_px: pixel size of the tiles; None keeps each micrograph's own. Of several, every micrograph is
            cut at each that it resolves, and the pixel size becomes a factor of the process space.
        enlarge: how many times a pixel may at most be enlarged; 1 only reduces. Enlarged micrographs lack the
            fine structure that those taken at the pixel size show.

    Raises:
        ValueError: a value that is not positive, a pixel size given twice, or ``enlarge`` below 1.
    """

    side: int
    um_per_px: float | Sequence[float] | None = None
    enlarge: float = 1.0

    def __post_init__(self) -> None:
        if self.side != int(self.side) or self.side < 1:
            raise ValueError(f"tile {self.side} is no number of pixels")
        if isinstance(self.um_per_px, Sequence):
            object.__setattr__(self, "um_per_px", tuple(self.um_per_px))
        for size in self.sizes:
            if size is not None and not 0 < size < math.inf:
                raise ValueError(f"tile_um_per_px {size} is no pixel size")
        if not self.sizes or len(set(self.sizes)) < len(self.sizes):
            raise ValueError(f"tile_um_per_px {self.um_per_px} holds no pixel size, or one twice")
        if not 1 <= self.enlarge < math.inf:
            raise ValueError(
                f"enlarge {self.enlarge} is below 1; 1 only reduces, 2 makes one pixel into 2 x 2"
            )

    @property
    def sizes(self) -> tuple[float | None, ...]:
        """The pixel sizes, one or several; None stands for each micrograph's own."""
        return self.um_per_px if isinstance(self.um_per_px, tuple) else (self.um_per_px,)

    @property
    def makes_factor(self) -> bool:
        """Whether tiles have several pixel sizes, which then are a factor of the process space."""
        return len(self.sizes) > 1

    def each(self) -> list[Tiling]:
        """This tiling at one of its pixel sizes after the other."""
        return [replace(self, um_per_px=at) for at in self.sizes]

    def windows(self, image: int, shape: tuple[int, int], um_per_px: float) -> list[Window] | str:
        """The tiles of one micrograph, row by row, at one pixel size (see `each`); or, in words, why none.

        Args:
            image: its number, which the windows carry.
            shape: its rows and columns, px.
            um_per_px: its pixel size; NaN where unknown.
        """
        (at,) = self.sizes
        factor = 1.0
        if at is not None:
            if not math.isfinite(um_per_px):
                return "pixel size unknown"
            factor = at / um_per_px  # source pixels along a side of a tile's pixel
            if factor * self.enlarge < 1 - _SLACK:
                return "pixels too large to be enlarged to those of a tile"
        length = self.side * factor
        counts = [math.floor(n / length + _SLACK) for n in shape]
        if not all(counts):
            return "field smaller than a tile"
        if math.prod(counts) > _MOST:
            return f"more than {_MOST} tiles fit into one"
        margins = [max(0.0, (n - count * length) / 2) for n, count in zip(shape, counts, strict=True)]
        if factor == 1.0:
            margins = [math.floor(margin) for margin in margins]  # pixels stay as they are
        size = um_per_px if at is None else at
        return [
            Window(image, margins[0] + i * length, margins[1] + j * length, length, self.side, size)
            for i in range(counts[0])
            for j in range(counts[1])
        ]


@dataclass(frozen=True)
class Window:
    """One tile: of which image, its upper left corner and side in source pixels, its side and pixel size."""

    image: int
    y: float
    x: float
    length: float
    side: int
    um_per_px: float

    def cut(self, grey: np.ndarray) -> np.ndarray:
        """The tile of its micrograph, (y, x) uint8.

        Every pixel is the average of the area that it covers, also where that ends within pixels; halves are
        rounded up.
        """
        rows, columns = (
            _shares(start, self.length, self.side, n)
            for start, n in zip((self.y, self.x), grey.shape, strict=True)
        )
        # Rounded before halves are told from less: sums of shares are off by the last digit of a double.
        average = np.round(rows @ grey.astype(float) @ columns.T, 9)
        return np.floor(average + 0.5).clip(0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Taken:
    """What is taken of images: whole ones, or tiles.

    Attributes:
        micrograph: (sample, y, x) uint8, lazy.
        sha256: over the contents of the files.
        image: number of the image that each sample is from.
        um_per_px: pixel size of each.
        offset: (y, x) of each upper left corner in the image, source pixels; None for whole images.
        has_pixel_size: whether the pixel size is a factor.
        notes: lines for people.
    """

    micrograph: dask.array.Array
    sha256: str
    image: list[int]
    um_per_px: list[float]
    offset: list[tuple[float, float]] | None
    has_pixel_size: bool
    notes: list[str]

    def of_each(self, values: Sequence[T]) -> list[T]:
        """Something that every image has, for every sample."""
        return [values[k] for k in self.image]

    def placed(
        self, space: ProcessSpace, points: Sequence[Sequence[Value]]
    ) -> tuple[ProcessSpace, list[ProcessCondition]]:
        """What the samples span and the condition of each, with the pixel size where it is a factor.

        Args:
            space: of what was done to the material.
            points: one a sample, values in its order.
        """
        if self.has_pixel_size:
            space = space.with_pixel_sizes(self.um_per_px)
            points = [(*values, size) for values, size in zip(points, self.um_per_px, strict=True)]
        conditions = [space.condition(values) for values in points]
        return space.observing(dict.fromkeys(conditions)), conditions


def take(
    files: Sequence[Path],
    names: Sequence[str],
    um_per_px: Sequence[float],
    tiling: Tiling | None,
    left_out: dict[str, list[str]],
    *,
    bar: Sequence[int],
    crop: tuple[int, int] | None,
    white: int | None = None,
    progress: bool,
) -> Taken:
    """Images as samples, or their tiles.

    Args:
        files: the images.
        names: theirs in lists.
        um_per_px: their pixel sizes; NaN where unknown.
        tiling: how they are cut; where None they are taken whole.
        left_out: takes the names of images without a tile, by reason.
        bar, crop, white, progress: see `imaging.stack`.

    Raises:
        ImageError: a file cannot be used, or, whole, is of another size than most.
        SourceError: no image has a tile.
    """
    notes: list[str] = []
    if tiling is None:
        micrograph, sha256 = imaging.stack(
            files, bar=bar, crop=crop, white=white, notes=notes, progress=progress
        )
        return Taken(micrograph, sha256, list(range(len(files))), list(um_per_px), None, False, notes)
    windows: list[Window] = []
    without: dict[float | None, Counter[str]] = {at: Counter() for at in tiling.sizes}
    for k, (file, name, height, size) in enumerate(zip(files, names, bar, um_per_px, strict=True)):
        shape = imaging.remaining_size(file, height, crop)
        reasons = []
        for one in tiling.each():
            found = one.windows(k, shape, size)
            if isinstance(found, str):
                without[one.um_per_px][found] += 1
                reasons.append(found)
            else:
                windows += found
        if len(reasons) == len(tiling.sizes):
            left_out.setdefault("; ".join(dict.fromkeys(reasons)), []).append(name)
    if not windows:
        raise SourceError(
            f"no tile of {tiling.side} px fits into any of {len(files)} images: "
            f"{'; '.join(left_out_lines(left_out))}"
        )
    micrograph, sha256 = imaging.stack(
        files, bar=bar, crop=crop, windows=windows, white=white, notes=notes, progress=progress
    )
    return Taken(
        micrograph,
        sha256,
        [window.image for window in windows],
        [window.um_per_px for window in windows],
        [(window.y, window.x) for window in windows],
        tiling.makes_factor,
        [*(_note(tiling, at, windows, without[at]) for at in tiling.sizes), *notes],
    )


def _note(tiling: Tiling, at: float | None, windows: Sequence[Window], without: Mapping[str, int]) -> str:
    """How many tiles of a pixel size there are, and, where it is one of several, why images have none."""
    mine = [window for window in windows if at is None or window.um_per_px == at]
    size = "their own pixel size" if at is None else f"{at:g} um/px"
    images = len({window.image for window in mine})
    text = f"{len(mine)} tiles of {tiling.side} x {tiling.side} px at {size}, from {images} images"
    if not (tiling.makes_factor and without):
        return text
    return f"{text}; none from {', '.join(f'{count} ({why})' for why, count in without.items())}"


def _shares(start: float, length: float, count: int, pixels: int) -> np.ndarray:
    """How much of each pixel of an axis goes into each of ``count`` equal parts, (count, pixels)."""
    edges = start + length / count * np.arange(count + 1)
    pixel = np.arange(pixels)
    ends, starts = np.minimum(edges[1:, None], pixel + 1), np.maximum(edges[:-1, None], pixel)
    shares = np.maximum(ends - starts, 0.0)
    return shares / shares.sum(axis=1, keepdims=True)
