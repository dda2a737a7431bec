"""Scans of annealed steel, kept as arrays in one file, as an ensemble."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
import xarray as xr

from pspgan import Factor, ProcessSpace
from pspgan.ensemble import build

File = Annotated[Path, typer.Argument(help=".npz with micrograph (sample, y, x) and minutes (sample,).")]


def read(
    file: File, um_per_px: Annotated[float, typer.Option(help="Pixel size in um.")] = np.nan
) -> xr.Dataset:
    """Import scans, each of a specimen of its own."""
    with np.load(file) as scans:
        micrograph, minutes = scans["micrograph"], scans["minutes"].tolist()
    space = ProcessSpace([Factor("time", sorted(set(minutes)), "ordinal", unit="min", scale="log")])
    specimens = [f"scan {i}" for i in range(len(minutes))]
    conditions = [(time,) for time in minutes]
    return build(micrograph, conditions, space, origin="real", specimen=specimens, um_per_px=um_per_px)
