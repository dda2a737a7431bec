"""Commands that train a network and generate micrographs."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .data import facts_of
from .options import DryRun, Out, Overwrite, conditions_of, settings_of
from .terminal import Outcome, speaks

if TYPE_CHECKING:
    from ..training import Run


def train(
    data: Annotated[Path, typer.Argument(help="Ensemble of real or simulated micrographs.")],
    preset: Annotated[str, typer.Option(help="paper, uhcs-128, uhcs-64 or demo.")] = "uhcs-64",
    out: Out = Path("run"),
    start_from: Annotated[
        Path | None,
        typer.Option("--from", help="Fine-tune this run, generator.safetensors or published .pth."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in OUT from its last checkpoint.")
    ] = False,
    split: Annotated[
        str | None, typer.Option(help="Part of the ensemble, train or held_out, see pspgan split; or all.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Stop after so many minutes of training in all.")
    ] = None,
    images: Annotated[int | None, typer.Option(help="Length in real images shown.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of all randomness.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML file of settings that replace the preset's.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="One setting: KEY=VALUE; may be repeated.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1, ...; by default the GPU if there is one.")
    ] = None,
    dry_run: DryRun = False,
    overwrite: Overwrite = False,
) -> Outcome | None:
    """Train the conditional GAN. Killed at any time, it goes on with --resume.

    Example: `pspgan train real.zarr --preset uhcs-64 --minutes 20 -o run`

    With --from, what another training learned is taken wherever both process spaces agree: another steel, or
    more levels and factors than before. New ones start fresh, and it says which.

    Example: `pspgan train other.zarr --from run -o tuned`

    How long it would take, and how much disk, before it begins:

    Example: `pspgan train real.zarr --preset paper --dry-run`

    On several GPUs: `torchrun --nproc-per-node 2 -m pspgan train real.zarr -o run`
    """
    from ..training import estimate_training, train as run_training
    from ..training.verdict import judge

    settings = settings_of(config, set_ or [])
    settings |= {
        k: v
        for k, v in {"split": split, "minutes": minutes, "images": images, "seed": seed}.items()
        if v is not None
    }
    settings |= {"start_from": start_from, "resume": resume, "overwrite": overwrite, "device": device}
    if dry_run:
        estimate = estimate_training(data, preset, out, **settings)
        return Outcome(estimate.summary(), facts=asdict(estimate))
    try:
        run = run_training(data, preset, out, **settings)
    except KeyboardInterrupt as stop:
        at_once = f"stopped at once; --resume goes on from the newest checkpoint of {out}, if it has one"
        if speaks():
            typer.echo(str(stop) or at_once, err=True)
        raise typer.Exit(130) from None
    if not speaks():
        return None
    for text in run.warnings:
        typer.echo(f"warning: {text}", err=True)
    last, verdict = run.log[-1], judge(run)
    length = f"{last['images']} images in {last['seconds'] / 60:.1f} minutes"
    lines = [f"{out}: {length}; look at {run.folder / 'samples'}", *verdict.lines(_longer(data, run))]
    facts = {"run": out, "generator": run.generator_file, "last": last, "warnings": run.warnings}
    facts |= {"measured": verdict.measured, "images_of_preset": verdict.images_of_preset}
    return Outcome(
        "\n".join(lines),
        f"pspgan generate {shlex.quote(str(out))} --conditions observed -n 32 -o gen.zarr",
        facts,
    )


def _longer(data: Path, run: Run) -> str:
    """The command that trains three times as long in all, by the measure that ended the run."""
    last, minutes = run.log[-1], run.config.minutes
    in_time = minutes is not None and last["seconds"] > 60 * minutes
    length = f"--minutes {3 * minutes:g}" if in_time else f"--images {3 * last['images']}"
    return f"pspgan train {shlex.quote(str(data))} -o {shlex.quote(str(run.folder))} --resume {length}"


def generate(
    run: Annotated[Path, typer.Argument(help="Run, generator.safetensors, or the published .pth.")],
    out: Out = Path("gen.zarr"),
    conditions: Annotated[
        str,
        typer.Option(
            help='"observed" in training, "all" combinations of levels, comma-separated '
            '"850-6H-Q,800-5-Q", or a FILE: text with a condition a line, or a table (CSV, XLSX).'
        ),
    ] = "observed",
    n: Annotated[
        int, typer.Option("-n", help="Micrographs a condition; a column n of a table goes first.")
    ] = 64,
    seed: Annotated[int, typer.Option(help="First latent seed of every condition.")] = 0,
    psi: Annotated[
        float, typer.Option(help="Truncation, above 0 to 1: lower is more typical and less varied.")
    ] = 1.0,
    phases: Annotated[
        str | None,
        typer.Option(help="Also write phase: a method, otsu, multi-otsu, ..., or a saved classifier."),
    ] = None,
    batch: Annotated[
        int, typer.Option(help="Micrographs at a time; changes memory and speed, not micrographs.")
    ] = 64,
    workers: Annotated[
        int | None, typer.Option(help="Processes that share the work; by default this one alone.")
    ] = None,
    scheduler: Annotated[
        str, typer.Option(help="processes, threads, or a dask scheduler: tcp://host:8786.")
    ] = "processes",
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1, ...; by default the GPU if there is one.")
    ] = None,
    precision: Annotated[str, typer.Option(help="float32, or bfloat16: faster from 128 px on.")] = "float32",
    dry_run: DryRun = False,
    overwrite: Overwrite = False,
) -> Outcome | None:
    """Generate an ensemble. The same command finishes a store that was interrupted.

    Example: `pspgan generate run --conditions "850-6H-Q,800-24H-Q" -n 32 -o gen.zarr`

    A condition and a seed are one micrograph, whatever the batch, the workers, or where it was interrupted.
    Combinations that training never saw are marked `observed = False`.

    A table has a column a factor, and may have one `n`, micrographs of the row's condition.

    Example: `pspgan generate run --conditions asked.csv --psi 0.7 --phases otsu -o gen.zarr`

    On several GPUs: `torchrun --nproc-per-node 2 -m pspgan generate run -n 1000 -o gen.zarr`
    """
    from ..generation import estimate_generation, generate as generate_ensemble
    from ..sources import describe

    what = {"seed": seed, "psi": psi, "phases": phases, "batch": batch, "device": device}
    what |= {"precision": precision}
    if dry_run:
        estimate = estimate_generation(run, conditions_of(conditions), n, **what)
        return Outcome(estimate.summary(), facts=asdict(estimate))
    how = {"workers": workers, "scheduler": scheduler, "overwrite": overwrite}
    try:
        dataset = generate_ensemble(run, conditions_of(conditions), n, out, **what, **how)
    except KeyboardInterrupt:
        if speaks():
            typer.echo(f"stopped; the same command finishes {out}", err=True)
        raise typer.Exit(130) from None
    if not speaks():
        return None
    unseen = sorted(set(dataset["condition"].values[~dataset["observed"].values].tolist()))
    return Outcome(
        f"{out}: {describe(dataset)}",
        f"pspgan stats real.zarr {shlex.quote(str(out))}",
        {"store": out} | facts_of(dataset) | {"unseen": unseen},
    )
