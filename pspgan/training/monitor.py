"""What a training tells while it runs: lines of the log and of the metrics, TensorBoard, the progress bar."""

from __future__ import annotations

import json
from pathlib import Path

from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from ..progress import progress_bar, warn
from ..writing import naming
from .metrics import Measured
from .samples import grid, strips


class Monitor:
    """Sums up the steps since the last line and writes the line when one is due.

    Args:
        folder: of the run, with its ``config.json``.
        total: real images of the whole training.
        start: images already shown.
        progress: show a bar on a terminal.
    """

    def __init__(self, folder: Path, total: int, start: int, progress: bool) -> None:
        self._folder = folder
        self._log = (folder / "log.jsonl").open("a", buffering=1)
        self._metrics = (folder / "metrics.jsonl").open("a", buffering=1)
        # TensorBoard forgets what it was told from there on, but what the start itself showed stays.
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=start + 1)
        self._board.add_text("config", f"```json\n{(folder / 'config.json').read_text()}\n```", start)
        self._bar = progress_bar(
            total=total, initial=start, unit="image", desc=folder.name, smoothing=0.05, shown=progress
        )
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._images = self._seconds = 0.0

    def add(self, **values: Tensor) -> None:
        """Take in one step's values; they are read, and the device waited for, only when a line is due."""
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value.detach().float()
            self._counts[name] = self._counts.get(name, 0) + 1

    def advance(self, images: int, elapsed: float) -> None:
        """Count one step's images and seconds."""
        self._images += images
        self._seconds += elapsed
        self._bar.update(images)

    def means(self) -> dict[str, float]:
        """Means since the last line, and a new start."""
        line = {name: float(total) / self._counts[name] for name, total in self._sums.items()}
        if self._seconds:
            line["images_per_s"] = self._images / self._seconds
        self._sums, self._counts, self._images, self._seconds = {}, {}, 0.0, 0.0
        return line

    def write(self, images: int, line: dict[str, float | str]) -> None:
        """Write one line to the log, its numbers to TensorBoard, and losses to the bar.

        Raises:
            OSError: the log or TensorBoard's files cannot be written.
        """
        with naming(self._log.name):
            self._log.write(json.dumps({"images": images} | line) + "\n")
        with naming(self._board.log_dir):
            for name, value in line.items():
                if not isinstance(value, str):
                    self._board.add_scalar(f"{_group(name)}/{name}", value, images)
        if "loss_g" in line:
            real, fake, g = (line[name] for name in ("loss_d_real", "loss_d_fake", "loss_g"))
            self._bar.set_postfix_str(f"D {real:.2f}+{fake:.2f} G {g:.2f}", refresh=False)

    def warn(self, text: str) -> None:
        """Say on the terminal what the user should know; the bar stays below it."""
        warn(text)

    def show(self, images: int, measured: Measured) -> None:
        """Keep what was measured condition by condition, and pictures of its micrographs.

        Raises:
            OSError: a file cannot be written.
        """
        with naming(self._metrics.name):
            for row in measured.table:
                self._metrics.write(json.dumps({"images": images} | row) + "\n")
        shown = strips(measured)
        path = self._folder / "samples" / f"{images:09d}.png"
        with naming(path):
            grid(shown).save(path)
        with naming(self._board.log_dir):
            for strip in shown:
                self._board.add_image(f"samples/{strip.condition}", strip.picture[None], images)

    def close(self) -> None:
        self._bar.close()
        # What a full disk refused is tried once more here.
        for file in (self._log, self._metrics):
            with naming(file.name):
                file.close()
        with naming(self._board.log_dir):
            self._board.close()


def _group(name: str) -> str:
    """The group of TensorBoard's charts that a number of the log stands in."""
    if name.startswith(("loss_", "gradient_", "real_taken", "fake_taken")):
        return "loss"
    if name.startswith(("seconds", "images_per_s", "memory", "step")):
        return "time"
    return "metrics_interval" if name.endswith(("_low", "_high")) else "metrics"
