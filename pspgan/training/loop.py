"""The training loop, top to bottom: discriminator steps, a generator step, average, log, save."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor
from tqdm import tqdm

from ..ensemble import open_ensemble
from ..networks import save_weights
from ..ops import diff_augment, draw_diff_augment, omni_loss
from .averaging import average_into, standing_statistics
from .batches import Batches, FakeConditions
from .config import ConfigError, TrainingConfig, make_config
from .guard import TrainingError, Watch, gradient_norm, require_finite_state, require_finite_step
from .interrupt import Interrupt, TrainingInterrupted
from .metrics import Metrics
from .monitor import Monitor
from .state import Run, TrainingState
from .transfer import located, origin_of, read_trained, summary


def train(
    data: str | os.PathLike | xr.Dataset,
    preset: str = "uhcs-64",
    out: str | os.PathLike = "run",
    *,
    start_from: str | os.PathLike | Run | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
    device: str | torch.device | None = None,
    **settings: Any,
) -> Run:
    """Train the conditional GAN on an ensemble.

    Args:
        data: ensemble of real or simulated micrographs, a store or a dataset.
        preset: ``paper``, ``uhcs-128``, ``uhcs-64`` or ``demo``.
        out: the run's folder.
        start_from: fine-tune what this run, its exported generator or the paper's published ``.pth`` learned
            (``--from`` in the shell, as ``from`` is a word of Python's own). Levels and factors that the data
            share with it are taken, others start fresh; the run's ``config.json`` says which. Its resolution,
            ch, latent, embedding and attention hold.
        resume: continue the run in ``out`` from its newest checkpoint. Its own settings hold; of ``settings``
            only lengths and record intervals may change. Where no run has begun, one begins.
        overwrite: throw away a run that ``out`` holds, and start anew.
        progress: say what is taken of ``start_from``, and show a bar on a terminal.
        device: where to train; by default the GPU if there is one.
        settings: fields of `TrainingConfig` that replace the preset's.

    Returns:
        The run; `pspgan.load` opens its generator.

    Raises:
        ConfigError: an unknown setting or value, or one that contradicts ``start_from``.
        TrainingDataError: the ensemble does not serve.
        FileExistsError: ``out`` holds a run, and neither ``resume`` nor ``overwrite`` is set.
        FileNotFoundError: ``start_from`` is not there, or is a folder but no run.
        CheckpointError: resuming another process space, or without a checkpoint; or weights to start from
            that cannot be read.
        TrainingError: a loss, a gradient or a weight is no longer finite; the last checkpoint is from before.
        TrainingInterrupted: Ctrl-C; the step was finished and the state saved. A second Ctrl-C does not wait.
        OSError: the run cannot be written; checkpoints that are there stay.
    """
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    dataset = data if isinstance(data, xr.Dataset) else open_ensemble(data)
    run = Run(Path(out))
    exists = run.exists
    if exists and not (resume or overwrite):
        raise FileExistsError(
            f"{run.folder} holds a run; resume it (--resume), replace it (--overwrite) or choose another"
        )
    resume = resume and exists
    if resume:
        preset, start_from = run.description["preset"], origin_of(run, start_from)
    elif exists and start_from and located(start_from).is_relative_to(located(run)):
        raise FileExistsError(f"{run.folder} holds what the run starts from (--from); choose another folder")
    begun = resume and bool(run.checkpoints())
    trained = read_trained(start_from) if start_from and not begun else None
    if resume:
        config = _continued(run, settings)
    else:
        config = make_config(preset, **(trained.settings(settings) if trained else settings))
    batches = Batches(dataset, config)
    state = TrainingState.start(batches.space, config, device)
    if begun:
        for text in run.resume(state, batches.space, batches.sha256):
            tqdm.write(f"warning: {text}", file=sys.stderr)
        description = run.description
        run.describe(config, preset, batches.space, description["data"], description.get("start_from"))
    else:
        record = trained.into(state) if trained else None
        if record and progress:
            tqdm.write(f"{run.folder} {summary(record)}", file=sys.stderr)
        if exists:
            shutil.rmtree(run.folder)
        run.create(
            config, preset, batches.space, _data_description(dataset) | {"sha256": batches.sha256}, record
        )
    del trained  # as large as the state that took it
    _loop(run, config, batches, state, device, progress)
    return run


def _loop(
    run: Run,
    config: TrainingConfig,
    batches: Batches,
    state: TrainingState,
    device: torch.device,
    progress: bool,
) -> None:
    total = config.total_images(len(batches))
    per_step = config.batch * config.d_steps
    fakes = FakeConditions(batches.space, config.fake_conditions, config.seed)
    watch = Watch(run.log)
    metrics = Metrics(batches, config.sample_size, config.seed)
    monitor = Monitor(run.folder, total, state.images, progress)

    def over() -> bool:
        return state.images >= total or (config.minutes is not None and state.seconds > 60 * config.minutes)

    def record(figures: dict[str, float | str]) -> None:
        line = figures | {"seconds": state.seconds, "step": state.step}
        monitor.write(state.images, line)
        for text in watch.observe(line):
            monitor.write(state.images, {"warning": text, "seconds": state.seconds, "step": state.step})
            monitor.warn(text)

    try:
        with Interrupt() as interrupt:
            while not over():
                began = time.perf_counter()
                draws = torch.Generator(device).manual_seed(_seed_of(config.seed, state.step))
                first = state.step * config.d_steps
                figures = [
                    discriminator_step(config, batches, fakes, state, first + k, draws)
                    for k in range(config.d_steps)
                ]
                figures.append(generator_step(config, fakes, state, draws))
                state.step += 1
                state.images += per_step
                require_finite_step(figures, run, config, state, batches)
                average_into(state.averaged, state.generator, per_step, config.averaging_halflife)
                elapsed = time.perf_counter() - began
                state.seconds += elapsed
                for update in figures:
                    monitor.add(**update)
                monitor.advance(per_step, elapsed)

                stop = interrupt.requested and not over()
                picture = over() or _due(state.images, per_step, config.sample_every)
                keep = over() or stop or _due(state.images, per_step, config.checkpoint_every)
                if picture or keep or _due(state.images, per_step, config.log_every):
                    record(monitor.means())
                if picture:
                    record(_sample(run, config, batches, state, metrics, monitor))
                    if watch.best:
                        run.save(state, "best")
                if keep:
                    require_finite_state(run, state)
                    run.save(state)
                if stop:
                    raise TrainingInterrupted(_how_to_go_on(run, state))
    except TrainingError as error:
        record({"stopped": str(error)})
        raise
    finally:
        monitor.close()


def discriminator_step(
    config: TrainingConfig,
    batches: Batches,
    fakes: FakeConditions,
    state: TrainingState,
    index: int,
    draws: torch.Generator,
) -> dict[str, Tensor]:
    """One update of D on real and generated micrographs (Eq. 4)."""
    device = draws.device
    real = batches.real(index, config.batch)
    weights, _ = fakes.draw(index, config.batch, stream=1)
    part = config.batch // config.accumulation
    fake_target = torch.from_numpy(batches.space.target(None, real=False)).to(device).expand(part, -1)
    z = torch.randn(config.batch, config.latent, generator=draws, device=device)
    losses = []
    state.optimizer_d.zero_grad(set_to_none=True)
    for i in range(0, config.batch, part):
        with _autocast(config, device):
            with torch.no_grad():
                fake = state.generator(z[i : i + part], weights[i : i + part].to(device)).float()
            image = torch.cat([real.image[i : i + part].to(device), fake])
            scores = state.discriminator(_augment(image, config, draws)).float()
        on_real = omni_loss(scores[:part], real.target[i : i + part].to(device))
        on_fake = omni_loss(scores[part:], fake_target)
        ((on_real + on_fake) / config.accumulation).backward()
        losses.append(torch.stack([on_real.detach(), on_fake.detach(), *_taken_for(scores.detach(), part)]))
    state.optimizer_d.step()
    figures = torch.stack(losses).mean(dim=0)
    names = ("loss_d_real", "loss_d_fake", "real_taken_for_real", "fake_taken_for_fake")
    return dict(zip(names, figures, strict=True)) | {"gradient_d": gradient_norm(state.discriminator)}


def generator_step(
    config: TrainingConfig, fakes: FakeConditions, state: TrainingState, draws: torch.Generator
) -> dict[str, Tensor]:
    """One update of G: D should call its micrographs real, and name their conditions (Eq. 6)."""
    device = draws.device
    weights, target = fakes.draw(state.step, config.batch, stream=2)
    part = config.batch // config.accumulation
    z = torch.randn(config.batch, config.latent, generator=draws, device=device)
    losses = []
    state.optimizer_g.zero_grad(set_to_none=True)
    # D only passes gradients on; its own are not wanted here.
    state.discriminator.requires_grad_(False)
    for i in range(0, config.batch, part):
        with _autocast(config, device):
            fake = state.generator(z[i : i + part], weights[i : i + part].to(device))
            scores = state.discriminator(_augment(fake.float(), config, draws)).float()
        loss = omni_loss(scores, target[i : i + part].to(device))
        (loss / config.accumulation).backward()
        losses.append(loss.detach())
    state.discriminator.requires_grad_(True)
    state.optimizer_g.step()
    return {"loss_g": torch.stack(losses).mean(), "gradient_g": gradient_norm(state.generator)}


def _augment(image: Tensor, config: TrainingConfig, draws: torch.Generator) -> Tensor:
    if not config.augment:
        return image
    drawn = draw_diff_augment(
        image.shape,
        config.augment,
        generator=draws,
        device=image.device,
        strength=config.augment_strength,
        probability=config.augment_probability,
    )
    return diff_augment(image, drawn)


def _taken_for(scores: Tensor, part: int) -> tuple[Tensor, Tensor]:
    """Share of real micrographs that D calls real, and of generated ones that it calls fake."""
    real = scores[:, -2] > scores[:, -1]
    return real[:part].float().mean(), (~real[part:]).float().mean()


def _sample(
    run: Run,
    config: TrainingConfig,
    batches: Batches,
    state: TrainingState,
    metrics: Metrics,
    monitor: Monitor,
) -> dict[str, float | str]:
    """Bring the averaged generator up to date, export it, measure its micrographs and show some."""
    # From the raw generator's buffers, so that it does not matter how many samples were taken before.
    for mine, theirs in zip(state.averaged.buffers(), state.generator.buffers(), strict=True):
        mine.copy_(theirs)
    device = next(state.averaged.parameters()).device
    observed = torch.from_numpy(batches.space.encode(batches.space.observed_conditions)).to(device)
    standing_statistics(state.averaged, observed, batches=16, batch=config.batch, seed=config.seed)
    require_finite_state(run, state)
    description = run.description
    meta = {
        key: description[key] for key in ("process_space", "config", "preset", "data", "start_from", "pspgan")
    } | {"images": state.images}
    save_weights(run.generator_file, state.averaged.state_dict(), meta)
    measured = metrics.measure(state.averaged, state.discriminator, config.batch // config.accumulation)
    monitor.show(state.images, measured)
    return measured.figures


def _how_to_go_on(run: Run, state: TrainingState) -> str:
    source = run.description["data"]["source"]
    return (
        f"stopped after step {state.step} ({state.images} images), which is saved; go on with: "
        f"pspgan train {source} -o {run.folder} --resume"
    )


def _continued(run: Run, settings: dict[str, Any]) -> TrainingConfig:
    """The run's own settings, with a new length or record interval."""
    old = run.description
    free = {"images", "epochs", "minutes", "log_every", "sample_every", "checkpoint_every"}
    fixed = {key: value for key, value in old["config"].items() if key not in free}
    for key, value in settings.items():
        if key in fixed and fixed[key] != value:
            raise ConfigError(
                f"{key} is {fixed[key]} in the run that is resumed and cannot become {value}; start a new run"
            )
    lengths = {key: old["config"][key] for key in free if old["config"][key] is not None}
    if {"images", "epochs"} & settings.keys():
        # A new length replaces the old one, and the time limit with it.
        lengths = {key: value for key, value in lengths.items() if key not in ("images", "epochs", "minutes")}
    return make_config(
        old["preset"], **fixed, **(lengths | {k: v for k, v in settings.items() if k not in fixed})
    )


def _data_description(dataset: xr.Dataset) -> dict[str, Any]:
    keys = ("origin", "licence", "attribution", "reduction")
    sizes = np.unique(dataset["um_per_px"].values)
    return {
        "source": dataset.encoding.get("source", "in memory"),
        "micrographs": dataset.sizes["sample"],
        # Mixed or unknown magnifications leave generated micrographs without a scale.
        "um_per_px": float(sizes[0]) if len(sizes) == 1 and np.isfinite(sizes[0]) else None,
        "provenance": json.loads(dataset.attrs["provenance"]),
    } | {key: dataset.attrs[key] for key in keys}


def _autocast(config: TrainingConfig, device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bfloat16")


def _seed_of(seed: int, step: int) -> int:
    return int(np.random.SeedSequence([seed, 3, step]).generate_state(1, np.uint64)[0] >> 1)


def _due(images: int, per_step: int, every: int) -> bool:
    """Whether the last step crossed a multiple of ``every``."""
    return images // every > (images - per_step) // every
