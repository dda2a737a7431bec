"""What the live explorer answers: its page, and the micrographs and numbers of any condition and seed."""

from __future__ import annotations

import os
import shlex
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from ..generation import Model, generate, load
from ..process import ConditionError, ProcessCondition
from ..report.blocks import png_uri
from ..report.explorer import SHOWN, Explorer, Side, tiles_of
from ..report.facts import at_a_glance, limits, process_coverage
from ..report.inputs import Inputs
from ..report.page import page_of
from ..report.training import training
from ..training import Run
from .measuring import Measuring, measuring_like

if TYPE_CHECKING:
    from ..linkage import Linkage

SEED = "@seed"  # beside the factors in a query; no factor can be called so
_LARGEST_SEED = 2**53 - SHOWN  # that a browser counts to


@dataclass(frozen=True)
class Answering:
    """A generator, and the explorer that shows what it makes. Made by `open_answering`.

    Attributes:
        model: the generator.
        explorer: what is known without it.
        measuring: how what it makes is measured.
        page: the text of the page.
        about: what is shown beside, in words.
    """

    model: Model
    explorer: Explorer
    measuring: Measuring
    page: str
    about: str
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def condition(self, query: Sequence[tuple[str, str]]) -> dict[str, Any]:
        """What the page shows of a condition.

        Args:
            query: factor -> value, for each of them, and ``@seed``, the first latent seed.

        Raises:
            ConditionError: a condition outside the process space, or a factor too few or too many.
            ValueError: no such seed.
        """
        point, seed = self._read(query)
        name, explorer = str(point), self.explorer
        # Requests come in threads of their own; one generation uses all cores, and filters of warnings are
        # shared by all threads.
        with self._one_at_a_time:
            made = _generated(self.model, point, seed)
            side = explorer.sides.get("generated")
            if side is None or name not in side.counts:
                side = Side(made, self.measuring.measure(made), explorer.descriptors, explorer.um_per_px)
            tiles = tiles_of(made, range(SHOWN), point.label, made, png_uri)
            return explorer.answers([point])[0] | {"generated": side.of(name, tiles)}

    def _read(self, query: Sequence[tuple[str, str]]) -> tuple[ProcessCondition, int]:
        values = dict(query)
        if len(values) < len(query):
            raise ConditionError(f"a value is given twice: {', '.join(name for name, _ in query)}")
        text = values.pop(SEED, "0")
        if not (text.isascii() and text.isdigit() and len(text) < 17 and int(text) <= _LARGEST_SEED):
            raise ValueError(f'seed "{text}" is no whole number from 0 to {_LARGEST_SEED}')
        return self.model.space.condition(values), int(text)


def open_answering(
    run: Model | Run | str | os.PathLike[str],
    real: str | os.PathLike[str] | xr.Dataset | None = None,
    gen: str | os.PathLike[str] | xr.Dataset | None = None,
    linkage: str | os.PathLike[str] | Linkage | None = None,
    device: str | None = None,
) -> Answering:
    """Open a generator and what is shown beside it. Arguments and errors: `pspgan.app`."""
    model = run if isinstance(run, Model) else load(run, device)
    folder = _folder_of(run)
    about = "without real micrographs; name them with --real"
    if real is None and folder is not None:
        real, about = _training_data(Run(folder))
    if real is None and (gen is not None or linkage is not None):
        raise ValueError(f"gen and linkage are shown beside real micrographs: {about}")
    inputs = None if real is None else Inputs.open(real, gen, linkage, folder, None, None, None)
    name = model.name if folder is None else str(folder)
    if inputs is not None:
        about = f"beside {inputs.stores[0]}"
        difference = inputs.space.difference(model.space)
        if difference:
            raise ValueError(f"{inputs.stores[0]} and {model.name} differ in {difference}")
    like = _generated(model, (model.space.observed_conditions or model.space.all_conditions)[0], 0)
    measuring = measuring_like(
        {} if inputs is None else inputs.statistics,
        like,
        f"pspgan generate {shlex.quote(name)} -o gen.zarr && pspgan stats"
        f" {'real.zarr' if inputs is None else inputs.stores[0]} gen.zarr",
    )
    explorer = Explorer(
        space=model.space,
        real=None if inputs is None else inputs.real,
        generated=None if inputs is None else inputs.generated,
        statistics=measuring.statistics,
        missing=measuring.missing,
        linkage=None if inputs is None else inputs.linkage,
        trained=model.space if model.space.observed else None,
        like=like,
        run=name,
    )
    return Answering(model, explorer, measuring, _page(explorer, inputs), about)


def _folder_of(run: Model | Run | str | os.PathLike[str]) -> Path | None:
    """The folder of a run; None where a file or a model is given."""
    if isinstance(run, Model):
        return None
    path = run.folder if isinstance(run, Run) else Path(run)
    return path if path.is_dir() else None


def _training_data(run: Run) -> tuple[Path | None, str]:
    """The store that a run was trained on, where it is still there; else why not."""
    if not (run.folder / "config.json").is_file():
        return None, f"{run.folder} does not say what it was trained on; name it with --real"
    source = run.description["data"]["source"]
    for path in (Path(source), run.folder.parent / source):
        if (path / "zarr.json").is_file():
            return path, ""
    return None, f"the training's data, {source}, are not there; name them with --real"


def _page(explorer: Explorer, inputs: Inputs | None) -> str:
    """The explorer, and those sections of the report that are made in a moment."""
    if inputs is None:
        seen = len(explorer.space.observed)
        return page_of(
            explorer, [(str(seen), "combinations seen in training")] if seen else [], [], live=True
        )
    logged = inputs.run is not None and (inputs.run / "log.jsonl").is_file()
    sections = [process_coverage(inputs), *([training(inputs)] if logged else []), limits(inputs)]
    return page_of(explorer, at_a_glance(inputs), sections, live=True)


def _generated(model: Model, point: ProcessCondition, seed: int) -> xr.Dataset:
    with warnings.catch_warnings(action="ignore"):  # the page says itself what training did not see
        return generate(model, [point], SHOWN, seed=seed, progress=False)
