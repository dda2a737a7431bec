"""Chords: what lies in a phase along test lines, in four directions and at all lengths.

Test lines are all rows, columns and diagonals of pixels. Lengths along them are counted in steps from pixel
to pixel, 1 px along rows and columns and the square root of 2 px along diagonals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Direction(NamedTuple):
    """Where test lines run: from a pixel to the next it is ``dy`` rows down and ``dx`` columns right."""

    dy: int
    dx: int

    @property
    def step(self) -> float:
        """Distance from pixel to pixel, px."""
        return math.hypot(self.dy, self.dx)

    @property
    def angle(self) -> float:
        """Angle to the x axis in degrees, counterclockwise as the micrograph is seen."""
        return math.degrees(math.atan2(-self.dy, self.dx)) % 180.0


DIRECTIONS = {
    "rows": Direction(0, 1),
    "columns": Direction(1, 0),
    "diagonals": Direction(1, 1),
    "antidiagonals": Direction(1, -1),
}


def mean_chord_length(inside: np.ndarray) -> np.ndarray:
    """Length in the phase of all rows and columns over their chords; each boundary point is half a chord.

    That is the lineal intercept procedure of ASTM E112: a chord that the border cuts counts one half, one cut
    at both ends not at all.

    Args:
        inside: whether a pixel is in the phase, (sample, y, x) bool.

    Returns:
        px, (sample,); NaN without a boundary.
    """
    ends = sum(_ends(inside, DIRECTIONS[name]).sum(axis=(1, 2)) for name in ("rows", "columns"))
    return 2.0 * inside.sum(axis=(1, 2)) / np.where(ends, ends / 2.0, np.nan)


def intercept_density(inside: np.ndarray) -> np.ndarray:
    """Chords of the phase a length of test line, N_L in 1/px, mean of the four directions, (sample,)."""
    per_length = [_ends(inside, line).mean(axis=(1, 2)) / line.step for line in DIRECTIONS.values()]
    return np.mean(per_length, axis=0) / 2.0


@dataclass(frozen=True)
class Chords:
    """Chords of a phase in several fields, counted by their pixels.

    Attributes:
        field: (y, x) pixels of a field.
        every: how many have 0, 1, ... pixels, (sample, pixels) a direction, whether or not the border cuts
            them.
        whole: the same of those that the border does not cut.
    """

    field: tuple[int, int]
    every: tuple[np.ndarray, ...]
    whole: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, inside: np.ndarray) -> Chords:
        """Count them where ``inside``, (sample, y, x) bool, is true."""
        every, whole = zip(*(_counts(inside, line) for line in DIRECTIONS.values()), strict=True)
        return cls(inside.shape[1:], every, whole)


def lineal_path(chords: Chords, longest: int) -> np.ndarray:
    """Probability that a segment lies wholly in the phase (Lu and Torquato, Phys. Rev. A 45, 922, 1992).

    Args:
        chords: of the phase.
        longest: steps of the longest segment.

    Returns:
        (sample, direction, length): of the positions at which a segment fits into the field, the share at
        which all its pixels are in the phase. Its length is the steps from the first pixel to the last, 0 to
        ``longest``; at 0 it is the area fraction. NaN where none fits.
    """
    found = np.full((len(chords.every[0]), len(DIRECTIONS), longest + 1), np.nan)
    for k, (line, count) in enumerate(zip(DIRECTIONS.values(), chords.every, strict=True)):
        # A chord of r pixels holds r - m + 1 segments of m pixels: sum twice from the longest down.
        at_least = np.cumsum(count[:, ::-1], axis=1)
        segments = np.cumsum(at_least, axis=1)[:, ::-1]
        share = segments[:, 1:] / _positions(chords.field, line)[1:]
        known = min(longest + 1, share.shape[1])
        found[:, k, :known] = share[:, :known]
    return found


def chord_length_distribution(chords: Chords, longest: int) -> np.ndarray:
    """Density of the lengths of chords, number-weighted, without the bias that the border brings.

    Chords that the border cuts are left out. A long chord is cut more often than a short one, so each counts
    by the inverse of the number of positions at which it would lie clear of the border (as Miles and
    Lantuejoul weigh particles; Serra, Image Analysis and Mathematical Morphology, 1982).

    Args:
        chords: of the phase.
        longest: pixels of the longest chord that is given.

    Returns:
        (sample, direction, length) in 1/px, at chords of 0 to ``longest`` pixels (there are none of 0): their
        share of all chords, over the step of the direction. NaN without a whole chord.
    """
    found = np.zeros((len(chords.whole[0]), len(DIRECTIONS), longest + 1))
    for k, (line, count) in enumerate(zip(DIRECTIONS.values(), chords.whole, strict=True)):
        # A chord is whole where the pixel before it and the one after it lie in the field as well.
        clear = np.append(_positions(chords.field, line)[2:], [0, 0])
        weighted = np.divide(count, clear, out=np.zeros(count.shape), where=clear > 0)
        total = weighted.sum(axis=1, keepdims=True)
        share = weighted / np.where(total > 0, total, np.nan)
        known = min(longest + 1, share.shape[1])
        found[:, k, :known] = share[:, :known] / line.step
        found[:, k, known:] = share[:, :1]  # no chord is as long, as none has 0 pixels
    return found


def _ends(inside: np.ndarray, line: Direction) -> np.ndarray:
    """Whether the phase begins or ends between a pixel and the next."""
    first, second = inside, inside
    if line.dy:
        first, second = first[:, :-1], second[:, 1:]
    if line.dx > 0:
        first, second = first[..., :-1], second[..., 1:]
    elif line.dx < 0:
        first, second = first[..., 1:], second[..., :-1]
    return first != second


def _positions(field: tuple[int, int], line: Direction) -> np.ndarray:
    """At how many positions a segment of m pixels fits, for m = 0, 1, ... up to the longest line."""
    height, width = field
    steps = {(0, 1): width, (1, 0): height}.get((line.dy, abs(line.dx)), min(field))
    more = np.arange(-1, steps)  # pixels after the first
    return (height - abs(line.dy) * more) * (width - abs(line.dx) * more)


def _counts(inside: np.ndarray, line: Direction) -> tuple[np.ndarray, np.ndarray]:
    """How many chords have how many pixels, (sample, pixels): all, and those that the border does not cut."""
    n, height, width = inside.shape
    # Pixels of a line lie a stride apart, and a pixel outside the field lies between two lines: cut into rows
    # of a stride, the fields have the lines as columns, one after another.
    padded = np.pad(inside.astype(np.int8), ((0, 0), (1, 1), (1, 1))).ravel()
    stride = line.dy * (width + 2) + line.dx
    depth = -(-padded.size // stride)
    padded = np.pad(padded, (0, depth * stride - padded.size))
    change = np.diff(padded.reshape(depth, stride).T.ravel(), prepend=np.int8(0))
    first, after = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
    pixels = after - first
    column, row = np.divmod(first, depth)
    sample, place = np.divmod(row * stride + column, (height + 2) * (width + 2))
    y, x = np.divmod(place, width + 2)  # the field's first are 1
    before = _in_field(y - line.dy, x - line.dx, height, width)
    behind = _in_field(y + pixels * line.dy, x + pixels * line.dx, height, width)
    counted = len(_positions((height, width), line))
    bins = sample * counted + pixels
    every, whole = (
        np.bincount(one, minlength=n * counted).reshape(n, counted) for one in (bins, bins[before & behind])
    )
    return every, whole


def _in_field(y: np.ndarray, x: np.ndarray, height: int, width: int) -> np.ndarray:
    return (y >= 1) & (y <= height) & (x >= 1) & (x <= width)
