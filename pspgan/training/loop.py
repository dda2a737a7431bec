"""The training loop, top to bottom: discriminator steps, a generator step, average, log, save."""

from __future__ import annotations

import os
import shlex
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from ..ensemble import open_ensemble, part_of
from ..memory import keep_freed_memory
from ..networks import save_weights
from ..networks.batch_norm import share_batch
from ..ops import diff_augment, draw_diff_augment, omni_loss
from .averaging import average_into, make_ready
from .batches import Batches, FakeConditions
from .beginning import IN_MEMORY, lay_out, plan_run
from .config import TrainingConfig
from .distributed import Ranks, join_ranks
from .guard import TrainingError, Watch, gradient_norm, require_finite_state, require_finite_step
from .interrupt import Interrupt, TrainingInterrupted
from .metrics import Measured, Metrics
from .monitor import Monitor
from .run import Run
from .state import TrainingState
from .stopwatch import Stopwatch, peak_memory


def train(
    data: str | os.PathLike[str] | xr.Dataset,
    preset: str = "uhcs-64",
    out: str | os.PathLike[str] = "run",
    *,
    start_from: str | os.PathLike[str] | Run | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
    device: str | torch.device | None = None,
    **settings: Any,
) -> Run:
    """Train the conditional GAN on an ensemble.

    In processes that torchrun started, all of them call this and train one network together.

    Args:
        data: ensemble of real or simulated micrographs, a store or a dataset.
        preset: ``paper``, ``uhcs-128``, ``uhcs-64`` or ``demo``.
        out: the run's folder.
        start_from: fine-tune what this run, its exported generator or the paper's published ``.pth`` learned
            (``--from`` in the shell, as ``from`` is a word of Python's own). Levels and factors that the data
            share with it are taken, others start fresh; the run's ``config.json`` says which. Its resolution,
            ch, latent, embedding and attention hold.
        resume: continue the run in ``out`` from its newest checkpoint. Its own settings hold; of ``settings``
            only lengths and record intervals may change. Where no run has begun, or it was killed before it
            kept anything, one begins.
        overwrite: throw away a run that ``out`` holds, and start anew. Other files in ``out`` stay.
        progress: say what is taken of ``start_from``, and show a bar on a terminal.
        device: where to train; by default the GPU if there is one, of several that of the process.
        settings: fields of `TrainingConfig` that replace the preset's.

    Returns:
        The run; `pspgan.load` opens its generator.

    Raises:
        ConfigError: an unknown setting or value, or one that contradicts ``start_from``; both ``resume`` and
            ``overwrite``; more processes than images in a part of the batch.
        TrainingDataError: the ensemble does not serve.
        FileExistsError: ``out`` holds a run, and neither ``resume`` nor ``overwrite`` is set; or parts of one
            without its ``config.json``, or another ``config.json``.
        FileNotFoundError: ``start_from`` is not there, or is a folder but no run.
        CheckpointError: resuming another process space, or without a checkpoint; or a run's ``config.json``
            or weights to start from that cannot be read.
        TrainingError: a loss, a gradient or a weight is no longer finite; the last checkpoint is from before.
        PeerError: the TrainingError of a process when another one has stopped.
        TrainingInterrupted: Ctrl-C; the step was finished and the state saved. A second Ctrl-C does not wait.
        OSError: the run cannot be written; checkpoints that are there stay.
    """
    run = Run(Path(out))
    with join_ranks(device) as ranks:
        plan = (
            plan_run(run, preset, start_from, resume, overwrite, settings, ranks.device)
            if ranks.is_first
            else None
        )
        config = ranks.of_first(plan and plan.config)
        with ranks.first_ahead():
            ranks.require_share(config)
            dataset = data if isinstance(data, xr.Dataset) else open_ensemble(data)
            dataset = part_of(dataset, config.split)
            batches = Batches(dataset, config)
        ranks.require_data(batches.sha256)
        state = TrainingState.start(batches.space, config, ranks.device)
        if plan:
            lay_out(run, plan, dataset, batches, state, progress)
        del plan  # it may hold weights, as large as the state that took them
        ranks.follow_first(state)
        if ranks.world > 1:
            share_batch(state.generator, ranks)
        _loop(run, config, batches, state, ranks, progress)
    return run


def _loop(
    run: Run,
    config: TrainingConfig,
    batches: Batches,
    state: TrainingState,
    ranks: Ranks,
    progress: bool,
) -> None:
    total = config.total_images(len(batches))
    per_step = config.batch * config.d_steps
    fakes = FakeConditions(batches.space, config.fake_conditions, config.seed)
    clock = Stopwatch(ranks.device)
    saved = state.seconds  # up to the last checkpoint
    if ranks.is_first:  # it alone writes; what decides is the same on all
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
        with Interrupt(silent=not ranks.is_first) as interrupt, keep_freed_memory():
            while not over():
                began = time.perf_counter()
                draws = torch.Generator(ranks.device).manual_seed(_seed_of(config.seed, state.step))
                first = state.step * config.d_steps
                drawing = batches.seconds
                with clock.phase("d"):
                    figures = [
                        discriminator_step(config, batches, fakes, state, first + k, draws, ranks)
                        for k in range(config.d_steps)
                    ]
                clock.add("data", batches.seconds - drawing)
                with clock.phase("g"):
                    figures.append(generator_step(config, fakes, state, draws, ranks))
                state.step += 1
                state.images += per_step
                require_finite_step(figures, run, config, state, batches)
                with clock.phase("averaging"):
                    average_into(state.averaged, state.generator, per_step, config.averaging_halflife)
                elapsed, stop = ranks.agree(time.perf_counter() - began, interrupt.requested)
                state.seconds += elapsed

                stop = stop and not over()
                picture = over() or _due(state.images, per_step, config.sample_every)
                late = state.seconds - saved >= 60 * config.checkpoint_minutes  # rank 0's, on all
                keep = over() or stop or late or _due(state.images, per_step, config.checkpoint_every)
                log = picture or keep or _due(state.images, per_step, config.log_every)
                if picture or keep:
                    ranks.require_together(state)
                spent = clock.read() if log else {}
                if ranks.is_first:
                    for update in figures:
                        monitor.add(**update)
                    monitor.advance(per_step, elapsed)
                    if log:
                        record(monitor.means() | spent | peak_memory(ranks.device))
                    if picture:
                        with clock.phase("sampling"):
                            measured = _sample(run, config, state, metrics, monitor)
                        record(measured.figures | clock.read())
                        if watch.best:
                            with clock.phase("saving"):
                                run.save(state, "best")
                    if keep:
                        require_finite_state(run, state)
                        with clock.phase("saving"):
                            run.save(state)
                if keep:
                    saved = state.seconds
                if stop:
                    raise TrainingInterrupted(ranks.of_first(ranks.is_first and _how_to_go_on(run, state)))
    except TrainingError as error:
        if ranks.is_first:
            record({"stopped": str(error)})
        raise
    finally:
        if ranks.is_first:
            monitor.close()


def discriminator_step(
    config: TrainingConfig,
    batches: Batches,
    fakes: FakeConditions,
    state: TrainingState,
    index: int,
    draws: torch.Generator,
    ranks: Ranks,
) -> dict[str, Tensor]:
    """One update of D on real and generated micrographs (Eq. 4)."""
    weights, _ = fakes.draw(index, config.batch, stream=1)
    z = torch.randn(config.batch, config.latent, generator=draws, device=ranks.device)
    part = config.batch // config.accumulation
    own = ranks.share_of(part)
    n = own.stop - own.start
    share = n / part
    # Real and generated halves of a part, side by side.
    pair = torch.arange(2 * part, device=ranks.device).view(2, part)[:, own].flatten()
    fake_target = torch.from_numpy(batches.space.target(None, real=False)).to(ranks.device).expand(n, -1)
    losses = []
    state.optimizer_d.zero_grad(set_to_none=True)
    for start in range(0, config.batch, part):
        mine = slice(start + own.start, start + own.stop)
        real = batches.real(index, config.batch, mine)
        with _autocast(config, ranks.device):
            with torch.no_grad():
                fake = state.generator(z[mine], weights[mine].to(ranks.device))
            image = torch.cat([real.image.to(ranks.device), fake])
            scores = state.discriminator(_augment(image, config, draws, 2 * part, pair))
        on_real = omni_loss(scores[:n], real.target.to(ranks.device))
        on_fake = omni_loss(scores[n:], fake_target)
        ((on_real + on_fake) * share / config.accumulation).backward()
        losses.append(torch.stack([on_real.detach(), on_fake.detach(), *_taken_for(scores.detach(), n)]))
    figures = ranks.add_up_gradients(state.discriminator, torch.stack(losses).mean(dim=0) * share)
    state.optimizer_d.step()
    names = ("loss_d_real", "loss_d_fake", "real_taken_for_real", "fake_taken_for_fake")
    return dict(zip(names, figures, strict=True)) | {"gradient_d": gradient_norm(state.discriminator)}


def generator_step(
    config: TrainingConfig,
    fakes: FakeConditions,
    state: TrainingState,
    draws: torch.Generator,
    ranks: Ranks,
) -> dict[str, Tensor]:
    """One update of G: D should call its micrographs real, and name their conditions (Eq. 6)."""
    weights, target = fakes.draw(state.step, config.batch, stream=2)
    z = torch.randn(config.batch, config.latent, generator=draws, device=ranks.device)
    part = config.batch // config.accumulation
    own = ranks.share_of(part)
    share = (own.stop - own.start) / part
    losses = []
    state.optimizer_g.zero_grad(set_to_none=True)
    # D only passes gradients on; its own are not wanted here.
    state.discriminator.requires_grad_(False)
    for start in range(0, config.batch, part):
        mine = slice(start + own.start, start + own.stop)
        with _autocast(config, ranks.device):
            fake = state.generator(z[mine], weights[mine].to(ranks.device))
            scores = state.discriminator(_augment(fake, config, draws, part, own))
        loss = omni_loss(scores, target[mine].to(ranks.device))
        (loss * share / config.accumulation).backward()
        losses.append(loss.detach())
    state.discriminator.requires_grad_(True)
    figures = ranks.add_up_gradients(state.generator, torch.stack(losses).mean(dim=0, keepdim=True) * share)
    state.optimizer_g.step()
    return {"loss_g": figures[0], "gradient_g": gradient_norm(state.generator)}


def _augment(
    image: Tensor, config: TrainingConfig, draws: torch.Generator, images: int, mine: slice | Tensor
) -> Tensor:
    """Augment images, which are ``mine`` of all those that a part has on all ranks."""
    if not config.augment:
        return image
    drawn = draw_diff_augment(
        (images, *image.shape[1:]),
        config.augment,
        generator=draws,
        device=image.device,
        strength=config.augment_strength,
        probability=config.augment_probability,
    )
    return diff_augment(image, drawn[mine])


def _taken_for(scores: Tensor, reals: int) -> tuple[Tensor, Tensor]:
    """Share of real micrographs that D calls real, and of generated ones that it calls fake."""
    real = scores[:, -2] > scores[:, -1]
    return real[:reals].float().mean(), (~real[reals:]).float().mean()


def _sample(
    run: Run,
    config: TrainingConfig,
    state: TrainingState,
    metrics: Metrics,
    monitor: Monitor,
) -> Measured:
    """Bring the averaged generator up to date, export it, measure its micrographs and show some."""
    make_ready(state.averaged, dict(state.generator.named_buffers()), config)
    require_finite_state(run, state)
    description = run.description
    meta = {
        key: description[key] for key in ("process_space", "config", "preset", "data", "start_from", "pspgan")
    } | {"images": state.images}
    save_weights(run.generator_file, state.averaged.state_dict(), meta)
    measured = metrics.measure(state.averaged, state.discriminator, config.batch // config.accumulation)
    monitor.show(state.images, measured)
    return measured


def _how_to_go_on(run: Run, state: TrainingState) -> str:
    source, out = run.description["data"]["source"], str(run.folder)
    if source == IN_MEMORY:
        way = f"call train again with these data, out={out!r} and resume=True"
    else:
        way = f"go on with: pspgan train {shlex.quote(source)} -o {shlex.quote(out)} --resume"
    return f"stopped after step {state.step} ({state.images} images), which is saved; {way}"


def _autocast(config: TrainingConfig, device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bfloat16")


def _seed_of(seed: int, step: int) -> int:
    return int(np.random.SeedSequence([seed, 3, step]).generate_state(1, np.uint64)[0] >> 1)


def _due(images: int, per_step: int, every: int) -> bool:
    """Whether the last step crossed a multiple of ``every``."""
    return images // every > (images - per_step) // every
