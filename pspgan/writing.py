"""Files and folders that are there whole or not at all, and errors of the disk that name them."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Errors of the disk name the file.

    Raises:
        OSError: what is done meanwhile raised one.
    """
    try:
        yield
    except OSError as error:
        raise OSError(f"{path} cannot be written: {error}; is the disk full?") from error


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
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


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a whole file of UTF-8, atomically.

    Raises:
        OSError: it cannot be written; an older file of that name stays as it was.
    """
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def replacing_folder(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """A name beside ``folder`` to write under, which takes its place at the end, or disappears on an error.

    Raises:
        OSError: it cannot be written; an older folder of that name stays as it was.
    """
    folder = Path(folder)
    partial, old = (
        folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.{kind}") for kind in ("partial", "old")
    )
    try:
        yield partial
        if folder.exists():
            folder.rename(old)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def check_free(folder: Path, overwrite: bool, sign: str, what: str) -> None:
    """Refuse to write over a folder unasked, and over anything else than what would be written at all.

    Args:
        folder: that would be written.
        overwrite: whether it may be replaced.
        sign: a file that folders of the kind have.
        what: the kind, in words.

    Raises:
        FileExistsError: it is in the way.
    """
    if folder.exists() and not overwrite:
        raise FileExistsError(f"{folder} exists; choose another name or pass overwrite (--overwrite)")
    if folder.exists() and not (folder / sign).is_file():
        raise FileExistsError(f"{folder} exists and is no {what}; it is not replaced, choose another name")
