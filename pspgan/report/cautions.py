"""What descriptors depend on besides structure, in sentences for the captions under them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

SEEDS = "seeds of one generator, which are no specimens"  # what intervals of generated micrographs count
_ALIKE = 1.01  # ratio of the largest to the smallest pixel up to which lengths in pixels compare
_BY_FIELD = {
    "connectivity": "the share in clusters that span the field",
    "mean_intercept_length": "intercept lengths",
}


def pixel_sizes_differ(ensemble: xr.Dataset) -> bool:
    """Whether known pixel sizes of an ensemble differ by more than one per cent."""
    size = ensemble["um_per_px"].values
    known = size[np.isfinite(size)]
    return bool(len(known) and known.max() > _ALIKE * known.min())


def in_pixels(names: Sequence[str]) -> bool:
    """Whether lengths among these descriptors are in pixels."""
    return not any(name.endswith("_um") for name in names)


def of_magnification(real: xr.Dataset, names: Sequence[str]) -> str:
    """A sentence where lengths are in pixels of different size, else nothing."""
    if not in_pixels(names) or not pixel_sizes_differ(real):
        return ""
    return (
        f" Pixel sizes of {real.attrs['origin']} micrographs differ: lengths in pixels depend on the"
        " magnifications that were chosen for a condition, not on its structure alone."
    )


def of_fields(real: xr.Dataset, generated: xr.Dataset, names: Sequence[str]) -> str:
    """A sentence where the micrographs of two ensembles differ in size, else nothing."""
    height, width = np.multiply(real["micrograph"].shape[1:], real.attrs.get("reduction", 1))
    rows, columns = np.multiply(generated["micrograph"].shape[1:], generated.attrs.get("reduction", 1))
    shown = {name.removesuffix("_um") for name in names}
    what = " and ".join(text for name, text in _BY_FIELD.items() if name in shown)
    if (height, width) == (rows, columns) or not what:
        return ""
    return (
        f" Fields differ in size: {width} × {height} source pixels of {real.attrs['origin']} micrographs,"
        f" {columns} × {rows} of generated ones. On that {what} depend, whatever the structure."
    )


def of_units(names: Sequence[str], targets: Sequence[str]) -> str:
    """A sentence where a linkage has other units than the descriptors that it is set beside, else nothing."""
    for theirs, name in ((f"{name}_um", name) for name in names if name not in targets):
        if theirs in targets:
            return (
                " The linkage predicts lengths in µm; here they are in pixels, as the pixel size of some"
                " micrographs is unknown: its column is empty there."
            )
        if name.removesuffix("_um") in targets:
            return (
                " The linkage predicts lengths in pixels; here they are in µm, as every pixel size is known:"
                " its column is empty there."
            )
    return ""
