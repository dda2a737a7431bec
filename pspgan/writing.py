"""Files that are there whole or not at all, and errors of the disk that name them."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def naming(path: str | os.PathLike) -> Iterator[None]:
    """Errors of the disk name the file.

    Raises:
        OSError: what is done meanwhile raised one.
    """
    try:
        yield
    except OSError as error:
        raise OSError(f"{path} cannot be written: {error}; is the disk full?") from error


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """A path beside ``path`` to write to; at the end it is on the disk and takes the place of ``path``.

    A process that is killed meanwhile leaves it behind, as ``.NAME.*.partial``.

    Raises:
        OSError: it cannot be written; an older file of that name stays as it was.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        with naming(path):
            yield partial
            with open(partial, "rb") as file:
                os.fsync(file.fileno())  # else a power cut may leave the new name without its content
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write a whole file of UTF-8, atomically.

    Raises:
        OSError: it cannot be written; an older file of that name stays as it was.
    """
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
