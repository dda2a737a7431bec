"""Options that several commands share, and how their texts are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
Out = Annotated[Path, typer.Option("-o", "--out", help="Where the result goes.")]


def settings_of(config: Path | None, pairs: list[str]) -> dict[str, Any]:
    """Settings of a training: those of a YAML file, then ``KEY=VALUE``."""
    from ..training import check_keys

    settings: dict[str, Any] = {}
    if config is not None:
        loaded = _yaml(config.read_bytes(), str(config))
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
        settings[key.strip()] = _yaml(value, f'--set "{pair}"')
    check_keys(settings)
    return settings


class _Loader(yaml.SafeLoader):
    """YAML in which a key stands once: of two values the second would win unseen."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f'"{key.value}" stands there twice', key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _yaml(text: str | bytes, place: str) -> Any:
    try:
        return yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError) as error:  # ValueErrors of dates that there are not, and of encodings
        raise ValueError(f"{place} is no YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ValueError(f"{place} is no YAML that can be read: it is nested too deep") from None


def listed(text: str | None) -> list[str] | None:
    """The parts of a comma-separated text."""
    return [part.strip() for part in text.split(",") if part.strip()] if text is not None else None


def number_or_column(text: str | None) -> float | str | None:
    """A number, or the name of a column."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return text
