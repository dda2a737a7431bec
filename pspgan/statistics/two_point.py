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
from functools import partial
from types import ModuleType
from typing import TypedDict, TypeVar, Unpack

import dask.array
import numpy as np
import torch

from .correlate import correlate

ENGINES = ("native", "pymks")
DTYPES = {"float64": torch.float64, "float32": torch.float32}

Array = TypeVar("Array", np.ndarray, torch.Tensor, dask.array.Array)


class _Settings(TypedDict):
    pairs: list[tuple[int, int]]
    periodic: bool
    cutoff: int
    engine: str
    dtype: str


def two_point_statistics(
    phases: Array,
    correlations: Sequence[tuple[int, int]] = ((0, 0), (0, 1)),
    periodic: bool = True,
    cutoff: int | None = None,
    mask: np.ndarray | torch.Tensor | dask.array.Array | None = None,
    engine: str = "native",
    *,
    dtype: str = "float64",
) -> Array:
    """Auto- and cross-correlations of local states, as `pymks.two_point_stats` defines and normalises them.

    Args:
        phases: share of each state in each pixel, (sample, y, x, state); hard (0 or 1) or soft. A dask array
            is computed lazily, chunk by chunk of samples.
        correlations: pairs of states (first pixel, second pixel).
        periodic: whether the field repeats; otherwise only pairs inside the field count.
        cutoff: longest vector component kept, in pixels; by default the longest that fits,
            ``(min(y, x) - 1) // 2``.
        mask: weight of each pixel in [0, 1], (sample, y, x), or (y, x) for all samples, which is faster.
            Where it leaves no pair the result is NaN (PyMKS divides rounding noise by rounding noise there).
        engine: ``"native"`` (torch, on the tensor's device) or ``"pymks"``.
        dtype: in which the native engine computes: ``"float64"`` or ``"float32"``, which is faster and good
            to some 1e-6.

    Returns:
        (sample, 2 cutoff + 1, 2 cutoff + 1, correlation) of ``dtype``, the zero vector in the centre and the
        y component first; a tensor or a dask array where ``phases`` is one.

    Raises:
        ValueError: a shape, state, cutoff, mask, engine or dtype that does not fit.
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
    if dtype not in DTYPES or (engine == "pymks" and dtype != "float64"):
        raise ValueError(
            f'dtype "{dtype}" is none of engine "{engine}": float64' + ", float32" * (engine == "native")
        )
    if not isinstance(phases, np.ndarray | torch.Tensor | dask.array.Array):
        phases = np.asarray(phases)
    if phases.ndim != 4 or 0 in phases.shape:
        raise ValueError(
            f"phases must be (sample, y, x, state), none of them empty, got shape {tuple(phases.shape)}"
        )
    pairs = _check_pairs(correlations, phases.shape[-1])
    c = _check_cutoff(cutoff, (phases.shape[1], phases.shape[2]))
    if mask is not None and tuple(mask.shape) not in (tuple(phases.shape[:3]), tuple(phases.shape[1:3])):
        raise ValueError(
            f"mask has shape {tuple(mask.shape)}, the phases want (sample, y, x) = "
            f"{tuple(phases.shape[:3])}, or (y, x)"
        )
    settings: _Settings = {
        "pairs": pairs,
        "periodic": periodic,
        "cutoff": c,
        "engine": engine,
        "dtype": dtype,
    }
    if isinstance(phases, dask.array.Array):
        return _by_chunks(phases, mask, settings)
    if isinstance(mask, dask.array.Array):
        mask = mask.compute()
    return _compute(phases, mask, **settings)


def largest_cutoff(field: tuple[int, int]) -> int:
    """Longest vector component, in pixels, that a field of (y, x) pixels allows.

    >>> largest_cutoff((160, 215))
    79
    """
    return (min(field) - 1) // 2


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


def _by_chunks(
    phases: dask.array.Array, mask: np.ndarray | torch.Tensor | dask.array.Array | None, settings: _Settings
) -> dask.array.Array:
    """Every chunk of samples by itself, when it is asked for."""
    phases = phases.rechunk(dict.fromkeys((1, 2, 3), -1))
    masks, shared = [], None
    if mask is not None and mask.ndim == 3:
        whole = dask.array.asarray(mask if isinstance(mask, dask.array.Array) else np.asarray(mask))
        masks = [whole.rechunk((phases.chunks[0], -1, -1))[..., None]]
    elif mask is not None:
        shared = np.asarray(mask)
    side = 2 * settings["cutoff"] + 1
    return dask.array.map_blocks(
        partial(_of_chunk, shared=shared, **settings),
        phases,
        *masks,
        chunks=(phases.chunks[0], (side,), (side,), (len(settings["pairs"]),)),
        dtype=settings["dtype"],
        meta=np.empty((0, 0, 0, 0), settings["dtype"]),
    )


def _of_chunk(
    phases: np.ndarray,
    mask: np.ndarray | None = None,
    shared: np.ndarray | None = None,
    **settings: Unpack[_Settings],
) -> np.ndarray:
    return _compute(phases, shared if mask is None else mask[..., 0], **settings)


def _compute(
    phases: np.ndarray | torch.Tensor,
    mask: np.ndarray | torch.Tensor | None,
    pairs: list[tuple[int, int]],
    periodic: bool,
    cutoff: int,
    engine: str,
    dtype: str,
) -> np.ndarray | torch.Tensor:
    if mask is not None:
        low, high = float(mask.min()), float(mask.max())
        if not 0 <= low <= high <= 1:
            raise ValueError(f"mask must lie in [0, 1], it spans {low:g} to {high:g}")
    if engine == "pymks":
        return _by_pymks(phases, mask, pairs, periodic, cutoff)
    if mask is not None:
        device = phases.device if isinstance(phases, torch.Tensor) else None
        mask = torch.as_tensor(np.array(mask) if isinstance(mask, np.ndarray) else mask).to(
            device, DTYPES[dtype]
        )
    result = correlate(phases, pairs, periodic, cutoff, mask, DTYPES[dtype])
    return result if isinstance(phases, torch.Tensor) else result.numpy()


def _by_pymks(
    phases: np.ndarray | torch.Tensor,
    mask: np.ndarray | torch.Tensor | None,
    pairs: list[tuple[int, int]],
    periodic: bool,
    cutoff: int,
) -> np.ndarray | torch.Tensor:
    pymks = import_pymks()
    m, weight = (
        None
        if values is None
        else np.asarray(values.cpu() if isinstance(values, torch.Tensor) else values, float)
        for values in (phases, mask)
    )
    if weight is not None:
        weight = dask.array.from_array(np.broadcast_to(weight, m.shape[:3]))
    columns = [
        pymks.two_point_stats(
            m[..., first], m[..., second], periodic_boundary=periodic, cutoff=cutoff, mask=weight
        )
        for first, second in pairs
    ]
    result = np.stack(columns, axis=-1)
    return torch.as_tensor(result).to(phases.device) if isinstance(phases, torch.Tensor) else result
