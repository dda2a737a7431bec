"""Memory that a long loop frees is kept for its next round."""

from __future__ import annotations

import contextlib
import ctypes
import platform
from collections.abc import Iterator

# malloc.h of glibc
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3


# Larger blocks go back to the system as ever. Kept, they made a training at 256 px and batch 12 half as fast
# again and twice as large: glibc puts an aligned block where one of its size was freed only by chance.
_LARGEST_KEPT = 2**25


@contextlib.contextmanager
def keep_freed_memory() -> Iterator[None]:
    """While entered, glibc's malloc does not give freed memory back to the system, up to 32 MiB a block.

    Else tensors are made of fresh pages again and again, and the system's work to clear them takes up to a
    quarter of a training step. For the whole process; what is kept is given back in the end. Other allocators
    are left alone.
    """
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT)
    libc.mallopt(_TRIM_THRESHOLD, -1)  # no size is large enough to be given back
    try:
        yield
    finally:
        # Where it adapts itself to in a process with large tensors.
        libc.mallopt(_TRIM_THRESHOLD, 2 * _LARGEST_KEPT)
        libc.malloc_trim(0)
