"""Texts of others, quoted in messages: on one line, short, and shown by a terminal as they are."""

from __future__ import annotations


def quoted(text: str, longest: int) -> str:
    """The text with line breaks, escape sequences and characters that turn the direction of writing escaped.

    Args:
        text: a name of a file, a cell, or a message that holds some.
        longest: characters that are kept; of a longer one the middle is left out.

    >>> quoted("a\\nb.png", 80)
    'a\\\\nb.png'
    """
    if len(text) > longest:
        text = f"{text[: longest * 3 // 4]} [...] {text[-(longest // 4) :]}"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
