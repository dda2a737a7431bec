"""Chords: what lies in a phase along test lines, in four directions and at all lengths.

Test lines are all rows, columns and diagonals of pixels. Lengths along them are counted in steps from pixel
to pixel, 1 px along rows and columns and the square root of 2 px along diagonals.
"""

from __future__ import annotations

import math
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


def lineal_path(inside: np.ndarray, longest: int) -> np.ndarray:
    """Probability that a segment lies wholly in the phase (Lu and Torquato, Phys. Rev. A 45, 922, 1992).

    Args:
        inside: whether a pixel is in the phase, (sample, y, x) bool.
        longest: steps of the longest segment.

    Returns:
        (sample, direction, length): over the positions at which a segment fits into the field, those where it
        is all in the phase. Its length in steps is that from its first pixel to its last, 0 to ``longest``;
        at 0 it is the area fraction. NaN where none fits.
    """
    found = np.full((len(inside), len(DIRECTIONS), longest + 1), np.nan)
    for k, line in enumerate(DIRECTIONS.values()):
        positions = _positions(inside.shape[1:], line)
        runs, _ = _runs(inside, line)
        # A run of r pixels holds r - m + 1 segments of m pixels: twice the sum from the far end.
        at_least = np.cumsum(runs[:, ::-1], axis=1)[:, ::-1]
        segments = np.cumsum(at_least[:, ::-1], axis=1)[:, ::-1]
        known = min(longest + 1, len(positions) - 1)
        found[:, k, :known] = segments[:, 1 : known + 1] / positions[1 : known + 1]
    return found


def chord_length_distribution(inside: np.ndarray, longest: int) -> np.ndarray:
    """Density of the lengths of chords, without the bias that the border brings.

    Chords that the border cuts are left out. A long chord is cut more often than a short one, so each counts
    by the inverse of the number of positions at which it would lie clear of the border (as Miles and
    Lantuejoul weigh particles; Serra, Image Analysis and Mathematical Morphology, 1982).

    Args:
        inside: whether a pixel is in the phase, (sample, y, x) bool.
        longest: steps of the longest chord that is given.

    Returns:
        (sample, direction, length) in 1/px, at chords of 0 to ``longest`` pixels, of which 0 has none: the
        share of all chords, a step. Over all lengths and times the step it sums to 1. NaN without a whole
        chord.
    """
    found = np.zeros((len(inside), len(DIRECTIONS), longest + 1))
    for k, line in enumerate(DIRECTIONS.values()):
        positions = _positions(inside.shape[1:], line)
        _, whole = _runs(inside, line)
        # The pixel before a chord and the one after it lie in the field as well.
        clear = np.append(positions[2:], [0, 0])
        weighted = whole / np.where(clear > 0, clear, np.inf)
        total = weighted.sum(axis=1, keepdims=True)
        density = weighted / np.where(total > 0, total, np.nan) / line.step
        found[:, k, :] = np.where(total > 0, 0.0, np.nan)
        known = min(longest + 1, density.shape[1])
        found[:, k, :known] = density[:, :known]
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


def _runs(inside: np.ndarray, line: Direction) -> tuple[np.ndarray, np.ndarray]:
    """How many runs have how many pixels, (sample, pixels), of all and of those that no border cuts."""
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
