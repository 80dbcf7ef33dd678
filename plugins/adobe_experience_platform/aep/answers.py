"""What an HTTP answer of AEP means, and the one place that reads AEP's error bodies.

AEP answers errors in six shapes (gateway, ad-hoc activation, Flow Service, problem+json, Profile, IMS);
:func:`describe` reads them all and :func:`classify` says what a client may do next.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import enum
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from adobe_experience_platform.errors import Conflict

from .secrets import blot
from .text import one_line

_CODE_LIMIT = 100
_LONGEST_ERROR = 2**18
"""Bytes of a refusal that are read as JSON: the triggerer's event loop waits meanwhile."""
_CONFLICT = re.compile(
    r"Run already going on for (?:audience|segment)\s+(?P<audience>\S+)\s+for order\s+(?P<flow>\S+)"
    r"\s+with run id\s+(?P<run>[A-Za-z0-9][A-Za-z0-9._:~-]*)",
    re.IGNORECASE,
)
_LEADING_CODE = re.compile(r"\d{4}-\d{3}(?=\W|$)")
_NOT_READY = re.compile(r"not ready.*\bretry\b", re.IGNORECASE | re.DOTALL)
NOT_READY_PAUSE = 600.0
"""Seconds to wait after "not ready … wait for 10 minutes and retry", as AEP's own text says."""


class AnswerKind(enum.Enum):
    """What a client may do after an answer."""

    OK = "ok"
    RETRY = "retry"
    RENEW_TOKEN = "renew token"  # noqa: S105 - a word, no secret
    CONFLICT = "conflict"
    NOT_READY = "not ready"
    NOT_SENT = "not sent"
    UNKNOWN = "unknown"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class AnswerReading:
    """Reading of one HTTP answer; ``retry_after`` in seconds."""

    kind: AnswerKind
    status: int
    code: str = ""
    text: str = ""
    request_id: str = ""
    retry_after: float | None = None
    conflict: Conflict | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """What an error takes from it."""
        return {name: getattr(self, name) for name in ("status", "code", "text", "request_id", "retry_after")}


def classify(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    activation: bool = False,
    secrets: Iterable[str] = (),
    now: float | None = None,
) -> AnswerReading:
    """Say what may be done after an answer.

    :param status: HTTP status.
    :param headers: response headers, keys in lower case.
    :param body: raw body, of any shape.
    :param activation: whether the request was ``POST /adhocrun``, which must never be sent blindly twice.
    :param secrets: what the answer may echo, and nobody must read.
    :param now: epoch seconds, to read a ``Retry-After`` given as a date.
    """
    request_id = request_id_of(headers, secrets)
    if 200 <= status < 300:
        return AnswerReading(AnswerKind.OK, status, request_id=request_id)
    data = _load(body)
    code, text = describe(data, body, secrets)
    found = conflict_in(text)
    if status == 401:
        kind = AnswerKind.RENEW_TOKEN
    elif activation and status == 400:
        kind = AnswerKind.CONFLICT if found else AnswerKind.NOT_READY if _NOT_READY.search(text) else AnswerKind.FINAL
    elif activation and status in (403, 404):
        kind = AnswerKind.NOT_SENT
    elif activation:
        kind = AnswerKind.UNKNOWN
    elif status in (408, 425, 429) or status >= 500:
        kind = AnswerKind.RETRY
    else:
        kind = AnswerKind.FINAL
    pause = _retry_after(headers, data, now)
    return AnswerReading(
        kind=kind,
        status=status,
        code=code,
        text=text,
        request_id=request_id,
        retry_after=NOT_READY_PAUSE if kind is AnswerKind.NOT_READY and pause is None else pause,
        conflict=found,
    )


def request_id_of(headers: Mapping[str, str], secrets: Iterable[str]) -> str:
    """Return AEP's id of a request, by which its support finds it."""
    return one_line(blot(headers.get("x-request-id", ""), secrets), _CODE_LIMIT)


def conflict_in(text: str) -> Conflict | None:
    """Return the run in progress that AEP's words name, None if they name none."""
    found = _CONFLICT.search(text)
    return Conflict(found["flow"], found["audience"], found["run"]) if found else None


def code_of(code: str, text: str) -> str:
    """Return AEP's code of an error; some services put it in front of their text instead of into a field."""
    leading = _LEADING_CODE.match(text)
    return code or (leading[0] if leading else "")


def describe(data: object, body: bytes = b"", secrets: Iterable[str] = ()) -> tuple[str, str]:
    """Return (code, text) of an error body of any of AEP's shapes, text made safe for one log line."""
    code: object = ""
    text = ""
    if isinstance(data, dict):
        report = data.get("report")
        detailed = report.get("detailed-message") if isinstance(report, dict) else None
        texts = [data.get(key) for key in ("message", "errorMessage", "detail", "title", "error_description")]
        text = next((str(item) for item in [*texts, detailed] if isinstance(item, str | int) and str(item)), "")
        code = next((data[key] for key in ("error_code", "errorCode", "code", "error", "type") if data.get(key)), "")
    code = "" if isinstance(code, dict | list) else blot(str(code).rsplit("/errors/", 1)[-1], secrets)
    said = one_line(blot(text, secrets)) or one_line(blot(body[:10_000].decode("utf-8", "replace"), secrets))
    return one_line(code, _CODE_LIMIT), said


def _load(body: bytes) -> object:
    try:
        return json.loads(body) if 0 < len(body) <= _LONGEST_ERROR else None
    except (ValueError, RecursionError):
        return None


def _retry_after(headers: Mapping[str, str], data: object, now: float | None) -> float | None:
    """Read ``Retry-After`` (seconds or a date) or the Profile service's ``retryAfterMs``."""
    value = headers.get("retry-after", "").strip()
    if value:
        try:
            return max(0.0, float(value)) if float(value) < float("inf") else None
        except ValueError:
            pass
        try:
            moment = email.utils.parsedate_to_datetime(value).timestamp()
        except (ValueError, TypeError, IndexError, OverflowError, OSError):
            return None
        start = dt.datetime.now(tz=dt.UTC).timestamp() if now is None else now
        return max(0.0, moment - start)
    if isinstance(data, dict):
        try:
            pause = float(data["retryAfterMs"]) / 1000
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
        return max(0.0, pause) if pause < float("inf") else None
    return None
