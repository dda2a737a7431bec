"""Sides of a benchmark in processes of their own: neither works on memory that the other left behind."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import torch

from pspgan.memory import keep_freed_memory

# Name -> what is timed, and the images that it handles.
Calls = dict[str, tuple[Callable[[], object], int]]

STATUS = Path("/proc/self/status")  # which only Linux has

# Of the process of one side, until it ends.
_calls: Calls = {}
_entered = ExitStack()


class Side:
    """A process that has prepared calls and waits for its turn to make one.

    Args:
        prepare: gives the calls, in the process.
        arguments: of ``prepare``.
        keeps_memory: whether the process keeps what it frees, see `pspgan.memory`.
    """

    def __init__(self, prepare: Callable[..., Calls], *arguments: object, keeps_memory: bool) -> None:
        self._process = _process(_begin, torch.get_num_threads(), keeps_memory, prepare, arguments)

    def rate(self, name: str) -> float:
        """Images a second of one call."""
        return self._process.submit(_rate, name).result()

    def close(self) -> None:
        """End the process."""
        self._process.shutdown()


def in_a_process(function: Callable[..., object], *arguments: object) -> object:
    """What the function gives in a fresh process, with as many threads as this one."""
    with _process(torch.set_num_threads, torch.get_num_threads()) as process:
        return process.submit(function, *arguments).result()


def _process(initializer: Callable[..., object], *arguments: object) -> ProcessPoolExecutor:
    # Forked from a server that has imported the script and done nothing else, where there can be one.
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    return ProcessPoolExecutor(1, multiprocessing.get_context(method), initializer, arguments)


def _begin(threads: int, keeps_memory: bool, prepare: Callable[..., Calls], arguments: tuple) -> None:
    torch.set_num_threads(threads)
    if keeps_memory:
        _entered.enter_context(keep_freed_memory())
    _calls.update(prepare(*arguments))


def _rate(name: str) -> float:
    call, images = _calls[name]
    began = time.perf_counter()
    call()
    return images / (time.perf_counter() - began)


def resident(field: str) -> float:
    """This process's resident set in GiB, now (``VmRSS``) or at its largest (``VmHWM``)."""
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return int(lines[field].split()[0]) / 2**20  # from kB
