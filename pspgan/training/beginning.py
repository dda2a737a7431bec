"""How a training begins: fresh, from what another has learned, or where it was left."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr

from ..networks import CheckpointError
from ..progress import note, warn
from .batches import Batches
from .config import ConfigError, TrainingConfig, make_config, validated
from .run import Run
from .state import TrainingState
from .transfer import Trained, located, origin_of, read_trained, summary

# Stands in a run's config.json for the store of a data set that has none.
IN_MEMORY = "in memory"

# Settings that a resumed run may change: how long it goes on, and when it records.
_FREE = {"images", "epochs", "minutes", "log_every", "sample_every", "checkpoint_every", "checkpoint_minutes"}


@dataclass(frozen=True)
class Plan:
    """What is going to happen in a run's folder. Made by `plan_run`, carried out by `lay_out`.

    Attributes:
        preset: what the settings began with.
        config: the settings.
        goes_on: from a checkpoint of the run.
        replaces: a run that is there is thrown away; what else its folder holds stays.
        trained: what a fresh state takes its weights from.
    """

    preset: str
    config: TrainingConfig
    goes_on: bool
    replaces: bool
    trained: Trained | None


def plan_run(
    run: Run,
    preset: str,
    start_from: str | os.PathLike[str] | Run | None,
    resume: bool,
    overwrite: bool,
    settings: dict[str, Any],
    device: torch.device,
) -> Plan:
    """Look at what is there and settle how to begin; nothing is written. Arguments and errors: `train`."""
    if resume and overwrite:
        raise ConfigError("resume (--resume) keeps a run and overwrite (--overwrite) removes it; choose one")
    exists = run.exists
    if exists and not (resume or overwrite):
        raise FileExistsError(
            f"{run.folder} holds a run; resume it (--resume), replace it (--overwrite) or choose another"
        )
    resume = resume and exists
    if resume:
        preset, start_from = run.description["preset"], origin_of(run, start_from)
    elif exists and start_from and located(start_from) in map(located, (run, *run.files())):
        raise FileExistsError(f"{run.folder} holds what the run starts from (--from); choose another folder")
    goes_on = resume and bool(run.checkpoints())
    if resume and not goes_on and run.generator_file.exists():
        raise CheckpointError(
            f"{run.folder} has no checkpoint to resume from, but {run.generator_file.name}; start a new run "
            "from that (--from), or throw it away (--overwrite)"
        )
    trained = read_trained(start_from) if start_from and not goes_on else None
    if resume:
        config = _continued(run, settings)
    else:
        config = make_config(preset, **(trained.settings(settings) if trained else settings))
    if config.precision == "auto":
        config = config.model_copy(update={"precision": _fast_precision(device)})
    return Plan(preset, config, goes_on, exists and not goes_on, trained)


def lay_out(
    run: Run, plan: Plan, dataset: xr.Dataset, batches: Batches, state: TrainingState, progress: bool
) -> None:
    """Bring a fresh state to where the training begins, and the run's folder with it."""
    config, space = plan.config, batches.space
    if plan.goes_on:
        for text in run.resume(state, space, batches.sha256):
            warn(text)
        description = run.description
        run.describe(config, plan.preset, space, description["data"], description.get("start_from"))
        return
    record = plan.trained.into(state) if plan.trained else None
    if record and progress:
        note(f"{run.folder} {summary(record)}")
    if plan.replaces:
        run.clear()
    run.create(config, plan.preset, space, _data_description(dataset) | {"sha256": batches.sha256}, record)
    # A run can go on whenever it is killed; and a disk too small is found before the first interval is over.
    run.save(state)


def _fast_precision(device: torch.device) -> str:
    """bfloat16 where the device multiplies in it; in software it takes five times as long as float32."""
    if device.type == "cuda":
        has = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        features: dict[str, bool] = getattr(
            torch.cpu, "get_capabilities", dict
        )()  # which torch 2.10 does not tell yet
        has = any(features.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return "bfloat16" if has else "float32"


def _continued(run: Run, settings: dict[str, Any]) -> TrainingConfig:
    """The run's own settings, with a new length or record interval.

    What was not a setting yet when the run began has its class default, whatever the preset says by now.
    """
    old = run.config
    lengths = ("images", "epochs")
    # A new length replaces the old one, and the time limit with it.
    longer = any(settings.get(key) is not None for key in lengths)
    forgotten = dict.fromkeys((*lengths, "minutes")) if longer else {}
    new = validated(old.model_dump() | forgotten | settings)
    for key in sorted(settings.keys() - _FREE):
        before, after = getattr(old, key), getattr(new, key)
        if before != after:
            raise ConfigError(
                f"{key} is {before} in the run that is resumed and cannot become {after}; start a new run"
            )
    return new


def _data_description(dataset: xr.Dataset) -> dict[str, Any]:
    keys = ("origin", "licence", "attribution", "reduction")
    sizes = np.unique(dataset["um_per_px"].values)
    return {
        "source": dataset.encoding.get("source", IN_MEMORY),
        "micrographs": dataset.sizes["sample"],
        # So that nobody takes for unseen what this run has seen.
        "specimens": np.unique(dataset["specimen"].values.astype(str)).tolist(),
        # Mixed or unknown magnifications leave generated micrographs without a scale.
        "um_per_px": float(sizes[0]) if len(sizes) == 1 and np.isfinite(sizes[0]) else None,
        "provenance": json.loads(dataset.attrs["provenance"]),
    } | {key: dataset.attrs[key] for key in keys}
