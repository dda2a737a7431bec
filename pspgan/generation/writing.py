"""Micrographs are made and written shard by shard: here, by several workers, or by the ranks of torchrun."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from tqdm import tqdm

from .. import ensemble
from ..scheduling import run_parts
from ..training.distributed import Ranks
from .job import Job
from .loading import Precision, load
from .model import Model


def write_here(
    job: Job, model: Model, out: Path, parts: Sequence[slice], ranks: Ranks, bar: tqdm[Any]
) -> None:
    """Sample shards, each written while the next one is sampled; of several ranks each takes its own.

    After every round of shards the ranks tell one another how far they are, so that none is left waiting for
    one that has stopped, and the bar counts the images of all.

    Raises:
        PeerError: another rank has stopped.
        OSError: the disk is full, or cannot be written; what is whole stays.
    """
    with Behind(functools.partial(_write, job, out)) as writer:

        def after_batch(count: int) -> None:
            writer.check()
            if ranks.world == 1:
                bar.update(count)

        for begin in range(0, len(parts), ranks.world):
            mine = parts[begin + ranks.rank : begin + ranks.rank + 1]  # none in the last round of some
            for part in mine:
                writer.give(part, job.sample(model, part, after_batch))
            if ranks.world > 1:
                made = torch.tensor([float(sum(p.stop - p.start for p in mine))], device=ranks.device)
                ranks.add_up(made)
                bar.update(int(made.item()))


def write_by_workers(
    job: Job,
    model: Model | Source,
    out: Path,
    parts: Sequence[slice],
    scheduler: str,
    workers: int | None,
    bar: tqdm[Any],
) -> None:
    """Sample and write shards on threads, processes or a dask cluster, each shard by one worker.

    Raises:
        OSError: the disk is full, or cannot be written; what is whole stays.
    """
    arguments = ((job, model, out.resolve(), part) for part in parts)
    for made in run_parts(_make, arguments, scheduler, workers):
        bar.update(made)


class Behind:
    """Calls a function in a thread of its own, one call at a time, while the caller goes on.

    So what waits to be done is never more than one call. Its error is raised at the next `give` or `check`,
    or at the end.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function, self._thread = function, ThreadPoolExecutor(1)
        self._under_way: Future[Any] | None = None

    def give(self, *arguments: Any) -> None:
        """Wait for the call before, and begin this one."""
        if self._under_way is not None:
            self._under_way.result()
        self._under_way = self._thread.submit(self._function, *arguments)

    def check(self) -> None:
        """Raise what the call has raised, if it has ended so."""
        if self._under_way is not None and self._under_way.done():
            self._under_way.result()

    def __enter__(self) -> Behind:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What was given is done, also where the caller was interrupted.
        self._thread.shutdown()
        if kind is None:
            self.check()


@dataclass(frozen=True)
class Source:
    """Where other processes find a model."""

    path: Path
    sha256: str
    device: str
    precision: Precision

    @classmethod
    def of(cls, model: Model) -> Source:
        """Raise ValueError where the model comes from no file."""
        if model.path is None:
            raise ValueError(
                f"{model.name} was not loaded from a file, so other processes cannot load it; leave workers "
                'out, or take scheduler "threads"'
            )
        sha256 = model.provenance["checkpoint_sha256"]
        return cls(model.path.resolve(), sha256, str(model.device), model.generator.precision)


@functools.lru_cache(maxsize=1)
def _loaded(source: Source) -> Model:
    model = load(source.path, source.device, precision=source.precision)
    if model.provenance["checkpoint_sha256"] != source.sha256:
        raise ValueError(
            f"{source.path} is another file to this worker than where the job was started, or has changed "
            "since; all have to see the same files"
        )
    return model


def _make(job: Job, model: Model | Source, out: Path, part: slice) -> int:
    """A shard from seeds to disk; how many images it holds."""
    model = model if isinstance(model, Model) else _loaded(model)
    _write(job, out, part, job.sample(model, part, lambda count: None))
    return part.stop - part.start


def _write(job: Job, out: Path, part: slice, micrograph: Any) -> None:
    ensemble.write_region(out, part.start, **job.variables(micrograph))
