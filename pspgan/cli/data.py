"""Commands that make ensembles of micrographs and look them over."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Out, Overwrite, listed, number_or_column
from .terminal import Outcome

if TYPE_CHECKING:
    import xarray as xr

Tile = Annotated[int | None, typer.Option(help="Cut images into square tiles of so many px.")]
Enlarge = Annotated[
    float, typer.Option(help="How many times pixels may be enlarged to the tiles' pixel size; 1: never.")
]


def import_uhcsdb(
    folder: Annotated[Path, typer.Argument(help="Folder with the images and the metadata.")],
    out: Out = Path("real.zarr"),
    metadata: Annotated[
        Path | None, typer.Option(help="Database or CSV, where it is not in the folder.")
    ] = None,
    map_: Annotated[
        list[str] | None, typer.Option("--map", help="A further spelling, e.g. cooling:OQ=Q.")
    ] = None,
    crop: Annotated[str | None, typer.Option(help="Keep WIDTHxHEIGHT px of each image.")] = None,
    tile: Tile = None,
    um_per_px: Annotated[
        str | None,
        typer.Option(
            "--um-per-px",
            "--tile-um-per-px",
            help="Pixel size of tiles, um; several, 0.1,0.3,1, become the factor pixel_size.",
        ),
    ] = None,
    enlarge: Enlarge = 1.0,
    overwrite: Overwrite = False,
) -> Outcome:
    """Import the Ultrahigh Carbon Steel micrograph DataBase, from its SQLite file or its CSV.

    Example: `pspgan import uhcsdb uhcsdb/ -o real.zarr`

    Its magnifications differ 700 times. With --tile and --um-per-px, micrographs that resolve a pixel size
    are averaged down to it and cut into tiles.

    Example: `pspgan import uhcsdb uhcsdb/ --um-per-px 0.1 --tile 256 -o real.zarr`

    At several pixel sizes, the pixel size is a factor like temperature: conditions are written 800-90-Q-0.1.

    Example: `pspgan import uhcsdb uhcsdb/ --um-per-px 0.1,0.2,0.4 --tile 64 -o real.zarr`
    """
    from ..sources import options, uhcsdb

    dataset = uhcsdb.read(
        folder,
        metadata,
        map=options.parse_map(map_ or []),
        crop=options.parse_crop(crop) if crop is not None else None,
        tile=options.tiling(tile, um_per_px, enlarge),
    )
    return written(dataset, out, overwrite, f"pspgan inspect {shlex.quote(str(out))} -o inspection")


def import_table(
    table: Annotated[Path, typer.Argument(help="CSV or XLSX, one row a micrograph.")],
    images: Annotated[Path, typer.Argument(help="Folder with the images.")],
    factor: Annotated[
        list[str] | None,
        typer.Option(help="A process factor: NAME=COLUMN[:UNIT[:SCALE]], in notation order."),
    ] = None,
    factors: Annotated[
        Path | None,
        typer.Option(help="YAML file of factors: NAME: {column, unit, scale, levels, map}, keys optional."),
    ] = None,
    out: Out = Path("real.zarr"),
    image: Annotated[str | None, typer.Option(help="Column that names the image.")] = None,
    specimen: Annotated[str | None, typer.Option(help="Column of the physical sample.")] = None,
    um_per_px: Annotated[str | None, typer.Option(help="Pixel size in um: a number or a column.")] = None,
    microconstituent: Annotated[str | None, typer.Option(help="Column of labels.")] = None,
    map_: Annotated[list[str] | None, typer.Option("--map", help="A spelling, e.g. cooling:WQ=Q.")] = None,
    bar: Annotated[int, typer.Option(help="Rows of the instrument bar at the bottom of each image.")] = 0,
    crop: Annotated[str | None, typer.Option(help="Keep WIDTHxHEIGHT px of each image.")] = None,
    tile: Tile = None,
    tile_um_per_px: Annotated[
        str | None,
        typer.Option(help="Pixel size of tiles, um; several, 0.1,0.3,1, become the factor pixel_size."),
    ] = None,
    enlarge: Enlarge = 1.0,
    white: Annotated[
        int | None,
        typer.Option(help="Grey level of 16-bit images that becomes white, e.g. 4095 of a 12-bit camera."),
    ] = None,
    licence: Annotated[str, typer.Option(help="Of the images.")] = "",
    attribution: Annotated[str, typer.Option(help="Of the images.")] = "",
    overwrite: Overwrite = False,
) -> Outcome:
    """Import any table of conditions and a folder of images.

    Example: `pspgan import table heat.csv images/ --factor temperature=T:degC --factor time=minutes:min:log
    --factor cooling --specimen heat_no -o real.zarr`

    With neither --factor nor --factors, every column that can be a factor is one. The output says what became
    of each column, and which options say the same.

    Example: `pspgan import table heat.csv images/ --factors factors.yaml --specimen heat_no -o real.zarr`
    """
    from ..sources import options, table as source

    if factor and factors:
        raise ValueError(f"--factor and --factors both name factors; write those of --factor into {factors}")
    dataset = source.read(
        table,
        images,
        factors=options.parse_factors(factor) if factor else factors,
        image_column=image,
        specimen=specimen,
        um_per_px=number_or_column(um_per_px),
        microconstituent=microconstituent,
        map=options.parse_map(map_ or []),
        bar=bar,
        crop=options.parse_crop(crop) if crop is not None else None,
        tile=options.tiling(tile, tile_um_per_px, enlarge),
        white=white,
        licence=licence,
        attribution=attribution,
    )
    return written(dataset, out, overwrite, f"pspgan inspect {shlex.quote(str(out))} -o inspection")


def simulate(
    out: Out = Path("simulated.zarr"),
    n: Annotated[int, typer.Option("-n", help="Micrographs.", max=10_000_000)] = 600,
    size: Annotated[str, typer.Option(help="Side of each, px, or WIDTHxHEIGHT.")] = "64",
    seed: Annotated[int, typer.Option(help="Of all randomness.")] = 0,
    conditions: Annotated[str | None, typer.Option(help='Comma-separated, e.g. "800-5-Q,800-24H-Q".')] = None,
    um_per_px: Annotated[
        str, typer.Option(help="Pixel size in um; several, 0.05,0.1, become the factor pixel_size.")
    ] = "0.07",
    specimens: Annotated[int, typer.Option(help="Specimens a condition.")] = 4,
    framing: Annotated[
        str, typer.Option(help="Where micrographs are taken: grain, boundary (on the network) or random.")
    ] = "grain",
    workers: Annotated[
        int | None, typer.Option(help="Processes; default: one a core where there is much to draw.")
    ] = None,
    overwrite: Overwrite = False,
) -> Outcome:
    """Simulate annealed steel whose structure is known, to try things on.

    Example: `pspgan simulate -n 600 --size 64 -o simulated.zarr`

    Small fields lie within a grain and show particles, pearlite and needles; those of some 50 um and more
    show the carbide network.

    Example: `pspgan simulate -n 200 --size 256 --um-per-px 1 --conditions "970-90-Q" -o network.zarr`
    """
    from ..sources import heat_treatment, options

    dataset = heat_treatment.simulate(
        n,
        options.parse_size(size),
        seed,
        listed(conditions),
        options.parse_pixel_sizes(um_per_px),
        specimens,
        framing=framing,  # type: ignore[arg-type]
        workers=workers,
    )
    return written(dataset, out, overwrite, f"pspgan train {shlex.quote(str(out))} --preset demo -o run")


def inspect(
    store: Annotated[Path, typer.Argument(help="Ensemble to look over.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder for tables and figures; none: print only.")
    ] = None,
    duplicates: Annotated[
        bool | None,
        typer.Option(
            "--duplicates/--no-duplicates",
            help="Look for micrographs that show one place; default: among up to 2,000.",
        ),
    ] = None,
) -> Outcome:
    """Say what to know before training on micrographs: gaps, confounding, duplicates.

    Example: `pspgan inspect real.zarr -o inspection`
    """
    from ..ensemble import space_of
    from ..inspection import inspect as inspect_ensemble

    inspection = inspect_ensemble(store, duplicates=duplicates)
    files = inspection.write(out) if out else []
    text = inspection.summary()
    if files:
        text += f"\n{out}: {', '.join(file.name for file in files)}"
    # The preset's reduction would make pixels larger than their conditions say.
    scaled = " --set reduction=1" if space_of(inspection.dataset).has_pixel_size else ""
    return Outcome(
        text,
        f"pspgan train {shlex.quote(str(store))} --preset uhcs-64{scaled} -o run",
        facts_of(inspection.dataset)
        | {
            "warnings": inspection.warnings,
            "combinations": inspection.combinations,
            "confounding": inspection.confounding,
            "duplicates": inspection.duplicates,
            "files": files,
        },
    )


def split(
    store: Annotated[Path, typer.Argument(help="Ensemble to split; it keeps the split.")],
    by: Annotated[str, typer.Option(help="What is held out whole: specimen or condition.")] = "specimen",
    held_out: Annotated[float, typer.Option(help="Share of the micrographs, at most.")] = 0.2,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
) -> Outcome:
    """Hold micrographs out of training, to judge it by: whole specimens, or whole combinations.

    Example: `pspgan split real.zarr --by specimen --held-out 0.2`
    """
    from ..ensemble import split as split_ensemble

    dataset = split_ensemble(store, by, held_out, seed)  # type: ignore[arg-type]
    apart = dataset["split"].values == "held_out"
    names = sorted(set(dataset[by].values[apart].astype(str)))
    return Outcome(
        f"{store}: {apart.sum()} of {len(apart)} micrographs held out, {by} {', '.join(names)}",
        f"pspgan train {shlex.quote(str(store))} --split train -o run",
        {"store": store, "micrographs": len(apart), "held_out_micrographs": apart.sum(), "held_out": names},
    )


def written(dataset: xr.Dataset, out: Path, overwrite: bool, then: str) -> Outcome:
    """What came of writing an ensemble."""
    from ..ensemble import write_ensemble
    from ..sources import describe

    write_ensemble(dataset, out, overwrite=overwrite)
    return Outcome(f"{out}: {describe(dataset)}", then, {"store": out} | facts_of(dataset))


def facts_of(dataset: xr.Dataset) -> dict[str, Any]:
    """An ensemble in numbers."""
    n, height, width = dataset["micrograph"].shape
    different = {
        name: len(set(dataset[name].values.astype(str).tolist())) for name in ("condition", "specimen")
    }
    left_out = json.loads(dataset.attrs.get("provenance", "{}")).get("left_out", {})
    return {
        "origin": dataset.attrs["origin"],
        "micrographs": n,
        "conditions": different["condition"],
        "specimens": different["specimen"],
        "height_px": height,
        "width_px": width,
        "left_out": {reason: len(names) for reason, names in left_out.items()},
    }
