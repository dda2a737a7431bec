"""Commands that tell microconstituents apart, and hand labelled micrographs on to other tools."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from .options import Out, Overwrite, listed, settings_of
from .terminal import Outcome

Label = Annotated[str, typer.Option(help="Coordinate that names the class of a micrograph.")]
Agreement = Annotated[
    float,
    typer.Option(
        help="A condition's generated micrographs are labelled as its real ones where so many of these agree."
    ),
]


def classify(
    real: Annotated[Path, typer.Argument(help="Ensemble of labelled real or simulated micrographs.")],
    out: Out = Path("classification"),
    augment: Annotated[
        bool, typer.Option("--augment", help="Train a generator for each fold, and add what it generates.")
    ] = False,
    generated: Annotated[
        Path | None,
        typer.Option(help="Add this ensemble, of a run trained with --split train; judged on held_out."),
    ] = None,
    ratios: Annotated[
        str, typer.Option(help="Generated micrographs a real one, RATIO,...: an experiment each.")
    ] = "1",
    classifier: Annotated[
        str, typer.Option(help="texture: texture features and logistic regression; network: a small one.")
    ] = "texture",
    label: Label = "microconstituent",
    folds: Annotated[
        int, typer.Option(help="Parts that specimens are divided into, each held out in turn.")
    ] = 5,
    repeats: Annotated[int, typer.Option(help="Divisions.")] = 1,
    reduction: Annotated[
        int | None, typer.Option(help="Source pixels a pixel, without generated ones; default: the store's.")
    ] = None,
    preset: Annotated[
        str, typer.Option(help="Of the generators: paper, uhcs-128, uhcs-64 or demo.")
    ] = "uhcs-64",
    minutes: Annotated[float | None, typer.Option(help="Of training a generator, at most.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of the generators: KEY=VALUE; may be repeated."),
    ] = None,
    agreement: Agreement = 0.6,
    seed: Annotated[int, typer.Option(help="Of folds, generators and draws.")] = 0,
    overwrite: Overwrite = False,
) -> Outcome:
    """Tell microconstituents apart on specimens never seen, without and with generated micrographs.

    Micrographs of one specimen resemble one another, so whole specimens are held out, from generators, too.

    Example: `pspgan classify real.zarr -o classification`

    Does it help to add generated ones? Each fold trains a generator on its own training specimens; the same
    number of repeated real micrographs is tried beside. FOLDS times MINUTES of training: killed, the same
    command goes on.

    Example: `pspgan classify real.zarr --augment --preset uhcs-64 --minutes 10 --ratios 0.5,1 -o augmented`

    With a generator that there is already, on the specimens that it has not seen:

    Example: `pspgan classify real.zarr --generated gen.zarr --ratios 1 -o augmented`
    """
    from ..classification import NetworkClassifier, TrainedPerFold, texture_classifier
    from ..classification import classify as run_experiment

    if augment and generated is not None:
        raise ValueError("--augment trains generators and --generated brings micrographs of one; choose one")
    if classifier not in ("texture", "network"):
        raise ValueError(f'--classifier "{classifier}" is neither texture nor network')
    numbers = _numbers(ratios)
    generator = generated
    if augment:
        settings = settings_of(None, set_ or []) | ({} if minutes is None else {"minutes": minutes})
        generator = TrainedPerFold(out / "generators", preset, max(numbers), label, agreement, settings)
    try:
        found = run_experiment(
            real,
            generator,
            numbers,
            classifier=texture_classifier() if classifier == "texture" else NetworkClassifier(seed=seed),
            label=label,
            folds=folds,
            repeats=repeats,
            reduction=reduction,
            agreement=agreement,
            seed=seed,
            out=out,
            overwrite=overwrite,
        )
    except KeyboardInterrupt:
        typer.echo(f"stopped; the same command goes on with {out}", err=True)
        raise typer.Exit(130) from None
    name = shlex.quote(str(real))
    then = f"pspgan classify {name} --augment --minutes 10 -o augmented"
    if generator is not None:
        then = f"pspgan export {name} --generated gen.zarr -o dataset"
    return Outcome(
        f"{out}: {found.summary()}",
        then,
        {"classification": out, "scores": found.scores, "differences": found.differences},
    )


def export(
    real: Annotated[Path, typer.Argument(help="Ensemble of labelled real or simulated micrographs.")],
    out: Out = Path("dataset"),
    generated: Annotated[
        Path | None, typer.Option(help="Ensemble of generated ones, to be mixed in.")
    ] = None,
    ratio: Annotated[
        str, typer.Option(help="Generated micrographs a real one: of all classes, or CLASS=RATIO,...")
    ] = "1",
    label: Label = "microconstituent",
    agreement: Agreement = 0.6,
    seed: Annotated[int, typer.Option(help="Of what is drawn of the generated ones.")] = 0,
    overwrite: Overwrite = False,
) -> Outcome:
    """Write micrographs into a folder a class, as PNG, for other tools; with a table, manifest.csv.

    Where the ensemble is split, its parts become folders `train` and `held_out`, and generated micrographs
    go to `train` alone; a generator that has seen a held-out specimen is refused.

    Example: `pspgan export real.zarr --generated gen.zarr --ratio 1 -o dataset`

    More of the rare classes only:

    Example: `pspgan export real.zarr --generated gen.zarr --ratio network=3,pearlite=5 -o dataset`
    """
    from ..classification import export_folders, mixed_parts
    from ..ensemble import open_ensemble

    by_class = dict(part.rpartition("=")[::2] for part in listed(ratio) or ()) if "=" in ratio else None
    amount = (
        _numbers(ratio)[0]
        if by_class is None
        else dict(zip(by_class, _numbers(",".join(by_class.values())), strict=True))
    )
    parts = mixed_parts(
        open_ensemble(real),
        None if generated is None else open_ensemble(generated),
        amount,
        label,
        agreement=agreement,
        seed=seed,
    )
    export_folders(parts, out, overwrite=overwrite)
    return Outcome(
        "\n".join(f"{out / name}: {mix.summary()}" for name, mix in parts.items()),
        facts={"dataset": out, "parts": {name: len(mix) for name, mix in parts.items()}},
    )


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in listed(text) or ()] or [1.0]
    except ValueError:
        raise ValueError(
            f'ratio "{text}" is no number of generated micrographs a real one, 0.5 or 1'
        ) from None
