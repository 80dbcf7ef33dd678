"""Text for people: external text made safe for one line, counts, names beside ids."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping

_TEXT_LIMIT = 500


def one_line(text: str, limit: int = _TEXT_LIMIT) -> str:
    """Make external text safe for one log line: no control characters, bounded length."""
    begin = text[: limit * 20]  # a body may have millions of characters, and the event loop waits meanwhile
    clean = " ".join("".join(char if char.isprintable() else " " for char in begin).split())
    cut = len(clean) > limit or len(begin) < len(text)
    return clean[: limit - 1] + "…" if cut else clean


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 100


def short_repr(value: object, limit: int = 60) -> str:
    """Show an external value of any type in one line of ASCII, however large or deep it is."""
    try:
        return one_line(ascii(value) if isinstance(value, str) else _SHORT.repr(value), limit)
    except ValueError:  # an integer of thousands of digits
        return f"(a huge {type(value).__name__})"


def count(number: int, noun: str) -> str:
    """Return ``1 audience`` or ``2 audiences``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def named(ident: str, names: Mapping[str, str]) -> str:
    """Return ``'Name' (id)``, or the id alone."""
    return f"{names[ident]!r} ({ident})" if names.get(ident) else ident
