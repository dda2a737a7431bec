"""What an experiment has found so far, a line a classifier that was tried, so that a killed one goes on."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from ..writing import naming

FILE = "folds.jsonl"

Key = tuple[int, int, str, str]  # repeat, fold, arm, ratio


class Journal:
    """Records of an experiment, in memory and, if a folder is given, in its ``folds.jsonl``.

    Args:
        folder: of the experiment; None keeps nothing on the disk.
        identity: what the records depend on; its first line.
        overwrite: throw the experiment away that the folder holds, the same one too, with its generators.

    Raises:
        FileExistsError: the folder holds something else, or an experiment of another identity.
        ValueError: its file is damaged.
    """

    def __init__(self, folder: Path | None, identity: dict[str, Any], overwrite: bool) -> None:
        self._file = folder and folder / FILE
        self._records: dict[Key, dict[str, Any]] = {}
        if folder is None:
            return
        if folder.exists() and not self._file.exists() and any(folder.iterdir()):
            raise FileExistsError(f"{folder} exists and holds no experiment; choose another name")
        if overwrite and folder.exists():
            shutil.rmtree(folder)
        lines, identity = self._lines(), json.loads(json.dumps(identity))
        if lines and lines[0] != identity:
            different = [key for key in identity if lines[0].get(key) != identity[key]]
            raise FileExistsError(
                f"{folder} holds another experiment ({', '.join(different)} differ); choose another name "
                "or pass overwrite (--overwrite)"
            )
        folder.mkdir(parents=True, exist_ok=True)
        if not lines:
            self._append(identity)
        for record in lines[1:]:
            self._records[_key(record)] = record

    def __contains__(self, key: Key) -> bool:
        return key in self._records

    @property
    def records(self) -> list[dict[str, Any]]:
        """All records, sorted by repeat, fold, arm and ratio."""
        return [self._records[key] for key in sorted(self._records)]

    def add(self, record: dict[str, Any]) -> None:
        """Keep a record."""
        self._records[_key(record)] = record
        if self._file is not None:
            self._append(record)

    def _append(self, value: dict[str, Any]) -> None:
        with naming(self._file), open(self._file, "a", encoding="utf-8") as file:
            file.write(json.dumps(value) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _lines(self) -> list[dict[str, Any]]:
        """What is there; a last line that was cut off by a crash is taken away."""
        if not self._file.exists():
            return []
        text = self._file.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            os.truncate(self._file, len(whole.encode()))
        lines = []
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                lines.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise ValueError(
                    f"{self._file}, line {number} is damaged ({error}); put a copy back, or start anew in "
                    "another folder"
                ) from None
        return lines


def _key(record: dict[str, Any]) -> Key:
    return (record["repeat"], record["fold"], record["arm"], record["ratio"])
