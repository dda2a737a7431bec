"""Descriptors of other packages: what they are made of, and how they are found and called."""

from __future__ import annotations

import functools
import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from ...plugins import Plugin, PluginError, PluginPoint
from ...sources.factors import RESERVED
from .particles import Particles

#: Descriptors of other packages, by the name that stores and linkages have for them.
DESCRIPTOR_PLUGINS = PluginPoint("pspgan.descriptors", "descriptor", frozenset(RESERVED))

Subject = Literal["phase", "particles"]


@dataclass(frozen=True)
class PluginDescriptor:
    """A descriptor that another package offers: one number a field and phase.

    Args:
        long_name: what it is called on an axis: ``"mean aspect ratio of particles"``.
        measure: its definition: of a phase, (sample, y, x) bool, or of `Particles`, the number of each field,
            (sample,) in px; NaN where there is nothing to measure. It sees one phase at a time.
        power: its unit as a power of length: 1 for a length, -2 for a number an area. pspgan adds the same in
            micrometres, as ``<name>_um``.
        unit: of one without a length: ``"1"``, ``"degree"``.
        of: what ``measure`` takes, ``"phase"`` or ``"particles"``.
        valid_min, valid_max: what it cannot be less or more than, if anything; predictions and intervals
            then are not, either. For one with a length only 0 holds whatever the pixel size.

    Raises:
        ValueError: arguments do not fit one another.

    >>> upper = PluginDescriptor("share of the upper row", lambda inside: inside[:, 0].mean(axis=1))
    >>> upper.measure(np.ones((2, 8, 8), bool))
    array([1., 1.])
    """

    long_name: str
    measure: Callable[[np.ndarray], np.ndarray] | Callable[[Particles], np.ndarray]
    power: int = 0
    unit: str = "1"
    of: Subject = "phase"
    valid_min: float | None = None
    valid_max: float | None = None

    def __post_init__(self) -> None:
        if not self.long_name or not callable(self.measure):
            raise ValueError("a descriptor needs a long_name, and a function measure")
        if self.of not in get_args(Subject):
            raise ValueError(f'of is "{self.of}", none of {", ".join(get_args(Subject))}')
        if int(self.power) != self.power or not self.unit or (self.power and self.unit != "1"):
            raise ValueError(
                f'power {self.power} and unit "{self.unit}": it has a whole power of length, or else a unit'
            )
        bounds = [bound for bound in (self.valid_min, self.valid_max) if bound is not None]
        if bounds != sorted(bounds) or (self.power and any(bounds)):
            raise ValueError(
                f"valid_min {self.valid_min}, valid_max {self.valid_max}: the first is the lesser, and of a "
                "descriptor with a length each is 0 or None"
            )


@dataclass(frozen=True)
class InstalledDescriptor:
    """A descriptor of another package, with the name it goes by."""

    plugin: Plugin
    definition: PluginDescriptor

    @classmethod
    def named(cls, name: str) -> InstalledDescriptor:
        """Find and import it.

        Raises:
            PluginError: there is no such descriptor, it cannot be imported, or is none.
        """
        plugin = DESCRIPTOR_PLUGINS.get(name)
        if name.endswith("_um"):
            raise PluginError(
                f"{plugin}: names in _um are those of lengths in micrometres; that is for its authors"
            )
        definition = plugin.load()
        if not isinstance(definition, PluginDescriptor):
            given = type(definition).__name__
            raise PluginError(f"{plugin} is of type {given}, not a PluginDescriptor; that is for its authors")
        return cls(plugin, definition)

    def __call__(self, inside: np.ndarray, particles: Particles) -> np.ndarray:
        """Measure a phase, (sample, y, x) bool, with its particles, in px, (sample,) float64.

        Raises:
            PluginError: the package's function fails, or gives anything else than a number a field.
        """
        with self.plugin.blamed():
            given = self.definition.measure(particles if self.definition.of == "particles" else inside.copy())
            values = np.asarray(given, dtype=float)
            if values.shape != inside.shape[:1]:
                raise ValueError(f"it gave shape {values.shape}, not ({len(inside)},): one number a field")
            if np.isinf(values).any():
                raise ValueError("it gave an infinite number; NaN says that there is nothing to measure")
        return values


def chosen_plugins(names: Iterable[str] | None) -> dict[str, dict[str, str]]:
    """Descriptors of other packages to measure, as settings of statistics keep them.

    Args:
        names: of the descriptors; None takes all that there are.

    Raises:
        PluginError: one is not there or does not work; the message says how to go on without.
    """
    wanted = sorted(DESCRIPTOR_PLUGINS.found() if names is None else set(names))
    try:
        plugins = [InstalledDescriptor.named(name).plugin for name in wanted]
    except PluginError as error:
        if names is not None:
            raise
        raise PluginError(
            f"{error}. Without it: pspgan stats STORE --plugins none, or NAME,... of others"
        ) from error
    return {one.name: {"distribution": one.distribution, "version": one.version} for one in plugins}


def recorded_plugins(recorded: Mapping[str, Mapping[str, str]]) -> list[InstalledDescriptor]:
    """The descriptors that settings of statistics name, of the same packages and versions.

    Raises:
        PluginError: one is not installed, or in another version.
    """
    return [_recorded(name, by["distribution"], by["version"]) for name, by in recorded.items()]


@functools.lru_cache  # asked for every shard
def _recorded(name: str, distribution: str, version: str) -> InstalledDescriptor:
    wanted, here = f"{distribution} {version}", platform.node()
    again = f'install it (pip install "{distribution}=={version}"), or measure again (pspgan stats)'
    try:
        found = InstalledDescriptor.named(name)
    except PluginError as error:
        raise PluginError(
            f'descriptor "{name}" was measured by {wanted}, and on {here}: {error}; {again}'
        ) from error
    if found.plugin.package != wanted:
        raise PluginError(
            f'descriptor "{name}" was measured by {wanted}, and {here} has {found.plugin.package}; {again}'
        )
    return found
