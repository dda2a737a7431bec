"""What commands say, and which of several processes says it."""

from __future__ import annotations

import os

import typer


def say(text: str, then: str) -> None:
    """What came of a command, and the command that usually follows."""
    if text:
        typer.echo(text)
    typer.echo(f"next: {then}")


def speaks() -> bool:
    """Whether this process talks to the user: of those that torchrun started, rank 0 does."""
    return os.environ.get("RANK", "0") == "0"
