"""What an evaluation found, in words: a verdict a question, its figures beside real ones, and its caveat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from .shares import RARE

# Ratios within this share of 1 are no finding, however sure they are.
_SMALL = 0.1
# Share of micrographs that is no finding: one in a hundred is beyond the limit by its definition.
_FEW = 2 * RARE
_ALL = "all"

Verdict = Literal["found", "none found", "cannot tell"]


@dataclass(frozen=True)
class Finding:
    """One question to the generated micrographs, and the answer.

    Attributes:
        subject: ``difference``, ``scale``, ``consistency``, ``diversity``, ``memorisation``, ``leakage``.
        verdict: ``"found"`` is a fault, ``"none found"`` the lack of evidence for one at this number of
            micrographs, ``"cannot tell"`` that the micrographs do not allow an answer.
        text: figures with their intervals, and what real micrographs give.
        caveat: when not to trust it.
    """

    subject: str
    verdict: Verdict
    text: str
    caveat: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.verdict}. {self.text} ({self.caveat})"


def findings(table: pd.DataFrame, sized: bool = True) -> list[Finding]:
    """Read the table of an evaluation, see `pspgan.evaluation.Report`.

    Args:
        table: the table.
        sized: whether the pixel size of every micrograph is known.
    """
    whole = table[(table["condition"] == _ALL) & (table["part"] == "all")]
    return [
        _difference(whole, table),
        _scale(whole, sized),
        *_consistency(whole),
        _diversity(whole),
        _memorisation(whole),
        _leakage(whole),
    ]


def _difference(whole: pd.DataFrame, table: pd.DataFrame) -> Finding:
    told, words = False, []
    distance = _row(whole, "distance", "two_point")
    if distance is not None and np.isfinite(distance["ratio"]):
        told |= distance["ratio_low"] > 1 + _SMALL
        single = table[(table["kind"] == "distance") & (table["quantity"] == "two_point")]
        single = single[(single["condition"] != _ALL) & (single["part"] == "all")]
        by = f"by specimen in {(single['split'] == 'specimen').sum()} of {len(single)} conditions"
        words.append(f"mean two-point statistics differ {_times(distance)} as much as real halves {by}")
    for _, row in whole[whole["kind"] == "frechet"].iterrows():
        told |= row["generated_low"] > (1 + _SMALL) * row["real_high"]
        words.append(f"Frechet distance of {row['quantity'].replace('_', ' ')} {_beside(row)}")
    for part, where in (("train", "seen in training"), ("held_out", "held out")):
        mine = table[(table["condition"] == _ALL) & (table["part"] == part)]
        row = _row(mine, "distance", "two_point")
        if row is not None and np.isfinite(row["ratio"]):
            words.append(f"two-point statistics beside specimens {where}: {_times(row)}")
    return Finding(
        "difference",
        _verdict(told) if words else "cannot tell",
        _sentence(words) if words else "No condition has two real groups of micrographs to compare.",
        "averages hide single conditions, see below; halves that are not by specimen are too much alike, as "
        "new specimens would show; a Frechet distance of few micrographs is too large on both sides",
    )


def _scale(whole: pd.DataFrame, sized: bool) -> Finding:
    row = _row(whole, "scale", "two_point")
    if row is None or not np.isfinite(row["generated"]):
        return Finding(
            "scale",
            "cannot tell",
            "No lengths could be compared.",
            "it takes hard phases, and two groups of real micrographs",
        )
    low, high = row["ratio_low"], row["ratio_high"]
    off = bool(low > 1 + _SMALL or high < 1 / (1 + _SMALL))
    text = f"Lengths are {_times(row)} those in real micrographs, in real halves {row['real']:.2f} times."
    caveat = "structure that is truly finer or coarser gives a factor as well"
    if not sized:
        text += " Pixel sizes are not all known, so that these are lengths of mixed or unknown magnification."
        return Finding("scale", "cannot tell", text, caveat)
    if off:
        text += " A pixel size that is off by that factor would look like this."
    return Finding("scale", _verdict(off), text, caveat)


def _consistency(whole: pd.DataFrame) -> list[Finding]:
    found = []
    for _, row in whole[whole["kind"] == "consistency"].iterrows():
        steps = row["unit"] == "level steps"
        better = np.less if steps else np.greater
        # The ends of intervals that lie towards chance.
        gen, real = (row[f"{name}_{'high' if steps else 'low'}"] for name in ("generated", "real"))
        of_gen, of_real = (_skill(row[name], row["chance"], steps) for name in ("generated", "real"))
        figure = f"{'error' if steps else 'balanced accuracy'} {_beside(row)}{' steps' if steps else ''}, "
        figure += f"guessing {row['chance']:.2f}"
        verdict: Verdict = "none found"
        if not (better(real, row["chance"]) and of_real > _SMALL):
            verdict, text = "cannot tell", f"Real micrographs do not show {row['quantity']} either: {figure}."
        elif of_gen < of_real / 2 and not better(gen, row["chance"]):
            verdict, text = "found", f"{row['quantity'].capitalize()} is ignored: {figure}."
        elif (row["ratio_low"] > 1 + _SMALL) if steps else (row["ratio_high"] < 1 - _SMALL):
            verdict, text = "found", f"{row['quantity'].capitalize()} shows less than in real ones: {figure}."
        else:
            text = f"{row['quantity'].capitalize()} is read as off real micrographs: {figure}."
        caveat = "factors that go together in the real micrographs are read together"
        found.append(Finding(f"consistency, {row['quantity']}", verdict, text, caveat))
    if not found:
        why = "No factor varies, or all real micrographs are of one specimen."
        found.append(Finding("consistency", "cannot tell", why, "two specimens at least are needed"))
    return found


def _skill(value: float, chance: float, steps: bool) -> float:
    """1 where a factor is read without error, 0 where by guessing."""
    return 1 - value / chance if steps else (value - chance) / (1 - chance)


def _diversity(whole: pd.DataFrame) -> Finding:
    row, twins = _row(whole, "spread", "two_point"), _row(whole, "near_duplicates", "pixels")
    less, words = False, []
    if row is not None and np.isfinite(row["ratio"]):
        less = row["ratio_high"] < 1 - _SMALL
        how = "less than" if row["ratio_high"] < 1 else "more than" if row["ratio_low"] > 1 else "as much as"
        words.append(f"varies {how} real: {_times(row)} within a condition")
    if twins is not None:
        less |= twins["generated_low"] > twins["real_high"]
        words.append(f"near-duplicates of one condition {_beside(twins, share=True)}")
    return Finding(
        "diversity",
        _verdict(less),
        _sentence(words),
        "real micrographs vary from specimen to specimen, which a generator of one condition need not repeat",
    )


def _memorisation(whole: pd.DataFrame) -> Finding:
    rows = whole[whole["kind"] == "memorisation"]
    if rows.empty:
        return Finding(
            "memorisation",
            "cannot tell",
            "There is one real micrograph, or none that training has seen.",
            "give the whole ensemble with its split, not the part that was held out",
        )
    copied, words = False, []
    for name in ("pixels", "features"):
        several = rows[rows["quantity"].str.startswith(name)]
        if several.empty:
            continue
        for _, row in several.iterrows():
            against = "micrograph" if row["quantity"].endswith("specimen") else "specimen"
            words.append(f"in {name} nearer to training than another real {against} is: {_beside(row, True)}")
        copied |= bool(several.apply(_exceeds, axis=1).all())
    return Finding(
        "memorisation",
        _verdict(copied),
        _sentence(words),
        "copies that are turned, stretched or redrawn are not found in pixels",
    )


def _leakage(whole: pd.DataFrame) -> Finding:
    rows = whole[whole["kind"] == "leakage"]
    words = [
        f"{row['quantity'].replace('_', ' ')} larger than in real ones: {_beside(row, True)}"
        for _, row in rows.iterrows()
    ]
    return Finding(
        "leakage",
        _verdict(bool(rows.apply(_exceeds, axis=1).any())),
        _sentence(words),
        "a generator that has learned too little leaves flat areas whatever its training was augmented by; "
        "changes of brightness, and rectangles that got a texture, are not found",
    )


def _exceeds(row: pd.Series) -> bool:
    """Whether a share is above the real one, both taken at the ends of their intervals."""
    real = row["real_high"] if np.isfinite(row["real_high"]) else 0.0
    return bool(row["generated_low"] > max(real, _FEW))


def _row(table: pd.DataFrame, kind: str, quantity: str) -> pd.Series | None:
    rows = table[(table["kind"] == kind) & (table["quantity"] == quantity)]
    return None if rows.empty else rows.iloc[0]


def _verdict(fault: bool) -> Verdict:
    return "found" if fault else "none found"


def _times(row: pd.Series) -> str:
    return f"{row['ratio']:.2f} {_range(row, 'ratio')}".rstrip() + " times"


def _beside(row: pd.Series, share: bool = False) -> str:
    """``0.31 [0.25, 0.40], real 0.12 [0.10, 0.15]``; shares in per cent."""
    both = [
        f"{_number(row[name], share)} {_range(row, name, share)}".rstrip() for name in ("generated", "real")
    ]
    return f"{both[0]}, real {both[1]}"


def _number(value: float, share: bool) -> str:
    if not np.isfinite(value):
        return "unknown"
    return f"{100 * value:.1f} %" if share else f"{value:.2f}"


def _range(row: pd.Series, name: str, share: bool = False) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    if not np.isfinite([low, high]).all():
        return ""
    return f"[{100 * low:.1f}, {100 * high:.1f}]" if share else f"[{low:.2f}, {high:.2f}]"


def _sentence(words: list[str]) -> str:
    text = "; ".join(words)
    return f"{text[:1].upper()}{text[1:]}."
