"""`pspgan import`: pspgan's own sources, and those of other packages, which load when asked for."""

from __future__ import annotations

import inspect
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

from .data import written
from .options import Out, Overwrite
from .terminal import Outcome, speaking

if TYPE_CHECKING:
    from ..sources import InstalledSource

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
# Where a docstring turns from what a function does to its arguments, in the styles of Google and of numpy.
_ARGUMENTS = re.compile(r"^(?:Args:|Parameters\n-+)$", re.MULTILINE)


class SourcesGroup(TyperGroup):
    """Commands that import ensembles: a source of another package is one as soon as it is installed."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of the commands; of sources of other packages those that are offered."""
        from ..sources import SOURCES

        return [*super().list_commands(ctx), *sorted(SOURCES.offered())]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command; for a source of another package what lists show of it, which needs no import of it."""
        from ..sources import SOURCES

        own = super().get_command(ctx, cmd_name)
        if own is None and (plugin := SOURCES.offered().get(cmd_name)):
            return TyperCommand(cmd_name, help=f"From the package {plugin.package}.")
        return own

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is called, or asked for its help."""
        from ..sources import SOURCES, InstalledSource

        if args[0] in SOURCES.found() and args[0] not in self.commands:
            return args[0], _command(InstalledSource.named(args[0])), args[1:]
        return super().resolve_command(ctx, args)


def _command(source: InstalledSource) -> Any:
    """The arguments of a source as those of a command, and where the ensemble goes."""
    plugin = source.plugin
    app = typer.Typer(add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False)
    text = _ARGUMENTS.split(inspect.getdoc(source.function) or f"Import by the package {plugin.package}.")[0]
    # Annotations that no option of a command line can have are found here.
    with plugin.blamed():
        app.command(plugin.name, help=text)(speaking(_writing(source)))
        return typer.main.get_command(app)


def _writing(source: InstalledSource) -> Any:
    """A function with the source's arguments, and those of a command, that reads and writes."""
    signature = inspect.signature(source.function, eval_str=True)
    taken = [one for one in signature.parameters.values() if one.kind not in _VARIADIC]
    given = [
        inspect.Parameter("out", inspect.Parameter.KEYWORD_ONLY, default=Path("real.zarr"), annotation=Out),
        inspect.Parameter("overwrite", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Overwrite),
    ]
    if both := {one.name for one in taken} & {"as_json", "quiet", *(one.name for one in given)}:
        raise TypeError(f"the command has an argument {min(both)} of its own")
    by_position = [one.name for one in taken if one.kind is inspect.Parameter.POSITIONAL_ONLY]

    def command(**options: Any) -> Outcome:
        out, overwrite = options.pop("out"), options.pop("overwrite")
        arguments = [options.pop(name) for name in by_position]
        dataset = source.read(*arguments, **options)
        return written(dataset, out, overwrite, f"pspgan inspect {shlex.quote(str(out))} -o inspection")

    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in taken] + given
    command.__signature__ = signature.replace(parameters=parameters, return_annotation=None)  # type: ignore[attr-defined]
    command.__annotations__ = {
        one.name: one.annotation for one in parameters if one.annotation is not inspect.Parameter.empty
    }
    return command
