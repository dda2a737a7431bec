"""Ctrl-C: a training stops after the step it is in and can go on from there."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C ended a training after a whole step; its state is saved, and the message says how to go on."""


class Interrupt:
    """While it is entered, the first Ctrl-C sets ``requested``; the second raises KeyboardInterrupt.

    Only a main thread receives signals, and a process that ignores Ctrl-C (a job in the background) goes on
    ignoring it.

    Args:
        silent: do not say what Ctrl-C does; another process says it.
    """

    def __init__(self, silent: bool = False) -> None:
        self.requested: bool = False
        self._silent = silent

    def __enter__(self) -> Interrupt:
        self._before = signal.getsignal(signal.SIGINT)
        main = threading.current_thread() is threading.main_thread()
        # None: a handler of C code, which could not be put back.
        self._listens = main and self._before not in (signal.SIG_IGN, None)
        if self._listens:
            signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listens:
            signal.signal(signal.SIGINT, self._before)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if not self._silent:
            # Not by print, which the signal may have come in the middle of.
            os.write(2, b"\nstops after this step; Ctrl-C once more stops at once\n")
