"""Where in larger micrographs a small one is found again: at any place, and flipped as training flips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..progress import progress_bar
from ..sources.imaging import area_average

_SHARE = 0.75  # of a side: the middle of a micrograph is looked for, so that one shifted a little is found
_COARSE = 16  # px, side of what is compared with every place
_CANDIDATES = 6  # micrographs in which the best place is looked at in full resolution
_PRODUCTS = 4e11  # multiplications that a search may take, some 20 s
FLIPS = ((1, 1), (-1, 1), (1, -1), (-1, -1))


@dataclass(frozen=True)
class Matches:
    """For every query its best match, (query,) each.

    Attributes:
        correlation: correlation coefficient of grey levels over the middle of the query; -1 where nothing
            was allowed to match.
        source: index of the micrograph in which it lies.
        y, x: upper left corner of the match of the middle, px.
        flip: index into `FLIPS`.
    """

    correlation: np.ndarray
    source: np.ndarray
    y: np.ndarray
    x: np.ndarray
    flip: np.ndarray


def middle(micrograph: np.ndarray) -> np.ndarray:
    """The part of micrographs (sample, y, x) that is looked for."""
    height, width = micrograph.shape[1:]
    rows, columns = (max(1, round(_SHARE * length)) for length in (height, width))
    top, left = (height - rows) // 2, (width - columns) // 2
    return micrograph[:, top : top + rows, left : left + columns]


def affordable(shape: tuple[int, int], sources: Sequence[np.ndarray]) -> int:
    """How many queries of a shape (y, x) can be looked for in these micrographs in reasonable time."""
    factor, (rows, columns) = _coarse(shape)
    places = sum(
        (one.shape[0] // factor - rows + 1) * (one.shape[1] // factor - columns + 1) for one in sources
    )
    return max(1, int(_PRODUCTS / (places * rows * columns * len(FLIPS))))


def find(
    queries: np.ndarray, sources: Sequence[np.ndarray], allowed: Sequence[np.ndarray], bar: str
) -> list[Matches]:
    """Best match of every query among micrographs, at any place and flip.

    Every place is compared coarsely; the best places of a few micrographs then in full resolution, by the
    correlation coefficient, which neither brightness nor contrast changes.

    Args:
        queries: grey levels, (query, y, x) uint8.
        sources: micrographs to look in, (y, x) uint8 each, no smaller than queries.
        allowed: masks (query, source) of what may match; a result is made for each.
        bar: what the progress bar is called.

    Returns:
        A `Matches` a mask.
    """
    template = middle(queries)
    factor, (rows, columns) = _coarse(queries.shape[1:])
    small = _small(template, factor)[:, :rows, :columns]
    flat = np.concatenate([_unit(small[:, ::up, ::left].reshape(len(small), -1)) for up, left in FLIPS])
    score = np.empty((len(sources), len(queries)), np.float32)
    best = np.empty((len(sources), len(queries)), np.int64)
    for k, source in enumerate(progress_bar(sources, desc=bar, unit="micrograph")):
        windows = np.lib.stride_tricks.sliding_window_view(_small(source[None], factor)[0], (rows, columns))
        found = _unit(windows.reshape(-1, rows * columns)) @ flat.T
        found = found.reshape(len(found), len(FLIPS), len(queries)).reshape(-1, len(queries))
        best[k] = found.argmax(axis=0)
        score[k] = found[best[k], np.arange(len(queries))]
    widths = [source.shape[1] // factor - columns + 1 for source in sources]
    return [
        _refined(template, sources, np.where(mask.T, score, -np.inf), best, widths, factor)
        for mask in allowed
    ]


def _refined(
    template: np.ndarray,
    sources: Sequence[np.ndarray],
    score: np.ndarray,
    best: np.ndarray,
    widths: Sequence[int],
    factor: int,
) -> Matches:
    """Best match in full resolution, around the best coarse places of the sources of highest score."""
    n, (height, width) = len(template), template.shape[1:]
    correlation, where = np.full(n, -1.0), np.zeros((4, n), int)
    for q in range(n):
        for k in np.argsort(-score[:, q], kind="stable")[:_CANDIDATES]:
            if not np.isfinite(score[k, q]):
                break
            place, flip = divmod(int(best[k, q]), len(FLIPS))
            top, left = (max(factor * p - factor, 0) for p in divmod(place, widths[k]))
            up, side = FLIPS[flip]
            region = sources[k][top : top + height + 2 * factor, left : left + width + 2 * factor]
            windows = np.lib.stride_tricks.sliding_window_view(region.astype(np.float32), (height, width))
            wanted = _unit(template[q, ::up, ::side].reshape(1, -1).astype(np.float32))
            found = _unit(windows.reshape(-1, height * width)) @ wanted[0]
            if found.max() > correlation[q]:
                correlation[q] = found.max()
                y, x = divmod(int(found.argmax()), windows.shape[1])
                where[:, q] = k, top + y, left + x, flip
    return Matches(correlation, *where)


def _coarse(shape: tuple[int, int]) -> tuple[int, tuple[int, int]]:
    """Reduction of the coarse comparison, and rows and columns of the middle of a query in it."""
    rows, columns = (max(1, round(_SHARE * length)) for length in shape)
    factor = max(1, round(min(rows, columns) / _COARSE))
    return factor, (rows // factor, columns // factor)


def _small(micrograph: np.ndarray, factor: int) -> np.ndarray:
    return area_average(micrograph, factor).astype(np.float32)


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Rows less their mean, of norm 1; zeros where they are constant."""
    vectors = vectors - vectors.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, norm, out=np.zeros_like(vectors), where=norm > 1e-3)
