"""What an argument says once Airflow has resolved it: a template's text becomes the value it stands for. No I/O.

Text is read by the argument's declared type. Ids and names are never evaluated: ``"007"``, ``"1e5"`` and ``"True"``
stay what they are.
"""

from __future__ import annotations

import ast
import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence, Set, ValuesView
from functools import partial
from typing import Any

from adobe_experience_platform.aep import short_repr
from adobe_experience_platform.errors import AepInputError

from .input import check_id, check_name

NOT_GIVEN = ("", "None")
"""What a template without a value renders to."""


def is_given(value: object) -> bool:
    """Whether an argument, or the text of its template, has a value."""
    return value is not None and not (isinstance(value, str) and value.strip() in NOT_GIVEN)


def _is_empty(value: object) -> bool:
    return not is_given(value) or value == "null"


def given_collection(value: Any) -> Any:
    """Return the mapping or list that JSON or Python text says, other values as they are, None if not given."""
    text = value.strip() if isinstance(value, str) else value
    if _is_empty(text):
        return None
    if isinstance(text, str) and text.startswith(("{", "[", "(")):
        for read in (json.loads, ast.literal_eval):
            try:
                return read(text)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
    return value


def given_items(value: Any) -> Any:
    """Return a plain list of any sequence, such as Airflow's lazy one, and anything else as given_collection does."""
    found = given_collection(value)
    if isinstance(found, Sequence) and not isinstance(found, str | bytes):
        # A mapped task's output answers a slice with one request, and an iteration with many. What Airflow makes of
        # outputs (``map``, ``zip``, ``concat``) cannot be sliced: it fails, or answers with something else.
        return list(found[:] if type(found).__name__ == "LazyXComSequence" else found)
    if isinstance(found, Set):
        return sorted(found, key=str)
    return list(found) if isinstance(found, ValuesView) else found


def given_info(value: Any) -> Any:
    """Return an ``activation_info`` with plain lists, or a list of jobs; anything else as it is, None if not given."""
    found = given_items(value)
    if isinstance(found, Mapping):
        return {flow: given_items(audiences) for flow, audiences in found.items()}
    return found


def given_mapping(value: Any, what: str) -> Mapping[str, Any] | None:
    """Return a mapping, also from its text; None if not given, else an AepInputError."""
    found = given_collection(value)
    if found is None or isinstance(found, Mapping):
        return found
    raise AepInputError([f"{what} is {short_repr(value)}: enter a mapping, or a template that renders to one"])


def given_briefing(value: Any, what: str) -> Mapping[str, Any] | None:
    """Return an :class:`~.xcom.Briefing`; None if not given, else an AepInputError."""
    found = given_mapping(value, what)
    if found is not None and not isinstance(found.get("settings"), Mapping):
        raise AepInputError([f"{what} is {short_repr(value)}: pass the XCom briefing of plan_jobs"])
    return found


def given_id(value: object, what: str, *, names: bool = False) -> str | None:
    """Return an id, or with ``names`` also a name, as text; None if not given, an AepInputError for what is neither."""
    if _is_empty(value):
        return None
    # AEP's own samples have ids that are integers.
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if fault := (check_name if names else check_id)(text, what):
        raise AepInputError([fault])
    return str(text)


def given_time(value: object, what: str) -> dt.datetime | None:
    """Return a time, also from ISO 8601; UTC if it names no time zone; None if not given, else an AepInputError."""
    if _is_empty(value):
        return None
    try:
        found = dt.datetime.fromisoformat(value.strip()) if isinstance(value, str) else value
    except ValueError:
        found = None
    if not isinstance(found, dt.datetime):
        raise AepInputError([f"{what} is {short_repr(value)}: enter a time such as 2026-03-10T06:00:00+00:00"])
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def given_truth(value: object, what: str, default: bool) -> bool:
    """Return true or false, also from their text; an :class:`AepInputError` for anything else."""
    if _is_empty(value):
        return default
    if isinstance(value, bool):
        return value
    found = {"true": True, "false": False}.get(value.strip().lower()) if isinstance(value, str) else None
    if found is None:
        raise AepInputError([f"{what} is {short_repr(value)}: choose true or false"])
    return found


READINGS: Mapping[str, Callable[[Any, str], Any]] = {
    "activation_info": lambda value, _: given_info(value),
    **dict.fromkeys(("jobs", "orders"), lambda value, _: given_items(value)),
    **dict.fromkeys(("job", "settings", "names", "campaign_day"), given_mapping),
    "briefing": given_briefing,
    "export_job_id": given_id,
    "since": given_time,
    **dict.fromkeys(("flow", "audience"), partial(given_id, names=True)),
    "wait_for_completion": lambda value, name: given_truth(value, name, default=False),
    "resend_failed": lambda value, name: given_truth(value, name, default=True),
}
"""Argument of a task → how what Airflow hands over becomes its value; :mod:`.settings` reads the settings."""
