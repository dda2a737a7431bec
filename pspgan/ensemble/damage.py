"""Arrays of a damaged store, whose errors name the store and the variable."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr
import zarr
from xarray.backends import BackendArray
from xarray.core import indexing

from .schema import EnsembleError


def naming_its_damage(variable: xr.Variable, path: Path, name: str) -> xr.Variable:
    """A variable of a store, read when it is used, whose errors then name it.

    Args:
        variable: as zarr gives it.
        path, name: of the store, and of the array in it.
    """
    array = _Stored(path, name, variable.shape, variable.dtype)
    return xr.Variable(variable.dims, indexing.LazilyIndexedArray(array), variable.attrs, variable.encoding)


@contextlib.contextmanager
def naming(path: Path, name: str) -> Iterator[None]:
    """Errors of reading an array name it.

    Raises:
        EnsembleError: it cannot be read.
    """
    try:
        yield
    except Exception as error:  # a damaged file lets a codec fail in any way
        raise EnsembleError(
            f'{path}, variable "{name}" cannot be read: it is damaged ({type(error).__name__}: {error}). '
            "Put a copy of the store back, or make it anew"
        ) from None


class _Stored(BackendArray):
    """An array of a store; one that cannot be read is an error that names it."""

    def __init__(self, path: Path, name: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.path, self.name, self.shape, self.dtype = path, name, shape, dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> np.ndarray:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[int | slice | np.ndarray, ...]) -> np.ndarray:
        with naming(self.path, self.name):
            return zarr.open_array(self.path / self.name, mode="r").oindex[key]
