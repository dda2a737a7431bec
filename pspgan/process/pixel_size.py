"""The size of a pixel as a factor: how a micrograph was taken, beside what was done to the material."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from .factor import Factor

PIXEL_SIZE = "pixel_size"  #: name of the factor that the pixel size is where an ensemble has several

_AT = re.compile(r"\s*(?:@|\bat\b)\s*(\d+(?:\.\d+)?)\s*(?:[uµμ]m(?:/px)?)?$")


def pixel_size_factor(sizes: Iterable[float]) -> Factor:
    """The factor with these pixel sizes, um, as levels in rising order; between them it is logarithmic."""
    return Factor(PIXEL_SIZE, tuple(sorted(set(sizes))), "ordinal", unit="um", scale="log")


def check_pixel_size(factors: Sequence[Factor]) -> None:
    """Check that a factor of that name says how large pixels are, and stands last.

    Raises:
        ValueError: it means something else, or another follows.
    """
    for position, factor in enumerate(factors, start=1):
        if factor.name != PIXEL_SIZE:
            continue
        if factor.kind != "ordinal" or factor.unit != "um":
            raise ValueError(
                f'factor {PIXEL_SIZE} is the size of a pixel, ordinal with unit "um", not {factor.kind} with '
                f'unit "{factor.unit}"; give what is something else another name'
            )
        if position < len(factors):
            raise ValueError(f"factor {PIXEL_SIZE} has to be the last; {factors[-1].name} comes after it")


def hyphenated(text: str) -> str:
    """Notation with the pixel size as people write it -> as a last value after a hyphen.

    >>> hyphenated("800-90M-Q at 0.1 um/px"), hyphenated("800-90M-Q@0.1"), hyphenated("800-90M-Q-0.1")
    ('800-90M-Q-0.1', '800-90M-Q-0.1', '800-90M-Q-0.1')
    """
    return _AT.sub(r"-\1", text)
