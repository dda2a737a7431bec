"""Sources and descriptors that other installed packages offer, found by their entry points.

Finding reads what packages say of themselves and imports none of them, so that a broken plugin stops what
asks for it and nothing else.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

_NAME = re.compile(r"[a-z][a-z0-9_]*")  # an attribute in Python, a command or a variable


class PluginError(RuntimeError):
    """A plugin that is not there or does not work; the message names its package, and the way out."""


@dataclass(frozen=True)
class Plugin:
    """What an installed package offers.

    Attributes:
        name: of the source or the descriptor.
        kind: ``"source"`` or ``"descriptor"``.
        distribution: the package, as ``pip`` calls it.
        version: of the package.
    """

    name: str
    kind: str
    distribution: str
    version: str
    _entry_point: importlib.metadata.EntryPoint = field(repr=False, compare=False)

    def __str__(self) -> str:
        return f'{self.kind} "{self.name}" of the package {self.package}'

    @property
    def package(self) -> str:
        """Name and version of the package."""
        return f"{self.distribution} {self.version}"

    @property
    def identity(self) -> dict[str, str]:
        """What stores keep of it."""
        return {"name": self.name, "distribution": self.distribution, "version": self.version}

    def load(self) -> Any:
        """Import what it offers.

        Raises:
            PluginError: that fails.
        """
        try:
            return self._entry_point.load()
        except (Exception, SystemExit) as error:  # whatever a module does as it is imported
            raise PluginError(
                f"{self}: {self._entry_point.value} cannot be loaded ({_said(error)}); mend the package, or "
                f"remove it: pip uninstall {self.distribution}"
            ) from error

    @contextmanager
    def blamed(self, *but: type[Exception]) -> Iterator[None]:
        """Errors of the plugin's own code, but for some kinds, become a `PluginError` that names it."""
        try:
            yield
        except (PluginError, MemoryError, *but):
            raise
        except Exception as error:
            raise PluginError(f"{self} failed ({_said(error)}); that is for its authors") from error


@dataclass(frozen=True)
class PluginPoint:
    """Where plugins of one kind are found.

    Args:
        group: of entry points.
        kind: what each of them is, for messages.
        own: names that are pspgan's and stay so.
    """

    group: str
    kind: str
    own: Collection[str]

    def found(self) -> dict[str, list[Plugin]]:
        """All there are, by name; of several of one name none is offered."""
        plugins: dict[str, list[Plugin]] = {}
        for entry_point in sorted(importlib.metadata.entry_points(group=self.group)):
            distribution = entry_point.dist
            package, version = (_stated(distribution, what) for what in ("Name", "Version"))
            plugin = Plugin(entry_point.name, self.kind, package, version, entry_point)
            plugins.setdefault(plugin.name, []).append(plugin)
        return plugins

    def all(self) -> list[Plugin]:
        """All there are, in the order of their names."""
        return [plugin for plugins in self.found().values() for plugin in plugins]

    def offered(self) -> dict[str, Plugin]:
        """Those whose name is theirs alone."""
        return {name: of[0] for name, of in self.found().items() if not self._problem(name, of)}

    def problems(self) -> dict[str, str]:
        """Names that are not offered, and why."""
        reasons = {name: self._problem(name, of) for name, of in self.found().items()}
        return {name: reason for name, reason in reasons.items() if reason}

    def get(self, name: str) -> Plugin:
        """The plugin of that name.

        Raises:
            PluginError: there is none, or it is not offered.
        """
        found = self.found()
        if name not in found:
            there = ", ".join(sorted(self.offered())) or "none"
            raise PluginError(f'no installed package has a {self.kind} "{name}"; there are: {there}')
        if problem := self._problem(name, found[name]):
            raise PluginError(problem)
        return found[name][0]

    def _problem(self, name: str, plugins: list[Plugin]) -> str | None:
        packages = [plugin.package for plugin in plugins]
        if len(packages) > 1:
            return (
                f'{self.kind} "{name}" is offered by {" and by ".join(packages)}; remove all but one: '
                f"pip uninstall {plugins[-1].distribution}"
            )
        if name in self.own:
            return f"{plugins[0]} has a name that is pspgan's own; its authors have to choose another"
        if not _NAME.fullmatch(name):
            return (
                f"{plugins[0]} has a name that is none in Python; its authors have to choose one of small "
                "letters, digits and underscores"
            )
        return None


def _stated(distribution: importlib.metadata.Distribution | None, what: str) -> str:
    """What a distribution says of itself; a damaged one says nothing."""
    try:
        return str(distribution.metadata[what] or "unknown")
    except (AttributeError, KeyError, TypeError):
        return "unknown"


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
