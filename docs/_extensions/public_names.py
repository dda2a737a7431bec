"""The directive `public-names`: what a module offers, each name with its docstring.

A name has one entry: what `pspgan` itself offers is described there, and other modules link to it.
"""

import importlib
import inspect
from pathlib import Path
from types import ModuleType

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

import pspgan


def names_of(module: ModuleType) -> list[str]:
    """Public names of a module, without its submodules and dunder names."""
    return [
        name
        for name in module.__all__
        if not name.startswith("__") and not inspect.ismodule(getattr(module, name))
    ]


def public_modules(module: ModuleType = pspgan) -> list[ModuleType]:
    """`pspgan`, and the modules that are among the public names of another one, outer ones first."""
    inner = [value for name in module.__all__ if inspect.ismodule(value := getattr(module, name))]
    return [module, *(found for value in inner for found in public_modules(value))]


def entry_of(module: ModuleType, name: str) -> ModuleType:
    """The module that a name is described in: the first public one that has it."""
    value = getattr(module, name)
    return next(
        other for other in public_modules() if name in other.__all__ and getattr(other, name) is value
    )


def comment_on(name: str) -> list[str]:
    """The `#:` comment of a constant, wherever in the package it is defined."""
    for file in sorted(Path(pspgan.__path__[0]).rglob("*.py")):
        source = file.read_text()
        if f"\n{name}" in source:
            comments = ModuleAnalyzer.for_string(source, file.stem).find_attr_docs()
            if ("", name) in comments:
                return comments["", name]
    raise ValueError(f"{name} has no comment that begins with #:, which says what it is")


def described(module: ModuleType, name: str) -> list[str]:
    """reStructuredText that describes a name."""
    value, path = getattr(module, name), f"{module.__name__}.{name}"
    if inspect.isclass(value):
        if issubclass(value, BaseException):
            return [f".. autoexception:: {path}", ""]
        return [f".. autoclass:: {path}", "   :members:", ""]
    if callable(value) and hasattr(value, "__name__"):
        return [f".. autofunction:: {path}", ""]
    return [f".. data:: {name}", "", *(f"   {line}" for line in comment_on(name)), ""]


class PublicNames(SphinxDirective):
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        module = importlib.import_module(self.arguments[0])
        lines = [f".. module:: {module.__name__}", "", *inspect.getdoc(module).splitlines(), ""]
        entries = {name: entry_of(module, name) for name in names_of(module)}
        elsewhere = {name: entry for name, entry in entries.items() if entry is not module}
        if elsewhere:
            links = (f":py:obj:`{entry.__name__}.{name}`" for name, entry in elsewhere.items())
            lines += [f"Also here: {', '.join(links)}.", ""]
        for name in names_of(module):
            if name not in elsewhere:
                lines += described(module, name)
        return self.parse_text_to_nodes("\n".join(["```{eval-rst}", *lines, "```"]))


def _of_scikit_learn(app: Sphinx, kind: str, name: str, *_: object) -> bool | None:
    """Metadata routing, which scikit-learn puts on every estimator, is described by scikit-learn."""
    routed = name == "get_metadata_routing" or (name.startswith("set_") and name.endswith("_request"))
    return True if routed else None


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("public-names", PublicNames)
    app.connect("autodoc-skip-member", _of_scikit_learn)
    return {"parallel_read_safe": True}
