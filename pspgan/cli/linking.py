"""Commands from process to structure and back: link, suggest, evolution."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from ..wording import counted
from .options import Out, Overwrite, assigned, listed, targets
from .terminal import Outcome

Folder = Annotated[Path, typer.Argument(help="Folder of a linkage, as `pspgan link` writes it.")]


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
) -> Outcome:
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
    given = shlex.join(map(str, stores))
    return Outcome(
        linkage.summary(),
        f"pspgan report {given} --linkage {shlex.quote(str(out))} -o report.html",
        {"linkage": out, "regressors": linkage.regressors_}
        | {"validation": linkage.validation_, "variances": linkage.variances_},
    )


def suggest(
    linkage: Folder,
    target: Annotated[list[str], typer.Option(help="Wanted structure, NAME=VALUE; repeatable.")],
    tolerance: Annotated[float, typer.Option(help="Allowed deviation, as a share of each value.")] = 0.1,
    between: Annotated[int, typer.Option(help="Values tried between neighbouring levels.")] = 3,
    most: Annotated[int, typer.Option(help="Conditions shown, the most probable first.")] = 10,
    figure: Annotated[
        Path | None, typer.Option(help="Map of the probability over two factors: .png, .pdf, .svg.")
    ] = None,
) -> Outcome:
    """Propose processing conditions for a wanted structure.

    Example: `pspgan suggest linkage --target mean_equivalent_diameter_um=0.4 --target area_fraction=0.15`

    `probability` is that of a new specimen within tolerance of all targets; `distance` counts level steps to
    the nearest condition that was seen: 0 was seen itself, above 1 is an extrapolation to be tried first.
    """
    from ..figures import suggestions
    from ..linkage import Linkage

    wanted = targets(target)
    fitted = Linkage.load(linkage)
    found = fitted.suggest(wanted, tolerance, between)
    if figure is not None:
        suggestions(fitted, wanted, tolerance).savefig(figure, dpi=200)
    if found.empty:
        raise ValueError(
            f"no condition is predicted within {tolerance:.0%} of the target; allow more (--tolerance), or "
            "leave out a target that process does not predict"
        )
    shown = found.head(most)[["condition"]].copy()
    for name in wanted:
        pairs = zip(found[name].head(most), found[f"{name}_std"].head(most), strict=True)
        shown[name] = [f"{mean:.3g} +- {std:.2g}" for mean, std in pairs]
    for name in ("probability", "distance"):
        shown[name] = found[name].head(most).map("{:.2f}".format)
    shown["nearest seen"] = found["nearest"].head(most)
    count = counted(len(found), "condition")
    return Outcome(
        f"{shown.to_string(index=False)}\n"
        f"{count} predicted within {tolerance:.0%} of the target. +-: standard deviation of a new specimen. "
        "probability: that one lies within. distance: level steps to the nearest condition seen.",
        f"pspgan generate run --conditions {found['condition'].iloc[0]} -n 16 -o suggested.zarr",
        {"target": wanted, "suggestions": found.head(most)},
    )


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
) -> Outcome:
    """Follow structure along one factor: measured, generated, predicted; with fitted kinetics.

    Example: `pspgan evolution real.zarr gen.zarr --along time --at temperature=800 --at cooling=Q`

    The growth law is fitted to all times and temperatures at the other values (here, of cooling):

    Example: `pspgan evolution real.zarr --along time --at temperature=800 --at cooling=Q --kinetics`
    """
    from ..figures import evolution as draw
    from ..linkage import Linkage, evolution as follow

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
    where = ", ".join(f"{name} {value}" for name, value in table.attrs["at"].items())
    points = table[table["specimens"] > 0].drop(columns="condition")
    laws = table.attrs["kinetics"]
    lines = [
        f"{descriptor} along {along}" + (f" at {where}" if where else ""),
        points.to_string(index=False, float_format="{:.3g}".format, na_rep="-"),
        *(f"\n{name}: {law.summary()}" for name, law in laws.items()),
        f"wrote {out}",
    ]
    facts = {"at": table.attrs["at"], "points": table, "figure": out}
    return Outcome(
        "\n".join(lines), facts=facts | {"kinetics": {name: law.as_dict() for name, law in laws.items()}}
    )
