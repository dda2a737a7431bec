"""Section on the way back: conditions whose predicted structure meets a wanted one."""

from __future__ import annotations

import warnings

from ..figures import suggestions
from ..figures.linkage import target_label
from .blocks import Missing, Panel, Panels, Section, Table, Text
from .inputs import Inputs

_MOST = 10  # conditions shown
_TOLERANCE = 0.1  # of every wanted value
_CAVEAT = (
    "Predictions of the linkage, no measurements. The probability is that of a new specimen within {:.0%} of"
    " every wanted value, targets taken as independent. Distance counts level steps to the nearest"
    " combination that was seen: 0 was seen itself, and above 1 only a trial tells."
)


def suggestion(inputs: Inputs) -> Section:
    """What `pspgan.Linkage.suggest` proposes for the wanted structure."""
    section = Section("suggestion", "Conditions for a wanted structure")
    if inputs.linkage is None or not inputs.target:
        section.blocks.append(
            Missing(
                "No structure was asked for. A linkage proposes conditions for one:",
                inputs.command(
                    *([] if inputs.linkage is not None else ["--linkage linkage"]),
                    "--target area_fraction=0.15",
                ),
            )
        )
        return section
    fitted, target = inputs.linkage, dict(inputs.target)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = fitted.suggest(target, _TOLERANCE)
    units = dict(zip(fitted.targets_, fitted.units_, strict=True))
    labels = {name: target_label(name, units[name]) for name in target}
    wanted = ", ".join(f"{labels[name]} {value:g}" for name, value in target.items())
    section.blocks.append(Text(f"Wanted: {wanted}."))
    section.blocks += [Text(f"{text[:1].upper()}{text[1:]}.") for text in (str(one.message) for one in said)]
    if found.empty:
        return section
    header = ["condition", *labels.values(), "probability", "distance", "nearest seen"]
    rows = [
        [
            line["condition"],
            *(f"{line[name]:.3g} ± {line[f'{name}_std']:.2g}" for name in target),
            f"{line['probability']:.2f}",
            f"{line['distance']:.2f}",
            line["nearest"],
        ]
        for _, line in found.head(_MOST).iterrows()
    ]
    caption = f"The {len(rows)} most probable of {len(found)} conditions. " + _CAVEAT.format(_TOLERANCE)
    section.blocks.append(Table(caption, header, rows))
    if len(fitted.space_.factors) > 1:
        alt = f"Probability to meet {wanted} over two process factors"
        panel = Panel.of(suggestions(fitted, target, _TOLERANCE), alt)
        section.blocks.append(Panels([panel], "Probability to meet all of it, the best over other factors."))
    return section
