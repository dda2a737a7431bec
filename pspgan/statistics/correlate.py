"""The native engine of two-point statistics: batched real FFTs in torch that do no work for what is not kept.

Along x only rows of the field are transformed, never those of its padding, and back only rows up to the
cutoff. Each state is transformed once, whatever the number of correlations; an autocorrelation, being even,
is computed for half of the vectors, and (b, a) is (a, b) turned round. Of two phases that fill the field, all
correlations follow from one autocorrelation, and from sums over the field. A field at a time stays in the
cache of a core.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import scipy.fft
import torch

from ..scheduling import run_parts

# Bytes of one transform of the fields that are worked on at once.
_BLOCK_BYTES = {"cpu": 2**19, "cuda": 2**27}
# A pair count below this share of the pixels is rounding noise of the FFT: no pair is valid there.
_NO_PAIR = {torch.float64: 1e-12, torch.float32: 1e-4}

# How far from 1 the shares of two phases that fill a field may add up, by rounding.
_FULL = {torch.float64: 1e-13, torch.float32: 1e-6}
_NUMPY = {torch.float64: np.float64, torch.float32: np.float32}

Pairs = Sequence[tuple[int, int]]


def correlate(
    phases: np.ndarray | torch.Tensor,
    pairs: Pairs,
    periodic: bool,
    cutoff: int,
    mask: torch.Tensor | None,
    dtype: torch.dtype,
) -> torch.Tensor:
    """Two-point statistics as `two_point_statistics` defines them; arguments have been checked there.

    Args:
        phases: (sample, y, x, state), of any real dtype.
        pairs: correlations.
        periodic: whether fields repeat.
        cutoff: longest vector component, in pixels.
        mask: (sample, y, x), or (y, x) for all samples, of ``dtype`` on the device of ``phases``.
        dtype: float64 or float32, of the whole computation.

    Returns:
        (sample, 2 cutoff + 1, 2 cutoff + 1, correlation), on the device of ``phases``.
    """
    n, *field = phases.shape[:3]
    device = phases.device if isinstance(phases, torch.Tensor) else torch.device("cpu")
    transform = _Transform(tuple(field), periodic, cutoff)
    shared = _count(transform, mask, dtype, device) if mask is None or mask.ndim == 2 else None
    out = _empty((n, len(pairs), 2 * cutoff + 1, 2 * cutoff + 1), dtype, device)
    of_state = _reader(phases, dtype)
    share_one = phases.shape[-1] == 2 and len({frozenset(pair) for pair in pairs}) > 1

    def block(part: slice) -> None:
        weight = None if mask is None else (mask if mask.ndim == 2 else mask[part])
        if weight is None and share_one:
            one, other = (of_state(part, state) for state in (0, 1))
            if bool(other.add_(one).sub_(1).abs_().amax() <= _FULL[dtype]):
                _of_two_phases(transform, one, pairs, shared, out[part])
                return
        spectra = {}
        for state in sorted({state for pair in pairs for state in pair}):
            values = of_state(part, state)
            spectra[state] = transform.spectrum(values if weight is None else values.mul_(weight))
        count = shared if shared is not None else _count(transform, weight, dtype, device)
        for k, (first, second) in enumerate(pairs):
            target = out[part, k]
            if (first, second) in pairs[:k]:
                target.copy_(out[part, pairs.index((first, second))])
            elif (second, first) in pairs[:k]:
                target.copy_(out[part, pairs.index((second, first))].flip(1, 2))
            elif first == second:
                transform.even(_power(spectra[first]), target)
            else:
                transform.back(spectra[first].conj() * spectra[second], target)
        # Only now: a mask's counts are even, so that copies and reversals may be divided like the others.
        out[part].div_(count if count.ndim < 3 else count[:, None])

    bytes_each = dtype.itemsize * transform.size[0] * transform.size[1]
    step = max(1, _BLOCK_BYTES.get(device.type, 2**27) // bytes_each)
    parts = ((slice(start, min(start + step, n)),) for start in range(0, n, step))
    for _ in run_parts(block, parts, "threads", torch.get_num_threads() if device.type == "cpu" else 1):
        pass
    return out.permute(0, 2, 3, 1)


def _empty(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """numpy asks for huge pages, torch does not: small ones cost a third of the time of it all to clear."""
    if device.type != "cpu":
        return torch.empty(shape, dtype=dtype, device=device)
    return torch.from_numpy(np.empty(shape, _NUMPY[dtype]))


class _Transform:
    """FFTs of fields (sample, y, x) of one size, and back to vectors up to a cutoff."""

    def __init__(self, field: tuple[int, int], periodic: bool, cutoff: int) -> None:
        self.field, self.periodic, self.cutoff = field, periodic, cutoff
        # Zeros on one side as wide as the longest vector keep pairs from wrapping around the border.
        self.size = field if periodic else tuple(_fast_length(n + cutoff) for n in field)

    def spectrum(self, values: torch.Tensor) -> torch.Tensor:
        """(sample, ky, kx), kx from 0 to half the size."""
        return torch.fft.fft(torch.fft.rfft(values, n=self.size[1]), n=self.size[0], dim=-2)

    def back(self, spectrum: torch.Tensor, out: torch.Tensor) -> None:
        """Vectors up to the cutoff of a product of spectra, into (sample, dy, dx)."""
        c, (height, width) = self.cutoff, self.size
        rows = torch.fft.ifft(spectrum, dim=-2)
        kept = torch.cat([rows[:, height - c :], rows[:, : c + 1]], dim=1)
        self._columns(torch.fft.irfft(kept, n=width), out)

    def even(self, power: torch.Tensor, out: torch.Tensor) -> None:
        """The same of a real spectrum, whose transform is even: the upper half is the lower one turned."""
        c = self.cutoff
        rows = torch.fft.ihfft(power, dim=-2)[:, : c + 1]
        self._columns(torch.fft.irfft(rows, n=self.size[1]), out[:, c:])
        out[:, :c] = out[:, c + 1 :].flip(1, 2)

    def sums(self, values: torch.Tensor) -> torch.Tensor:
        """Sum of the pixels from which each vector leads to a pixel, (sample, dy, dx), or (sample, 1, 1)."""
        if self.periodic:
            return values.sum((1, 2), keepdim=True)
        for _ in ("x", "y"):
            values = _without_ends(values, self.cutoff).transpose(1, 2).contiguous()
        return values

    def _columns(self, whole: torch.Tensor, out: torch.Tensor) -> None:
        c = self.cutoff
        out[..., :c] = whole[..., self.size[1] - c :]
        out[..., c:] = whole[..., : c + 1]


def _fast_length(least: int) -> int:
    """A length of fast FFTs: multiples of 64 are faster than shorter ones with other factors."""
    length = 64 * math.ceil(least / 64)
    fast = scipy.fft.next_fast_len(least, real=True)
    return length if length <= 1.08 * least and scipy.fft.next_fast_len(length, real=True) == length else fast


def _without_ends(values: torch.Tensor, cutoff: int) -> torch.Tensor:
    """Sums along the last axis without its first ``cutoff`` values, ..., 1, none, its last 1, ... of them."""
    upto, n = values.cumsum(-1), values.shape[-1]  # along the last axis, where it is fast
    total = upto[..., -1:]
    first = total - upto[..., :cutoff].flip(-1)
    last = upto[..., n - 1 - cutoff : n - 1].flip(-1)
    return torch.cat([first, total, last], dim=-1)


def _of_two_phases(
    transform: _Transform, values: torch.Tensor, pairs: Pairs, count: torch.Tensor, out: torch.Tensor
) -> None:
    """Statistics of phase 0 and of the phase 1 that fills the rest, into (sample, correlation, dy, dx)."""
    side = 2 * transform.cutoff + 1
    both = values.new_empty((len(values), side, side))
    transform.even(_power(transform.spectrum(values)), both)
    begins = transform.sums(values)  # of the pixels that pairs begin with; they end with those turned round
    found = {
        (0, 0): lambda: both,
        (0, 1): lambda: begins - both,
        (1, 0): lambda: begins.flip(1, 2) - both,
        (1, 1): lambda: both + (count - begins - begins.flip(1, 2)),
    }
    for k, pair in enumerate(pairs):
        torch.div(found[pair](), count, out=out[:, k])


def _power(spectrum: torch.Tensor) -> torch.Tensor:
    return spectrum.real.square().addcmul_(spectrum.imag, spectrum.imag)


def _count(
    transform: _Transform, mask: torch.Tensor | None, dtype: torch.dtype, device: torch.device
) -> torch.Tensor:
    """Valid pairs of each vector: one number, (dy, dx), or (sample, dy, dx) with masks; NaN for none."""
    height, width = transform.field
    c = transform.cutoff
    if mask is None and transform.periodic:
        return torch.tensor(float(height * width), dtype=dtype, device=device)
    if mask is None:
        component = torch.arange(-c, c + 1, device=device).abs()
        return ((height - component)[:, None] * (width - component)).to(dtype)
    masks = mask if mask.ndim == 3 else mask[None]
    count = torch.empty((len(masks), 2 * c + 1, 2 * c + 1), dtype=dtype, device=device)
    transform.even(_power(transform.spectrum(masks)), count)
    count = count.where(count > _NO_PAIR[dtype] * height * width, torch.nan)
    return count if mask.ndim == 3 else count[0]


def _reader(phases: np.ndarray | torch.Tensor, dtype: torch.dtype) -> Callable[[slice, int], torch.Tensor]:
    """What gives a state of some samples, (sample, y, x), as a copy."""
    if isinstance(phases, torch.Tensor):
        return lambda part, state: phases[part, ..., state].to(dtype, copy=True).contiguous()
    return lambda part, state: torch.from_numpy(np.array(phases[part, ..., state], _NUMPY[dtype], order="C"))
