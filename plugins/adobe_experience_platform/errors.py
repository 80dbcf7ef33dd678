"""The exception tree.

:mod:`.aep.answers` reads AEP's error bodies; :mod:`.operators.retry` decides what Airflow does with an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class AepError(Exception):
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
    """The input is invalid; ``faults`` holds one line each, ``intro`` what is known of sending."""

    def __init__(self, faults: Sequence[str], *, intro: str = "Invalid input.") -> None:
        self.faults = list(faults)
        count = f"{len(self.faults)} fault{'s' if len(self.faults) != 1 else ''} found"
        super().__init__(f"{intro} {count}:\n" + "\n".join(f"  - {fault}" for fault in self.faults))


class AepCallError(AepError):
    """A call to AEP failed.

    :param call: name of the call, such as ``GET /flows/{id}``.
    :param status: HTTP status, None when there was no answer.
    :param code: AEP's own error code, "" if none.
    :param text: AEP's own words, "" if none.
    :param request_id: AEP's id of the request, "" if none.
    :param advice: what to do next.
    :param is_aeps: whether the answer's form is one that only AEP has.
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
        is_aeps: bool = False,
    ) -> None:
        self.is_aeps = is_aeps
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


class AepTooLargeError(AepTransientError):
    """The answer holds more than is read at once; a list is asked for in smaller pages."""


class AepAuthError(AepCallError):
    """IMS or AEP refuses the credential (400 of IMS, 401 after a renewal, 403).

    :param heals: whether it may heal by itself: AEP has refused good tokens at random for a while (401).
    """

    def __init__(self, call: str, *, heals: bool = False, **kwargs: Any) -> None:
        super().__init__(call, **kwargs)
        self.retriable = heals


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


class AepNotSentError(AepError):
    """The activation was held back at the last moment: the process was stopped, or told to end, on its way to AEP."""

    retriable = True


class AepDeadlineError(AepError):
    """A wait exceeded its deadline; it is not retried."""


class AepExecutionTimeoutError(AepDeadlineError):
    """Airflow's ``execution_timeout`` of a task is over; as Airflow's own, it may be retried."""

    retriable = True


class AepExportError(AepError):
    """There is no segment export that may be delivered (none, too old)."""


class AepNoExportError(AepExportError):
    """AEP lists no segment export that may be delivered; a list may be empty for a moment."""

    retriable = True


class AepCampaignDayError(AepError):
    """A campaign's day was not delivered in time, or belongs to another run; a person decides what to do."""


class AepSubmissionError(AepError):
    """AEP has answered and some pairs have no run; a person decides what to do."""


class AepDeliveryError(AepError):
    """Not everything was delivered; the message names every pair."""


class Conflict(NamedTuple):
    """The run that AEP says is already in progress."""

    flow_id: str
    audience_id: str
    run_id: str
