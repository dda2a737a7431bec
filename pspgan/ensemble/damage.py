"""Arrays of a damaged store, whose errors name the store, the variable and the samples.

zarr reads a chunk that is missing as zeros, and one without a checksum as whatever its bytes decode to. So
all chunks of an ensemble are written (`to_zarr(write_empty_chunks=True)`), with a checksum (`COMPRESSORS`),
and are looked for before they are read.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import xarray as xr
import zarr
from xarray.backends import BackendArray
from xarray.core import indexing
from zarr.codecs import ZstdCodec

from .schema import EnsembleError

if TYPE_CHECKING:
    from zarr.core.metadata import ArrayV3Metadata

# Of new arrays: a byte that has changed is an error.
COMPRESSORS = (ZstdCodec(level=0, checksum=True),)

_ABSENT = np.uint64(2**64 - 1)  # offset and length, in the index of a shard, of a chunk that it does not hold
_WAY_OUT = "Put a copy of the store back, or make it anew"
# What a selection of an array consists of, an entry an axis.
Key: TypeAlias = tuple[int | slice | np.ndarray, ...]


def naming_its_damage(
    variable: xr.Variable, path: Path, name: str, *, every_chunk: bool = True
) -> xr.Variable:
    """A variable of a store, read when it is used, whose errors then name it.

    Args:
        variable: as zarr gives it.
        path, name: of the store, and of the array in it, ``statistics/two_point``.
        every_chunk: whether a missing chunk is an error; else it holds the fill value, as zarr has it.
    """
    array = _Lazy(_Stored(path, name, every_chunk), variable.shape, variable.dtype)
    return xr.Variable(variable.dims, indexing.LazilyIndexedArray(array), variable.attrs, variable.encoding)


def read(path: Path, name: str, key: Key | None = None, *, every_chunk: bool = True) -> np.ndarray:
    """A part of an array, by default all of it; axes are selected independently of one another.

    Args:
        path, name, every_chunk: as in `naming_its_damage`.
        key: what to select, an entry an axis.

    Raises:
        EnsembleError: a chunk of it is missing or damaged; names store, variable and samples.
    """
    return _Stored(path, name, every_chunk).read(key)


def samples_in_words(first: int, last: int) -> str:
    """``sample 3``, or ``samples 3 to 7``."""
    return f"sample {first}" if first == last else f"samples {first} to {last}"


class _Stored:
    """An array of a store, opened when it is first read; what cannot be read is an error that names it."""

    def __init__(self, path: Path, name: str, every_chunk: bool) -> None:
        self.path, self.name, self.every_chunk = path, name, every_chunk
        self._array: zarr.Array[ArrayV3Metadata] | None = None

    def read(self, key: Key | None) -> np.ndarray:
        try:
            if self._array is None:
                self._array = zarr.open_array(self.path / self.name, mode="r")
            key = key or (slice(None),) * self._array.ndim
            missing = _missing(self._array, self.path / self.name, key) if self.every_chunk else None
            if missing is None:
                return _selected(self._array, key)
        except (MemoryError, PermissionError):
            raise
        except Exception as error:  # a damaged file lets a codec fail in any way
            samples = "" if self._array is None else _unreadable(self._array, key)
            raise EnsembleError(
                f'{self.path}, variable "{self.name}"{samples and f", {samples}"} cannot be read: it is '
                f"damaged ({type(error).__name__}: {error}). {_WAY_OUT}"
            ) from None
        samples, why = missing
        raise EnsembleError(f'{self.path}, variable "{self.name}", {samples}: damaged, {why}. {_WAY_OUT}')


class _Lazy(BackendArray):
    """The same for xarray."""

    def __init__(self, array: _Stored, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self._stored, self.shape, self.dtype = array, shape, dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> np.ndarray:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._stored.read
        )


def _selected(array: zarr.Array[ArrayV3Metadata], key: Key) -> np.ndarray:
    if any(isinstance(one, np.ndarray) for one in key):
        return array.oindex[key]
    return array[key]  # the same, sooner


def _missing(array: zarr.Array[ArrayV3Metadata], folder: Path, key: Key) -> tuple[str, str] | None:
    """The first chunk of a selection that no file holds: its samples, and what is wrong; None if all are."""
    chunks = [
        np.unique(_places(one, length) // size)
        for one, length, size in zip(key, array.shape, array.chunks, strict=True)
    ]
    per_file = [o // c for o, c in zip(array.shards or array.chunks, array.chunks, strict=True)]
    for place in itertools.product(*(np.unique(c // n) for c, n in zip(chunks, per_file, strict=True))):
        file = folder / array.metadata.encode_chunk_key(place)
        held = [c[c // n == p] for c, n, p in zip(chunks, per_file, place, strict=True)]
        if not file.is_file() or not file.stat().st_size:
            what = "is empty" if file.is_file() else "is missing"
            return _samples_of(array, held[0]), f"{file.relative_to(folder)} {what}"
        if array.shards:
            local = np.ix_(*(h % n for h, n in zip(held, per_file, strict=True)))
            absent = (_index(array, file, per_file)[local] == _ABSENT).any(axis=-1)
            if absent.any():
                rows = held[0][absent.reshape(len(held[0]), -1).any(axis=1)]
                return _samples_of(array, rows), f"{file.relative_to(folder)} does not hold them"
    return None


def _places(one: int | slice | np.ndarray, length: int) -> np.ndarray:
    """What an entry of a selection selects of its axis."""
    if isinstance(one, slice):
        return np.arange(*one.indices(length))
    return np.atleast_1d(one) % max(length, 1)


def _samples_of(array: zarr.Array[ArrayV3Metadata], chunks: np.ndarray) -> str:
    size, length = array.chunks[0], array.shape[0]
    return samples_in_words(int(chunks[0]) * size, min((int(chunks[-1]) + 1) * size, length) - 1)


def _index(array: zarr.Array[ArrayV3Metadata], file: Path, per_file: Sequence[int]) -> np.ndarray:
    """Offset and length of every chunk of a shard; zarr compares its checksum when it reads."""
    codec = array.metadata.codecs[0]
    length, checksum = 16 * int(np.prod(per_file)), 4 * (len(codec.index_codecs) - 1)  # bytes
    with file.open("rb") as opened:
        if codec.index_location.value == "end":
            opened.seek(max(0, file.stat().st_size - length - checksum))
        index = opened.read(length)
    if len(index) < length:
        raise ValueError(f"{file.name} is cut short")
    return np.frombuffer(index, "<u8").reshape(*per_file, 2)


def _unreadable(array: zarr.Array[ArrayV3Metadata], key: Key) -> str:
    """The samples of a selection that cannot be read, of the first file that holds some; in words."""
    samples, others = _places(key[0], array.shape[0]), key[1:]
    files = samples // (array.shards or array.chunks)[0]
    for number in np.unique(files):
        some = samples[files == number]
        if not _is_readable(array, some, others):
            # A shard is read chunk by chunk, any other file as a whole.
            alone = (
                [i for i in some if not _is_readable(array, np.array([i]), others)] if array.shards else some
            )
            return samples_in_words(int(min(alone)), int(max(alone))) if len(alone) else ""
    return ""


def _is_readable(array: zarr.Array[ArrayV3Metadata], samples: np.ndarray, others: Key) -> bool:
    try:
        array.oindex[(samples, *others)]
    except Exception:  # as above
        return False
    return True
