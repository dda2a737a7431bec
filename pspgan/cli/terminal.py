"""How commands speak: each returns an outcome, and one place prints it, as text, as JSON, or not at all."""

from __future__ import annotations

import functools
import inspect
import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from ..progress import silence

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object, for programs.", rich_help_panel="Output")
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Print errors and warnings only.", rich_help_panel="Output"),
]


@dataclass(frozen=True)
class Outcome:
    """What came of a command.

    Attributes:
        text: for people.
        then: the command that usually follows.
        facts: for programs: names -> numbers, texts, paths, tables, or dicts and lists of them.
    """

    text: str
    then: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def as_text(self) -> str:
        """The text, and the command that usually follows."""
        return "\n".join([*filter(None, [self.text]), *([f"next: {self.then}"] if self.then else [])])

    def as_json(self) -> str:
        """The facts, and the command that usually follows as ``next``; what is not finite is null."""
        return json.dumps(_plain(dict(self.facts) | ({"next": self.then} if self.then else {})))


def speaking(verb: Callable[..., Outcome | None]) -> Callable[..., None]:
    """The verb with options ``--json`` and ``--quiet``, which prints the outcome that it returns.

    A verb returns None where another process has the word.
    """
    signature = inspect.signature(verb, eval_str=True)
    added = {"as_json": Json, "quiet": Quiet}

    @functools.wraps(verb)
    def speak(*, as_json: bool = False, quiet: bool = False, **arguments: Any) -> None:
        with silence(quiet or as_json):
            outcome = verb(**arguments)
        if outcome is None:
            return
        if as_json:
            typer.echo(outcome.as_json())
        elif not quiet:
            typer.echo(outcome.as_text())

    by_name = inspect.Parameter.KEYWORD_ONLY
    parameters = [p.replace(kind=by_name) for p in signature.parameters.values()]
    parameters += [
        inspect.Parameter(name, by_name, default=False, annotation=kind) for name, kind in added.items()
    ]
    speak.__signature__ = signature.replace(parameters=parameters, return_annotation=None)  # type: ignore[attr-defined]
    speak.__annotations__ = {p.name: p.annotation for p in parameters}
    return speak


def speaks() -> bool:
    """Whether this process talks to the user: of those that torchrun started, rank 0 does."""
    return os.environ.get("RANK", "0") == "0"


def _plain(value: Any) -> Any:
    """What JSON can hold."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, pd.DataFrame):
        return [_plain(row) for row in value.to_dict(orient="records")]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple | set):
        return [_plain(part) for part in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
