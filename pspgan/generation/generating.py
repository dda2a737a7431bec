"""One call from a model to an ensemble, in memory or in a store."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
import xarray as xr
from tqdm import tqdm

from .. import ensemble
from ..progress import progress_bar
from ..scheduling import check_scheduler
from ..statistics import Phases
from ..statistics.phases import phases_of
from ..training import Run
from ..training.distributed import Ranks, join_ranks
from .conditions import Conditions, asked_for
from .job import Job
from .loading import Precision, load
from .model import Model, check_psi, warn_unobserved
from .writing import Source, write_by_workers, write_here


def generate(
    model: Model | Run | str | os.PathLike[str],
    conditions: Conditions = "observed",
    n: int = 64,
    out: str | os.PathLike[str] | None = None,
    *,
    seed: int = 0,
    psi: float = 1.0,
    phases: Phases | str | os.PathLike[str] | None = None,
    batch: int = 64,
    workers: int | None = None,
    scheduler: str = "processes",
    device: str | torch.device | None = None,
    precision: Precision | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> xr.Dataset:
    """Generate an ensemble: ``n`` micrographs a condition, seeds ``seed`` to ``seed + n - 1`` for each.

    A store is written shard by shard, and one that an interrupted call left half-written is finished by the
    same call, whatever its batch, workers or device. Under torchrun all ranks call this, and share the work.

    Args:
        model: what `load` gives or takes.
        conditions: ``"observed"`` (the combinations that training saw), ``"all"`` combinations of levels,
            conditions in any form, between levels too; or the path (`os.PathLike`) of a file of them: text
            with a condition a line, or a table with a column a factor and, optionally, ``n``.
        n: micrographs a condition.
        out: zarr store to write; None keeps the ensemble in memory.
        seed: first latent seed.
        psi: truncation: latent vectors are multiplied by it, see `latents`. Below 1 micrographs are more
            typical and vary less.
        phases: also tell phases apart, and write them as ``phase``: `Phases`, the name of its method, or the
            file of a saved classifier.
        batch: micrographs a forward pass; has no influence on the result beyond floating-point noise.
        workers: how many processes or threads share the work, and the cores; by default none but this one,
            which writes a shard while it samples the next.
        scheduler: ``"processes"``, ``"threads"``, or the address of a dask scheduler, ``"tcp://host:8786"``,
            whose workers see the same files.
        device, precision: of a model that is given by its path, see `load`.
        overwrite: replace an existing store.
        progress: show a bar on a terminal.

    Returns:
        The ensemble, lazy where it was written to ``out``.

    Raises:
        ConditionError: a condition outside the process space; of a file with its line or row.
        FileExistsError: ``out`` holds something else and ``overwrite`` is off.
        ValueError: nothing to generate, an argument out of range, or workers that cannot help.
        PeerError: another rank has stopped; the same call goes on from what is written.
    """
    arguments = (conditions, n, seed, psi, batch, None if phases is None else phases_of(phases))
    if out is None:
        if workers is not None or "://" in scheduler:
            raise ValueError(
                "workers share the writing of a store; give out, or leave workers and scheduler out"
            )
        model = _opened(model, device, precision)
        job = job_of(model, *arguments)
        warn_unobserved(model, job.points, stacklevel=3)
        return _in_memory(job, model, progress)
    with join_ranks(model.device if isinstance(model, Model) else device) as ranks:
        with ranks.first_ahead():
            alone = _are_alone(workers, scheduler, ranks)
            model = _opened(model, ranks.device if ranks.world > 1 else device, precision)
            of_workers = model if alone or scheduler == "threads" else Source.of(model)
            job = job_of(model, *arguments)
            if ranks.is_first:
                warn_unobserved(model, job.points, stacklevel=3)
                _begin(job.layout(model), Path(out), overwrite)
        parts = ranks.of_first(ensemble.pending(out))
        with _bar(model, sum(part.stop - part.start for part in parts), progress and ranks.is_first) as bar:
            if alone:
                write_here(job, model, Path(out), parts, ranks, bar)
            else:
                write_by_workers(job, of_workers, Path(out), parts, scheduler, workers, bar)
        ranks.wait()
        with ranks.first_ahead():
            if ranks.is_first:
                ensemble.finish(out)
    return ensemble.open_ensemble(out)


def _are_alone(workers: int | None, scheduler: str, ranks: Ranks) -> bool:
    """Whether this process, or every rank, works by itself."""
    check_scheduler(scheduler, workers)
    on_cluster = "://" in scheduler
    if ranks.world > 1 and (workers is not None or on_cluster):
        raise ValueError("the ranks of torchrun share the work already; leave workers and scheduler out")
    if workers is not None and on_cluster:
        raise ValueError(f"a cluster has its own workers; leave workers out beside {scheduler}")
    return workers in (None, 1) and not on_cluster


def _opened(
    model: Model | Run | str | os.PathLike[str],
    device: str | torch.device | None,
    precision: Precision | None,
) -> Model:
    if not isinstance(model, Model):
        return load(model, device, precision="float32" if precision is None else precision)
    if precision is not None or device not in (None, model.device):
        raise ValueError("this model is loaded already; give device and precision to load")
    return model


def job_of(
    model: Model, conditions: Conditions, n: int, seed: int, psi: float, batch: int, phases: Phases | None
) -> Job:
    """What is asked for, checked."""
    check_psi(psi)
    if seed < 0:
        raise ValueError(f"seed {seed} is negative; latent seeds count from 0")
    if batch < 1:
        raise ValueError(f"batch {batch} is no number of micrographs")
    counts = asked_for(model.space, conditions, n)
    if seed + max(counts.values()) > 2**63:
        raise ValueError(f"seed {seed} is too large; latent seeds end at {2**63 - 1}")
    return Job(tuple(counts), tuple(counts.values()), seed, psi, batch, phases)


def _bar(model: Model, count: int, shown: bool) -> tqdm[None]:
    return progress_bar(total=count, unit="image", desc=f"generate {model.name}", shown=shown)


def _in_memory(job: Job, model: Model, progress: bool) -> xr.Dataset:
    layout = job.layout(model)
    with _bar(model, job.size, progress) as bar:
        micrograph = job.sample(model, slice(0, job.size), bar.update)
    images = {name: layout[name].copy(data=values) for name, values in job.variables(micrograph).items()}
    return layout.assign(images)


def _begin(layout: xr.Dataset, out: Path, overwrite: bool) -> None:
    """Lay the store out, unless it is what an interrupted call with the same arguments left behind."""
    found = _half_written(out)
    if found is None:
        ensemble.create(layout, out, overwrite=overwrite)
        return
    asked, there = (_decisive(dataset) for dataset in (layout, found))
    different = [key for key in asked if asked[key] != there.get(key)]
    if not different:
        return
    if not overwrite:
        raise FileExistsError(
            f"{out} is half-written, and not by this call: {', '.join(different)} differ. Finish it by the "
            "call that began it, choose another name or pass overwrite (--overwrite)"
        )
    ensemble.create(layout, out, overwrite=True)


def _half_written(out: Path) -> xr.Dataset | None:
    """A store that some call has not finished."""
    if not out.exists():
        return None
    try:
        found = ensemble.open_ensemble(out, allow_incomplete=True)
    except ensemble.EnsembleError:
        return None
    return None if found.attrs["complete"] else found


def _decisive(dataset: xr.Dataset) -> dict[str, object]:
    """What micrographs depend on, from the provenance."""
    provenance = json.loads(dataset.attrs["provenance"])
    return {"checkpoint": provenance.get("checkpoint_sha256"), **provenance.get("generate", {})}
