"""What a training shows while it runs: log lines, TensorBoard, sample grids, the progress bar."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from ..networks import Generator
from ..process import ProcessCondition
from .batches import Batches

_ROWS, _REAL, _FAKE = 8, 3, 6  # of a sample grid
_MEASURED = 16  # micrographs a row that figures are taken from, generated and real each
_LABEL = 14  # height of a row's caption, px


class Monitor:
    """Sums up the steps since the last line and writes the line when one is due.

    Args:
        folder: of the run.
        total: real images of the whole training.
        start: images already shown.
        progress: show a bar on a terminal.
    """

    def __init__(self, folder: Path, total: int, start: int, progress: bool) -> None:
        self._log = (folder / "log.jsonl").open("a", buffering=1)
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=start)
        self._bar = tqdm(
            total=total,
            initial=start,
            unit="image",
            desc=folder.name,
            smoothing=0.05,
            disable=None if progress else True,
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
        with _naming(self._log.name):
            self._log.write(json.dumps({"images": images} | line) + "\n")
        with _naming(self._board.log_dir):
            for name, value in line.items():
                if not isinstance(value, str):
                    self._board.add_scalar(name, value, images)
        if "loss_g" in line:
            real, fake, g = (line[name] for name in ("loss_d_real", "loss_d_fake", "loss_g"))
            self._bar.set_postfix_str(f"D {real:.2f}+{fake:.2f} G {g:.2f}", refresh=False)

    def warn(self, text: str) -> None:
        """Say on the terminal what the user should know; the bar stays below it."""
        tqdm.write(f"warning: {text}", file=sys.stderr)

    def picture(self, images: int, grid: Image.Image, folder: Path) -> None:
        """Keep a sample grid.

        Raises:
            OSError: it cannot be written.
        """
        path = folder / "samples" / f"{images:09d}.png"
        with _naming(path):
            grid.save(path)
        with _naming(self._board.log_dir):
            self._board.add_image("samples", np.asarray(grid)[None], images)

    def close(self) -> None:
        self._bar.close()
        # What a full disk refused is tried once more here.
        with _naming(self._log.name):
            self._log.close()
        with _naming(self._board.log_dir):
            self._board.close()


@contextlib.contextmanager
def _naming(path: str | os.PathLike) -> Iterator[None]:
    """Errors of the disk name the file."""
    try:
        yield
    except OSError as error:
        raise OSError(f"{path} cannot be written: {error}; is the disk full?") from error


@torch.no_grad()
def sample(generator: Generator, batches: Batches, seed: int) -> tuple[Image.Image, dict[str, float | str]]:
    """A grid of real beside generated micrographs, a row a condition, and figures that compare them.

    Args:
        generator: in eval mode.
        batches: the run's micrographs.
        seed: of crops and latents; the same seed gives the same latents all through a run.

    Returns:
        The picture, and of its conditions

        - ``diversity``: the standard deviation of a pixel between generated micrographs of one condition,
          over the same figure for real ones (1: as varied as the data; 0: all alike), averaged over
          conditions. The paper's generator "varies less" than the data; this is where it shows;
        - ``diversity_least`` and ``least_diverse``: its least value, and the condition that has it;
        - ``distance``: `two_point_distance`, averaged over conditions.
    """
    chosen = _most_frequent(batches.conditions, _ROWS)
    rng = np.random.default_rng([seed, 9])
    z = torch.from_numpy(rng.standard_normal((_MEASURED, generator.latent), dtype=np.float32))
    device = next(generator.parameters()).device
    side = batches.resolution
    grid = Image.new("L", ((_REAL + _FAKE) * (side + 2) + 6, len(chosen) * (side + 2 + _LABEL)), 255)
    draw = ImageDraw.Draw(grid)
    ratios, distances = [], []
    for row, condition in enumerate(chosen):
        weights = torch.from_numpy(batches.space.encode(condition)).expand(_MEASURED, -1)
        fake = generator(z.to(device), weights.to(device)).cpu()
        real = batches.crops_of(condition, _MEASURED, rng)
        ratios.append(float(fake.std(dim=0).mean() / real.std(dim=0).mean().clamp_min(1e-6)))
        distances.append(two_point_distance(fake, real))
        top = row * (side + 2 + _LABEL)
        count = sum(c == condition for c in batches.conditions)
        draw.text((2, top + 1), f"{condition.label}   left: {_REAL} of {count} real", fill=0)
        for column, image in enumerate(torch.cat([real[:_REAL], fake[:_FAKE]])):
            left = column * (side + 2) + (6 if column >= _REAL else 0)
            grid.paste(Image.fromarray(to_grey(image[0]).numpy()), (left, top + _LABEL))
    least = int(np.argmin(ratios))
    return grid, {
        "diversity": float(np.mean(ratios)),
        "diversity_least": ratios[least],
        "least_diverse": chosen[least].label,
        "distance": float(np.mean(distances)),
    }


def two_point_distance(fake: Tensor, real: Tensor) -> float:
    """How far the two-point statistics of generated grey levels are from those of real ones.

    With g in standard deviations from the mean of all real pixels, C(r) = <g(x) g(x + r)>, averaged over
    micrographs that continue periodically; r runs up to a quarter of the side.

    Args:
        fake, real: (n, 1, y, x) float32.

    Returns:
        |C_fake - C_real| / |C_real|, Euclidean over r. 0: mean, contrast and two-point statistics agree;
        1: as far as blank micrographs of the right mean.
    """
    mean, deviation = real.mean(), real.std().clamp_min(1e-6)
    side = real.shape[-1]
    lags = slice(side // 4, side - side // 4 + 1)

    def correlation(image: Tensor) -> Tensor:
        power = torch.fft.rfft2((image - mean) / deviation).abs().square().mean(dim=(0, 1))
        return torch.fft.fftshift(torch.fft.irfft2(power, s=(side, side)) / side**2)[lags, lags]

    expected = correlation(real)
    return float((correlation(fake) - expected).norm() / expected.norm().clamp_min(1e-6))


def to_grey(image: Tensor) -> Tensor:
    """[-1, 1] -> uint8 grey levels, rounded."""
    return image.clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)


def _most_frequent(conditions: list[ProcessCondition], n: int) -> list[ProcessCondition]:
    counts: dict[ProcessCondition, int] = {}
    for condition in conditions:
        counts[condition] = counts.get(condition, 0) + 1
    ranked: list[Any] = sorted(counts, key=lambda c: -counts[c])[:n]
    return sorted(ranked, key=lambda c: c.values)
