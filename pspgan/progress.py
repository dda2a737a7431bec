"""Progress bars and notes, on standard error: in one manner, and silent where somebody asks for it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from tqdm import tqdm

T = TypeVar("T")
_silenced: ContextVar[bool] = ContextVar("silenced", default=False)


def progress_bar(iterable: Iterable[T] | None = None, *, shown: object = True, **options: Any) -> tqdm[T]:
    """A bar with rate and time left on a terminal; nothing elsewhere, nor where it is not ``shown``.

    Args:
        iterable: what is gone through; None where the bar is updated by hand.
        shown: whether the caller wants a bar; what is falsy says no.
        options: of `tqdm.tqdm`.
    """
    return tqdm(iterable, disable=None if shown and not _silenced.get() else True, **options)


def note(text: str) -> None:
    """A line beside bars, of what the user may like to know."""
    if not _silenced.get():
        tqdm.write(text, file=sys.stderr)


def warn(text: str) -> None:
    """A line beside bars, of what the user should know, even in silence."""
    tqdm.write(f"warning: {text}", file=sys.stderr)


@contextmanager
def silence(silent: bool = True) -> Iterator[None]:
    """No bars and no notes within, unless ``silent`` is off."""
    token = _silenced.set(_silenced.get() or silent)
    try:
        yield
    finally:
        _silenced.reset(token)
