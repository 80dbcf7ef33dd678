"""The errors of calls that came to no good end: what happened, in whose words, and what may be done."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

from adobe_experience_platform.errors import (
    AepAuthError,
    AepCallError,
    AepConflictError,
    AepLostAnswerError,
    AepNotFoundError,
    AepNotReadyError,
    AepRequestError,
    AepTooLargeError,
    AepTransientError,
)

from .answers import NO_SANDBOX, AnswerKind, AnswerReading, advice_of, number_of, request_id_of
from .pace import TOO_MANY

if TYPE_CHECKING:
    from .calls import Request
    from .connection import AepConnection
    from .transport import Received, TransportError

BETWEEN = "if this persists, check what sits between Airflow and AEP, such as a proxy"
_LOOK = "AEP is checked for its runs before anything is sent again"


def no_answer(
    connection: AepConnection, request: Request, error: TransportError, secrets: tuple[str, ...]
) -> AepCallError:
    """Return the error of a request that has no complete answer."""
    known = partial_response(error, secrets)
    if request.is_activation and error.sent:
        text = f"{error}; the activation may or may not have started"
        return AepLostAnswerError(request.name, text=text, advice=_LOOK, **known)
    advice = BETWEEN if error.begun else f"is {connection.base_url} reachable from this machine?"
    text = f"{error}; this request was not sent" if request.is_activation else str(error)
    kind = AepTooLargeError if error.too_large else AepTransientError
    return kind(request.name, text=text, advice=advice, **known)


def closed(call: str, error: TransportError, refused: AepCallError | None = None) -> AepCallError:
    """Return the error of a request that was not sent, because AEP has asked for a pause.

    :param refused: AEP's last refusal of this request, if there was one: its words are the better ones.
    """
    advice = f"it is asked in {ceil(error.closed_for or 0.0)} s"
    failure = refused or AepTransientError(call, status=TOO_MANY, text=str(error), advice=advice)
    failure.retry_after = error.closed_for
    return failure


def astray(request: Request, received: Received) -> AepRequestError:
    """Return the error of a request that is redirected again and again."""
    return AepRequestError(request.name, status=received.status, text="too many redirects", advice=BETWEEN)


def partial_response(error: TransportError, secrets: tuple[str, ...]) -> dict[str, Any]:
    """Return what is known of an answer that never came to its end."""
    begun = error.begun
    return {"status": begun.status, "request_id": request_id_of(begun.headers, secrets)} if begun else {}


def transient(call: str, verdict: AnswerReading, not_json: str = "") -> AepTransientError:
    """Return the error of an answer that may be another one next time.

    :param not_json: advice where it is a success that cannot be read.
    """
    unreadable = verdict.kind is AnswerKind.OK
    when = f" in {ceil(verdict.retry_after)} s" if verdict.retry_after else ""
    advice = not_json or BETWEEN if unreadable else f"AEP is busy or has a problem; the call is retried{when}"
    return AepTransientError(call, advice=advice, **verdict.fields)


def refusal(request: Request, verdict: AnswerReading) -> AepCallError:
    """Turn a verdict other than success into the error that says what may be done."""
    fields = verdict.fields
    if verdict.kind is AnswerKind.CONFLICT and verdict.conflict is not None:
        return AepConflictError(request.name, verdict.conflict, **fields, advice="wait for that run to end")
    if verdict.kind is AnswerKind.NOT_READY:
        return AepNotReadyError(request.name, **fields, advice="this is retried later")
    if request.is_activation and verdict.kind in (AnswerKind.UNKNOWN, AnswerKind.OK):
        fields["advice"] = _LOOK
        return AepLostAnswerError(request.name, **fields)
    if verdict.kind in (AnswerKind.RETRY, AnswerKind.OK):
        return transient(request.name, verdict)
    code = number_of(verdict.code)
    fields["advice"] = advice_of(verdict)
    if verdict.status in (401, 403):
        return AepAuthError(request.name, heals=verdict.status == 401, **fields)
    if code != NO_SANDBOX and (verdict.status == 404 or code.endswith("-404") or code == "1439-400"):
        return AepNotFoundError(request.name, **fields)
    return AepRequestError(request.name, **fields)
