"""Pictures of generated micrographs beside real ones, a row a condition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from .metrics import Measured

_ROWS, _REAL, _FAKE = 24, 3, 6  # at most, of a grid
_LABEL = 14  # height of a row's caption, px
_GAP, _APART = 2, 6  # between micrographs, and between real and generated ones, px


@dataclass(frozen=True)
class Strip:
    """Real and generated micrographs of one condition side by side, (y, width) uint8."""

    condition: str
    micrographs: int  # real ones of this condition, in all
    picture: np.ndarray


def strips(measured: Measured) -> list[Strip]:
    """A strip of every condition; where there are more than a grid holds, of those with most micrographs."""
    rows = list(zip(measured.table, measured.micrographs, strict=True))
    counts = [row["micrographs"] for row, _ in rows]
    shown = np.sort(np.argsort(counts, kind="stable")[::-1][:_ROWS])
    return [
        Strip(condition.label, row["micrographs"], _side_by_side(real, fake))
        for row, (condition, real, fake) in (rows[i] for i in shown)
    ]


def grid(strips: list[Strip]) -> Image.Image:
    """Strips below one another, each under the name of its condition."""
    height, width = strips[0].picture.shape
    pitch = _LABEL + height + _GAP
    picture = Image.new("L", (width, len(strips) * pitch), 255)
    draw = ImageDraw.Draw(picture)
    for row, strip in enumerate(strips):
        draw.text((2, row * pitch + 1), f"{strip.condition}   left: real, of {strip.micrographs}", fill=0)
        picture.paste(Image.fromarray(strip.picture), (0, row * pitch + _LABEL))
    return picture


def _side_by_side(real: Tensor, fake: Tensor) -> np.ndarray:
    white = np.full((real.shape[1], _APART), 255, np.uint8)
    parts: list[np.ndarray] = []
    for chosen in (real[:_REAL], fake[:_FAKE]):
        for micrograph in chosen.numpy():
            parts += [micrograph, white[:, :_GAP]]
        parts.append(white)
    return np.hstack(parts[:-2])  # nothing at the right edge
