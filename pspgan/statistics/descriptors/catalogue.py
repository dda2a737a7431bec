"""The descriptors by name: what each is, in which unit, and how variables of a dataset are found again."""

from __future__ import annotations

from typing import Literal, NamedTuple

import xarray as xr


class Descriptor(NamedTuple):
    """What a descriptor is called on an axis, and its unit as a power of length."""

    long_name: str
    power: int


#: Name -> label and power of length, in the order of variables, tables and figures.
DESCRIPTORS = {
    "area_fraction": Descriptor("area fraction", 0),
    "particle_density": Descriptor("particles an area", -2),
    "mean_equivalent_diameter": Descriptor("mean equivalent diameter", 1),
    "nearest_neighbour_distance": Descriptor("mean distance to the nearest neighbour", 1),
    "mean_chord_length": Descriptor("mean chord length", 1),
    "mean_intercept_length": Descriptor("mean intercept length (ASTM E112)", 1),
    "grain_size_number": Descriptor("ASTM grain size number G", 0),
    "specific_interface_area": Descriptor("interface area a volume, S_V", -1),
    "correlation_length": Descriptor("correlation length", 1),
    "euler_number_density": Descriptor("Euler number an area", -2),
    "connectivity": Descriptor("share in clusters that span the field", 0),
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
