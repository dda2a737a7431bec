"""The scale bar of a micrograph: a round length that figures, pages and sample grids draw to its pixels."""

from __future__ import annotations

import math


def scale_bar_um(um_per_px: float, width: int) -> float:
    """A round length in µm, 1, 2 or 5 times a power of ten, below half of an image ``width`` px wide.

    >>> scale_bar_um(0.1, 256)
    10.0
    """
    most = um_per_px * width * 0.45
    power = 10.0 ** math.floor(math.log10(most))
    return max(step * power for step in (1.0, 2.0, 5.0) if step * power <= most)
