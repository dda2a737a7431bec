"""Options that several commands share, and how their texts are read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from ..strict_yaml import load_yaml

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
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


def listed(text: str | None) -> list[str] | None:
    """The parts of a comma-separated text."""
    return [part.strip() for part in text.split(",") if part.strip()] if text is not None else None


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
