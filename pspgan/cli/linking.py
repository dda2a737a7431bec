"""Commands from process to structure and back: link, suggest, evolution."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from .options import Out, Overwrite, assigned, listed
from .terminal import say

Folder = Annotated[Path, typer.Argument(help="Folder of a linkage, as `pspgan link` writes it.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def link(
    stores: Annotated[
        list[Path], typer.Argument(help="Ensembles with statistics: real, generated, or both.")
    ],
    out: Out = Path("linkage"),
    n_components: Annotated[int, typer.Option(help="Principal components of the two-point statistics.")] = 5,
    regressor: Annotated[
        str, typer.Option(help="auto, ridge, gaussian_process, gradient_boosting or mean.")
    ] = "auto",
    descriptors: Annotated[
        str | None, typer.Option(help="Descriptors to predict, NAME,...; default: all.")
    ] = None,
    feature: Annotated[
        list[str] | None,
        typer.Option(
            help="How a factor enters, FACTOR=linear, log, reciprocal or arrhenius (1/T), where not as its "
            "unit and axis suggest; repeatable."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the resampling.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Link process to structure, and say how far the link can be trusted.

    Example: `pspgan link real.zarr gen.zarr -o linkage`

    Time as it is, in place of its logarithm:

    Example: `pspgan link real.zarr --feature time=linear -o linkage`
    """
    from ..linkage import link as fit_linkage

    linkage = fit_linkage(
        *stores,
        out=out,
        n_components=n_components,
        regressor=regressor,
        descriptors=listed(descriptors),
        features=assigned(feature, "--feature") or None,
        seed=seed,
        overwrite=overwrite,
    )
    say(linkage.summary(), f"pspgan report {' '.join(map(str, stores))} --linkage {out} -o report.html")


def suggest(
    linkage: Folder,
    target: Annotated[list[str], typer.Option(help="Wanted structure, NAME=VALUE; repeatable.")],
    tolerance: Annotated[float, typer.Option(help="Allowed deviation, as a share of each value.")] = 0.1,
    between: Annotated[int, typer.Option(help="Values tried between neighbouring levels.")] = 3,
    most: Annotated[int, typer.Option(help="Conditions shown, the most probable first.")] = 10,
    figure: Annotated[
        Path | None, typer.Option(help="Map of the probability over two factors: .png, .pdf, .svg.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Propose processing conditions for a wanted structure.

    Example: `pspgan suggest linkage --target mean_equivalent_diameter_um=0.4 --target area_fraction=0.15`

    `probability` is that of a new specimen within tolerance of all targets; `distance` counts level steps to
    the nearest condition that was seen: 0 was seen itself, above 1 is an extrapolation to be tried first.
    """
    from ..figures import suggestions
    from ..linkage import Linkage

    wanted = {name: _number(value, name) for name, value in assigned(target, "--target").items()}
    fitted = Linkage.load(linkage)
    found = fitted.suggest(wanted, tolerance, between)
    if figure is not None:
        suggestions(fitted, wanted, tolerance).savefig(figure, dpi=200)
    if as_json:
        typer.echo(found.head(most).to_json(orient="records"))
        return
    if found.empty:
        raise ValueError("no condition is predicted to meet the target; allow more: --tolerance")
    shown = found.head(most)[["condition"]].copy()
    for name in wanted:
        pairs = zip(found[name].head(most), found[f"{name}_std"].head(most), strict=True)
        shown[name] = [f"{mean:.3g} +- {std:.2g}" for mean, std in pairs]
    for name in ("probability", "distance"):
        shown[name] = found[name].head(most).map("{:.2f}".format)
    shown["nearest seen"] = found["nearest"].head(most)
    typer.echo(shown.to_string(index=False))
    typer.echo(
        f"{len(found)} conditions are predicted to meet it. +-: standard deviation of a new specimen. "
        "distance: level steps to the nearest condition seen."
    )
    first = found["condition"].iloc[0]
    say("", f"pspgan generate run --conditions {first} -n 16 -o suggested.zarr")


def evolution(
    stores: Annotated[
        list[Path], typer.Argument(help="Ensembles with statistics: real, generated, or both.")
    ],
    along: Annotated[str, typer.Option(help="The factor that changes.")],
    descriptor: Annotated[
        str, typer.Option(help="The descriptor that is followed.")
    ] = "mean_equivalent_diameter_um",
    at: Annotated[
        list[str] | None,
        typer.Option(help="A value of another factor, FACTOR=VALUE; default: the longest series measured."),
    ] = None,
    linkage: Annotated[Path | None, typer.Option(help="Folder of a linkage, for its curve.")] = None,
    kinetics: Annotated[
        bool, typer.Option("--kinetics", help="Fit d^n = d0^n + k0 exp(-Q/RT) t to each ensemble.")
    ] = False,
    exponent: Annotated[float | None, typer.Option(help="n, where it is known.")] = None,
    level: Annotated[float, typer.Option(help="Probability of all intervals.")] = 0.9,
    out: Out = Path("evolution.png"),
    as_json: Json = False,
) -> None:
    """Follow structure along one factor: measured, generated, predicted; with fitted kinetics.

    Example: `pspgan evolution real.zarr gen.zarr --along time --at temperature=800 --at cooling=Q`

    The growth law is fitted to all times and temperatures at the other values (here, of cooling):

    Example: `pspgan evolution real.zarr --along time --at temperature=800 --at cooling=Q --kinetics`
    """
    from ..figures import evolution as draw
    from ..linkage import Linkage
    from ..linkage import evolution as follow

    table = follow(
        *stores,
        along=along,
        target=descriptor,
        at=assigned(at, "--at"),
        linkage=None if linkage is None else Linkage.load(linkage),
        kinetics=kinetics,
        exponent=exponent,
        level=level,
    )
    draw(table).savefig(out, dpi=200)
    if as_json:
        laws = {name: law.as_dict() for name, law in table.attrs["kinetics"].items()}
        points = json.loads(table.to_json(orient="records"))
        typer.echo(json.dumps({"at": table.attrs["at"], "points": points, "kinetics": laws}))
        return
    where = ", ".join(f"{name} {value}" for name, value in table.attrs["at"].items())
    typer.echo(f"{descriptor} along {along}" + (f" at {where}" if where else ""))
    points = table[table["specimens"] > 0].drop(columns="condition")
    typer.echo(points.to_string(index=False, float_format="{:.3g}".format, na_rep="-"))
    for name, law in table.attrs["kinetics"].items():
        typer.echo(f"\n{name}: {law.summary()}")
    typer.echo(f"wrote {out}")


def _number(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f'--target {name}: "{text}" is no number') from None
