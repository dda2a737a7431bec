"""The command line: every verb parses its options, calls one public function and prints what came of it."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Annotated

import typer

from .. import __version__
from ..wording import quoted
from . import analysis, classifying, data, evaluating, learning, linking, phases
from .importing import SourcesGroup
from .terminal import Outcome, speaking, speaks

_LONGEST = 1000  # characters of an error: it may quote what is wrong, not repeat it

app: typer.Typer = typer.Typer(
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
        pspgan suggest linkage --target area_fraction=0.45
        pspgan evaluate real.zarr gen.zarr --run run -o evaluation
        pspgan report real.zarr gen.zarr --linkage linkage --run run -o report.html
        pspgan app run --gen gen.zarr --linkage linkage

    `pspgan demo` runs it on simulated steel in a few minutes.

    Results go to standard output, as one JSON object with --json; progress and warnings to standard error.
    Exit codes: 0 done, 1 an error, told in one line, 2 a wrong command line, 130 stopped by Ctrl-C.
    """,
)
sources_app: typer.Typer = typer.Typer(
    cls=SourcesGroup, no_args_is_help=True, help="Turn micrographs and their metadata into an ensemble."
)
app.add_typer(sources_app, name="import")
sources_app.command("uhcsdb")(speaking(data.import_uhcsdb))
sources_app.command("table")(speaking(data.import_table))
phases_app: typer.Typer = typer.Typer(no_args_is_help=True, help="Learn to tell phases apart.")
app.add_typer(phases_app, name="phases")
phases_app.command("learn")(speaking(phases.learn))
for verb in (
    data.simulate,
    data.inspect,
    data.split,
    learning.train,
    learning.generate,
    analysis.stats,
    linking.link,
    linking.suggest,
    linking.evolution,
    classifying.classify,
    classifying.export,
    evaluating.evaluate,
    analysis.report,
    analysis.app,
    analysis.demo,
):
    app.command()(speaking(verb))


@app.command()
@speaking
def info() -> Outcome:
    """Say what this installation consists of, for bug reports.

    Example: `pspgan info --json`
    """
    from ..environment import facts, info as describe_installation

    return Outcome(describe_installation(), facts=facts())


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"pspgan {__version__}")
        raise typer.Exit


def main() -> None:
    """Entry point. Errors of the user's making are one line, exit code 1; PSPGAN_TRACEBACK=1 shows where."""
    if not os.environ.get("PSPGAN_TRACEBACK"):
        warnings.formatwarning = _without_place
    # What Pillow doubts in a file that it reads all the same; of one that it cannot read the error says more.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        app()
    except (ValueError, OSError, RuntimeError, MemoryError) as error:
        if os.environ.get("PSPGAN_TRACEBACK"):
            raise
        if speaks() or not _is_of_all_ranks(error):
            why = f"not enough memory: {error}" if isinstance(error, MemoryError) else str(error)
            typer.echo(f"error: {quoted(why, _LONGEST)}", err=True)
        sys.exit(1)


def _without_place(message: Warning | str, *_: object) -> str:
    """A warning as a line for people, who do not look for it in the code."""
    return f"warning: {message}\n"


def _is_of_all_ranks(error: Exception) -> bool:
    from ..training import TrainingError

    return isinstance(error, TrainingError)
