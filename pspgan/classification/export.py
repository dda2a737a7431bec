"""Micrographs as a tree of class folders that other tools read, with a table of what is known of them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from PIL import Image

from ..ensemble import check_disjoint
from ..progress import progress_bar
from ..writing import check_free, replacing_folder
from .mixing import SyntheticMix

MANIFEST = "manifest.csv"
_UNSAFE = re.compile(r"[^\w.+-]+")  # in names of files and folders


def export_folders(
    data: SyntheticMix | xr.Dataset | Mapping[str, SyntheticMix | xr.Dataset],
    folder: str | os.PathLike[str],
    label: str = "microconstituent",
    *,
    overwrite: bool = False,
    progress: bool = True,
) -> pd.DataFrame:
    """Write ``<part>/<class>/<origin>_<condition>_<number>.png`` and ``manifest.csv``, all or nothing.

    That is how torchvision's ``ImageFolder`` and most other tools take a classification data set: point them
    at ``<folder>/train``. Grey levels are written as they are, without loss.

    Args:
        data: a mix, or an ensemble, of which unlabelled micrographs are left out; or one a part:
            ``{"train": mix, "held_out": real}``. Alone it is the part ``train``. Parts must not share
            specimens.
        folder: to write.
        label: coordinate of the labels, of an ensemble.
        overwrite: replace an earlier export.
        progress: show a bar on a terminal.

    Returns:
        The manifest: ``file`` within the folder, ``part``, ``class``, ``origin``, ``condition``,
        ``specimen``, ``um_per_px`` (blank where unknown), ``index`` of the micrograph in its ensemble.

    Raises:
        EnsembleError: no labels, or a specimen in two parts.
        ValueError: two classes whose names become one folder.
        FileExistsError: the folder exists, and ``overwrite`` is not set or it holds no export.
        OSError: it cannot be written.
    """
    folder = Path(folder)
    check_free(folder, overwrite, MANIFEST, "export of micrographs")
    parts = data if isinstance(data, Mapping) and not isinstance(data, xr.Dataset) else {"train": data}
    mixes = {
        name: part if isinstance(part, SyntheticMix) else SyntheticMix(part, label=label)
        for name, part in parts.items()
    }
    held: list[str] = []
    for mix in mixes.values():
        check_disjoint(held, np.unique(mix.specimen))
        held += np.unique(mix.specimen).tolist()
    classes = sorted({name for mix in mixes.values() for name in mix.classes})
    folders = _folders(classes)
    tables = {part: _rows(part, mix, folders) for part, mix in mixes.items()}
    manifest = pd.concat(tables.values(), ignore_index=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    bar = progress_bar(total=len(manifest), desc=folder.name, unit="image", shown=progress)
    with bar, replacing_folder(folder) as partial:
        for part, mix in mixes.items():
            # Every part has every class, so that tools that number folders number them alike.
            for name in classes:
                (partial / part / folders[name]).mkdir(parents=True)
            for file, micrograph in zip(tables[part]["file"], mix.micrograph, strict=True):
                Image.fromarray(micrograph).save(partial / file)
                bar.update()
        manifest.to_csv(partial / MANIFEST, index=False)
    return manifest


def _rows(part: str, mix: SyntheticMix, folders: Mapping[str, str]) -> pd.DataFrame:
    names = np.array(mix.classes)[mix.label]
    files = [
        f"{part}/{folders[name]}/{origin}_{_safe(condition)}_{number:06d}.png"
        for number, (name, origin, condition) in enumerate(zip(names, mix.origin, mix.condition, strict=True))
    ]
    return pd.DataFrame(
        {
            "file": files,
            "part": part,
            "class": names,
            "origin": mix.origin,
            "condition": mix.condition,
            "specimen": mix.specimen,
            "um_per_px": mix.um_per_px,
            "index": mix.index,
        }
    )


def _folders(classes: list[str]) -> dict[str, str]:
    folders = {name: _safe(name) for name in classes}
    for name, folder in folders.items():
        same = [other for other in classes if folders[other].lower() == folder.lower() and other != name]
        if same:
            raise ValueError(f'classes "{name}" and "{same[0]}" would share the folder {folder}; rename one')
    return folders


def _safe(text: str) -> str:
    return _UNSAFE.sub("_", text).strip(".") or "_"
