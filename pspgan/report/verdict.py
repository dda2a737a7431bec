"""What a reader should know first: what the evaluation found, faults first, and what the linkage is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..evaluation import Report
from .blocks import Missing
from .inputs import Inputs
from .linkage import held_out_in_words

if TYPE_CHECKING:
    from ..evaluation import Finding


@dataclass(frozen=True)
class Line:
    """One line: what was asked, the answer, figures; ``section`` holds the rest, ``fault`` says it is bad."""

    subject: str
    answer: str
    text: str
    section: str
    fault: bool = False


@dataclass(frozen=True)
class Verdict:
    """The lines below the numbers at the top; ``missing``, the command of the evaluation if there is none."""

    title: str
    lines: Sequence[Line]
    missing: Missing | None = None


def verdict(inputs: Inputs) -> Verdict:
    """The findings of the evaluation and the score of the linkage, in a few lines."""
    lines, missing = [], None
    found = inputs.evaluation
    if found is None:
        missing = no_evaluation(inputs)
    elif isinstance(found, Report):
        lines += _findings(found)
    else:
        lines.append(
            Line("evaluation", "given", "It has no findings in words; its figures are shown.", "evaluation")
        )
    if inputs.linkage is not None:
        scores = inputs.linkage.validation_
        text = held_out_in_words(scores, scores["tested_on"].iloc[0], "conditions")
        lines.append(Line("linkage", "", text, "linkage"))
    return Verdict("What the evaluation found", lines, missing)


def no_evaluation(inputs: Inputs) -> Missing:
    """That no evaluation was given, and the command of this report with one."""
    what = (
        "No evaluation was given" if inputs.generated is not None else "No generated micrographs were given"
    )
    return Missing(
        f"{what}. How far generated micrographs are from real ones, beside how far real ones are from each"
        " other, is measured when the report is written:",
        inputs.command("--evaluation", gen=inputs.stores[1]),
    )


def _findings(found: Report) -> list[Line]:
    """A line a fault with its figures, then one for all that show none, and one for what cannot be told."""
    faults = [one for one in found.findings if one.verdict == "found"]
    lines = [Line(one.subject, "fault found", one.text, "evaluation", fault=True) for one in faults]
    for told, answer, meaning in (
        ("cannot tell", "cannot tell", "The micrographs do not allow an answer."),
        ("none found", "no fault found", "This many micrographs show none."),
    ):
        others = [one for one in found.findings if one.verdict == told]
        if others:
            lines.append(Line(_subjects(others), answer, meaning, "evaluation"))
    return lines


def _subjects(found: Sequence[Finding]) -> str:
    """``consistency (temperature, time), scale``."""
    parts: dict[str, list[str]] = {}
    for one in found:
        subject, _, factor = one.subject.partition(", ")
        parts.setdefault(subject, []).extend([factor] if factor else [])
    return ", ".join(f"{subject} ({', '.join(of)})" if of else subject for subject, of in parts.items())
