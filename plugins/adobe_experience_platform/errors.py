"""Everything that can go wrong, as types, and the one place that reads AEP's error bodies.

AEP answers errors in six shapes (gateway, ad-hoc activation, Flow Service, problem+json, Profile,
IMS); :func:`describe` reads them all and :func:`classify` says what a client may do next.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import enum
import json
import re
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from airflow.sdk.exceptions import AirflowException, AirflowSensorTimeout

_TEXT_LIMIT = 500
_CODE_LIMIT = 100
_CONFLICT = re.compile(
    r"Run already going on for (?:audience|segment)\s+(?P<audience>\S+)\s+for order\s+(?P<flow>\S+)"
    r"\s+with run id\s+(?P<run>[A-Za-z0-9][A-Za-z0-9._:~-]*)",
    re.IGNORECASE,
)
_LEADING_CODE = re.compile(r"\d{4}-\d{3}(?=\W|$)")
_NOT_READY = re.compile(r"not ready.*\bretry\b", re.IGNORECASE | re.DOTALL)
NOT_READY_PAUSE = 600.0
"""Seconds to wait after "not ready … wait for 10 minutes and retry", as AEP's own text says."""


class AepError(AirflowException):
    """Base of all errors of this provider.

    :param message: what happened and what to do next.
    :param retry_after: seconds that AEP asked to wait, None if it did not.
    """

    retriable = False
    """Whether the same task may succeed when it simply runs again."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class AepConnectionConfigError(AepError):
    """The Airflow connection cannot be used; all faults are listed."""


class AepInputError(AepError):
    """The request itself is wrong; nothing was sent. ``faults`` holds one line each."""

    def __init__(self, faults: Sequence[str], *, intro: str = "Nothing was sent.") -> None:
        self.faults = list(faults)
        count = f"{len(self.faults)} fault{'s' if len(self.faults) != 1 else ''} found"
        super().__init__(f"{intro} {count}:\n" + "\n".join(f"  - {fault}" for fault in self.faults))


class AepCallError(AepError):
    """A call to AEP did not give the answer it should.

    :param call: name of the call, such as ``GET /flows/{id}``.
    :param status: HTTP status, None when there was no answer.
    :param code: AEP's own error code, "" if none.
    :param text: AEP's own words, "" if none.
    :param request_id: ``x-request-id`` of the answer, "" if none.
    :param advice: what to do next.
    """

    def __init__(
        self,
        call: str,
        *,
        status: int | None = None,
        code: str = "",
        text: str = "",
        request_id: str = "",
        advice: str = "",
        retry_after: float | None = None,
    ) -> None:
        self.call, self.status, self.code, self.text, self.request_id = call, status, code, text, request_id
        parts = [f"{call} failed"]
        if status is not None:
            parts.append(f"with HTTP {status}")
        if code:
            parts.append(f"[{code}]")
        message = " ".join(parts) + (f": {text}" if text else ".")
        if request_id:
            message += f" (request id {request_id})"
        super().__init__(message + (f" → {advice}" if advice else ""), retry_after=retry_after)


class AepTransientError(AepCallError):
    """No usable answer: connection trouble, 408, 429, 5xx or an unreadable body."""

    retriable = True


class AepAuthError(AepCallError):
    """IMS or AEP refuses the credential (400 of IMS, 401 after a renewal, 403)."""


class AepNotFoundError(AepCallError):
    """AEP does not know the thing asked for."""


class AepRequestError(AepCallError):
    """AEP refuses the request as it stands (another 4xx, or a redirect that is not followed)."""


class AepNotReadyError(AepCallError):
    """AEP asks to come back later (a 400 that says "not ready … retry")."""

    retriable = True


class AepConflictError(AepCallError):
    """An ad-hoc run for the audience is already in progress; ``conflict`` names it."""

    def __init__(self, call: str, conflict: Conflict, **kwargs: object) -> None:
        super().__init__(call, **kwargs)  # type: ignore[arg-type]
        self.conflict = conflict


class AepLostAnswerError(AepCallError):
    """The activation was sent and its outcome is unknown: it may or may not have started."""

    retriable = True


class AepDeadlineError(AepError, AirflowSensorTimeout):
    """A wait took longer than it may; like every sensor time-out it is not retried."""


class AepExportError(AepError):
    """There is no segment export that may be delivered (none, too old)."""


class AepCampaignDayError(AepError):
    """A campaign's day was not delivered in time, or belongs to another run; a person decides what to do."""


class AepSubmissionError(AepError):
    """AEP has answered and some pairs have no run; a person decides what to do."""


class AepDeliveryError(AepError):
    """Not everything was delivered; the message names every pair."""


class Kind(enum.Enum):
    """What a client may do after an answer."""

    OK = "ok"
    RETRY = "retry"
    RENEW_TOKEN = "renew token"  # noqa: S105 - a word, no secret
    CONFLICT = "conflict"
    NOT_READY = "not ready"
    NOT_SENT = "not sent"
    UNKNOWN = "unknown"
    FINAL = "final"


class Conflict(NamedTuple):
    """The run that AEP says is already in progress."""

    flow_id: str
    audience_id: str
    run_id: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Reading of one HTTP answer; ``retry_after`` in seconds."""

    kind: Kind
    status: int
    code: str = ""
    text: str = ""
    request_id: str = ""
    retry_after: float | None = None
    conflict: Conflict | None = None


def classify(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    activation: bool = False,
    now: float | None = None,
) -> Verdict:
    """Say what may be done after an answer.

    :param status: HTTP status.
    :param headers: response headers, keys in lower case.
    :param body: raw body, of any shape.
    :param activation: whether the request was ``POST /adhocrun``, which must never be sent blindly twice.
    :param now: epoch seconds, to read a ``Retry-After`` given as a date.
    """
    request_id = request_id_of(headers)
    if 200 <= status < 300:
        return Verdict(Kind.OK, status, request_id=request_id)
    data = _load(body)
    code, text = describe(data, body)
    found = conflict_in(text)
    if status == 401:
        kind = Kind.RENEW_TOKEN
    elif activation and status == 400:
        kind = Kind.CONFLICT if found else Kind.NOT_READY if _NOT_READY.search(text) else Kind.FINAL
    elif activation and status in (403, 404):
        kind = Kind.NOT_SENT
    elif activation:
        kind = Kind.UNKNOWN
    elif status in (408, 425, 429) or status >= 500:
        kind = Kind.RETRY
    else:
        kind = Kind.FINAL
    pause = _retry_after(headers, data, now)
    return Verdict(
        kind=kind,
        status=status,
        code=code,
        text=text,
        request_id=request_id,
        retry_after=NOT_READY_PAUSE if kind is Kind.NOT_READY and pause is None else pause,
        conflict=found,
    )


def request_id_of(headers: Mapping[str, str]) -> str:
    """Return AEP's id of a request, by which its support finds it."""
    return one_line(headers.get("x-request-id", ""), _CODE_LIMIT)


def conflict_in(text: str) -> Conflict | None:
    """Return the run in progress that AEP's words name, None if they name none."""
    found = _CONFLICT.search(text)
    return Conflict(found["flow"], found["audience"], found["run"]) if found else None


def code_of(code: str, text: str) -> str:
    """Return AEP's code of an error; some services put it in front of their text instead of into a field."""
    leading = _LEADING_CODE.match(text)
    return code or (leading[0] if leading else "")


def describe(data: object, body: bytes = b"") -> tuple[str, str]:
    """Return (code, text) of an error body of any of AEP's shapes, text made safe for one log line."""
    if not isinstance(data, dict):
        return "", _raw(body)
    report = data.get("report")
    detailed = report.get("detailed-message") if isinstance(report, dict) else None
    texts = [data.get(key) for key in ("message", "errorMessage", "detail", "title", "error_description")]
    text = next((str(item) for item in [*texts, detailed] if isinstance(item, str | int) and str(item)), "")
    code = next((data[key] for key in ("error_code", "errorCode", "code", "error", "type") if data.get(key)), "")
    if isinstance(code, dict | list):
        code = ""
    return one_line(str(code).rsplit("/errors/", 1)[-1], _CODE_LIMIT), one_line(text) or _raw(body)


def _raw(body: bytes) -> str:
    return one_line(body[: _TEXT_LIMIT * 20].decode("utf-8", "replace"))


def one_line(text: str, limit: int = _TEXT_LIMIT) -> str:
    """Make foreign text safe for one log line: no control characters, no endless bodies."""
    begin = text[: limit * 20]  # a body may have millions of characters, and the event loop waits meanwhile
    clean = " ".join("".join(char if char.isprintable() else " " for char in begin).split())
    cut = len(clean) > limit or len(begin) < len(text)
    return clean[: limit - 1] + "…" if cut else clean


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 100


def shown(value: object, limit: int = 60) -> str:
    """Show a foreign value of any type in one line of ASCII, however large or deep it is."""
    try:
        return one_line(ascii(value) if isinstance(value, str) else _SHORT.repr(value), limit)
    except ValueError:  # an integer of thousands of digits
        return f"(a huge {type(value).__name__})"


def _load(body: bytes) -> object:
    try:
        return json.loads(body) if body else None
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
