"""The images below a folder, found by what the cells of a table call them."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path, PurePosixPath

from .imaging import SUFFIXES


class ImageFolder:
    """Images at any depth of a folder.

    Args:
        folder: where to look.

    Raises:
        FileNotFoundError: there is no such folder.
        PermissionError: it cannot be listed.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder}: no such folder of images")
        os.scandir(folder).close()  # what cannot be listed is an error here, and empty for rglob
        self.folder = folder
        self.files: list[Path] = sorted(
            path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()
        )
        self._by_path = {self.name(file): file for file in self.files}
        self._by_key: dict[str, list[Path]] = {}
        for file in self.files:
            path = PurePosixPath(self.name(file))
            keys = {str(path), path.name, str(path.with_suffix("")), path.stem}
            for key in {_key(key) for key in keys}:
                self._by_key.setdefault(key, []).append(file)

    def name(self, file: Path) -> str:
        """Path of an image within the folder."""
        return file.relative_to(self.folder).as_posix()

    def find(self, cell: str) -> list[Path]:
        """Every image that a cell may mean: by path, by file name, or by either without suffix, in any case.

        A path that leads elsewhere (``C:\\data\\a.tif``) counts by its file name; one that is written exactly
        as the file's means that file and no other.
        """
        if cell in self._by_path:
            return [self._by_path[cell]]
        path = PurePosixPath(cell.replace("\\", "/"))
        return self._by_key.get(_key(str(path))) or self._by_key.get(_key(path.name), [])


def _key(name: str) -> str:
    """In one case and composed, as tables are: some file systems keep a letter and its accent apart."""
    return unicodedata.normalize("NFC", name).casefold()
