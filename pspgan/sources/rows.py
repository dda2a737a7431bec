"""Tables as rows of text that know where they stand, so that an error can name file, row and column."""

from __future__ import annotations

import csv
import difflib
import math
import sqlite3
import unicodedata
import zipfile
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import openpyxl

from ..wording import quoted

_LARGEST_WORKBOOK = 500_000_000  # bytes that it may unpack to
_QUOTED = 60  # characters of a cell in a message
_LISTED = 30  # columns in a message


class SourceError(ValueError):
    """A table that cannot be imported as it is; the message names file, row and column, and the way out."""


@dataclass(frozen=True)
class Row:
    """One row: where it stands (``heat.csv, row 17``), its name in lists (``row 17``), its cells as text."""

    place: str
    name: str
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    def number(self, column: str) -> float | None:
        """The cell as a number; None where it is blank.

        Raises:
            SourceError: the cell holds something else.
        """
        text = self.cells[column]
        value = as_number(text)
        if value is None and text:
            shown = quoted(text, _QUOTED)
            raise SourceError(f'{self.place}: {column} "{shown}" is not a number; correct the cell')
        return value


@dataclass(frozen=True)
class Rows:
    """The rows of one table and the names of its columns."""

    file: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def require(self, columns: Iterable[str]) -> None:
        """Check that columns exist, once each.

        Raises:
            SourceError: one does not; the message names the nearest that does.
        """
        for column in columns:
            if column not in self.columns:
                raise SourceError(missing_column(self.file, column, self.columns))
            count = self.columns.count(column)
            if count > 1:
                raise SourceError(f'{self.file} has {count} columns "{column}"; rename all but one')


def as_number(text: str) -> float | None:
    """A finite number written the usual way, else None.

    >>> as_number("8.5e2"), as_number("nan"), as_number("1_000")
    (850.0, None, None)
    """
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


def missing_column(file: str, column: str, existing: Sequence[str]) -> str:
    """What to say where a column is missing: the nearest one there is, and all of them."""
    named = {name.casefold(): name for name in existing if name}
    compared = [name for name in named if len(name) < 1000][:1000]  # the comparison takes time
    nearest = difflib.get_close_matches(column.casefold(), compared, n=1, cutoff=0.0)
    hint = f'; the nearest is "{quoted(named[nearest[0]], _QUOTED)}"' if nearest else ""
    shown = [quoted(name, _QUOTED) for name in list(named.values())[:_LISTED]]
    more = f" and {len(named) - _LISTED} more" if len(named) > _LISTED else ""
    return f'{file} has no column "{column}"{hint} (columns: {", ".join(shown) or "none"}{more})'


def read_table(path: Path) -> Rows:
    """Rows of a CSV file (comma, semicolon or tab) or of the first sheet of an XLSX workbook.

    The first row names the columns; rows are numbered as a spreadsheet does, and blank ones are passed over.

    Raises:
        FileNotFoundError: there is no such file.
        SourceError: it cannot be read as a table.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such table")
    if path.suffix.lower() in (".xls", ".ods"):
        raise SourceError(f"{path}: {path.suffix} workbooks are not read; save it as .xlsx or .csv")
    try:
        # Closed here, not when the collector finds it: a row refused leaves the file half read.
        with closing(_xlsx_lines(path) if path.suffix.lower() == ".xlsx" else _csv_lines(path)) as lines:
            header, rows = next(lines, None), []
            if header is None:
                raise SourceError(f"{path} cannot be read as a table: it is empty")
            columns = header[1]
            if not columns:
                raise SourceError(f"{path}: the first row names no columns")
            for number, line in lines:
                if len(line) > len(columns):
                    raise SourceError(
                        f"{path}, row {number} has {len(line)} cells, but the first row names {len(columns)} "
                        "columns; name the others too, or empty them"
                    )
                if line:  # programs leave out blank cells at the end of a row
                    cells = dict(zip(columns, line + [""] * (len(columns) - len(line)), strict=True))
                    rows.append(Row(f"{path}, row {number}", f"row {number}", cells))
    except UnicodeDecodeError:
        raise SourceError(f"{path} is not UTF-8 text; save it as UTF-8 CSV, or as .xlsx") from None
    return Rows(str(path), tuple(columns), tuple(rows))


def read_sqlite(path: Path, needed: Mapping[str, Sequence[str]], query: str, key: str, noun: str) -> Rows:
    """Rows of a query on an SQLite database, opened read-only.

    Args:
        path: the database.
        needed: table -> columns that the query uses.
        query: a SELECT.
        key, noun: the result column that identifies a row, and what such a row is (``micrograph``).

    Raises:
        FileNotFoundError: there is no such file.
        SourceError: it is no SQLite database, or lacks a table or column.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such database")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            tables = _first(connection, "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
            for table, columns in needed.items():
                if table not in tables:
                    known = ", ".join(tables) or "none"
                    raise SourceError(f'{path} has no table "{table}" (tables: {known})')
                existing = _first(connection, "SELECT name FROM pragma_table_info(?)", table)
                for column in columns:
                    if column not in existing:
                        raise SourceError(missing_column(f'{path}, table "{table}",', column, existing))
            cursor = connection.execute(query)
            names = tuple(entry[0] for entry in cursor.description)
            texts = [["" if value is None else str(value).strip() for value in line] for line in cursor]
    except sqlite3.DatabaseError as error:
        raise SourceError(f"{path} cannot be read as an SQLite database: {error}") from None
    found = (dict(zip(names, line, strict=True)) for line in texts)
    rows = tuple(Row(f"{path}, {noun} {cells[key]}", f"{noun} {cells[key]}", cells) for cells in found)
    return Rows(str(path), names, rows)


def _first(connection: sqlite3.Connection, query: str, *values: str) -> list[str]:
    return [line[0] for line in connection.execute(query, values)]


def _csv_lines(path: Path) -> Generator[tuple[int, list[str]], None, None]:
    """Row numbers, as a spreadsheet counts, and cells, without blank ones at the end."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        if "\0" in first:
            raise SourceError(f"{path} is not UTF-8 text (NUL characters); save it as UTF-8 CSV, or as .xlsx")
        file.seek(0)
        reader = csv.reader(file, delimiter=max(",;\t", key=first.count), strict=True)
        number = 0
        while True:
            number += 1
            try:
                line = next(reader, None)
            except csv.Error as error:
                raise SourceError(
                    f"{path}, row {number} cannot be read ({error}); is a quote not closed there?"
                ) from None
            if line is None:
                return
            yield number, _cells(line)


def _xlsx_lines(path: Path) -> Generator[tuple[int, list[str]], None, None]:
    """The same of the first sheet of a workbook."""
    try:
        # Opened here: openpyxl leaves a file of its own open where it fails on a damaged workbook.
        with path.open("rb") as file:
            with zipfile.ZipFile(file) as archive:
                unpacked = sum(entry.file_size for entry in archive.infolist())
            if unpacked > _LARGEST_WORKBOOK:
                raise SourceError(
                    f"{path} is refused, it would unpack to {unpacked / 1e6:.0f} MB; save it as .csv"
                )
            with closing(openpyxl.load_workbook(file, read_only=True, data_only=True)) as book:
                sheet = book.worksheets[0]
                sheet.reset_dimensions()  # what a file says of its own size decides how much is read
                for number, line in enumerate(sheet.iter_rows(values_only=True), start=1):
                    yield number, _cells(map(_text, line))
    except (SourceError, PermissionError):
        raise
    except Exception as error:  # a damaged workbook lets openpyxl fail in any way
        raise SourceError(f"{path} cannot be read as a table: {error or type(error).__name__}") from None


def _text(cell: object) -> str:
    """A cell of a workbook as it would stand in a CSV file: whole numbers without decimals."""
    if cell is None:
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _cells(texts: Iterable[str]) -> list[str]:
    """Without blanks around them and composed (a letter and its accent may be one character or two)."""
    cells = [unicodedata.normalize("NFC", text.strip()) for text in texts]
    while cells and not cells[-1]:
        cells.pop()
    return cells
