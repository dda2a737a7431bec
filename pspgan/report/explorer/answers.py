"""What is known of a combination of process factors, and where it comes from."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import xarray as xr

from ...ensemble import space_of
from ...figures import conditions_in
from ...linkage.distance import nearest_observed
from ...process import ProcessCondition, ProcessSpace
from ...wording import counted
from ..blocks import Missing
from ..cautions import SEEDS, of_fields, of_magnification, of_units
from ..comparison import shown_descriptors
from ..inputs import Inputs
from . import measures
from .choices import Choice, choices, combinations, difference
from .pictures import pictures
from .predictions import predictable, predictions
from .sides import Side

if TYPE_CHECKING:
    from ...linkage import Linkage

SHOWN = 4  # micrographs a side at a time
_SEEDS = 12  # generated micrographs of a condition that a page carries, at most
_MOST_BYTES = 6e6  # of micrographs in a page
_MOST = 3000  # combinations that a page has answers to; of more, those of which there are micrographs

_UNSEEN = (
    "Nobody observed this combination: what is generated or predicted for it is drawn from others, and no"
    " measurement here confirms it."
)


@dataclass(frozen=True)
class Explorer:
    """What the explorer knows; what was not given is None.

    Attributes:
        space: the process space.
        real: ensemble of real or simulated micrographs.
        generated: ensemble of generated ones.
        statistics: origin -> statistics, of those that can be compared.
        missing: why others are not there, and what to do about it.
        linkage: a fitted linkage.
        trained: the process space with what the generator's training saw; None where nobody says.
        like: ensemble at whose pixel size and field micrographs are shown.
        run: the training run, as one would write it in a command.
    """

    space: ProcessSpace
    real: xr.Dataset | None
    generated: xr.Dataset | None
    statistics: Mapping[str, xr.Dataset]
    missing: Missing | None
    linkage: Linkage | None
    trained: ProcessSpace | None
    like: xr.Dataset | None
    run: str

    @classmethod
    def of(cls, inputs: Inputs) -> Explorer:
        """The explorer of a report."""
        trained = None if inputs.generated is None else space_of(inputs.generated)
        missing = inputs.statistics if isinstance(inputs.statistics, Missing) else None
        return cls(
            inputs.space,
            inputs.real,
            inputs.generated,
            {} if missing else inputs.statistics,
            missing,
            inputs.linkage,
            trained if trained is not None and trained.observed else None,
            inputs.generated,
            "RUN" if inputs.run is None else str(inputs.run),
        )

    @property
    def reference(self) -> str:
        """What is set beside generated micrographs: ``real`` or ``simulated``."""
        return "real" if self.real is None else self.real.attrs["origin"]

    @cached_property
    def measured(self) -> ProcessSpace:
        """The process space with the combinations of which there are real micrographs."""
        return self.space.observing([] if self.real is None else conditions_in(self.real))

    @cached_property
    def conditions(self) -> list[ProcessCondition]:
        """Combinations of which there are micrographs, sorted by value."""
        found = {c.values for c in self.measured.observed_conditions}
        if self.generated is not None:
            found |= {c.values for c in conditions_in(self.generated)}
        return [ProcessCondition(values, self.space) for values in sorted(found)]

    @cached_property
    def choices(self) -> list[Choice]:
        """What can be chosen."""
        return choices(self.space, self.conditions)

    @cached_property
    def descriptors(self) -> list[str]:
        """Descriptors that are shown."""
        return shown_descriptors(self.statistics) if self.statistics else predictable(self.linkage)

    @property
    def seeds(self) -> str:
        """What intervals of generated micrographs count."""
        return SEEDS

    @cached_property
    def cautions(self) -> str:
        """What the descriptors depend on besides structure, in sentences; empty where it is nothing."""
        text = "" if self.linkage is None else of_units(self.descriptors, self.linkage.targets_)
        if self.real is not None and self.statistics:
            if self.like is not None:
                text += of_fields(self.real, self.like, self.descriptors)
            text += of_magnification(self.real, self.descriptors)
        return text

    @cached_property
    def um_per_px(self) -> float | None:
        """Size of measured pixels, where there is one for all."""
        return measures.common_pixel(list(self.statistics.values())) if self.statistics else None

    @cached_property
    def sides(self) -> dict[str, Side]:
        """``real``, ``generated`` -> that ensemble, where there is one."""
        given = {"real": (self.real, self.reference), "generated": (self.generated, "generated")}
        return {
            name: Side(ensemble, self.statistics.get(origin), self.descriptors, self.um_per_px)
            for name, (ensemble, origin) in given.items()
            if ensemble is not None
        }

    def count(self, side: str, condition: ProcessCondition) -> tuple[int, int]:
        """Micrographs and specimens of a condition, on the side ``real`` or ``generated``."""
        return self.sides[side].counts.get(str(condition), (0, 0)) if side in self.sides else (0, 0)

    def start(self) -> ProcessCondition:
        """What is shown first: the combination with most real micrographs, of those that were generated."""
        every = self.conditions or self.space.observed_conditions or self.space.all_conditions[:1]
        return max(every, key=lambda c: (self.count("generated", c)[0] > 0, self.count("real", c)))

    def answers(self, points: Sequence[ProcessCondition]) -> list[dict[str, Any]]:
        """What there is to say of combinations, without their micrographs and their numbers."""
        steps, nearest = nearest_observed(self.measured, points)
        predicted: Sequence[Any] = [None] * len(points)
        if self.linkage is not None:
            predicted = predictions(self.linkage, points, self.descriptors, self.statistics, self.um_per_px)
        rows = zip(points, steps.tolist(), nearest, predicted, strict=True)
        return [self._answer(point, far, near) | {"predicted": one} for point, far, near, one in rows]

    def _answer(self, point: ProcessCondition, far: float, near: ProcessCondition | None) -> dict[str, Any]:
        badge, says = self._standing(point)
        said = {
            "condition": str(point),
            "label": point.label,
            "badge": badge,
            "says": says,
            "real": "" if near is None else str(near),
            "near": "",
            "command": "",
        }
        if far > 0:
            said["near"] = (
                f"There is no {self.reference} micrograph of it. The nearest, {near.label}, is {far:.3g}"
                f" level step{'' if far == 1 else 's'} away: {difference(point, near)}."
            )
        generated, _ = self.count("generated", point)
        if generated:
            said["says"] += f" {counted(generated, 'generated micrograph')}."
        else:
            said["command"] = (
                f"pspgan generate {shlex.quote(self.run)} --conditions {_quoted(point.label)} -n 32"
                " -o asked.zarr"
            )
        return said

    def _standing(self, point: ProcessCondition) -> tuple[str, str]:
        """Whether a combination was observed: a badge for those that were not, and a sentence."""
        micrographs, specimens = self.count("real", point)
        what = counted(micrographs, f"{self.reference} micrograph")
        there = f"{what} of {counted(specimens, 'specimen')}."
        trained = self.trained is not None and point.values in self.trained.observed
        if micrographs and (trained or self.trained is None):
            return "", f"Observed: {there}"
        if micrographs:
            return "not seen in training", f"Observed, but the generator's training did not see it: {there}"
        if trained:
            return "", "Observed: the generator's training saw it."
        if self.linkage is not None and point.values in self.linkage.space_.observed:
            return "not seen in training", "Observed: the linkage was fitted on micrographs of it."
        return "never observed", _UNSEEN

    def data(self, live: bool = False) -> dict[str, Any]:
        """Everything that the script of the page works from.

        Args:
            live: whether a server generates what is asked for, so that no generated micrograph is carried.
        """
        sides = self.sides
        most = {"real": SHOWN, "generated": 0 if live else _SEEDS}
        tiles = dict(
            zip(
                sides,
                pictures(
                    [(one.ensemble, most[name]) for name, one in sides.items()],
                    self.conditions,
                    self.like,
                    _MOST_BYTES,
                ),
                strict=True,
            )
        )
        conditions = {
            str(c): {"label": c.label}
            | {
                name: one.of(str(c), tiles[name].get(str(c), []))
                for name, one in sides.items()
                if str(c) in one.counts
            }
            for c in self.conditions
        }
        points = combinations(self.space, self.choices, self.conditions, _MOST)
        answers = {
            str(point): answer | {"at": self._places(point)}
            for point, answer in zip(points, self.answers(points), strict=True)
        }
        return {
            "live": live,
            "reference": self.reference,
            "shown": SHOWN,
            "start": str(self.start()),
            "factors": [choice.as_json() for choice in self.choices],
            "conditions": conditions,
            "combinations": answers,
            "descriptors": self._axes_of_descriptors(answers.values()),
            "two_point": self._axes_of_two_point(conditions.values(), answers.values()),
        }

    def _places(self, point: ProcessCondition) -> list[int]:
        """Where its values stand among the choices."""
        return [one.values.index(v) for one, v in zip(self.choices, point.values, strict=True)]

    def _axes_of_descriptors(self, answers: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Name of every descriptor, and the ends of its axis."""
        one = next(iter(self.statistics.values()), None)
        names = measures.labels(one, self.linkage, self.descriptors)
        predicted = [answer["predicted"]["descriptors"] for answer in answers if answer["predicted"]]
        ends = measures.axes(self.descriptors, [side.described for side in self.sides.values()], predicted)
        return [{"label": name, "axis": axis} for name, axis in zip(names, ends, strict=True)]

    def _axes_of_two_point(
        self, conditions: Iterable[Mapping[str, Any]], answers: Iterable[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Names of the axes of the curves, and an upper end that holds those of all conditions."""
        curves = [one[name]["profile"] for one in conditions for name in self.sides if name in one]
        curves += [answer["predicted"]["profile"] for answer in answers if answer["predicted"]]
        tops = [
            mean + spread
            for curve in curves
            if curve is not None
            for mean, spread in zip(curve["mean"], curve["spread"], strict=True)
        ]
        measured = [*self.statistics.values()]
        if self.linkage is not None:
            measured.append(self.linkage.basis_.mean.to_dataset())
        pairs = [measures.correlation(one) for one in measured]
        return {
            "top": max(tops, default=1.0),
            "x": "vector length (px)" if self.um_per_px is None else "vector length (µm)",
            "y": f"two-point probability, phases {pairs[0]}" if pairs else "",
        }


def _quoted(text: str) -> str:
    """A condition as a shell takes it: in double quotes, as elsewhere in the package, where that is safe."""
    return shlex.quote(text) if set('"$`\\!') & set(text) else f'"{text}"'
