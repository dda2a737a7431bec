"""All descriptors of fields of phases, as datasets: numbers, and distributions of lengths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from .catalogue import DESCRIPTORS, Descriptor
from .chords import (
    DIRECTIONS,
    Chords,
    chord_length_distribution,
    intercept_density,
    lineal_path,
    mean_chord_length,
)
from .connectivity import connectivity, euler_number_density
from .interface import correlation_length, specific_interface_area
from .lamellae import interlamellar_spacing
from .particles import Particles, mean_equivalent_diameter, nearest_neighbour_distance, particle_density
from .plugged import InstalledDescriptor, PluginDescriptor
from .zones import denuded_zone_width

PHASES = ("dark", "bright")


def descriptors(
    phase: np.ndarray,
    um_per_px: np.ndarray | float,
    *,
    phases: Sequence[str] = PHASES,
    zone: tuple[str, str] | None = None,
    plugins: Sequence[InstalledDescriptor] = (),
) -> xr.Dataset:
    """Measure every field.

    Args:
        phase: phase index of each pixel, (sample, y, x) integer.
        um_per_px: size of a pixel in micrometre, (sample,) or one for all; NaN where unknown.
        phases: names of the phases, by index. Phase 0 is the matrix; of two phases the other is measured, of
            more each of the others.
        zone: names of the phases that are the network and the particles beside it, to measure the denuded
            zone between them.
        plugins: descriptors of other packages to measure as well, `InstalledDescriptor.named` each.

    Returns:
        A (sample,) float64 variable a descriptor of `DESCRIPTORS` and of ``plugins``, in pixels, and under
        ``<name>_um`` the same in micrometres (NaN where the pixel size is unknown). Of more than two phases
        the name has that of the phase, ``<name>_<phase>`` and ``<name>_<phase>_um``, and there is an area
        fraction of phase 0.
        ``attrs`` have ``long_name``, ``units``, ``descriptor`` and ``phase``, ``valid_min`` and ``valid_max``
        where it is bounded, and of one of ``plugins`` also ``package``. NaN says that there was nothing to
        measure.

    Raises:
        ValueError: ``phase``, ``um_per_px``, ``phases`` or ``zone`` do not fit.
        PluginError: one of ``plugins`` fails.
    """
    phase, scale, names = _checked(phase, um_per_px, phases)
    variables: dict[str, tuple[str, np.ndarray, dict[str, str]]] = {}
    for index, name in enumerate(names):
        if index == 0 and len(names) == 2:
            continue
        inside, suffixed = phase == index, len(names) > 2
        if index == 0:
            variables |= _variables("area_fraction", inside.mean(axis=(1, 2)), scale, name, suffixed=suffixed)
            continue
        particles = Particles.of(inside)
        for descriptor, values in _measured(inside, particles, scale).items():
            variables |= _variables(descriptor, values, scale, name, suffixed=suffixed)
        for one in plugins:
            values = one(inside, particles)
            more = _variables(one.plugin.name, values, scale, name, suffixed=suffixed, by=one)
            if both := more.keys() & variables:
                raise ValueError(
                    f"{one.plugin} gives {min(both)}, which is measured already; rename the phase {name}"
                )
            variables |= more
    if zone is not None:
        network, particles = (phase == names.index(name) for name in check_zone(zone, names))
        width = denuded_zone_width(network, particles)
        variables |= _variables("denuded_zone_width", width, scale, zone[0], suffixed=False)
    return xr.Dataset(variables)


def distributions(
    phase: np.ndarray, um_per_px: np.ndarray | float, *, phases: Sequence[str] = PHASES, longest: int
) -> xr.Dataset:
    """Distributions of lengths along rows, columns and diagonals.

    Args:
        phase, um_per_px, phases: as for `descriptors`.
        longest: steps from pixel to pixel of the longest length.

    Returns:
        ``lineal_path`` and ``chord_length_distribution``, (sample, phase, direction, length) float32, of the
        phases that `descriptors` measures; see `chords.lineal_path` and
        `chords.chord_length_distribution`.
        Coordinates: ``length`` in steps, ``step`` (direction) in px a step, ``angle`` (direction) in degrees,
        ``um_per_px`` (sample); so a length in micrometre is ``length * step * um_per_px``.

    Raises:
        ValueError: ``phase``, ``um_per_px`` or ``phases`` do not fit, or ``longest`` is not within the field.
    """
    phase, scale, names = _checked(phase, um_per_px, phases)
    if longest != int(longest) or not 1 <= longest < max(phase.shape[1:]):
        height, width = phase.shape[1:]
        raise ValueError(f"longest is {longest}: {height} x {width} px allow 1 to {max(height, width) - 1}")
    chords = [Chords.of(phase == index) for index in range(1, len(names))]
    dims = ("sample", "phase", "direction", "length")
    path, density = (
        np.stack([function(one, int(longest)) for one in chords], axis=1).astype(np.float32)
        for function in (lineal_path, chord_length_distribution)
    )
    lines = DIRECTIONS.values()
    return xr.Dataset(
        {
            "lineal_path": (dims, path, {"long_name": "lineal path function", "units": "1"}),
            "chord_length_distribution": (
                dims,
                density,
                {"long_name": "density of chord lengths", "units": "px-1"},
            ),
        },
        {
            "phase": list(names[1:]),
            "direction": list(DIRECTIONS),
            "step": ("direction", [line.step for line in lines], {"units": "px"}),
            "angle": ("direction", [line.angle for line in lines], {"units": "degree"}),
            "length": ("length", np.arange(int(longest) + 1), {"long_name": "length in steps", "units": "1"}),
            "um_per_px": ("sample", np.broadcast_to(scale, len(phase)).copy(), {"units": "um"}),
        },
    )


def grain_size_number(mean_intercept_um: np.ndarray | float) -> np.ndarray | float:
    """ASTM grain size number G of a mean intercept length in micrometre (ASTM E112, table 4).

    >>> print(f"{grain_size_number(20.0):.1f}")
    8.0
    """
    return -6.643856 * np.log10(np.asarray(mean_intercept_um) / 1000.0) - 3.288


def _measured(inside: np.ndarray, particles: Particles, scale: np.ndarray) -> dict[str, np.ndarray]:
    """Every descriptor of a phase, in px, (sample,) each."""
    intercepts = intercept_density(inside)
    mean_intercept_length = 1.0 / np.where(intercepts > 0, intercepts, np.nan)
    return {
        "area_fraction": inside.mean(axis=(1, 2)),
        "particle_density": particle_density(particles),
        "mean_equivalent_diameter": mean_equivalent_diameter(particles),
        "nearest_neighbour_distance": nearest_neighbour_distance(particles),
        "mean_chord_length": mean_chord_length(inside),
        "mean_intercept_length": mean_intercept_length,
        "grain_size_number": grain_size_number(mean_intercept_length * scale),
        "specific_interface_area": specific_interface_area(inside),
        "correlation_length": correlation_length(inside),
        "euler_number_density": euler_number_density(inside),
        "connectivity": connectivity(particles),
        "interlamellar_spacing": interlamellar_spacing(inside),
    }


def _variables(
    descriptor: str,
    values: np.ndarray,
    scale: np.ndarray,
    phase: str,
    *,
    suffixed: bool,
    by: InstalledDescriptor | None = None,
) -> dict[str, tuple[str, np.ndarray, dict[str, str]]]:
    """A descriptor's variables: in px and in um, or the one where it has no length."""
    if by is None:
        definition: Descriptor | PluginDescriptor = DESCRIPTORS[descriptor]
        unit, package = "1", {}
    else:
        definition = by.definition
        unit, package = by.definition.unit, {"package": by.plugin.package}
    long_name, power = definition.long_name, definition.power
    bounds = {"valid_min": definition.valid_min, "valid_max": definition.valid_max}
    name = f"{descriptor}_{phase}" if suffixed else descriptor
    attrs = {
        "long_name": f"{long_name}, {phase}" if suffixed else long_name,
        "descriptor": descriptor,
        "phase": phase,
        **{name: bound for name, bound in bounds.items() if bound is not None},
        **package,
    }
    found = {
        name: ("sample", values.astype(float), attrs | {"units": _units("px", power) if power else unit})
    }
    if power:
        found[f"{name}_um"] = ("sample", values * scale**power, attrs | {"units": _units("um", power)})
    return found


def _units(length: str, power: int) -> str:
    return length if power == 1 else f"{length}{power}"


def _checked(
    phase: np.ndarray, um_per_px: np.ndarray | float, phases: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    phase = np.asarray(phase)
    if phase.ndim != 3 or not len(phase) or min(phase.shape[1:]) < 2:
        raise ValueError(
            f"phase must be (sample, y, x), at least one of at least 2 x 2 px, got shape {phase.shape}"
        )
    scale = np.asarray(um_per_px, float)
    if scale.shape not in ((), phase.shape[:1]):
        raise ValueError(f"um_per_px has shape {scale.shape}, not ({len(phase)},), and is not one number")
    names = tuple(phases)
    if isinstance(phases, str) or len(names) < 2 or len(set(names)) < len(names) or not all(names):
        raise ValueError(f"phases must be at least two different names, got {phases!r}")
    if slashed := [name for name in names if "/" in name]:
        raise ValueError(f'phase "{slashed[0]}" has a slash, which no variable of a store can have')
    if not 0 <= phase.min() <= phase.max() < len(names):
        raise ValueError(
            f"phase holds {phase.min()} to {phase.max()}, but phases names 0 to {len(names) - 1}: "
            f"{', '.join(names)}"
        )
    return phase, scale, names


def check_zone(zone: tuple[str, str], names: Sequence[str]) -> tuple[str, str]:
    """Make sure that a zone names a network and particles among the phases."""
    if len(zone) != 2 or zone[0] == zone[1] or not set(zone) <= set(names):
        raise ValueError(
            f"zone is {zone!r}: name the network and the particles, two of the phases {', '.join(names)}"
        )
    return zone
