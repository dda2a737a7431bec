"""Two-point statistics with PyMKS's definitions: through PyMKS itself, or by batched real FFTs in torch.

The statistics of states l and l' at a vector r are the share of pixel pairs r apart whose first pixel is in
state l and whose second is in l' (Brough, Wheeler and Kalidindi, IMMI 6, 36-53, 2017,
doi 10.1007/s40192-017-0089-0)::

    f[r | l, l'] = sum_s m[s, l] m[s + r, l'] / S[r]

``S[r]`` counts the pairs: all pixels in a periodic field, those with both ends in the field otherwise. A
mask in [0, 1] weighs the pixels, so that ``m`` becomes ``m * mask`` and ``S`` the mask's own autocorrelation.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Sequence
from types import ModuleType

import dask.array
import numpy as np
import scipy.fft
import scipy.sparse
import torch

ENGINES = ("native", "pymks")

_BATCH_BYTES = 64 * 2**20  # of transforms held at once by the native engine
# A pair count below this share of the pixels is rounding noise of the FFT: no pair is valid there.
_NO_PAIR = 1e-12


def two_point_statistics(
    phases: np.ndarray | torch.Tensor,
    correlations: Sequence[tuple[int, int]] = ((0, 0), (0, 1)),
    periodic: bool = True,
    cutoff: int | None = None,
    mask: np.ndarray | torch.Tensor | None = None,
    engine: str = "native",
) -> np.ndarray | torch.Tensor:
    """Auto- and cross-correlations of local states, as `pymks.two_point_stats` defines and normalises them.

    Args:
        phases: share of each state in each pixel, (sample, y, x, state); hard (0 or 1) or soft.
        correlations: pairs of states (first pixel, second pixel).
        periodic: whether the field repeats; otherwise only pairs inside the field count.
        cutoff: longest vector component kept, in pixels; by default the longest that fits,
            ``(min(y, x) - 1) // 2``.
        mask: weight of each pixel in [0, 1], (sample, y, x). Where it leaves no pair the result is NaN (PyMKS
            divides rounding noise by rounding noise there).
        engine: ``"native"`` (torch, on the tensor's device) or ``"pymks"``.

    Returns:
        (sample, 2 cutoff + 1, 2 cutoff + 1, correlation) float64, the zero vector in the centre and the y
        component first; a tensor where ``phases`` is one.

    Raises:
        ValueError: a shape, state, cutoff, mask or engine that does not fit.
        ImportError: engine ``"pymks"`` where PyMKS cannot be imported.

    >>> import numpy as np
    >>> stripes = np.eye(2)[[[[0, 1, 0, 1], [0, 1, 0, 1], [0, 1, 0, 1]]]]
    >>> two_point_statistics(stripes, [(1, 1)])[0, :, :, 0].round(12) + 0.0
    array([[0. , 0.5, 0. ],
           [0. , 0.5, 0. ],
           [0. , 0.5, 0. ]])
    """
    if engine not in ENGINES:
        raise ValueError(f'engine "{engine}" is none of {", ".join(ENGINES)}')
    m = _as_float64(phases)
    if m.ndim != 4 or 0 in m.shape:
        raise ValueError(
            f"phases must be (sample, y, x, state), none of them empty, got shape {tuple(m.shape)}"
        )
    pairs = _check_pairs(correlations, m.shape[-1])
    c = _check_cutoff(cutoff, (m.shape[1], m.shape[2]))
    w = None if mask is None else _check_mask(mask, m)
    compute = _by_pymks if engine == "pymks" else _by_fft
    result = compute(m, pairs, periodic, c, w)
    return result if isinstance(phases, torch.Tensor) else result.numpy()


def largest_cutoff(field: tuple[int, int]) -> int:
    """Longest vector component, in pixels, that a field of (y, x) pixels allows.

    >>> largest_cutoff((160, 215))
    79
    """
    return (min(field) - 1) // 2


def radial_average(two_point: np.ndarray, dy: np.ndarray, dx: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Average of two-point statistics over directions, in rings one pixel wide.

    Args:
        two_point: (sample, dy, dx).
        dy, dx: vector components in pixels, (dy,) and (dx,), as stored beside the statistics.

    Returns:
        Mean distance in each ring, (ring,), and the mean there, (sample, ring). Rings end where they would
        leave the square of vectors.
    """
    distance = np.hypot(*np.meshgrid(dy, dx, indexing="ij")).ravel()
    ring = np.rint(distance).astype(int)
    n_rings = int(min(np.abs(dy).max(), np.abs(dx).max())) + 1
    (kept,) = np.nonzero(ring < n_rings)
    share = 1.0 / np.bincount(ring[kept])[ring[kept]]
    mean = scipy.sparse.csr_array((share, (ring[kept], kept)), (n_rings, distance.size))
    values = np.asarray(two_point, float).reshape(len(two_point), -1)
    return mean @ distance, (mean @ values.T).T


def import_pymks() -> ModuleType:
    """PyMKS, imported when it is first needed.

    Raises:
        ImportError: it is missing, or something that it imports without declaring is.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it uses interfaces that others have deprecated
            return importlib.import_module("pymks")
    except ImportError as error:
        raise ImportError(
            f"PyMKS cannot be imported ({error}); it needs Python 3.11: "
            'pip install pymks==0.4.1 "setuptools<81" pyarrow, or use engine "native"'
        ) from error


def _as_float64(values: np.ndarray | torch.Tensor) -> torch.Tensor:
    if isinstance(values, torch.Tensor):
        return values.to(torch.float64)
    return torch.from_numpy(np.array(values, dtype=np.float64))


def _check_pairs(correlations: Sequence[tuple[int, int]], n_states: int) -> list[tuple[int, int]]:
    pairs = [tuple(pair) for pair in correlations]
    if not pairs:
        raise ValueError("correlations is empty: give at least one pair of states, such as (0, 0)")
    for pair in pairs:
        if len(pair) != 2:
            raise ValueError(f"correlation {pair} is not a pair of states")
        for state in pair:
            if not 0 <= state < n_states:
                raise ValueError(f"correlation {pair}: state {state} is none of 0 to {n_states - 1}")
    return [(int(first), int(second)) for first, second in pairs]


def _check_cutoff(cutoff: int | None, field: tuple[int, int]) -> int:
    largest = largest_cutoff(field)
    if cutoff is None:
        return largest
    if cutoff != int(cutoff) or not 0 <= cutoff <= largest:
        raise ValueError(
            f"cutoff {cutoff} does not fit: {field[0]} x {field[1]} px allow whole numbers up to {largest}"
        )
    return int(cutoff)


def _check_mask(mask: np.ndarray | torch.Tensor, m: torch.Tensor) -> torch.Tensor:
    w = _as_float64(mask).to(m.device)
    if w.shape != m.shape[:-1]:
        raise ValueError(
            f"mask has shape {tuple(w.shape)}, the phases want (sample, y, x) = {tuple(m.shape[:-1])}"
        )
    if not bool(((w >= 0) & (w <= 1)).all()):
        raise ValueError(f"mask must lie in [0, 1], it spans {w.min().item():g} to {w.max().item():g}")
    return w


def _by_fft(
    m: torch.Tensor, pairs: list[tuple[int, int]], periodic: bool, cutoff: int, mask: torch.Tensor | None
) -> torch.Tensor:
    states = sorted({state for pair in pairs for state in pair})
    # Zeros on one side as wide as the longest vector keep pairs from wrapping around the border.
    size = tuple(n if periodic else scipy.fft.next_fast_len(n + cutoff, real=True) for n in m.shape[1:3])
    batch = max(1, _BATCH_BYTES // (8 * size[0] * size[1] * (len(states) + 2)))
    out = m.new_empty((len(m), 2 * cutoff + 1, 2 * cutoff + 1, len(pairs)))
    for start in range(0, len(m), batch):
        part = slice(start, start + batch)
        weight = None if mask is None else mask[part]
        spectra = {}
        for state in states:
            field = m[part, ..., state]
            spectra[state] = torch.fft.rfft2(field if weight is None else field * weight, s=size)
        count = _pair_count(m.shape[1:3], weight, periodic, cutoff, size).to(m)
        for k, (first, second) in enumerate(pairs):
            out[part, ..., k] = _correlate(spectra[first], spectra[second], size, cutoff) / count
    return out


def _correlate(first: torch.Tensor, second: torch.Tensor, size: tuple[int, int], cutoff: int) -> torch.Tensor:
    """sum_s a[s] b[s + r] for components of r up to the cutoff, from the spectra of a and b."""
    whole = torch.fft.irfft2(first.conj() * second, s=size)
    rows, columns = (torch.arange(-cutoff, cutoff + 1, device=whole.device) % n for n in size)
    return whole[:, rows[:, None], columns]


def _pair_count(
    field: tuple[int, int], mask: torch.Tensor | None, periodic: bool, cutoff: int, size: tuple[int, int]
) -> torch.Tensor:
    """Valid pairs of each vector: one number, (dy, dx), or with a mask (sample, dy, dx), NaN for none."""
    if mask is not None:
        spectrum = torch.fft.rfft2(mask, s=size)
        count = _correlate(spectrum, spectrum, size, cutoff)
        return count.where(count > _NO_PAIR * field[0] * field[1], torch.nan)
    if periodic:
        return torch.tensor(float(field[0] * field[1]))
    component = torch.arange(-cutoff, cutoff + 1).abs()
    return ((field[0] - component)[:, None] * (field[1] - component)).double()


def _by_pymks(
    m: torch.Tensor, pairs: list[tuple[int, int]], periodic: bool, cutoff: int, mask: torch.Tensor | None
) -> torch.Tensor:
    pymks = import_pymks()
    weight = None if mask is None else dask.array.from_array(mask.cpu().numpy())
    columns = [
        pymks.two_point_stats(
            m[..., first].cpu().numpy(),
            m[..., second].cpu().numpy(),
            periodic_boundary=periodic,
            cutoff=cutoff,
            mask=weight,
        )
        for first, second in pairs
    ]
    return torch.as_tensor(np.stack(columns, axis=-1)).to(m)
