"""Read untrusted JSON: every function returns a usable value or reports that there is none."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping

from .text import one_line

_DIGITS = re.compile(r"\s*[0-9]{1,19}\s*", re.ASCII)


def as_dict(value: object) -> Mapping[str, object]:
    """Return ``value`` if it is a JSON object, else an empty one: young runs lack whole branches."""
    return value if isinstance(value, dict) else {}


def as_dicts(value: object) -> list[Mapping[str, object]]:
    """Return the JSON objects in a JSON list, skipping everything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def as_text(value: object) -> str:
    """Return a JSON string or number as text; ids are integers in one API and strings in the next."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e40:
        return ""
    return str(int(value)) if value == int(value) else str(value)


def as_id(value: object) -> str:
    """Return an id as text that may be shown; a broken one becomes an id that AEP does not know."""
    return one_line(as_text(value), 255)


def as_count(value: object) -> int | None:
    """Return a counter, also one in digits; None when it is absent, negative (AEP's "unknown") or no whole number."""
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**63:
        return None
    return int(value) if value == int(value) else None


def as_time(value: object) -> dt.datetime | None:
    """Return an epoch as an aware UTC time; seconds or milliseconds are told apart by magnitude."""
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else 0.0
        if not 0 < number < 1e16:
            return None
        return dt.datetime.fromtimestamp(number / 1000 if number >= 1e11 else number, tz=dt.UTC)
    except (ValueError, OverflowError, OSError):
        return None


def as_date(value: object) -> dt.date | None:
    """Return the UTC day of a date, of a time in ISO 8601 or of an epoch, or None."""
    text = as_text(value)
    try:
        moment = as_time(text) if text.isdecimal() and len(text) > 8 else dt.datetime.fromisoformat(text)
        return moment and (moment.astimezone(dt.UTC) if moment.tzinfo else moment).date()
    except (ValueError, OverflowError):
        return None
