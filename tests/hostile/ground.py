"""What a hostile input stands on: a case, and a folder in which all else about the command is right."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

Lay = Callable[["Ground"], Sequence[object]]

HEADER = "file,T,min,cool,rod,um"
ROWS = ("a.png,800,5,Q,r1,0.1", "b.png,900,90,AR,r1,0.1", "c.png,800,1440,Q,r2,0.2")
FACTORS = ("--factor", "temperature=T:degC", "--factor", "time=min:min:log", "--factor", "cooling=cool")
SHAPE = (12, 16)


@dataclass(frozen=True)
class Ground:
    """The folder of one case, and stores and runs to copy from.

    Args:
        folder: empty, the working directory of the command.
        templates: folder with ``real.zarr``, ``gen.zarr``, ``run`` and ``linkage``, none of them hostile.
    """

    folder: Path
    templates: Path

    def copy(self, name: str) -> Path:
        return Path(shutil.copytree(self.templates / name, self.folder / name))

    def images(self, **others: bytes) -> Path:
        """The folder ``images`` with a.png, b.png and c.png, some of them with another content."""
        folder = self.folder / "images"
        folder.mkdir()
        for number, name in enumerate("abc"):
            Image.fromarray(picture(number)).save(folder / f"{name}.png")
            if name in others:
                (folder / f"{name}.png").write_bytes(others[name])
        return folder

    def table(self, text: str | bytes | None = None, name: str = "heat.csv") -> Path:
        path = self.folder / name
        text = csv() if text is None else text
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def import_table(self, *options: str, table: str = "heat.csv") -> list[str]:
        return ["import", "table", table, "images", *FACTORS, "--specimen", "rod", "-o", "out.zarr", *options]


@dataclass(frozen=True)
class Case:
    """One hostile input.

    Attributes:
        family, name: what it is.
        lay: puts it into the folder and returns the words of the command.
        says: texts that the error or, where something is passed over, the output must contain.
        ends: ``error`` (exit code 1), ``usage`` (2: the command line itself does not fit), ``skip`` (0, and
            what was passed over is counted), or ``luck``: damage at random that may leave a valid file.
        as_nobody: without the rights of root.
    """

    family: str
    name: str
    lay: Lay
    says: tuple[str, ...]
    ends: Literal["error", "usage", "skip", "luck"] = "error"
    as_nobody: bool = False

    def __str__(self) -> str:
        return f"{self.family}: {self.name}".encode("ascii", "backslashreplace").decode()[:80]


def picture(number: int, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, shape, dtype=np.uint8)


def png(image: np.ndarray | Image.Image, **options: object) -> bytes:
    return encoded(image, "PNG", **options)


def encoded(image: np.ndarray | Image.Image, form: str, **options: object) -> bytes:
    """An image as a file of some form."""
    file = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(file, form, **options)
    return file.getvalue()


def csv(*rows: str, header: str = HEADER) -> str:
    """The table; with rows, those in place of its own."""
    return "\n".join([header, *(rows or ROWS), ""])


def with_cell(column: str, cell: str, row: int = 3) -> str:
    """The table with one cell replaced; ``row`` as a spreadsheet numbers it."""
    lines = [line.split(",") for line in ROWS]
    quoted = cell.replace('"', '""')
    lines[row - 2][HEADER.split(",").index(column)] = f'"{quoted}"'
    return csv(*(",".join(line) for line in lines))


def flipped(content: bytes, rng: np.random.Generator, count: int, within: slice = slice(None)) -> bytes:
    """Some bits of a file turned over, at random places."""
    damaged = np.frombuffer(content, np.uint8).copy()
    part = damaged[within]
    places = rng.integers(0, len(part), count)
    part[places] ^= (1 << rng.integers(0, 8, count)).astype(np.uint8)
    return damaged.tobytes()


def truncated(content: bytes, rng: np.random.Generator, least: float = 0.0, most: float = 0.9) -> bytes:
    """The beginning of a file, of a random length."""
    return content[: int(len(content) * rng.uniform(least, most))]
