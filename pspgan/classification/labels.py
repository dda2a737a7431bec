"""Which class a micrograph shows: as it is labelled, or as the real ones of its condition are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from ..ensemble import EnsembleError

AGREEMENT = 0.6  # least share of a condition's real micrographs that a label for generated ones needs


def labels_of(dataset: xr.Dataset, label: str) -> np.ndarray:
    """The label of each micrograph, (sample,) text, empty where there is none.

    Args:
        dataset: an ensemble.
        label: its coordinate, ``"microconstituent"`` or any other of names: a nominal factor, too.

    Raises:
        EnsembleError: there is no such coordinate (sample,) of text.
    """
    where = dataset.encoding.get("source", "the ensemble")
    if label not in dataset.variables:
        raise EnsembleError(
            f'{where} has no coordinate "{label}" to tell classes by; import it with labels, or name another '
            "coordinate (--label)"
        )
    variable = dataset[label]
    if variable.dims != ("sample",) or variable.dtype.kind not in "TUO":
        raise EnsembleError(f'coordinate "{label}" of {where} holds no name for each micrograph')
    return variable.values.astype(str)


def label_by_condition(
    real: xr.Dataset, label: str = "microconstituent", *, agreement: float = AGREEMENT
) -> pd.DataFrame:
    """The label that generated micrographs of each condition are given: that of most real ones.

    A generator is asked for a condition, not for a microconstituent, and one condition may show several.
    Every specimen of a condition counts alike, however often it was photographed; unlabelled micrographs do
    not count. Conditions whose most frequent label has less than ``agreement`` of them get none, so that
    their generated micrographs are left out: with half of the labels wrong they teach nothing. Up to a share
    of ``1 - agreement`` of the labels that are given may still be wrong, which the column ``share`` tells.

    Only give it the real micrographs that training may see: labels of held-out ones would leak.

    Args:
        real: labelled ensemble.
        label: coordinate of the labels.
        agreement: least share of a condition's label, above 0 to 1.

    Returns:
        A row a condition: ``condition``, ``label`` (empty: left out), ``share`` of the most frequent label,
        ``specimens`` and ``micrographs``.

    Raises:
        ValueError: ``agreement`` is no such share.
        EnsembleError: no such coordinate.
    """
    if not 0 < agreement <= 1:
        raise ValueError(f"agreement {agreement:g} is no share above 0, up to 1")
    columns = {name: real[name].values.astype(str) for name in ("condition", "specimen")}
    table = pd.DataFrame(columns | {"label": labels_of(real, label)})
    rows = []
    for condition, part in table[table["label"] != ""].groupby("condition"):
        shares = pd.crosstab(part["specimen"], part["label"], normalize="index").mean()
        share = float(shares.max())
        rows.append(
            {
                "condition": condition,
                "label": shares.idxmax() if share >= agreement - 1e-9 else "",
                "share": share,
                "specimens": part["specimen"].nunique(),
                "micrographs": len(part),
            }
        )
    return pd.DataFrame(rows, columns=["condition", "label", "share", "specimens", "micrographs"])


def labelled_like(
    generated: xr.Dataset, real: xr.Dataset, label: str, *, agreement: float = AGREEMENT
) -> np.ndarray:
    """The label of each generated micrograph, (sample,) text: its own, or that of its condition.

    Its own is the coordinate ``label``, which it also has where the label is a factor. Otherwise see
    `label_by_condition`; empty where that gives none, or where no real micrograph has the condition.
    """
    if label in generated.variables:
        return labels_of(generated, label)
    table = label_by_condition(real, label, agreement=agreement)
    given = dict(zip(table["condition"], table["label"], strict=True))
    conditions = generated["condition"].values.astype(str)
    return np.array([given.get(condition, "") for condition in conditions.tolist()], dtype=str)
