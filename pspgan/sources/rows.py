"""Tables as rows of text that know where they stand, so that an error can name file, row and column."""

from __future__ import annotations

import difflib
import math
import sqlite3
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pandas as pd


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
            raise SourceError(f'{self.place}: {column} "{text}" is not a number; correct the cell')
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
    nearest = difflib.get_close_matches(column.casefold(), named, n=1, cutoff=0.0)
    hint = f'; the nearest is "{named[nearest[0]]}"' if nearest else ""
    return f'{file} has no column "{column}"{hint} (columns: {", ".join(named.values()) or "none"})'


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
    raw = {"header": None, "na_filter": False}
    try:
        if path.suffix.lower() == ".xlsx":
            frame = pd.read_excel(path, dtype=object, **raw)
        else:
            frame = pd.read_csv(
                path, dtype=str, sep=_delimiter(path), skip_blank_lines=False, encoding="utf-8-sig", **raw
            )
    except UnicodeDecodeError:
        raise SourceError(f"{path} is not UTF-8 text; save it as UTF-8 CSV, or as .xlsx") from None
    except (ValueError, KeyError, zipfile.BadZipFile) as error:  # pandas' parser errors are ValueErrors
        raise SourceError(f"{path} cannot be read as a table: {error}") from None
    lines = [[str(cell).strip() for cell in line] for line in frame.itertuples(index=False, name=None)]
    if not lines or not any(lines[0]):
        raise SourceError(f"{path}: the first row names no columns")
    columns = tuple(lines[0])
    rows = [
        Row(f"{path}, row {number}", f"row {number}", dict(zip(columns, line, strict=True)))
        for number, line in enumerate(lines[1:], start=2)
        if any(line)
    ]
    return Rows(str(path), columns, tuple(rows))


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


def _delimiter(path: Path) -> str:
    with path.open(encoding="utf-8-sig") as file:
        first = file.readline()
    return max(",;\t", key=first.count)
