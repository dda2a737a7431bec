"""The main job from end to end on the simulated steel, in minutes: what ``make demo`` runs."""

from __future__ import annotations

import os
import time
from pathlib import Path

from .ensemble import write_ensemble
from .generation import generate
from .linkage import link
from .progress import note
from .report import write_report
from .sources.heat_treatment import simulate
from .statistics import compute_statistics
from .training import train


def demo(
    out: str | os.PathLike[str] = "demo", *, minutes: float = 4.0, seed: int = 0, progress: bool = True
) -> Path:
    """Simulate steel, train on it, generate, measure, link and report.

    Every step is what the command of the same name does, and is shown as that command.

    Args:
        out: folder for all results; an earlier demo there is replaced step by step.
        minutes: of training, at most.
        seed: of the simulation and the training.
        progress: say each step, and show bars on a terminal.

    Returns:
        The report, an HTML file.

    Raises:
        FileExistsError: ``out`` exists and is not the folder of a demo.
    """
    out = Path(out)
    marker = out / ".pspgan-demo"
    if out.exists() and not marker.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} exists and holds something else; choose another folder (--out)")
    out.mkdir(parents=True, exist_ok=True)
    marker.touch()
    real, gen, run, linkage = out / "real.zarr", out / "gen.zarr", out / "run", out / "linkage"
    began = time.perf_counter()

    def say(command: str) -> None:
        if progress:
            note(f"[{time.perf_counter() - began:4.0f} s] pspgan {command}")

    say(f"simulate -n 900 --size 64 --um-per-px 0.1 --seed {seed} -o {real}")
    simulated = simulate(n=900, size=64, um_per_px=0.1, seed=seed, progress=progress)
    write_ensemble(simulated, real, overwrite=True, progress=progress)
    say(f"train {real} --preset demo --minutes {minutes:g} --seed {seed} -o {run}")
    train(real, "demo", run, overwrite=True, minutes=minutes, seed=seed, progress=progress)
    say(f"generate {run} -n 48 -o {gen}")
    generate(run, n=48, out=gen, overwrite=True, progress=progress)
    say(f"stats {real} {gen}")
    compute_statistics(real, gen, progress=progress)
    say(f"link {real} {gen} -o {linkage}")
    link(real, gen, out=linkage, overwrite=True)
    page = out / "report.html"
    say(f"report {real} {gen} --linkage {linkage} --run {run} -o {page}")
    write_report(real, gen, linkage=linkage, run=run, out=page, evaluation=True)
    return page
