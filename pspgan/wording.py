"""Words for messages: texts of others on one line and short, durations, sizes."""

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


def counted(n: int, noun: str) -> str:
    """A number and its noun.

    >>> counted(1, "level"), counted(3, "level"), counted(1200, "level")
    ('1 level', '3 levels', '1,200 levels')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def duration(seconds: float) -> str:
    """A time in the unit that suits it.

    >>> duration(42), duration(600), duration(9000), duration(2e6)
    ('42 s', '10 min', '2.5 h', '23 days')
    """
    for unit, longest, size in (("s", 90, 1), ("min", 90, 60), ("h", 48, 3600)):
        if seconds < longest * size:
            return f"{seconds / size:.2g} {unit}"
    return f"{seconds / 86400:,.0f} days"


def bytes_in_words(count: float) -> str:
    """A size in the unit that suits it, of 1000 each.

    >>> bytes_in_words(5e5), bytes_in_words(1.234e9)
    ('500 kB', '1.23 GB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} TB"
