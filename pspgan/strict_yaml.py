"""YAML in which a key stands once: PyYAML takes the last of several values, unseen."""

from __future__ import annotations

from typing import Any

import yaml


def load_yaml(content: str | bytes, name: str, *, texts: bool = False) -> Any:
    """Read one document.

    Args:
        content: the YAML.
        name: of its file or option, for messages.
        texts: leave every scalar the text that it is, as a table is read; else ``no`` and ``on`` become truth
            values, and ``1:30`` a number of seconds.

    Raises:
        ValueError: it is no YAML, nested too deep, or a key stands twice.
    """
    try:
        loader = (_Texts if texts else _Values)(content)
        loader.name = name
        return loader.get_single_data()
    except RecursionError:
        raise ValueError(f"{name} is no YAML: it is nested too deep") from None
    except _RepeatedKey as error:
        raise ValueError(f"{name}, {error}") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueErrors of dates that there are not, and of encodings
        raise ValueError(f"{name} is no YAML: {' '.join(str(error).split())}") from None


class _RepeatedKey(ValueError):
    """A key that stands twice."""


class _KeysOnce:
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[str, int] = {}
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            line = key.start_mark.line + 1
            if key.value in lines:
                raise _RepeatedKey(
                    f'line {line}: "{key.value}" is given in line {lines[key.value]} already; remove one of '
                    "the two"
                )
            lines[key.value] = line
        return super().construct_mapping(node, deep)


class _Values(_KeysOnce, yaml.SafeLoader):
    pass


class _Texts(_KeysOnce, yaml.BaseLoader):
    pass
