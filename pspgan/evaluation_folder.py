"""`write_evaluation`: stores in; a folder with table, findings and figures of their evaluation out."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from matplotlib.figure import Figure

from .ensemble import open_ensemble, space_of
from .evaluation import Report, evaluate
from .figures import feature_figures, nearest_training, ratios_to_real, readings, shares_beyond_real
from .statistics import Phases
from .training import Run
from .writing import check_free, replacing_folder

_SIGN = "findings.txt"
# Each with the kind of line that it draws.
_FIGURES: dict[str, tuple[Callable[[Report], Figure], str]] = {
    "ratios.png": (ratios_to_real, "distance"),
    "feature_spaces.png": (feature_figures, "frechet"),
    "consistency.png": (readings, "consistency"),
    "shares.png": (shares_beyond_real, "leakage"),
    "nearest_training.png": (nearest_training, "memorisation"),
}


def write_evaluation(
    real: str | os.PathLike[str],
    gen: str | os.PathLike[str],
    out: str | os.PathLike[str] = "evaluation",
    *,
    run: str | os.PathLike[str] | None = None,
    phases: Phases | str | os.PathLike[str] | None = None,
    seed: int = 0,
    splits: int = 50,
    limit: int = 2000,
    overwrite: bool = False,
) -> Report:
    """Evaluate a store of generated micrographs, and keep what was found.

    The folder holds ``findings.txt``, ``findings.json``, ``table.csv`` (see `pspgan.evaluation.Report`) and
    figures; those for which there were too few micrographs are left out.

    Args:
        real, gen: stores of ensembles.
        out: the folder.
        run: folder of the training run, which knows the part of a split that it was trained on, and its
            augmentations; by default the part ``train`` where there is a split, else all.
        phases, seed, splits, limit: as `pspgan.evaluate` takes them.
        overwrite: replace an evaluation that is there.

    Raises:
        FileExistsError: the folder exists, and ``overwrite`` is not set or it holds no evaluation.
        FileNotFoundError: a path with nothing there.
        ValueError: as `pspgan.evaluate` raises it, or the run is of another process space.
        OSError: it cannot be written.
    """
    out = Path(out)
    check_free(out, overwrite, _SIGN, "evaluation")
    trained_on, note = None, None
    if run is not None:
        trained = Run(Path(run))
        difference = trained.space.difference(space_of(open_ensemble(real)))
        if difference:
            raise ValueError(f"{run} was trained in another process space than {real} has: {difference}")
        trained_on = trained.config.split
        note = f"trained on: {trained_on}; augmented by: {trained.config.augment or 'nothing'}"
    report = evaluate(real, gen, seed=seed, splits=splits, phases=phases, trained_on=trained_on, limit=limit)
    if note:
        report = replace(report, notes=[*report.notes, note])
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing_folder(out) as partial:
        report.save(partial)
        for name, (draw, kind) in _FIGURES.items():
            if (report.table["kind"] == kind).any():
                draw(report).savefig(partial / name, dpi=150)
    return report
