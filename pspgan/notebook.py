"""How runs, models, spaces and reports show themselves in a notebook."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd


def titled(title: str, *parts: str) -> str:
    """A heading, and HTML below it."""
    return f"<div><b>{html.escape(title)}</b>{''.join(parts)}</div>"


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table; texts are escaped."""
    return pd.DataFrame(rows).to_html(index=False, border=0, na_rep="")


def facts(named: Mapping[str, Any]) -> str:
    """A table of names and values."""
    return pd.DataFrame(named.items()).to_html(index=False, header=False, border=0)


def picture(file: Path, alt: str) -> str:
    """A PNG, embedded."""
    data = base64.b64encode(file.read_bytes()).decode("ascii")
    style = "max-width:100%;image-rendering:pixelated"
    return f'<img alt="{html.escape(alt)}" style="{style}" src="data:image/png;base64,{data}">'
