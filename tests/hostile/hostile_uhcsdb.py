"""UHCSDB's metadata and images, as they should not be."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from ground import Case, Ground, Lay, flipped, picture, png, truncated
from PIL import Image

_SAMPLE = "sample_id, anneal_time, anneal_time_unit, anneal_temperature, anneal_temp_unit, cool_method"
_MICROGRAPH = (
    "micrograph_id, micron_bar, micron_bar_units, micron_bar_px, sample_key, primary_microconstituent"
)
_SAMPLES = ((1, 90, "M", 970, "C", "Q"), (2, 3, "H", 800, "C", "FC"))
_MICROGRAPHS = (
    (1, 5, "um", 50, 1, "spheroidite"),
    (2, 5, "um", 50, 2, "network"),
    (3, 5, "um", 50, 2, "network"),
)


def cases() -> Iterator[Case]:
    yield from _values()
    yield from _databases()
    yield from _csv()
    yield from _images()


def _images_of(ground: Ground, numbers: tuple[int, ...] = (1, 2, 3)) -> Path:
    for number in numbers:
        Image.fromarray(picture(number)).save(ground.folder / f"micrograph{number}.png")
    return ground.folder


def database(path: Path, samples=_SAMPLES, micrographs=_MICROGRAPHS, drop: str = "", table: str = "") -> Path:
    """A database of the published layout, without some column or with a table of another name."""
    with sqlite3.connect(path) as connection:
        for name, columns, rows in (("sample", _SAMPLE, samples), ("micrograph", _MICROGRAPH, micrographs)):
            name = f"{name}s" if name == table else name
            connection.execute(f"CREATE TABLE {name} ({columns})")
            marks = ", ".join("?" * len(columns.split(",")))
            connection.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)
            if drop in columns.split(", "):
                connection.execute(f"ALTER TABLE {name} DROP COLUMN {drop}")
    connection.close()
    return path


def _with(table: str, column: str, value: object) -> dict[str, tuple]:
    """Rows with one value of the second replaced."""
    columns, rows = (_SAMPLE, _SAMPLES) if table == "samples" else (_MICROGRAPH, _MICROGRAPHS)
    changed = list(rows[1])
    changed[columns.split(", ").index(column)] = value
    return {table: (rows[0], tuple(changed), *rows[2:])}


def _database(*options: str, **content: object) -> Lay:
    def lay(ground: Ground) -> list[str]:
        database(_images_of(ground) / "microstructures.sqlite", **content)
        return ["import", "uhcsdb", ".", "-o", "out.zarr", *options]

    return lay


def _values() -> Iterator[Case]:
    row = "microstructures.sqlite, micrograph 2"
    for table, column, value, *says in (
        ("samples", "anneal_time_unit", "D", 'anneal_time_unit "D" is neither M (minutes) nor H'),
        ("samples", "anneal_time_unit", None, 'anneal_time_unit "" is neither'),
        ("samples", "anneal_time_unit", "\u200bH", 'anneal_time_unit "\\u200bH" is neither'),
        ("samples", "anneal_temp_unit", "K", 'anneal_temp_unit "K" is not C'),
        ("samples", "anneal_temp_unit", "°C", 'anneal_temp_unit "°C" is not C'),
        ("samples", "anneal_temp_unit", None, 'anneal_temp_unit "" is not C'),
        ("samples", "cool_method", "WQX", 'cooling "WQX" is none of', "--map cooling:WQX=Q"),
        ("samples", "cool_method", "'; DROP TABLE sample; --", 'cooling "\'; DROP TABLE sample; --" is none'),
        ("samples", "cool_method", b"\x00\xff", "cooling"),
        ("samples", "anneal_time", -3, "time -180 lies outside"),
        ("samples", "anneal_time", 0, "time 0 lies outside"),
        ("samples", "anneal_time", 1e308, "time"),
        ("samples", "anneal_time", "3 h", 'anneal_time "3 h" is not a number'),
        ("samples", "anneal_time", "nan", 'anneal_time "nan" is not a number'),
        ("samples", "anneal_temperature", 99999, "temperature 99999 lies outside 700 to 1100 degC"),
        ("samples", "anneal_temperature", -800, "temperature -800 lies outside"),
        ("samples", "anneal_temperature", "1e400", 'anneal_temperature "1e400" is not a number'),
        ("samples", "anneal_temperature", float("inf"), "anneal_temperature"),
        ("samples", "anneal_temperature", b"800", "anneal_temperature"),
        ("micrographs", "micron_bar", "five", 'micron_bar "five" is not a number'),
        ("micrographs", "micron_bar_px", "0x32", 'micron_bar_px "0x32" is not a number'),
    ):
        yield Case(
            "value in the database",
            f"{column} {value!r}",
            _database(**_with(table, column, value)),
            (row, *says),
        )
    for column, value in (
        ("micron_bar", -5),
        ("micron_bar", 0),
        ("micron_bar", None),
        ("micron_bar_px", 0),
        ("micron_bar_px", -50),
        ("micron_bar_px", 1e-310),
        ("micron_bar_units", "parsec"),
        ("micron_bar_units", ""),
    ):
        lay = _database(**_with("micrographs", column, value))
        says = ("pixel size unknown for 1 of 3",)
        yield Case("pixel size that cannot be", f"{column} {value!r}", lay, says, "skip")
    for value, says in (
        (1, "micrograph 1 has a row already"),
        (2.5, 'micrograph_id "2.5" is no whole number'),
        ("two", 'micrograph_id "two" is not a number'),
        (None, 'micrograph_id "" is no whole number'),
        ("nan", 'micrograph_id "nan" is not a number'),
    ):
        lay = _database(**_with("micrographs", "micrograph_id", value))
        yield Case("number of a micrograph", repr(value), lay, ("microstructures.sqlite, micrograph", says))
    for value, reason in (
        (-2, "left out 1: image without a row"),
        (10**30, "left out 1: image without a row"),
    ):
        lay = _database(**_with("micrographs", "micrograph_id", value if value < 0 else str(value)))
        yield Case("number of a micrograph", repr(value), lay, (reason,), "skip")
    for key in (None, 99, "", "x"):
        lay = _database(**_with("micrographs", "sample_key", key))
        says = ("left out 1: image without annealing data (2)",)
        yield Case("sample of a micrograph", repr(key), lay, says, "skip")
    twice = (*_SAMPLES, (2, 5, "M", 900, "C", "Q"))
    says = ("microstructures.sqlite, micrograph 2", "has a row already")
    yield Case("sample of a micrograph", "two of one number", _database(samples=twice), says)
    for value in ("dendrite", "", None, "spheroidite ; network", "SPHEROIDITE"):
        lay = _database(**_with("micrographs", "primary_microconstituent", value))
        says = ("left out 1: image of none of the published microconstituents (2)",)
        yield Case("microconstituent", repr(value), lay, says, "skip")


def _databases() -> Iterator[Case]:
    for column in (
        "cool_method",
        "anneal_temperature",
        "sample_id",
        "micron_bar_px",
        "sample_key",
        "micrograph_id",
    ):
        says = ("microstructures.sqlite, table", f'has no column "{column}"', "the nearest is")
        yield Case("column that is missing", column, _database(drop=column), says)
    for table in ("sample", "micrograph"):
        says = (f'microstructures.sqlite has no table "{table}"', f"{table}s")
        yield Case("table that is missing", table, _database(table=table), says)
    yield Case(
        "table that is missing", "rows of both", _database(samples=(), micrographs=()), ("nothing to import",)
    )

    def changed(change: Callable[[bytes], bytes]) -> Lay:
        def lay(ground: Ground) -> list[str]:
            path = database(_images_of(ground) / "microstructures.sqlite")
            path.write_bytes(change(path.read_bytes()))
            return ["import", "uhcsdb", ".", "-o", "out.zarr"]

        return lay

    says = ("microstructures.sqlite",)
    for name, change in (
        ("text", lambda whole: b"no database"),
        ("empty", lambda whole: b""),
        ("zeros", lambda whole: bytes(len(whole))),
        ("an image", lambda whole: png(picture(1))),
        ("head only", lambda whole: whole[:100]),
        ("a page overwritten", lambda whole: whole[:4096] + b"\xff" * 4096 + whole[8192:]),
        ("schema overwritten", lambda whole: whole[:150] + b"\x00" * 3900 + whole[4050:]),
        ("text that is no UTF-8", lambda whole: whole.replace(b"network", b"netw\xffrk")),
    ):
        yield Case("file that is no database", name, changed(change), says)
    for k in range(3):
        rng = np.random.default_rng(10 + k)
        lay = changed(lambda whole, rng=rng: truncated(whole, rng))
        yield Case("truncated database", str(k), lay, says, "luck")
    for k in range(5):
        rng = np.random.default_rng(20 + k)
        lay = changed(lambda whole, rng=rng: flipped(whole, rng, 40))
        yield Case("database with bits flipped", str(k), lay, (), "luck")
    for name, make, says in (
        ("a folder", os.mkdir, "m.sqlite: no such database"),
        ("a pipe without a writer", os.mkfifo, "m.sqlite: no such database"),
        ("nothing", lambda path: None, "m.sqlite: no such database"),
        ("a link to itself", lambda path: os.symlink(path, path), "m.sqlite: no such database"),
    ):
        yield Case("place of the metadata", name, _metadata(make), (says,))
    says = ("holds neither microstructures.sqlite nor uhcs-metadata.csv", "--metadata")
    yield Case(
        "place of the metadata", "not said", lambda g: ["import", "uhcsdb", _images_of(g), "-o", "o"], says
    )
    yield Case("place of the metadata", "locked by a writer", _locked, ("microstructures.sqlite", "locked"))


def _metadata(make: Callable[[Path], object]) -> Lay:
    def lay(ground: Ground) -> list[str]:
        make(_images_of(ground) / "m.sqlite")
        return ["import", "uhcsdb", ".", "--metadata", "m.sqlite", "-o", "out.zarr"]

    return lay


def _locked(ground: Ground) -> list[str]:
    words = _database()(ground)
    writer = sqlite3.connect(ground.folder / "microstructures.sqlite")
    writer.execute("BEGIN EXCLUSIVE")
    _LOCKS.append(writer)
    return words


_LOCKS: list[sqlite3.Connection] = []  # kept as long as the process, so that they hold


def _csv() -> Iterator[Case]:
    columns = [c for c in f"{_MICROGRAPH}, {_SAMPLE}".split(", ") if c != "sample_key"]
    first = ["1", "5", "um", "50", "spheroidite", "1", "90", "M", "970", "C", "Q"]
    second = ["2", "5", "um", "50", "network", "2", "3", "H", "800", "C", "FC"]

    def lay_of(text: str) -> Lay:
        def lay(ground: Ground) -> list[str]:
            (_images_of(ground, (1, 2)) / "uhcs-metadata.csv").write_text(text)
            return ["import", "uhcsdb", ".", "-o", "out.zarr"]

        return lay

    def text(**changes: str) -> str:
        row = [changes.get(name, cell) for name, cell in zip(columns, second, strict=True)]
        return "\n".join(map(",".join, (columns, first, row)))

    for changes, says in (
        ({"sample_id": ""}, "sample_id is blank"),
        ({"sample_id": "x"}, 'sample_id "x" is not a number'),
        ({"micrograph_id": "1"}, "micrograph 1 has a row already"),
        ({"micrograph_id": "1e400"}, 'micrograph_id "1e400" is not a number'),
        ({"anneal_time": "\U0001f525"}, 'anneal_time "\U0001f525" is not a number'),
        ({"anneal_temperature": "FC", "cool_method": "800"}, 'anneal_temperature "FC"|cooling "800"'),
        ({"anneal_time_unit": "C", "anneal_temp_unit": "H"}, 'anneal_time_unit "C" is neither'),
        ({"anneal_time_unit": "parsec"}, 'anneal_time_unit "parsec" is neither'),
    ):
        says = says.split("|")[-1]
        yield Case(
            "cell of the CSV", str(changes), lay_of(text(**changes)), ("uhcs-metadata.csv, row 3", says)
        )
    for name, content, says in (
        ("no header", text().partition("\n")[2], "has no column"),
        ("another table", "a,b\n1,2\n", 'has no column "micrograph_id"'),
        ("only the header", ",".join(columns) + "\n", "nothing to import"),
        ("empty", "", "cannot be read as a table"),
    ):
        yield Case("CSV that is none", name, lay_of(content), ("uhcs-metadata.csv", says))


def _images() -> Iterator[Case]:
    def beside(name: str, make: Callable[[Path], object], *options: str) -> Lay:
        def lay(ground: Ground) -> list[str]:
            database(_images_of(ground, (1, 2)) / "microstructures.sqlite")
            make(ground.folder / name)
            return ["import", "uhcsdb", ".", "-o", "out.zarr", *options]

        return lay

    for name, make in (
        ("a folder", os.mkdir),
        ("a pipe without a writer", os.mkfifo),
        ("a link to nothing", lambda path: os.symlink("nothing", path)),
        ("a link to itself", lambda path: os.symlink(path, path)),
        ("a link to a device", lambda path: os.symlink("/dev/zero", path)),
    ):
        says = ("left out 1: row without an image (3)",)
        yield Case("place of a micrograph", name, beside("micrograph3.png", make), says, "skip")
    for name, reason in (
        ("micrograph.png", "image not named micrograph<ID> (micrograph.png)"),
        ("micrograph3a.png", "image not named micrograph<ID> (micrograph3a.png)"),
        ("micrograph-3.png", "image not named micrograph<ID> (micrograph-3.png)"),
        ("micrograph3.0.png", "image not named micrograph<ID> (micrograph3.0.png)"),
        ("micrograph\u0663.png", "image not named micrograph<ID> (micrograph\u0663.png)"),
        ("micrograph3\n.png", "image not named micrograph<ID> (micrograph3\\n.png)"),
        ("\u202e.png", "image not named micrograph<ID> (\\u202e.png)"),
        ("micrograph0002.png", "second file of a micrograph"),
        ("micrograph2.tif", "second file of a micrograph"),
        ("MICROGRAPH2.PNG", "second file of a micrograph"),
        ("micrograph" + "9" * 200 + ".png", "image without a row in the metadata"),
    ):
        lay = beside(name, lambda path: path.write_bytes(png(picture(5))))
        yield Case("name of a micrograph", repr(name[:40]), lay, (f"left out 1: {reason}",), "skip")
    for name, content, says in (
        ("empty", b"", "micrograph3.png is no image"),
        ("text", b"no image", "micrograph3.png is no image"),
        ("truncated", png(picture(3))[:60], "micrograph3.png"),
        ("of another size", png(picture(3, (9, 9))), "micrograph3.png is 9 x 9 px, but 2 of 3"),
    ):
        lay = beside("micrograph3.png", lambda path, content=content: path.write_bytes(content))
        yield Case("micrograph", name, lay, (says,))
    for words, says in (
        (["--map", "cooling:WQX=Z"], 'map cooling:WQX=Z: "Z" is none of'),
        (["--map", "time:WQX=Q"], "map time: of UHCSDB only cooling"),
        (["--tile", "8", "--um-per-px", "0.00001"], "pixels too large to be enlarged"),
        (["--tile", "8", "--um-per-px", "1e300"], "field smaller than a tile"),
        (["--um-per-px", "0.1"], "--tile"),
    ):
        lay = beside("micrograph3.png", lambda path: path.write_bytes(png(picture(3))), *words)
        yield Case("option of import uhcsdb", " ".join(words), lay, (says,))
