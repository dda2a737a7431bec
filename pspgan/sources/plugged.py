"""Sources of other packages: found by name, their result checked before anybody uses it."""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from ..ensemble import EnsembleError, validate
from ..plugins import Plugin, PluginError, PluginPoint
from ..process import ConditionError
from .imaging import ImageError
from .rows import SourceError

# Modules here are attributes of `pspgan.sources`, as plugins are.
_OWN = {module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])} | {"describe"}
#: Sources of other packages, by the name that `pspgan import` and `pspgan.sources` have for them.
SOURCES = PluginPoint("pspgan.sources", "source", frozenset(_OWN))

# What a source says to its user; anything else is a fault of its code.
_TO_USERS = (OSError, SourceError, ImageError, EnsembleError, ConditionError)


@dataclass(frozen=True)
class InstalledSource:
    """A source of another package, as ``pspgan.sources.NAME``.

    Attributes:
        plugin: which package it is from.
        function: what the package offers: ``function(...) -> xarray.Dataset``.
    """

    plugin: Plugin
    function: Callable[..., xr.Dataset]

    @classmethod
    def named(cls, name: str) -> InstalledSource:
        """Find and import it.

        Raises:
            PluginError: there is no such source, it cannot be imported, or is no function.
        """
        plugin = SOURCES.get(name)
        function = plugin.load()
        if not callable(function):
            raise PluginError(
                f"{plugin} is of type {type(function).__name__}, not a function; that is for its authors"
            )
        return cls(plugin, function)

    def read(self, *args: Any, **options: Any) -> xr.Dataset:
        """Read an ensemble; the arguments are those of the package's function.

        Returns:
            What the function gave, and in ``attrs["provenance"]``, as ``plugin``, where it comes from.

        Raises:
            PluginError: the function failed, or gave what is no ensemble.
            OSError, SourceError, ImageError, EnsembleError, ConditionError: what it says of files and values.
        """
        with self.plugin.blamed(*_TO_USERS):
            dataset = self.function(*args, **options)
        if not isinstance(dataset, xr.Dataset):
            raise self._no_ensemble(f"it is of type {type(dataset).__name__}, not xarray.Dataset")
        try:
            validate(dataset)
        except EnsembleError as error:
            raise self._no_ensemble(str(error)) from error
        if not dataset.sizes["sample"]:
            raise self._no_ensemble("it holds no micrographs")
        provenance = json.loads(dataset.attrs["provenance"])
        provenance["plugin"] = self.plugin.identity
        return dataset.assign_attrs(provenance=json.dumps(provenance))

    def _no_ensemble(self, why: str) -> PluginError:
        return PluginError(f"{self.plugin} gave no ensemble: {why}; pspgan.ensemble.build makes one")
