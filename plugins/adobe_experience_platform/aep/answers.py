"""What an HTTP answer of AEP means, and the one place that reads AEP's error bodies.

Each service of AEP has error bodies of its own, some have two: the documented form and an older one.
:func:`describe` reads them all and :func:`classify` says what a client may do next.
"""

from __future__ import annotations

import email.utils
import enum
import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from adobe_experience_platform.errors import Conflict

from .json_values import as_dict, as_dicts, as_text
from .secrets import blot
from .text import one_line

_CODE_LIMIT = 100
_LONGEST_ERROR = 2**18
"""Bytes of a refusal that are read as JSON: the triggerer's event loop waits meanwhile."""
_GAP = r"[^A-Za-z0-9{}]+"
"""What may stand around an id in a text and is no part of it: blanks, quotes, brackets, a colon; no placeholder."""
_ID = r"[A-Za-z0-9](?:[A-Za-z0-9._:~@+-]*[A-Za-z0-9])?"
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![A-Za-z0-9_~-])"
_CONFLICT = re.compile(
    rf"Run\s+already\s+going\s+on\s+for\s+(?:audience|segment)(?:\s+id)?{_GAP}(?P<audience>{_ID}){_GAP}"
    rf"for\s+order(?:\s+id)?{_GAP}(?P<flow>{_ID}){_GAP}with\s+run\s+id[^A-Za-z0-9.!?{{}}]+?"
    rf"(?:\S{{0,200}}?/runs/)?(?!(?:null|none|undefined)\b)(?P<run>{_UUID}|[A-Za-z0-9](?:[A-Za-z0-9._:~-]*[A-Za-z0-9])?)",
    re.IGNORECASE,
)
_LEADING_CODE = re.compile(r"(?:FLOW-)?\d{4}-\d{3}(?=\W|$)|[A-Z]{2,}(?:-[A-Z0-9]+)*-\d{3,}(?=:)")
_CODE = re.compile(r"(?:[A-Z_]+-)*\d{4,}-\d{3}|(?:[A-Z_]+-)+\d{4,}")
"""A code that only AEP has: ``2118-403``, ``FLOW-1439-404``, ``UPAPI-113430-404``, ``UPS-ACC-1000004``."""
_GATEWAY_CODE = re.compile(r"[45]\d{5}")
_NOT_READY = re.compile(r"not ready.*\bretry\b", re.IGNORECASE | re.DOTALL)
NOT_READY_PAUSE = 600.0
"""Seconds to wait after "not ready … wait for 10 minutes and retry", as AEP's own text says."""
NO_SANDBOX = "2100-404"
_GATEWAY_ADVICE = {
    "401013": "a newly issued token was rejected: check client id and scopes",
    "403000": "check Login (client id) of the connection",
    "403003": "check Login (client id) of the connection",
    "403025": "the credential is not entitled for this organization: check extra 'org_id'",
    "403027": "check extra 'org_id', and add the credential to a product profile",
    NO_SANDBOX: "check the sandbox name",
    "2118-403": "add the credential to a role with access to this sandbox and its destinations",
    "2120-403": "add the credential to a role with access to this sandbox and its destinations",
}


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
    """Reading of one HTTP answer; ``retry_after`` in seconds, ``is_aeps`` says that only AEP writes such a body."""

    kind: AnswerKind
    status: int
    code: str = ""
    text: str = ""
    request_id: str = ""
    retry_after: float | None = None
    conflict: Conflict | None = None
    is_aeps: bool = False

    @property
    def fields(self) -> dict[str, Any]:
        """What an error takes from it."""
        names = ("status", "code", "text", "request_id", "retry_after", "is_aeps")
        return {name: getattr(self, name) for name in names}


def classify(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    activation: bool = False,
    secrets: Iterable[str] = (),
) -> AnswerReading:
    """Say what may be done after an answer; keys of its headers are in lower case, its body is of any shape.

    :param activation: whether the request was ``POST /adhocrun``, which must never be sent blindly twice.
    :param secrets: what the answer may echo, and nobody must read.
    """
    request_id = request_id_of(headers, secrets)
    if 200 <= status < 300:
        return AnswerReading(AnswerKind.OK, status, request_id=request_id)
    data = _load(body)
    if isinstance(data, list):
        data = next(iter(as_dicts(data)), data)
    code, text = describe(data, body, secrets)
    whole = blot(_text_in(data), secrets)  # not ``text``, which may be cut in the middle of an id
    found = conflict_in(whole)
    if status == 401:
        kind = AnswerKind.RENEW_TOKEN
    elif activation and status == 400:
        kind = AnswerKind.CONFLICT if found else AnswerKind.NOT_READY if _NOT_READY.search(whole) else AnswerKind.FINAL
    elif activation and status in (403, 404):
        kind = AnswerKind.NOT_SENT
    elif activation:
        kind = AnswerKind.UNKNOWN
    elif status in (408, 425, 429) or status >= 500:
        kind = AnswerKind.RETRY
    else:
        kind = AnswerKind.FINAL
    pause = _retry_after(headers, data)
    return AnswerReading(
        kind=kind,
        status=status,
        code=code,
        text=text,
        request_id=_request_id_in(data, secrets) or request_id,
        retry_after=NOT_READY_PAUSE if kind is AnswerKind.NOT_READY and pause is None else pause,
        conflict=found,
        is_aeps=_is_aeps(data, code),
    )


def request_id_of(headers: Mapping[str, str], secrets: Iterable[str]) -> str:
    """Return AEP's id of a request, by which its support finds it."""
    return one_line(blot(headers.get("x-request-id", ""), secrets), _CODE_LIMIT)


def conflict_in(text: str) -> Conflict | None:
    """Return the run in progress that AEP's words name, None if they name none."""
    found = _CONFLICT.search(text)
    return Conflict(found["flow"], found["audience"], found["run"]) if found else None


def number_of(code: str) -> str:
    """Return a code as Adobe's tables list it, ``1439-404`` of ``FLOW-1439-404``."""
    return code.removeprefix("FLOW-")


def advice_of(verdict: AnswerReading) -> str:
    """Say what to do about a refusal that comes again however often the same is asked."""
    code = number_of(verdict.code)
    if code in _GATEWAY_ADVICE:
        return _GATEWAY_ADVICE[code]
    if verdict.status == 403:
        return (
            "give the credential a role on this sandbox with View Destinations, Activate Destinations, "
            "View Profiles and View Segments"
        )
    advice = {401: "check the credential of the connection", 404: "check the ids and the sandbox"}
    return advice.get(verdict.status, "correct what AEP reports; the same request would be rejected again")


def describe(data: object, body: bytes = b"", secrets: Iterable[str] = ()) -> tuple[str, str]:
    """Return (code, text) of an error body of any of AEP's shapes, text made safe for one log line."""
    said = as_dict(data)
    errors = list(_errors(said.get("errors")))
    text = one_line(blot(_text_in(data), secrets))
    codes = [said.get(key) for key in ("error_code", "errorCode", "code", "error")]
    codes += [as_text(each.get("type")).partition("/errors/")[2] for each in (said, *errors)]
    codes += [code for error in errors if not (code := as_text(error.get("code"))).isdecimal()]
    leading = _LEADING_CODE.match(text)  # some services put it in front of their text instead of into a field
    code = next(filter(None, map(as_text, codes)), leading[0] if leading else "")
    code = code.rsplit("/errors/", 1)[-1]
    return (
        one_line(blot(code, secrets), _CODE_LIMIT),
        text or one_line(blot(body[:10_000].decode("utf-8", "replace"), secrets)),
    )


def _text_in(data: object) -> str:
    said = as_dict(data)
    errors = list(_errors(said.get("errors")))
    detailed = as_dict(said.get("report")).get("detailed-message")
    texts = [said.get("message"), said.get("errorMessage"), detailed, said.get("detail")]
    texts += [error.get("message") for error in errors]
    texts += [each.get("title") for each in (said, *errors)]
    texts += [said.get("error_description"), said.get("errorDescription")]
    return next(filter(None, map(as_text, texts)), "")[:10_000]


def _errors(errors: object) -> Iterator[Mapping[str, object]]:
    """Yield the entries of ``errors``: Segmentation keys lists of them by HTTP status; some stand there directly."""
    for item in [errors, *errors.values()] if isinstance(errors, dict) else [errors]:
        for each in item if isinstance(item, list) else [item if isinstance(item, dict) else None]:
            if isinstance(each, dict | str):
                yield {"message": each} if isinstance(each, str) else each


def _request_id_in(data: object, secrets: Iterable[str]) -> str:
    said = as_dict(data)
    report = as_dict(said.get("report"))
    found = (report.get("request-id"), said.get("requestId"), report.get("registryRequestId"))
    return one_line(blot(next(filter(None, map(as_text, found)), ""), secrets), _CODE_LIMIT)


def _is_aeps(data: object, code: str) -> bool:
    """Whether a body has what other servers' errors lack; ``{"message"}`` alone could be anybody's."""
    said = as_dict(data)
    keyed = isinstance(said.get("errors", ""), dict | None) and "requestId" in said
    # AEP's statusCode is text; many other servers send one as a number.
    texts = (("errorMessage",), ("statusCode",), ("errorCode", "errorDescription"))
    own = keyed or any(all(isinstance(said.get(name), str) for name in names) for names in texts)
    own = own or bool(_GATEWAY_CODE.fullmatch(as_text(said.get("error_code"))))
    return own or "/aep/errors/" in as_text(said.get("type")) or (bool(said) and bool(_CODE.fullmatch(code)))


def _load(body: bytes) -> object:
    try:
        return json.loads(body) if 0 < len(body) <= _LONGEST_ERROR else None
    except (ValueError, RecursionError):
        return None


def _retry_after(headers: Mapping[str, str], data: object) -> float | None:
    """Read ``Retry-After`` (seconds or a date) or the Profile service's ``retryAfterMs``."""
    value = headers.get("retry-after", "").strip()
    if value:
        try:
            return max(0.0, float(value)) if float(value) < float("inf") else None
        except ValueError:
            pass
        if (moment := _moment(value)) is not None:
            said = _moment(headers.get("date", ""))  # by AEP's own clock, which ours need not agree with
            return max(0.0, moment - (time.time() if said is None else said))
    if isinstance(data, dict):
        try:
            pause = float(data["retryAfterMs"]) / 1000
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
        return max(0.0, pause) if pause < float("inf") else None
    return None


def _moment(text: str) -> float | None:
    """Read a date of HTTP as epoch seconds."""
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError, OSError):
        return None
