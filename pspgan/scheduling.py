"""Where the parts of a long job run: on threads, on processes, or on a dask.distributed cluster."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from contextlib import contextmanager
from itertools import islice
from typing import Any

import joblib

SCHEDULERS = ("threads", "processes")


def run_parts(
    function: Callable[..., Any],
    arguments: Iterable[tuple[Any, ...]],
    scheduler: str = "threads",
    workers: int | None = None,
) -> Iterator[Any]:
    """Call a function for every part of a job, several at a time; results come as they are ready.

    Twice as many parts as workers are under way at once, so that ``arguments`` may be long and lazy. After an
    error, or when the caller stops early, parts that have not begun are given up.

    Args:
        function: of a module, so that other processes can import it.
        arguments: its arguments, a tuple a part.
        scheduler: ``"threads"``, ``"processes"``, or the address of a dask scheduler, ``"tcp://host:8786"``,
            whose workers have this pspgan installed and see the same files.
        workers: threads or processes, by default one a core; a single one is this thread. They share the
            cores. A cluster has its own.

    Raises:
        ValueError: no such scheduler, or no number of workers.
        ImportError: an address where dask.distributed is not installed.
        OSError: no scheduler answers at the address.
        RuntimeError: a process was killed.
    """
    check_scheduler(scheduler, workers)
    workers = workers or joblib.cpu_count()
    if scheduler in SCHEDULERS and workers == 1:
        yield from (function(*part) for part in arguments)
        return
    with _executor(scheduler, workers) as (executor, at_once):
        left = iter(arguments)
        under_way = {executor.submit(function, *part) for part in islice(left, at_once)}
        try:
            while under_way:
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                under_way |= {executor.submit(function, *part) for part in islice(left, len(done))}
                for future in done:
                    yield future.result()
        except BrokenExecutor as error:
            raise RuntimeError(
                f"a worker ended before its time, for want of memory perhaps ({error}); the same call goes "
                "on from what is written"
            ) from error
        finally:
            for future in under_way:
                future.cancel()


def check_scheduler(scheduler: str, workers: int | None) -> None:
    """Make sure that a job can be asked to run there, before it begins.

    Raises:
        ValueError: no such scheduler, or no number of workers.
    """
    if scheduler not in SCHEDULERS and "://" not in scheduler:
        raise ValueError(
            f'scheduler "{scheduler}" is none of {", ".join(SCHEDULERS)}, '
            "and no address of a dask scheduler, such as tcp://localhost:8786"
        )
    if workers is not None and workers < 1:
        raise ValueError(f"workers {workers} is no number of {scheduler}")


@contextmanager
def _executor(scheduler: str, workers: int) -> Iterator[tuple[Executor, int]]:
    """Something that parts are given to, and how many of them at once."""
    if scheduler == "threads":
        with ThreadPoolExecutor(workers, initializer=_take_share, initargs=(workers,)) as executor:
            yield executor, 2 * workers
    elif scheduler == "processes":
        # A forked process would inherit locks of torch's threads.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, context, _begin_process, (workers,)) as executor:
            yield executor, 2 * workers
    else:
        with _client(scheduler) as client, client.get_executor() as executor:
            yield executor, 2 * max(1, sum(client.nthreads().values()))


def _begin_process(workers: int) -> None:
    # Ctrl-C goes to all processes of a terminal: this one ends without a word, the caller tells.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _take_share(workers)


def _take_share(workers: int) -> None:
    """This thread's or process's part of the cores: the others have theirs."""
    import torch

    torch.set_num_threads(max(1, joblib.cpu_count() // workers))


def _client(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError as error:
        raise ImportError(
            f"scheduler {address} needs dask.distributed ({error}): pip install 'pspgan[cluster]'"
        ) from None
    return Client(address, timeout=10, set_as_default=False)  # s
