"""Commands that measure ensembles, and report."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from .options import (
    Background,
    Out,
    Overwrite,
    PhaseCount,
    PhaseMethod,
    Scheduler,
    Thresholds,
    Window,
    Workers,
    listed,
    pairs,
    phases_from,
    targets,
)
from .terminal import Outcome


def stats(
    stores: Annotated[list[Path], typer.Argument(help="Ensembles; those that are to be compared, together.")],
    reduction: Annotated[
        int | None, typer.Option(help="Source pixels a pixel; default: the coarsest of the stores.")
    ] = None,
    cutoff: Annotated[
        int | None, typer.Option(help="Longest vector component, px; default: 32, or what fits.")
    ] = None,
    phases: PhaseMethod = "otsu",
    n_phases: PhaseCount = None,
    thresholds: Thresholds = None,
    background: Background = None,
    window: Window = None,
    correlations: Annotated[
        str | None,
        typer.Option(help='Pairs of phases, "0,0 0,1"; default: each phase but the first with itself.'),
    ] = None,
    zone: Annotated[
        str | None, typer.Option(help="Network and particles, NAME,NAME: measure the zone between them.")
    ] = None,
    plugins: Annotated[
        str | None,
        typer.Option(
            help="Descriptors of other packages, NAME,... or none; default: all that are installed."
        ),
    ] = None,
    engine: Annotated[str, typer.Option(help="native or pymks.")] = "native",
    scheduler: Scheduler = "threads",
    workers: Workers = None,
    overwrite: Overwrite = False,
) -> Outcome:
    """Compute two-point statistics and descriptors, into the stores; of any size, in bounded memory.

    Example: `pspgan stats real.zarr gen.zarr`

    Killed, the same command goes on where it was. Phases are told apart by brightness, or as labels taught:

    Example: `pspgan stats real.zarr gen.zarr --phases classifier/classifier.safetensors`

    On a cluster (`dask scheduler`, `dask worker tcp://host:8786` beside the same files):

    Example: `pspgan stats gen.zarr --scheduler tcp://host:8786`
    """
    from ..statistics import compute_statistics

    done = compute_statistics(
        *stores,
        reduction=reduction,
        cutoff=cutoff,
        phases=phases_from(phases, n_phases, thresholds, background, window),
        correlations=pairs(correlations),
        zone=zone if zone is None else tuple(listed(zone)),  # type: ignore[arg-type]
        plugins=[] if plugins == "none" else listed(plugins),
        engine=engine,
        scheduler=scheduler,
        workers=workers,
        overwrite=overwrite,
    )
    facts = [
        {"store": store, "micrographs": statistics.sizes["sample"]}
        | {"pymks_max_deviation": statistics.attrs["pymks_max_deviation"]}
        for store, statistics in zip(stores, done, strict=True)
    ]
    lines = [
        f"{one['store']}: {one['micrographs']} micrographs, "
        f"largest deviation from PyMKS {one['pymks_max_deviation']:.1e}"
        for one in facts
    ]
    return Outcome(
        "\n".join(lines), f"pspgan link {shlex.join(map(str, stores))} -o linkage", {"stores": facts}
    )


def report(
    real: Annotated[Path, typer.Argument(help="Ensemble of real or simulated micrographs.")],
    gen: Annotated[Path | None, typer.Argument(help="Ensemble of generated ones.")] = None,
    linkage: Annotated[Path | None, typer.Option(help="Folder of a linkage.")] = None,
    run: Annotated[Path | None, typer.Option(help="Folder of the training run.")] = None,
    evaluation: Annotated[bool, typer.Option(help="Compare generated with real ones.")] = True,
    classification: Annotated[Path | None, typer.Option(help="Folder that `pspgan classify` wrote.")] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(help="Structure to propose conditions for, NAME=VALUE; repeatable."),
    ] = None,
    out: Out = Path("report.html"),
) -> Outcome:
    """Write one self-contained HTML page with all of it, and an explorer of process factors in front.

    A page that is there is replaced: it is made from what the stores and folders hold.

    Example: `pspgan report real.zarr gen.zarr --linkage linkage --run run -o report.html`
    """
    from ..report import write_report

    page = write_report(
        real,
        gen,
        linkage=linkage,
        run=run,
        out=out,
        evaluation=evaluation,
        classification=classification,
        target=targets(target),
    )
    return Outcome(f"wrote {page}", facts={"report": page})


def app(
    run: Annotated[Path, typer.Argument(help="Run, generator.safetensors, or the published .pth.")],
    real: Annotated[
        Path | None, typer.Option(help="Ensemble to show beside; default: what the run was trained on.")
    ] = None,
    gen: Annotated[
        Path | None, typer.Option(help="Ensemble of generated micrographs, for its numbers.")
    ] = None,
    linkage: Annotated[Path | None, typer.Option(help="Folder of a linkage, for its predictions.")] = None,
    port: Annotated[int, typer.Option(help="To listen to, on this machine alone; 0 takes a free one.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1, ...; by default the GPU if there is one.")
    ] = None,
) -> Outcome:
    """Explore a generator in the browser: any condition and any seed, generated when it is chosen.

    Example: `pspgan app run`

    Example: `pspgan app run --real real.zarr --gen gen.zarr --linkage linkage --port 8123 --no-browser`

    It listens to 127.0.0.1 alone and writes nothing. Ctrl-C ends it.
    """
    from ..live import app as serve

    serve(run, real=real, gen=gen, linkage=linkage, port=port, browser=browser, device=device)
    return Outcome("stopped", facts={"run": run})


def demo(
    out: Out = Path("demo"),
    minutes: Annotated[float, typer.Option(help="Of training, at most.")] = 4.0,
    seed: Annotated[int, typer.Option(help="Of the simulation and the training.")] = 0,
) -> Outcome:
    """Run the whole path on simulated steel, and report. What an earlier demo left in the folder is replaced.

    Example: `pspgan demo -o demo`
    """
    from ..demonstration import demo as run_demo

    page = run_demo(out, minutes=minutes, seed=seed)
    return Outcome(f"open {page}", facts={"report": page})
