"""Commands about phases: learn to tell them apart from label images."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from .options import Out, Overwrite, listed, number_or_column
from .terminal import Outcome


def learn(
    images: Annotated[Path, typer.Argument(help="Folder of micrographs.")],
    labels: Annotated[
        Path,
        typer.Argument(
            help="Folder of label images of the same names: 8 bits, an index a class, 255 unlabelled."
        ),
    ],
    classes: Annotated[str, typer.Option(help="Names of the classes 0, 1, ...: matrix,network,spheroidite.")],
    out: Out = Path("classifier"),
    table: Annotated[Path | None, typer.Option(help="CSV or XLSX, one row a micrograph.")] = None,
    image: Annotated[str, typer.Option(help="Its column that names the micrograph.")] = "image",
    specimen: Annotated[
        str | None, typer.Option(help="Its column of the physical sample; none: each micrograph is one.")
    ] = None,
    um_per_px: Annotated[
        str | None,
        typer.Option(help="Pixel size in um: a number, a column, or the quotient of two, BAR_UM/BAR_PX."),
    ] = None,
    validate: Annotated[
        bool,
        typer.Option(help="Hold out every specimen in turn: as many times the work as there are specimens."),
    ] = True,
    steps: Annotated[int | None, typer.Option(help="How long to learn.")] = None,
    seed: Annotated[int, typer.Option(help="Of all randomness.")] = 0,
    overwrite: Overwrite = False,
) -> Outcome:
    """Learn phases from label images, and say how well they are told apart in other specimens.

    Images of one specimen resemble one another, so scores are of specimens that were left out. Say which
    image is of which, or the scores flatter.

    Example: `pspgan phases learn images/ labels/ --classes matrix,network,spheroidite,widmanstatten
    --table uhcs-metadata.csv --image path --specimen sample_id --um-per-px micron_bar/micron_bar_px
    -o classifier`
    """
    from ..phase_learning import learn_phases
    from ..sources import labelled
    from ..statistics.phases import CLASSIFIER

    read = labelled.read(
        images,
        labels,
        table=table,
        image_column=image,
        specimen=specimen,
        um_per_px=number_or_column(um_per_px),
    )
    options = {} if steps is None else {"steps": steps}
    learned = learn_phases(
        read, listed(classes) or [], out, validate=validate, seed=seed, overwrite=overwrite, **options
    )
    scores = None if learned.validation is None else learned.validation.table()
    return Outcome(
        f"{out}: {learned.summary()}",
        f"pspgan stats real.zarr --phases {shlex.quote(str(out / CLASSIFIER))}",
        {"classifier": out / CLASSIFIER, "classes": learned.classifier.names, "scores": scores},
    )
