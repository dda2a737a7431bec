"""Tables that nobody should have saved: cells, headers, encodings, CSV and XLSX files."""

from __future__ import annotations

import gzip
import io
import os
import zipfile
from collections.abc import Iterator

import numpy as np
import openpyxl
from ground import HEADER, ROWS, Case, Ground, Lay, csv, flipped, picture, png, truncated, with_cell

_NO_NUMBER = (
    *("nan", "-inf", "1e400", "0x320", "8OO", "800,5", "1 000", "1_000", "--5", "½", "800 degC", "#DIV/0!"),
    *("=A1+1", "TRUE", "9" * 400, "8\u202e00", "8\u200b00", "\x1b[31m800", "800;DROP TABLE", "8\x0000"),
)
_NO_IMAGE = (
    *("../../etc/passwd", "/etc/passwd", "..", "C:\\Windows\\win.ini", "..\\..\\secret.png", "~", "-rf"),
    *(
        "$(reboot).png",
        "x.png; rm -rf /",
        "*.png",
        "[ab].png",
        "file:///etc/passwd",
        "\\\\server\\x.tif",
        "nul",
    ),
    *("\u202egnp.b", "🔥🔬.png", "x\ny.png", "\x1b[2Jx.png", "x" * 300 + ".png", "y" * 100_000, "b .png"),
    *("800", "NaN", "b\x00.png", ""),
)


def cases() -> Iterator[Case]:
    yield from _cells()
    yield from _files()
    yield from _headers()
    yield from _workbooks()


def _cell(column: str, text: str, *options: str) -> Lay:
    def lay(ground: Ground) -> list[str]:
        ground.images()
        ground.table(with_cell(column, text))
        return ground.import_table("--image", "file", *options)

    return lay


def _cells() -> Iterator[Case]:
    for column, name in (("T", "temperature"), ("min", "time"), ("um", "um")):
        for text in _NO_NUMBER:
            shown = text[:40] if text.isprintable() else text.encode("unicode_escape").decode()
            lay = _cell(column, text, "--um-per-px", "um")
            yield Case(f"no number: {name}", repr(text[:40]), lay, ("heat.csv, row 3", f'{name} "{shown}'))
    for column, text, row, says in (
        ("min", "0", 3, "time 0 cannot lie on a log axis"),
        ("min", "-5", 3, "time -5 cannot lie on a log axis"),
        ("min", "-1e-300", 3, "time -1e-300 cannot lie on a log axis"),
        ("T", "-273.16", 3, "temperature -273.16 degC lies below absolute zero"),
        ("T", "-1e300", 3, "temperature -1e+300 degC lies below absolute zero"),
        ("um", "0", 3, "um 0 is no pixel size"),
        ("um", "-0.1", 3, "um -0.1 is no pixel size"),
        ("um", "-1e300", 3, "um -1e+300 is no pixel size"),
        ("cool", "q", 3, 'cooling "q" and "Q" differ only in case'),
        ("cool", "12", 2, 'cooling "Q" is not a number'),
        ("rod", "", 3, "rod is blank"),
        ("rod", " \t ", 3, "rod is blank"),
        ("file", "a.png", 3, "a.png belongs to row 2 already"),
        ("file", "A.PNG", 3, "a.png belongs to row 2 already"),
        ("file", "D:\\scans\\a.png", 3, "a.png belongs to row 2 already"),
        ("file", "a", 3, "a.png belongs to row 2 already"),
    ):
        lay = _cell(column, text, "--um-per-px", "um")
        yield Case("cell that cannot be", f"{column} {text!r}", lay, (f"heat.csv, row {row}", says))
    for text in _NO_IMAGE:
        says = ("left out 1: row without an image (row 3", "2 micrographs")
        yield Case("no image of that name", repr(text[:40]), _cell("file", text), says, "skip")
    for column, name in (("T", "temperature"), ("min", "time"), ("cool", "cooling")):
        for text in ("", "\u00a0", "\n"):
            says = (f"left out 1: row where {name} is blank (row 3)", "2 micrographs")
            yield Case("blank cell", f"{column} {text!r}", _cell(column, text), says, "skip")


def _file(content: bytes | str, name: str = "heat.csv", *options: str) -> Lay:
    def lay(ground: Ground) -> list[str]:
        ground.images()
        ground.table(content, name)
        return ground.import_table(*options, table=name)

    return lay


def _files() -> Iterator[Case]:
    whole = csv()
    rng = np.random.default_rng(1)
    for name, content, *says in (
        ("empty", b"", "heat.csv"),
        ("blank lines only", b"\n\n\n", "heat.csv"),
        ("UTF-16 with a mark", whole.encode("utf-16"), "heat.csv is not UTF-8 text"),
        ("UTF-16 little-endian", whole.encode("utf-16-le"), "heat.csv is not UTF-8 text"),
        ("UTF-16 big-endian", whole.encode("utf-16-be"), "heat.csv is not UTF-8 text"),
        ("UTF-32", whole.encode("utf-32"), "heat.csv is not UTF-8 text"),
        ("latin-1", whole.replace("r1", "Stück 1").encode("latin-1"), "heat.csv is not UTF-8 text"),
        ("overlong UTF-8", whole.encode().replace(b"r2", b"\xc0\xaf"), "heat.csv is not UTF-8 text"),
        ("lone surrogates", whole.encode().replace(b"r2", b"\xed\xa0\x80"), "heat.csv is not UTF-8 text"),
        ("a PNG", png(picture(0)), "heat.csv is not UTF-8 text"),
        ("gzip", gzip.compress(whole.encode()), "heat.csv is not UTF-8 text"),
        ("zeros", bytes(4096), "heat.csv", "NUL"),
        ("a row too long", csv(ROWS[0], ROWS[1] + ",5,6", ROWS[2]), "heat.csv, row 3 has 8 cells"),
        ("quote never closed", csv(ROWS[0], ROWS[1].replace("AR", '"AR'), ROWS[2]), "heat.csv", "row 3"),
        ("quote never closed in the header", whole.replace("cool", '"cool'), "heat.csv", "quote"),
        ("bars between cells", whole.replace(",", "|"), "heat.csv", 'no column "T"'),
        ("HTML", b"<html><body><table><tr><td>file</td></tr></table></body></html>", 'no column "T"'),
        ("JSON", b'[{"file": "a.png", "T": 800}]', "heat.csv"),
        *((f"random bytes {k}", rng.bytes(500), "heat.csv") for k in range(5)),
    ):
        yield Case("file that is no table", name, _file(content), tuple(says))
    says = ("left out 1: row where time is blank (row 3)",)
    lay = _file(csv(ROWS[0], "b.png,900", ROWS[2]))
    yield Case("file that is no table", "a row too short", lay, says, "skip")
    long = csv(ROWS[0], ROWS[1].replace("b.png", "b" * 1_000_000), ROWS[2])
    says = ("heat.csv, row 3 cannot be read", "is a quote not closed there?")
    yield Case("file that is no table", "a cell of 10^6 characters", _file(long), says)
    for k in range(4):
        lay = _file(truncated(whole.encode(), rng, 0.1))
        yield Case("truncated CSV", str(k), lay, ("heat.csv",), "luck")
    for k in range(6):
        yield Case("CSV with bits flipped", str(k), _file(flipped(whole.encode(), rng, 3)), (), "luck")
    for suffix in (".xls", ".ods"):
        says = (f"heat{suffix}: {suffix} workbooks are not read",)
        yield Case("file that is no table", suffix, _file(whole, f"heat{suffix}"), says)
    for name, make in (
        ("a folder", os.mkdir),
        ("a pipe without a writer", os.mkfifo),
        ("a link to nothing", lambda path: os.symlink("nothing", path)),
        ("a link to itself", lambda path: os.symlink(path, path)),
        ("nothing", lambda path: None),
    ):
        yield Case("place of a table", name, _special(make), ("heat.csv: no such table",))
    lay = _unreadable
    yield Case("place of a table", "a file of somebody else", lay, ("heat.csv", "ermission"), as_nobody=True)


def _special(make) -> Lay:
    def lay(ground: Ground) -> list[str]:
        ground.images()
        make(ground.folder / "heat.csv")
        return ground.import_table()

    return lay


def _unreadable(ground: Ground) -> list[str]:
    ground.images()
    ground.table().chmod(0)
    return ground.import_table()


def _headers() -> Iterator[Case]:
    for name, text, *says in (
        ("none", "\n".join(ROWS), "heat.csv", 'no column "T"'),
        ("nothing else", HEADER + "\n", "heat.csv", "nothing to import", "the table has no rows"),
        ("commas", ",,,,,\n" + "\n".join(ROWS), "heat.csv: the first row names no columns"),
        ("in another case", csv(header=HEADER.replace("T", "t")), 'no column "T"', 'the nearest is "t"'),
        ("a column twice", csv(header=HEADER.replace("um", "T")), 'heat.csv has 2 columns "T"'),
        ("of 100000 columns", csv(header=",".join(map(str, range(100_000)))), "heat.csv"),
        ("a name of 10^5 characters", csv(header=HEADER.replace("T", "T" * 100_000)), 'no column "T"'),
        ("an escape sequence", csv(header=HEADER.replace("T", "\x1b[2J")), 'no column "T"', "\\x1b[2J"),
        ("only names of images", "file\na.png\nb.png\n", "heat.csv", 'no column "T"'),
    ):
        yield Case("header", name, _file(text), tuple(says))
    swapped = csv(header="T,file,min,cool,rod,um")
    for name, text, options, *says in (
        ("images and temperatures", swapped, ["--image", "file"], "nothing to import", 'row 2 "800"'),
        ("cooling and temperatures", csv(header="file,cool,min,T,rod,um"), [], 'temperature "Q" is not a'),
        ("time and cooling", csv(header="file,T,cool,min,rod,um"), [], 'heat.csv, row 2: time "Q" is not'),
        ("scale and specimen", csv(header="file,T,min,cool,um,rod"), ["--um-per-px", "um"], 'um "r1" is not'),
    ):
        yield Case("swapped columns", name, _file(text, "heat.csv", *options), tuple(says))


def _workbooks() -> Iterator[Case]:
    rng = np.random.default_rng(2)
    whole = workbook([HEADER.split(","), *(row.split(",") for row in ROWS)])
    sheet = "xl/worksheets/sheet1.xml"
    head = '<?xml version="1.0"?><!DOCTYPE z [<!ENTITY a "aaaaaaaaaa">'
    laughs = head + "".join(
        f'<!ENTITY {x} "{f"&{y};" * 10}">' for x, y in zip("bcdefghij", "abcdefghi", strict=True)
    )
    laughs += "]><worksheet><sheetData><row><c><v>&j;</v></c></row></sheetData></worksheet>"
    for name, content, *says in (
        ("no zip", csv().encode(), "heat.xlsx cannot be read as a table"),
        ("empty", b"", "heat.xlsx cannot be read as a table"),
        ("zip of nothing", zipped({}), "heat.xlsx cannot be read as a table"),
        ("zip of something else", zipped({"a.txt": b"a"}), "heat.xlsx cannot be read as a table"),
        ("with a password", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "heat.xlsx cannot be read"),
        ("sheet without end", replaced(whole, sheet, b"<worksheet><sheetData><row>"), "heat.xlsx cannot be"),
        ("sheet is no XML", replaced(whole, sheet, bytes(range(256))), "heat.xlsx cannot be read as a table"),
        ("billion laughs", replaced(whole, sheet, laughs.encode()), "heat.xlsx cannot be read as a table"),
        ("workbook is empty", replaced(whole, "xl/workbook.xml", b""), "heat.xlsx cannot be read as a table"),
        ("zip bomb", replaced(whole, sheet, b"<worksheet>", claims=3 * 10**9), "heat.xlsx", "3000 MB"),
        ("no sheet", replaced(whole, sheet, None), "heat.xlsx cannot be read as a table"),
        ("blank sheet", workbook([]), "heat.xlsx cannot be read as a table: it is empty"),
        (
            "stray last cell",
            workbook([HEADER.split(","), ["a.png"]], stray=True),
            "heat.xlsx, row 1048576 has 16384 cells",
        ),
        ("formula of a stranger", cells(T="=1/0"), "row where temperature is blank (row 3)"),
        ("an error", cells(T="#DIV/0!"), 'heat.xlsx, row 3: temperature "#DIV/0!" is not a number'),
        ("true", cells(T=True), 'heat.xlsx, row 3: temperature "True" is not a number'),
        ("huge number", cells(T=1e308 * 10), "row where temperature is blank (row 3)"),
        ("negative time", cells(min=-5), "heat.xlsx, row 3: time -5 cannot lie on a log axis"),
        ("image twice", cells(file="a.png"), "heat.xlsx, row 3", "a.png belongs to row 2 already"),
    ):
        ends = "skip" if says[0].startswith("row where") else "error"
        yield Case("workbook", name, _file(content, "heat.xlsx"), tuple(says), ends)
    for k in range(5):
        lay = _file(truncated(whole, rng), "heat.xlsx")
        yield Case("truncated workbook", str(k), lay, ("heat.xlsx cannot be read as a table",))
    for k in range(10):
        lay = _file(flipped(whole, rng, 8), "heat.xlsx")
        yield Case("workbook with bits flipped", str(k), lay, ("heat.xlsx",), "luck")


def workbook(rows: list[list[object]], stray: bool = False) -> bytes:
    book, file = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append([float(cell) if str(cell).isdigit() else cell for cell in row])
    if stray:
        book.active["XFD1048576"] = "stray"
    book.save(file)
    return file.getvalue()


def cells(**values: object) -> bytes:
    """The workbook with some cells of row 3 replaced."""
    row = [values.get(name, cell) for name, cell in zip(HEADER.split(","), ROWS[1].split(","), strict=True)]
    return workbook([HEADER.split(","), ROWS[0].split(","), row, ROWS[2].split(",")])


def zipped(files: dict[str, bytes], claims: int | None = None) -> bytes:
    """A zip file; ``claims`` is what its index says of the size of the last of its files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        if claims:
            archive.infolist()[-1].file_size = claims
    return file.getvalue()


def replaced(book: bytes, name: str, content: bytes | None, claims: int | None = None) -> bytes:
    """A workbook with one part replaced, or without it."""
    with zipfile.ZipFile(io.BytesIO(book)) as archive:
        files = {entry: archive.read(entry) for entry in archive.namelist()}
    del files[name]
    return zipped(files if content is None else files | {name: content}, claims)
