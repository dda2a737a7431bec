"""Options that several commands share, and how their texts are read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, overload

import typer

from ..strict_yaml import load_yaml

if TYPE_CHECKING:
    from ..statistics import Phases

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Check everything, say what it would take, and write nothing."),
]
Scheduler = Annotated[
    str, typer.Option(help="threads, processes, or the address of a dask scheduler: tcp://host:8786.")
]
Workers = Annotated[int | None, typer.Option(help="Threads or processes; default: one a core.")]
PhaseMethod = Annotated[
    str,
    typer.Option(
        "--phases",
        help="How phases are told apart: otsu, multi-otsu, threshold, local, primitive, "
        "or the file of a classifier that `pspgan phases learn` wrote.",
    ),
]
PhaseCount = Annotated[
    int | None, typer.Option(help="How many phases, of multi-otsu, threshold and primitive.")
]
Thresholds = Annotated[
    str | None, typer.Option(help="Grey levels of threshold, LEVEL,...: one fewer than phases.")
]
Background = Annotated[
    float | None, typer.Option(help="Width of the Gaussian mean that Otsu's methods subtract, px.")
]
Window = Annotated[int | None, typer.Option(help="Side of the surroundings of local, px, odd.")]
Out = Annotated[Path, typer.Option("-o", "--out", help="Where the result goes.")]


def settings_of(config: Path | None, pairs: list[str]) -> dict[str, Any]:
    """Settings of a training: those of a YAML file, then ``KEY=VALUE``."""
    from ..training import check_keys

    settings: dict[str, Any] = {}
    if config is not None:
        loaded = load_yaml(config.read_bytes(), str(config))
        if not isinstance(loaded, dict):
            raise ValueError(f"{config} holds no settings; write one KEY: VALUE a line")
        for key in loaded:
            if not isinstance(key, str):
                raise ValueError(f"{config}: {key!r} is no name of a setting")
        settings |= loaded
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise ValueError(f'--set "{pair}" is not KEY=VALUE')
        settings[key.strip()] = load_yaml(value, f'--set "{pair}"')
    check_keys(settings)
    return settings


@overload
def listed(text: str) -> list[str]: ...


@overload
def listed(text: str | None) -> list[str] | None: ...


def listed(text: str | None) -> list[str] | None:
    """The parts of a comma-separated text."""
    return [part.strip() for part in text.split(",") if part.strip()] if text is not None else None


def assigned(pairs: list[str] | None, option: str) -> dict[str, str]:
    """The values of a repeatable option NAME=VALUE."""
    found = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise ValueError(f'{option} "{pair}" is not NAME=VALUE')
        found[name.strip()] = value.strip()
    return found


def targets(pairs: list[str] | None) -> dict[str, float]:
    """A wanted structure, ``--target NAME=VALUE``."""
    found = {}
    for name, value in assigned(pairs, "--target").items():
        try:
            found[name] = float(value)
        except ValueError:
            raise ValueError(f'--target {name}: "{value}" is no number') from None
    return found


def conditions_of(text: str) -> str | list[str] | Path:
    """Conditions: a word for many, a list, or the file that they stand in."""
    if text in ("observed", "all"):
        return text
    path = Path(text)
    is_file = path.suffix.lower() in (".txt", ".csv", ".tsv", ".xlsx") or os.path.isfile(path)
    return path if is_file else listed(text)


def number_or_column(text: str | None) -> float | str | None:
    """A number, or the name of a column."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def pairs(text: str | None) -> list[tuple[int, ...]] | None:
    """Correlations, ``"0,0 0,1"``."""
    if text is None:
        return None
    try:
        return [tuple(int(part) for part in pair.split(",")) for pair in text.split()]
    except ValueError:
        raise ValueError(f'--correlations "{text}" is no list of pairs of phases such as "0,0 0,1"') from None


def phases_from(
    method: str, n_phases: int | None, thresholds: str | None, background: float | None, window: int | None
) -> Phases:
    """How phases are told apart; options that were not given keep the method's defaults."""
    from ..statistics.phases import phases_of

    try:
        levels = None if thresholds is None else [float(part) for part in listed(thresholds) or ()]
    except ValueError:
        raise ValueError(f'--thresholds "{thresholds}" are no grey levels such as "80,160"') from None
    given = {"n_phases": n_phases, "thresholds": levels, "background": background, "window": window}
    phases = phases_of(method)
    return phases.set_params(**{name: value for name, value in given.items() if value is not None}).fit()
