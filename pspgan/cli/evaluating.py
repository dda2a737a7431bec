"""The command that judges generated micrographs by real ones."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from .options import Out, Overwrite
from .terminal import Outcome


def evaluate(
    real: Annotated[Path, typer.Argument(help="Ensemble of real or simulated micrographs.")],
    gen: Annotated[Path, typer.Argument(help="Ensemble of generated ones, of the same conditions.")],
    run: Annotated[
        Path | None,
        typer.Option(help="Folder of the training run: which part of a split it saw, how it augmented."),
    ] = None,
    out: Out = Path("evaluation"),
    phases: Annotated[
        str | None,
        typer.Option(
            help="How phases are told apart, as in pspgan stats; default: as the statistics in REAL, or otsu."
        ),
    ] = None,
    splits: Annotated[int, typer.Option(help="Random halves of the real micrographs of a condition.")] = 50,
    limit: Annotated[int, typer.Option(help="Tiles of either ensemble that are measured, at most.")] = 2000,
    seed: Annotated[int, typer.Option(help="Of splits, resampling, and the choice of tiles.")] = 0,
    overwrite: Overwrite = False,
) -> Outcome:
    """Judge generated micrographs by real ones, and say where they fail.

    Example: `pspgan evaluate real.zarr gen.zarr --run run -o evaluation`

    Every figure stands beside the same figure of real micrographs against other real ones. Six questions are
    answered in words, in `findings.txt`: whether generated micrographs *differ* from real ones more than real
    specimens differ from one another; whether their *scale* is right; whether they show the *condition* asked
    for; whether they *vary* enough; whether they are *copies* of training micrographs; and whether
    *augmentations* of the training show in them.

    Where REAL has a split, micrographs held out of the training are compared apart. They tell more than those
    that the generator has seen:

    Example: `pspgan split real.zarr --by specimen`, then `pspgan train real.zarr --split train -o run`
    """
    from ..evaluation_folder import write_evaluation

    report = write_evaluation(
        real, gen, out, run=run, phases=phases, seed=seed, splits=splits, limit=limit, overwrite=overwrite
    )
    return Outcome(
        str(report),
        f"pspgan report {shlex.quote(str(real))} {shlex.quote(str(gen))} -o report.html",
        {"evaluation": out, "findings": [asdict(finding) for finding in report.findings]},
    )
