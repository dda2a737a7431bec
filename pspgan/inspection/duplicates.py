"""Pairs of micrographs that show the same place: a field taken twice, or fields that overlap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
import pandas as pd
import xarray as xr
from scipy import fft, ndimage
from skimage.transform import resize

from ..progress import progress_bar

# Longer side of the thumbnails that all pairs are compared by, px, and of those that confirm a pair.
_COARSE, _FINE = 64, 192
# Of coarse thumbnails; what unrelated micrographs of one steel reach now and then.
_CANDIDATE = 0.25
# Share of the longer side above which grey levels vary with illumination and charging, not with the place.
_BLUR = 1 / 27
_AT_ONCE = 1024


def near_duplicates(
    micrograph: Sequence[np.ndarray] | xr.DataArray,
    *,
    correlation: float = 0.45,
    overlap: float = 0.25,
    progress: bool = True,
) -> pd.DataFrame:
    """Find pairs of micrographs that share a place of the specimen, whatever their brightness and contrast.

    Every micrograph is compared with every other, at all shifts, by the cross-correlation of thumbnails from
    which slow changes of grey level are taken off; a pair that stands out is confirmed where the two overlap.
    A hash of the image would be faster, but knows no shifts. Rotated views, and those at another
    magnification, are not found.

    Args:
        micrograph: grey levels, (sample, y, x), all of one size; read one at a time.
        correlation: least correlation coefficient over the pixels that two micrographs share; its sign is
            ignored, since contrast may be inverted. Of 429 micrographs of UHCSDB all 30 pairs that reach the
            default come from one specimen at one magnification; below 0.42 others begin.
        overlap: least share of a micrograph that the other shows, too.
        progress: show a bar on a terminal.

    Returns:
        A row a pair, the most alike first: ``first``, ``second``, positions in the ensemble;
        ``correlation``; ``overlap``, as a share; ``shift_y``, ``shift_x``, where in the first micrograph the
        upper left corner of the second lies, px, as exactly as thumbnails tell.

    >>> field = np.random.default_rng(0).integers(256, size=(80, 160), dtype=np.uint8)
    >>> near_duplicates([field[:64, :64], field[:64, 16:80], field[:64, 90:154]], progress=False)[
    ...     ["first", "second", "overlap", "shift_x"]
    ... ].values.tolist()
    [[0.0, 1.0, 0.75, 16.0]]
    """
    coarse, fine = [], []
    for image in progress_bar(micrograph, desc="thumbnails", unit="micrograph", shown=progress):
        image = np.asarray(image, np.float32)
        coarse.append(_thumbnail(image, _COARSE))
        fine.append(_thumbnail(image, _FINE))
        shape = image.shape
    rows = []
    for i, j in _candidates(np.array(coarse), progress):
        best = _confirm(fine[i], fine[j], overlap)
        if best is not None and abs(best[0]) >= correlation:
            value, share, dy, dx = best
            scale = shape[0] / fine[i].shape[0], shape[1] / fine[i].shape[1]
            rows.append((i, j, value, share, round(dy * scale[0]), round(dx * scale[1])))
    columns = ["first", "second", "correlation", "overlap", "shift_y", "shift_x"]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values("correlation", key=abs, ascending=False, ignore_index=True)


def groups_of(pairs: pd.DataFrame) -> list[tuple[int, ...]]:
    """Micrographs that pairs tie together, directly or through others, each group in ascending order."""
    group: dict[int, set[int]] = {}
    for i, j in zip(pairs["first"], pairs["second"], strict=True):
        joined = group.get(i, {i}) | group.get(j, {j})
        group |= dict.fromkeys(joined, joined)
    return sorted({tuple(sorted(members)) for members in group.values()})


def _thumbnail(image: np.ndarray, side: int) -> np.ndarray:
    """The fast changes of grey level of a smaller image, of mean 0 and norm 1; zeros where there are none."""
    factor = min(1.0, side / max(image.shape))
    shape = [max(1, round(factor * length)) for length in image.shape]
    small = resize(image, shape, anti_aliasing=factor < 1, preserve_range=True).astype(np.float32)
    small -= ndimage.gaussian_filter(small, max(1.0, _BLUR * max(shape)))
    small -= small.mean()
    norm = np.linalg.norm(small)
    return small / norm if norm > 1e-3 else np.zeros_like(small)


def _candidates(coarse: np.ndarray, progress: bool) -> Iterator[tuple[int, int]]:
    """Pairs whose largest circular cross-correlation stands out."""
    transformed = fft.rfft2(coarse)
    for i in progress_bar(range(len(coarse) - 1), desc="pairs", unit="micrograph", shown=progress):
        for start in range(i + 1, len(coarse), _AT_ONCE):
            part = transformed[start : start + _AT_ONCE]
            height = np.abs(fft.irfft2(transformed[i].conj() * part, s=coarse.shape[1:])).max(axis=(1, 2))
            yield from ((i, start + int(k)) for k in np.flatnonzero(height >= _CANDIDATE))


def _confirm(first: np.ndarray, second: np.ndarray, least: float) -> tuple[float, float, int, int] | None:
    """Correlation over the overlap, its share, and the shift (y, x) at which the two agree best."""
    crossed = fft.irfft2(fft.rfft2(first) * fft.rfft2(second).conj(), s=first.shape)
    peak = np.unravel_index(np.abs(crossed).argmax(), crossed.shape)
    best = None
    # A circular shift stands for two along each axis.
    for shift in product(*((int(p), int(p) - n) for p, n in zip(peak, first.shape, strict=True))):
        mine = tuple(slice(max(d, 0), n + min(d, 0)) for d, n in zip(shift, first.shape, strict=True))
        its = tuple(slice(max(-d, 0), n + min(-d, 0)) for d, n in zip(shift, first.shape, strict=True))
        a, b = first[mine], second[its]
        share = a.size / first.size
        if share < least or a.std() == 0 or b.std() == 0:
            continue
        value = float(np.corrcoef(a.ravel(), b.ravel())[0, 1])
        if best is None or abs(value) > abs(best[0]):
            best = (value, share, *shift)
    return best
