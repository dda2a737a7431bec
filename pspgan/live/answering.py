"""What the live explorer answers: its page, and the micrographs and numbers of any condition and seed."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from ..generation import Model, generate, load
from ..process import ConditionError, ProcessCondition
from ..report.blocks import Missing, png_uri
from ..report.explorer import SHOWN, Explorer, Side, tiles_of
from ..report.facts import at_a_glance, limits, process_coverage
from ..report.inputs import Inputs
from ..report.page import page_of
from ..report.training import training
from ..statistics import StatisticsError, common_settings, measure_statistics, settings_of, stored_phases
from ..training import Run

if TYPE_CHECKING:
    from ..linkage import Linkage
    from ..statistics import Phases

SEED = "@seed"  # beside the factors in a query; no factor can be called so
_LARGEST_SEED = 2**53 - SHOWN  # that a browser counts to


@dataclass(frozen=True)
class Answering:
    """A generator, and the explorer that shows what it makes. Made by `open_answering`.

    Attributes:
        model: the generator.
        explorer: what is known without it.
        page: the text of the page.
        settings, phases: how what it makes is measured.
        about: a sentence on the real micrographs that are set beside, for the terminal.
    """

    model: Model
    explorer: Explorer
    page: str
    settings: Mapping[str, Any]
    phases: Phases | None
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
        # Requests come in threads of their own. One generation uses all cores; and filters of warnings are
        # shared by all threads.
        with self._one_at_a_time:
            made = _generated(self.model, point, seed)
            tiles = tiles_of(made, range(SHOWN), point.label, made, png_uri)
            side = self.explorer.sides.get("generated")
            if side is None or str(point) not in side.counts:
                measured = measure_statistics(made, settings=self.settings, phases=self.phases)[0]
                side = Side(made, measured, self.explorer.descriptors, self.explorer.um_per_px)
            return self.explorer.answers([point])[0] | {"generated": side.of(str(point), tiles)}

    def _read(self, query: Sequence[tuple[str, str]]) -> tuple[ProcessCondition, int]:
        values = dict(query)
        if len(values) < len(query):
            raise ConditionError(f"a value is given twice: {', '.join(name for name, _ in query)}")
        text = values.pop(SEED, "0")
        if not (text.isascii() and text.isdigit() and int(text) <= _LARGEST_SEED):
            raise ValueError(f'seed "{text}" is no whole number from 0 to {_LARGEST_SEED}')
        return self.model.space.condition(values), int(text)


def open_answering(
    run: Model | Run | str | os.PathLike,
    real: str | os.PathLike | xr.Dataset | None = None,
    gen: str | os.PathLike | xr.Dataset | None = None,
    linkage: str | os.PathLike | Linkage | None = None,
    device: str | None = None,
) -> Answering:
    """Open a generator and what is shown beside it. Arguments and errors: `pspgan.app`."""
    model = run if isinstance(run, Model) else load(run, device)
    folder = run.folder if isinstance(run, Run) else Path(run) if not isinstance(run, Model) else None
    folder = folder if folder is not None and folder.is_dir() else None
    about = "no real micrographs are shown; name them with --real"
    if real is None and folder is not None:
        real, about = _training_data(Run(folder))
    name = model.name if folder is None else str(folder)
    trained = model.space if model.space.observed else None
    if real is None:
        if gen is not None or linkage is not None:
            raise ValueError(f"gen and linkage are shown beside real micrographs: {about}")
        like, measured, settings, phases, missing = _measuring(model, {}, None)
        explorer = Explorer(model.space, None, None, measured, missing, None, trained, like, name)
        seen = [(str(len(model.space.observed)), "combinations seen in training")] if trained else []
        return Answering(model, explorer, page_of(explorer, seen, [], live=True), settings, phases, about)
    inputs = Inputs.open(real, gen, linkage, folder, None, None, None)
    difference = inputs.space.difference(model.space)
    if difference:
        raise ValueError(f"{inputs.stores[0]} and {model.name} differ in {difference}")
    absent = inputs.statistics if isinstance(inputs.statistics, Missing) else None
    given = {} if absent else inputs.statistics
    like, measured, settings, phases, missing = _measuring(model, given, absent)
    explorer = Explorer(
        inputs.space,
        inputs.real,
        inputs.generated,
        measured,
        missing,
        inputs.linkage,
        trained,
        like,
        name,
    )
    sections = [process_coverage(inputs), *([training(inputs)] if folder else []), limits(inputs)]
    page = page_of(explorer, at_a_glance(inputs), sections, live=True)
    return Answering(model, explorer, page, settings, phases, f"beside {inputs.stores[0]}")


def _training_data(run: Run) -> tuple[Path | None, str]:
    """The store that a run was trained on, where it is still there, and a sentence on it."""
    source = run.description["data"]["source"]
    for path in (Path(source), run.folder.parent / source):
        if (path / "zarr.json").is_file():
            return path, ""
    return None, f"the training's data, {source}, are not there; name them with --real"


def _generated(model: Model, point: ProcessCondition, seed: int) -> xr.Dataset:
    with warnings.catch_warnings(action="ignore"):  # the page says itself what training did not see
        return generate(model, [point], SHOWN, seed=seed, progress=False)


def _measuring(
    model: Model, statistics: Mapping[str, xr.Dataset], missing: Missing | None
) -> tuple[xr.Dataset, Mapping[str, xr.Dataset], dict[str, Any], Phases | None, Missing | None]:
    """How what a model generates is measured: as the given statistics were; else as `pspgan stats` does.

    Returns:
        A few micrographs of it, the statistics that can be shown side by side, settings and phases, and what
        is missing.
    """
    points = model.space.observed_conditions or model.space.all_conditions
    like = _generated(model, points[0], 0)
    if statistics:
        one = next(iter(statistics.values()))
        settings, phases = settings_of(one), stored_phases(one)
        try:
            measure_statistics(like, settings=settings, phases=phases)
            return like, statistics, settings, phases, missing
        except StatisticsError as error:
            missing = Missing(
                f"The statistics of the store are not those of what is generated now: {error}. Measured"
                " together, they can be compared:",
                f"pspgan generate {model.name} -o gen.zarr && pspgan stats REAL gen.zarr",
            )
    settings = common_settings([like])
    return like, {"generated": measure_statistics(like, settings=settings)[0]}, settings, None, missing
