"""The small values of settings: ids, times of day, dates, durations, time zones, cron. Each says what it wants.

Every type reads what a campaign file says and what Python code passes, and describes itself in the published JSON
Schema. This loads pydantic, so the room's face does not import it.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
import zoneinfo
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from adobe_experience_platform.aep import conn_id_fault, one_line, short_repr

from .input import LONGEST_NAME, check_id, check_name

NAME = "[A-Za-z0-9][A-Za-z0-9_-]{0,99}"
CRON_PRESETS = ("@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly")
LONGEST = dt.timedelta(days=7)

_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])\Z")
_DURATION = re.compile(r"(?:(?P<days>\d{1,3}) ?d)? ?(?:(?P<hours>\d{1,4}) ?h)? ?(?:(?P<minutes>\d{1,5}) ?m(?:in)?)?\Z")
_CRON_PART = re.compile(r"[0-9]+|[A-Za-z]+|.")
_CRON_WORDS = re.compile(r"(?i)mon|tue|wed|thu|fri|sat|sun|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|l")


def _text(value: object, what: str, example: str) -> str:
    """Return a text that is short enough for whatever looks at it next."""
    if not isinstance(value, str) or not 0 < len(value) <= 250:
        raise ValueError(f"{short_repr(value)} is not a valid {what}: write it like {example}")
    return value


def _line(value: object, limit: int = 250) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{short_repr(value)} is not text: write one line of text")
    text = str(value).strip()
    if not 0 < len(text) <= limit or not text.isprintable() or one_line(text) != " ".join(text.split()):
        raise ValueError(f"{short_repr(text)} is not a line of text: write one line, 1 to {limit} characters")
    return text


def _paragraph(value: object) -> str:
    text = one_line(value, 2_001) if isinstance(value, str) else ""
    if not 0 < len(text) <= 2_000:
        raise ValueError(f"{short_repr(value)} is not a description: write 1 to 2,000 characters of text")
    return text


def _digits(value: object) -> object:
    # An id of digits alone reads as a number; marked_yaml only does so where nothing gets lost.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _ident(value: object) -> str:
    value = _digits(value)
    if fault := check_id(value, "the id"):
        raise ValueError(fault)
    return str(value)


def _id_or_name(value: object) -> str:
    value = _digits(value)
    if fault := check_name(value, "the entry"):
        raise ValueError(fault)
    if any(sign in str(value) for sign in ("{{", "{%", "{#")):
        raise ValueError(f"{short_repr(value)} looks like a template, and a campaign file has none: write the id")
    return str(value)


def _connection(value: object) -> str:
    if fault := conn_id_fault(value):
        raise ValueError(f"the connection id {fault}")
    return str(value)


def _time(value: object) -> dt.time:
    if isinstance(value, dt.time) and value.tzinfo is None and not value.second and not value.microsecond:
        return value
    found = _TIME.match(value) if isinstance(value, str) else None
    if not found:
        raise ValueError(f'{short_repr(value)} is not a valid time of day: write hours and minutes, such as "09:00"')
    return dt.time(int(found[1]), int(found[2]))


def _date(value: object) -> dt.date:
    if isinstance(value, dt.date):
        return value.date() if isinstance(value, dt.datetime) else value
    text = _text(value, "date", "2026-12-24")
    if not re.fullmatch(r"20\d{2}-\d{2}-\d{2}", text, re.ASCII):
        raise ValueError(f"{short_repr(text)} is not a valid date: write year-month-day, such as 2026-12-24")
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text} does not exist in the calendar: correct the date") from None


def _duration(value: object) -> dt.timedelta:
    if isinstance(value, dt.timedelta):
        length = value
    else:
        text = _text(value, "duration", "2h, 90m or 1h 30m")
        found = _DURATION.match(" ".join(text.lower().split()))
        parts = {unit: int(number) for unit, number in found.groupdict().items() if number} if found else {}
        if not parts:
            raise ValueError(f"{short_repr(value)} is not a valid duration: write it like 2h, 90m or 1h 30m")
        length = dt.timedelta(**parts)
    if not dt.timedelta(0) < length <= LONGEST:
        raise ValueError(f"{short_repr(value)} is too {'long' if length > LONGEST else 'short'}: choose 1m to 7d")
    return length


def _zone(value: object) -> str:
    text = _text(value, "time zone", "Europe/Berlin")
    try:
        zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        near = difflib.get_close_matches(text, zoneinfo.available_timezones(), 1)
        hint = f"did you mean {near[0]}?" if near else "write its name in the IANA list, such as Europe/Berlin or UTC"
        raise ValueError(f"{short_repr(text)} is not a valid time zone: {hint}") from None
    return text


def _cron(value: object) -> str:
    text = " ".join(_text(value, "schedule", '"0 7 * * 1" or "@daily"').split())
    if text.startswith("@"):
        if text not in CRON_PRESETS:
            raise ValueError(
                f"{short_repr(text)} is not a preset: choose {', '.join(CRON_PRESETS)}, or write a cron expression"
            )
        return text
    # load time: few processes read a cron expression
    from croniter import CroniterBadDateError, croniter  # type: ignore[import-untyped]

    remedy = 'write minute, hour, day of month, month and day of week, such as "0 7 * * 1" for Mondays at 7:00'
    if len(text.split()) != 5:
        raise ValueError(f"{short_repr(text)} has {len(text.split())} fields, a cron expression has 5: {remedy}")
    try:
        for part in _CRON_PART.findall(text):
            # Among others R and H, which mean a time by chance; a long number is a long list.
            if not (_CRON_WORDS.fullmatch(part) or part in "*/,#?- " or (part.isdigit() and len(part) <= 4)):
                raise ValueError(f"{part[:20]} means nothing here")
        croniter(text).get_next()
    except CroniterBadDateError:
        raise ValueError(f"{short_repr(text)} never comes: there is no such day in the calendar") from None
    except Exception as error:  # noqa: BLE001 - croniter raises many kinds
        raise ValueError(
            f"{short_repr(text)} is not a valid cron expression ({one_line(str(error), 100)}): {remedy}"
        ) from None
    return text


def once_a_day(cron: str) -> bool:
    """Whether a cron expression or preset comes once a day at most: at one minute of one hour."""
    return (cron.startswith("@") and cron != "@hourly") or all(part.isdigit() for part in cron.split()[:2])


def matching(form: str, what: str, **schema: Any) -> tuple[Any, ...]:
    """Return what makes a str a text of a form, at most 250 characters: ``Annotated[str, *matching(…)]``."""
    whole = re.compile(form)

    def read(value: object) -> str:
        if not isinstance(value, str) or len(value) > 250 or not whole.fullmatch(value):
            raise ValueError(f"{short_repr(value)} is not {what}")
        return value

    return _type(read, **schema)


def _type(read: Callable[[object], Any], **schema: Any) -> tuple[Any, ...]:
    return BeforeValidator(read), WithJsonSchema({"type": "string", **schema})


Text = Annotated[str, *_type(_line, minLength=1, maxLength=250)]
Tag = Annotated[str, *_type(lambda value: _line(value, 100), minLength=1, maxLength=100)]
Paragraph = Annotated[str, *_type(_paragraph, minLength=1, maxLength=2_000)]
Name = Annotated[
    str,
    *matching(
        NAME, "a valid name: use up to 100 letters, digits, _ and -, such as daily_newsletter", pattern=f"^{NAME}$"
    ),
]
Ident = Annotated[
    str,
    BeforeValidator(_ident),
    WithJsonSchema({"type": ["string", "integer"], "pattern": "^[A-Za-z0-9][A-Za-z0-9._:~@+-]{0,254}$"}),
]
IdOrName = Annotated[
    str,
    BeforeValidator(_id_or_name),
    WithJsonSchema({"type": ["string", "integer"], "minLength": 1, "maxLength": LONGEST_NAME}),
]
ConnectionId = Annotated[str, *_type(_connection, minLength=1)]
TimeOfDay = Annotated[
    dt.time,
    *_type(_time, pattern="^([01]?[0-9]|2[0-3]):[0-5][0-9]$", examples=["09:00"]),
]
Date = Annotated[dt.date, *_type(_date, format="date", examples=["2026-12-24"])]
Duration = Annotated[
    dt.timedelta,
    *_type(
        _duration, pattern="^\\s*([0-9]+\\s*d)?\\s*([0-9]+\\s*h)?\\s*([0-9]+\\s*m(in)?)?\\s*$", examples=["2h", "90m"]
    ),
]
Zone = Annotated[str, *_type(_zone, examples=["Europe/Berlin", "UTC"])]
Cron = Annotated[str, *_type(_cron, minLength=1, examples=["0 7 * * 1", *CRON_PRESETS])]
ImportPath = Annotated[
    str,
    *matching(
        r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+",
        "an import path: write it like airflow.providers.slack.notifications.slack.SlackNotifier",
    ),
]
# Braces and percent signs would make a template of it: Airflow renders the recipients of a mail.
Address = Annotated[
    str,
    *matching(
        r"[^\s@<>\"'(),;:{}%]+@[^\s@<>\"'(),;:{}%]+",
        "a valid e-mail address: write one such as team@example.com",
        pattern="@",
    ),
]
