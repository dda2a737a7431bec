"""Pictures of generated micrographs beside real ones, a row a condition."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from ..scale_bar import scale_bar_um
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
    um_per_px: float  # NaN where it is unknown or not one
    side: int  # of a micrograph, px


def strips(measured: Measured) -> list[Strip]:
    """A strip of every condition; where there are more than a grid holds, of those with most micrographs."""
    rows = list(zip(measured.table, measured.micrographs, measured.um_per_px, strict=True))
    counts = [row["micrographs"] for row, *_ in rows]
    shown = np.sort(np.argsort(counts, kind="stable")[::-1][:_ROWS])
    return [
        Strip(condition.label, row["micrographs"], _side_by_side(real, fake), size, real.shape[-1])
        for row, (condition, real, fake), size in (rows[i] for i in shown)
    ]


def grid(strips: list[Strip]) -> Image.Image:
    """Strips below one another, each under its condition, and a scale bar where the pixel size is known."""
    height, width = strips[0].picture.shape
    pitch = _LABEL + height + _GAP
    picture = Image.new("L", (width, len(strips) * pitch), 255)
    draw = ImageDraw.Draw(picture)
    for row, strip in enumerate(strips):
        draw.text((2, row * pitch + 1), f"{strip.condition}   left: real, of {strip.micrographs}", fill=0)
        if np.isfinite(strip.um_per_px):
            _scale_bar(draw, strip, (width, row * pitch))
        picture.paste(Image.fromarray(strip.picture), (0, row * pitch + _LABEL))
    return picture


def _scale_bar(draw: ImageDraw.ImageDraw, strip: Strip, corner: tuple[int, int]) -> None:
    """Draw a bar and its length to the left of a corner, (x, y) px, at the height of a caption."""
    length = scale_bar_um(strip.um_per_px, strip.side)
    text = f"{length:g} um"  # Pillow's font has no µ
    x, y = corner
    x -= math.ceil(draw.textlength(text)) + _GAP
    draw.text((x, y + 1), text, fill=0)
    x -= 2 * _GAP
    draw.rectangle((x - round(length / strip.um_per_px), y + 6, x - 1, y + 7), fill=0)


def _side_by_side(real: Tensor, fake: Tensor) -> np.ndarray:
    white = np.full((real.shape[1], _APART), 255, np.uint8)
    parts: list[np.ndarray] = []
    for chosen in (real[:_REAL], fake[:_FAKE]):
        for micrograph in chosen.numpy():
            parts += [micrograph, white[:, :_GAP]]
        parts.append(white)
    return np.hstack(parts[:-2])  # nothing at the right edge
