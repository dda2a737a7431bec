"""Memory that a long loop frees is kept for its next round."""

from __future__ import annotations

import contextlib
import ctypes
import platform
from collections.abc import Iterator

# malloc.h of glibc
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3


@contextlib.contextmanager
def keep_freed_memory() -> Iterator[None]:
    """While entered, glibc's malloc does not give freed memory back to the system.

    Else every tensor of some tens of MB is made of fresh pages, and the system's work to clear them takes a
    quarter of a training step at 256 px. For the whole process; what is kept is given back in the end. Other
    allocators are left alone.
    """
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    libc = ctypes.CDLL(None)
    for parameter in (_TRIM_THRESHOLD, _MMAP_THRESHOLD):
        libc.mallopt(parameter, -1)  # no size is large enough to be given back
    try:
        yield
    finally:
        # Where the two adapt themselves to in a process with large tensors.
        libc.mallopt(_TRIM_THRESHOLD, 2**26)
        libc.mallopt(_MMAP_THRESHOLD, 2**25)
        libc.malloc_trim(0)
