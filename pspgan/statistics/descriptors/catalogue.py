"""The descriptors by name: label, unit and range of each, and how variables of a dataset are found again."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import xarray as xr


class Descriptor(NamedTuple):
    """What a descriptor is called on an axis, its unit as a power of length, and what bounds it."""

    long_name: str
    power: int
    valid_min: float | None = 0.0
    valid_max: float | None = None


#: Name -> label, power of length and range, in the order of variables, tables and figures.
DESCRIPTORS = {
    "area_fraction": Descriptor("area fraction", 0, valid_max=1.0),
    "particle_density": Descriptor("particles an area", -2),
    "mean_equivalent_diameter": Descriptor("mean equivalent diameter", 1),
    "nearest_neighbour_distance": Descriptor("mean distance to the nearest neighbour", 1),
    "mean_chord_length": Descriptor("mean chord length", 1),
    "mean_intercept_length": Descriptor("mean intercept length (ASTM E112)", 1),
    "grain_size_number": Descriptor("ASTM grain size number G", 0, valid_min=None),
    "specific_interface_area": Descriptor("interface area a volume, S_V", -1),
    "correlation_length": Descriptor("correlation length", 1),
    "euler_number_density": Descriptor("Euler number an area", -2, valid_min=None),
    "connectivity": Descriptor("share in clusters that span the field", 0, valid_max=1.0),
    "interlamellar_spacing": Descriptor("interlamellar spacing", 1),
    "denuded_zone_width": Descriptor("width of the denuded zone", 1),
}


def descriptor_names(statistics: xr.Dataset, length: Literal["px", "um"] | None = None) -> list[str]:
    """Descriptors of a dataset, its variables of one number a micrograph, in the order of `DESCRIPTORS`.

    Args:
        statistics: as `descriptors` or `pspgan.statistics.open_statistics` gives it.
        length: leave out descriptors in the other unit of length; None keeps both. Those without a length
            are kept in any case.
    """
    other = {"px": "um", "um": "px", None: ""}[length]
    names = [
        str(name)
        for name, variable in statistics.data_vars.items()
        if variable.dims == ("sample",)
        and variable.dtype.kind == "f"
        and not (other and str(variable.attrs.get("units", "")).startswith(other))
    ]
    rank = {descriptor: position for position, descriptor in enumerate(DESCRIPTORS)}
    of = {name: statistics[name].attrs.get("descriptor") for name in names}
    return sorted(names, key=lambda name: (rank.get(of[name], len(rank)), name))


def valid_range(descriptor: xr.DataArray) -> tuple[float, float]:
    """Least and greatest value that a descriptor can have; infinite where nothing is said.

    They are the attributes ``valid_min`` and ``valid_max`` of the CF conventions, section 2.5.1.
    """
    attrs = descriptor.attrs
    return float(attrs.get("valid_min", -np.inf)), float(attrs.get("valid_max", np.inf))
