"""The command line: every verb parses its options, calls one public function and prints what came of it."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from . import __version__

app = typer.Typer(
    name="pspgan",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="""Learn what a heat treatment does to a microstructure.

    The whole path, on UHCSDB:

        pspgan import uhcsdb uhcsdb/ -o real.zarr
        pspgan inspect real.zarr -o inspection
        pspgan train real.zarr --preset uhcs-64 -o run
        pspgan generate run --conditions observed -n 32 -o gen.zarr
        pspgan stats real.zarr gen.zarr
        pspgan link real.zarr gen.zarr -o linkage
        pspgan report real.zarr gen.zarr --linkage linkage --run run -o report.html

    `pspgan demo` runs it on simulated steel in a few minutes.
    """,
)
sources_app = typer.Typer(no_args_is_help=True, help="Turn micrographs and their metadata into an ensemble.")
app.add_typer(sources_app, name="import")

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
Tile = Annotated[int | None, typer.Option(help="Cut images into square tiles of so many px.")]
Enlarge = Annotated[
    float, typer.Option(help="How many times pixels may be enlarged to the tiles' pixel size; 1: never.")
]
Out = Annotated[Path, typer.Option("-o", "--out", help="Where the result goes.")]


@sources_app.command("uhcsdb")
def import_uhcsdb(
    folder: Annotated[Path, typer.Argument(help="Folder with the images and the metadata.")],
    out: Out = Path("real.zarr"),
    metadata: Annotated[
        Path | None, typer.Option(help="Database or CSV, where it is not in the folder.")
    ] = None,
    map_: Annotated[
        list[str] | None, typer.Option("--map", help="A further spelling, e.g. cooling:OQ=Q.")
    ] = None,
    crop: Annotated[str | None, typer.Option(help="Keep WIDTHxHEIGHT px of each image.")] = None,
    tile: Tile = None,
    um_per_px: Annotated[
        float | None, typer.Option("--um-per-px", "--tile-um-per-px", help="Pixel size of tiles, um.")
    ] = None,
    enlarge: Enlarge = 1.0,
    overwrite: Overwrite = False,
) -> None:
    """Import the Ultrahigh Carbon Steel micrograph DataBase, from its SQLite file or its CSV.

    Example: `pspgan import uhcsdb uhcsdb/ -o real.zarr`

    Its magnifications differ 700 times. With --tile and --um-per-px, micrographs that resolve a pixel size
    are averaged down to it and cut into tiles.

    Example: `pspgan import uhcsdb uhcsdb/ --um-per-px 0.1 --tile 256 -o real.zarr`
    """
    from .sources import options, uhcsdb

    dataset = uhcsdb.read(
        folder,
        metadata,
        map=options.parse_map(map_ or []),
        crop=options.parse_crop(crop) if crop else None,
        tile=options.tiling(tile, um_per_px, enlarge),
    )
    _import(dataset, out, overwrite)


@sources_app.command("table")
def import_table(
    table: Annotated[Path, typer.Argument(help="CSV or XLSX, one row a micrograph.")],
    images: Annotated[Path, typer.Argument(help="Folder with the images.")],
    factor: Annotated[
        list[str], typer.Option(help="A process factor: NAME=COLUMN[:UNIT[:SCALE]], in notation order.")
    ],
    out: Out = Path("real.zarr"),
    image: Annotated[str | None, typer.Option(help="Column that names the image.")] = None,
    specimen: Annotated[str | None, typer.Option(help="Column of the physical sample.")] = None,
    um_per_px: Annotated[str | None, typer.Option(help="Pixel size in um: a number or a column.")] = None,
    microconstituent: Annotated[str | None, typer.Option(help="Column of labels.")] = None,
    map_: Annotated[list[str] | None, typer.Option("--map", help="A spelling, e.g. cooling:WQ=Q.")] = None,
    bar: Annotated[int, typer.Option(help="Rows of the instrument bar at the bottom of each image.")] = 0,
    crop: Annotated[str | None, typer.Option(help="Keep WIDTHxHEIGHT px of each image.")] = None,
    tile: Tile = None,
    tile_um_per_px: Annotated[float | None, typer.Option(help="Pixel size of tiles, um.")] = None,
    enlarge: Enlarge = 1.0,
    licence: Annotated[str, typer.Option(help="Of the images.")] = "",
    attribution: Annotated[str, typer.Option(help="Of the images.")] = "",
    overwrite: Overwrite = False,
) -> None:
    """Import any table of conditions and a folder of images.

    Example: `pspgan import table heat.csv images/ --factor temperature=T:degC --factor time=minutes:min:log
    --factor cooling --specimen heat_no -o real.zarr`
    """
    from .sources import options
    from .sources import table as source

    dataset = source.read(
        table,
        images,
        **options.parse_factors(factor),
        image_column=image,
        specimen=specimen,
        um_per_px=_number_or_column(um_per_px),
        microconstituent=microconstituent,
        map=options.parse_map(map_ or []),
        bar=bar,
        crop=options.parse_crop(crop) if crop else None,
        tile=options.tiling(tile, tile_um_per_px, enlarge),
        licence=licence,
        attribution=attribution,
    )
    _import(dataset, out, overwrite)


@app.command()
def inspect(
    store: Annotated[Path, typer.Argument(help="Ensemble to look over.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder for tables and figures; none: print only.")
    ] = None,
    duplicates: Annotated[bool, typer.Option(help="Look for micrographs that show one place.")] = True,
) -> None:
    """Say what to know before training on micrographs: gaps, confounding, duplicates.

    Example: `pspgan inspect real.zarr -o inspection`
    """
    from .inspection import inspect as inspect_ensemble

    inspection = inspect_ensemble(store, duplicates=duplicates)
    files = inspection.write(out) if out else []
    typer.echo(inspection.summary())
    if files:
        typer.echo(f"{out}: {', '.join(file.name for file in files)}")


@app.command()
def split(
    store: Annotated[Path, typer.Argument(help="Ensemble to split; it keeps the split.")],
    by: Annotated[str, typer.Option(help="What is held out whole: specimen or condition.")] = "specimen",
    held_out: Annotated[float, typer.Option(help="Share of the micrographs, at most.")] = 0.2,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
) -> None:
    """Hold micrographs out of training, to judge it by: whole specimens, or whole combinations.

    Example: `pspgan split real.zarr --by specimen --held-out 0.2`
    """
    from .ensemble import split as split_ensemble

    dataset = split_ensemble(store, by, held_out, seed)  # type: ignore[arg-type]
    apart = dataset["split"].values == "held_out"
    names = sorted(set(dataset[by].values[apart].astype(str)))
    _say(
        f"{store}: {apart.sum()} of {len(apart)} micrographs held out, {by} {', '.join(names)}",
        f"pspgan train {store} --split train -o run",
    )


@app.command()
def simulate(
    out: Out = Path("simulated.zarr"),
    n: Annotated[int, typer.Option("-n", help="Micrographs.")] = 600,
    size: Annotated[int, typer.Option(help="Side of each, px.")] = 64,
    seed: Annotated[int, typer.Option(help="Of all randomness.")] = 0,
    conditions: Annotated[str | None, typer.Option(help='Comma-separated, e.g. "800-5-Q,800-24H-Q".')] = None,
    um_per_px: Annotated[float | None, typer.Option(help="Pixel size in um.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Simulate annealed steel whose structure is known, to try things on.

    Example: `pspgan simulate -n 600 --size 64 -o simulated.zarr`
    """
    from .ensemble import write_ensemble
    from .sources import describe, heat_treatment

    given = {"um_per_px": um_per_px} if um_per_px else {}
    dataset = heat_treatment.simulate(n, size, seed, _conditions(conditions), **given)
    write_ensemble(dataset, out, overwrite=overwrite)
    _say(f"{out}: {describe(dataset)}", f"pspgan train {out} --preset demo -o run")


@app.command()
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
    overwrite: Overwrite = False,
) -> None:
    """Train the conditional GAN. Killed at any time, it goes on with --resume.

    Example: `pspgan train real.zarr --preset uhcs-64 --minutes 20 -o run`

    With --from, what another training learned is taken wherever both process spaces agree: another steel, or
    more levels and factors than before. New ones start fresh, and it says which.

    Example: `pspgan train other.zarr --from run -o tuned`

    On several GPUs: `torchrun --nproc-per-node 2 -m pspgan train real.zarr -o run`
    """
    from .training import train as run_training

    settings = _settings(config, set_ or [])
    settings |= {
        k: v
        for k, v in {"split": split, "minutes": minutes, "images": images, "seed": seed}.items()
        if v is not None
    }
    try:
        run = run_training(
            data,
            preset,
            out,
            start_from=start_from,
            resume=resume,
            overwrite=overwrite,
            device=device,
            **settings,
        )
    except KeyboardInterrupt as stop:
        at_once = f"stopped at once; --resume goes on from the newest checkpoint of {out}, if it has one"
        if _speaks():
            typer.echo(str(stop) or at_once, err=True)
        raise typer.Exit(130) from None
    if not _speaks():
        return
    for text in run.warnings:
        typer.echo(f"warning: {text}", err=True)
    last = run.log[-1]
    length = f"{last['images']} images in {last['seconds'] / 60:.1f} minutes"
    _say(
        f"{out}: {length}; look at {run.folder / 'samples'}",
        f"pspgan generate {shlex.quote(str(out))} --conditions observed -n 32 -o gen.zarr",
    )


@app.command()
def generate(
    run: Annotated[Path, typer.Argument(help="Run, generator.safetensors, or the published .pth.")],
    out: Out = Path("gen.zarr"),
    conditions: Annotated[
        str, typer.Option(help='"observed", "all", or comma-separated: "850-6H-Q,800-5-Q".')
    ] = "observed",
    n: Annotated[int, typer.Option("-n", help="Micrographs a condition.")] = 64,
    seed: Annotated[int, typer.Option(help="First latent seed.")] = 0,
    batch: Annotated[int, typer.Option(help="Micrographs at a time.")] = 64,
    precision: Annotated[str, typer.Option(help="float32, or bfloat16: faster from 128 px on.")] = "float32",
    overwrite: Overwrite = False,
) -> None:
    """Generate an ensemble. The same command finishes a store that was interrupted.

    Example: `pspgan generate run --conditions "850-6H-Q,800-24H-Q" -n 32 -o gen.zarr`
    """
    from .generation import generate as generate_ensemble
    from .generation import load
    from .sources import describe

    asked = conditions if conditions in ("observed", "all") else _conditions(conditions)
    model = load(run, precision=precision)
    dataset = generate_ensemble(model, asked, n, out, seed=seed, batch=batch, overwrite=overwrite)
    _say(f"{out}: {describe(dataset)}", f"pspgan stats real.zarr {out}")


@app.command()
def stats(
    stores: Annotated[list[Path], typer.Argument(help="Ensembles; those that are to be compared, together.")],
    reduction: Annotated[
        int | None, typer.Option(help="Source pixels a pixel; default: the coarsest of the stores.")
    ] = None,
    cutoff: Annotated[int | None, typer.Option(help="Longest vector component, px.")] = None,
    method: Annotated[str, typer.Option(help="How phases are told apart.")] = "otsu",
    engine: Annotated[str, typer.Option(help="native or pymks.")] = "native",
    overwrite: Overwrite = False,
) -> None:
    """Compute two-point statistics and descriptors, into the stores.

    Example: `pspgan stats real.zarr gen.zarr`
    """
    from .statistics import compute_statistics

    done = compute_statistics(
        *stores, reduction=reduction, cutoff=cutoff, method=method, engine=engine, overwrite=overwrite
    )
    for store, statistics in zip(stores, done, strict=True):
        typer.echo(
            f"{store}: {statistics.sizes['sample']} micrographs, "
            f"largest deviation from PyMKS {statistics.attrs['pymks_max_deviation']:.1e}"
        )
    _say("", f"pspgan link {' '.join(map(str, stores))} -o linkage")


@app.command()
def link(
    stores: Annotated[
        list[Path], typer.Argument(help="Ensembles with statistics: real, generated, or both.")
    ],
    out: Out = Path("linkage"),
    n_components: Annotated[int, typer.Option(help="Principal components of the two-point statistics.")] = 5,
    regressor: Annotated[str, typer.Option(help="auto, ridge or gaussian_process.")] = "auto",
    seed: Annotated[int, typer.Option(help="Of the folds.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Link process to structure, and say how far the link can be trusted.

    Example: `pspgan link real.zarr gen.zarr -o linkage`
    """
    from .linkage import link as fit_linkage

    linkage = fit_linkage(
        *stores, out=out, n_components=n_components, regressor=regressor, seed=seed, overwrite=overwrite
    )
    _say(linkage.summary(), f"pspgan report {' '.join(map(str, stores))} --linkage {out} -o report.html")


@app.command()
def report(
    real: Annotated[Path, typer.Argument(help="Ensemble of real or simulated micrographs.")],
    gen: Annotated[Path | None, typer.Argument(help="Ensemble of generated ones.")] = None,
    linkage: Annotated[Path | None, typer.Option(help="Folder of a linkage.")] = None,
    run: Annotated[Path | None, typer.Option(help="Folder of the training run.")] = None,
    evaluation: Annotated[bool, typer.Option(help="Compare generated with real ones.")] = True,
    out: Out = Path("report.html"),
) -> None:
    """Write one self-contained HTML page with all of it.

    Example: `pspgan report real.zarr gen.zarr --linkage linkage --run run -o report.html`
    """
    from .report import write_report

    page = write_report(real, gen, linkage=linkage, run=run, out=out, evaluation=evaluation)
    typer.echo(f"wrote {page}")


@app.command()
def demo(
    out: Out = Path("demo"),
    minutes: Annotated[float, typer.Option(help="Of training, at most.")] = 4.0,
    seed: Annotated[int, typer.Option(help="Of the simulation and the training.")] = 0,
) -> None:
    """Run the whole path on simulated steel, and report."""
    from .demonstration import demo as run_demo

    typer.echo(f"open {run_demo(out, minutes=minutes, seed=seed)}")


@app.command()
def info() -> None:
    """Say what this installation consists of, for bug reports."""
    from .environment import info as describe_installation

    typer.echo(describe_installation())


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"pspgan {__version__}")
        raise typer.Exit


def main() -> None:
    """Entry point. Errors of the user's making are one line, exit code 1; PSPGAN_TRACEBACK=1 shows where."""
    try:
        app()
    except (ValueError, OSError, RuntimeError) as error:
        if os.environ.get("PSPGAN_TRACEBACK"):
            raise
        if _speaks() or not _is_of_all_ranks(error):
            typer.echo(f"error: {error}", err=True)
        sys.exit(1)


def _speaks() -> bool:
    """Whether this process talks to the user: of those that torchrun started, rank 0 does."""
    return os.environ.get("RANK", "0") == "0"


def _is_of_all_ranks(error: Exception) -> bool:
    from .training import TrainingError

    return isinstance(error, TrainingError)


def _import(dataset: Any, out: Path, overwrite: bool) -> None:
    from .ensemble import write_ensemble
    from .sources import describe

    write_ensemble(dataset, out, overwrite=overwrite)
    _say(f"{out}: {describe(dataset)}", f"pspgan train {out} --preset uhcs-64 -o run")


def _settings(config: Path | None, pairs: list[str]) -> dict[str, Any]:
    from .training import check_keys

    settings: dict[str, Any] = {}
    if config is not None:
        try:
            loaded = yaml.safe_load(config.read_text())
        except yaml.YAMLError as error:
            raise ValueError(f"{config} is no YAML: {' '.join(str(error).split())}") from None
        if not isinstance(loaded, dict):
            raise ValueError(f"{config} holds no settings; write one KEY: VALUE a line")
        settings |= loaded
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise ValueError(f'--set "{pair}" is not KEY=VALUE')
        settings[key.strip()] = yaml.safe_load(value)
    check_keys(settings)
    return settings


def _conditions(text: str | None) -> list[str] | None:
    return [part.strip() for part in text.split(",") if part.strip()] if text is not None else None


def _number_or_column(text: str | None) -> float | str | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def _say(text: str, then: str) -> None:
    """What came of a command, and the command that usually follows."""
    if text:
        typer.echo(text)
    typer.echo(f"next: {then}")
