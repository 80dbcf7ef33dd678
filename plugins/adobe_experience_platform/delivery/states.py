"""The exactly-once protocol as a table: what a POST may answer, what state that leaves, what may happen next.

AEP has no idempotency key, so the states say one thing: what an earlier POST may have started that we do not
know. docs/exactly-once.md shows the same table.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

from adobe_experience_platform.errors import (
    AepCallError,
    AepConflictError,
    AepLostAnswerError,
    AepNotFoundError,
    AepNotReadyError,
    AepRequestError,
)


class SubmissionState(enum.StrEnum):
    """What is open in a submission."""

    READY = "ready"
    """No POST is open: a pair without a run may be sent."""
    OPEN = "open"
    """A POST may be under way, or its answer is lost: it may have started any of its pairs."""
    REOPENED = "reopened"
    """The same, and an earlier POST, whose answer was lost, may still turn out to have started them."""
    INCOMPLETE = "incomplete"
    """AEP accepted the POST but did not name a run for each pair."""
    CONFLICT = "conflict"
    """AEP refused the only pair of the POST: a run for its audience is in progress."""
    CONFLICT_IN_PART = "conflict_in_part"
    """AEP refused a POST of several pairs because of one of them; it may have started the others."""
    REFUSED = "refused"
    """AEP refused the only pair of the POST for good."""
    REFUSED_IN_PART = "refused_in_part"
    """AEP refused a POST of several pairs for good; it may have started some of them."""
    NOT_READY_IN_PART = "not_ready_in_part"
    """AEP was not ready for a POST of several pairs; it may have started those that were ready."""


class Reply(enum.StrEnum):
    """What came of one POST."""

    ACCEPTED = "accepted"
    INCOMPLETE = "incomplete"
    CONFLICT = "conflict"
    CONFLICT_IN_PART = "conflict_in_part"
    REFUSED = "refused"
    REFUSED_IN_PART = "refused_in_part"
    NOT_READY_IN_PART = "not_ready_in_part"
    LOST = "lost"
    NOT_SENT = "not_sent"


class Event(enum.StrEnum):
    """What else changes the state."""

    INTENT = "intent"
    """The intent of the next POST is stored."""
    FOUND = "found"
    """AEP lists a run for every pair."""
    ABSENT = "absent"
    """AEP lists no run for some pairs, and none can appear any more."""
    CLEARED = "cleared"
    """A person cleared the task."""


S, R, E = SubmissionState, Reply, Event
UNCERTAIN = frozenset({S.OPEN, S.REOPENED, S.INCOMPLETE, S.CONFLICT_IN_PART, S.REFUSED_IN_PART, S.NOT_READY_IN_PART})
"""States in which AEP may have started runs that we do not know, and may list them late: nothing is concluded before
the settling time is over."""

_REFUSALS = (S.CONFLICT, S.CONFLICT_IN_PART, S.REFUSED, S.REFUSED_IN_PART, S.NOT_READY_IN_PART)
_NEWS: Mapping[Reply | Event, SubmissionState] = {
    R.ACCEPTED: S.READY,
    E.FOUND: S.READY,
    **{Reply(state): state for state in (S.INCOMPLETE, *_REFUSALS)},
}
_NO_NEWS = (R.LOST, E.ABSENT, E.CLEARED)
TRANSITIONS: Mapping[SubmissionState, Mapping[Reply | Event, SubmissionState]] = {
    S.READY: {E.INTENT: S.OPEN, E.CLEARED: S.READY},
    S.OPEN: {**_NEWS, **dict.fromkeys(_NO_NEWS, S.OPEN), R.NOT_SENT: S.READY, E.INTENT: S.REOPENED},
    S.REOPENED: {**_NEWS, **dict.fromkeys((*_NO_NEWS, E.INTENT), S.REOPENED), R.NOT_SENT: S.OPEN},
    # AEP took these pairs: only a person can know that they were not delivered.
    S.INCOMPLETE: {E.FOUND: S.READY, E.ABSENT: S.INCOMPLETE, E.CLEARED: S.OPEN},
    **{state: {E.FOUND: S.READY, E.ABSENT: S.READY, E.CLEARED: state} for state in _REFUSALS},
}
"""SubmissionState → what may happen → next state. What is not listed cannot happen."""


def after(state: SubmissionState, event: Reply | Event) -> SubmissionState:
    """Return the next state; ValueError for what cannot happen in this one: the code, not AEP, is wrong."""
    following = TRANSITIONS[state].get(event)
    if following is None:
        raise ValueError(f"{event.value!r} cannot happen while a submission is {state.value!r}")
    return following


def reply_of(error: AepCallError, pairs: int) -> Reply:
    """Say what an error of a POST means.

    Adobe does not document whether a 400 or 404 concerns the whole POST, so it is certain for a pair alone only.
    """
    alone = pairs == 1
    if isinstance(error, AepConflictError):
        return Reply.CONFLICT if alone else Reply.CONFLICT_IN_PART
    if isinstance(error, AepLostAnswerError):
        return Reply.LOST
    if isinstance(error, AepRequestError) or (isinstance(error, AepNotFoundError) and not alone):
        return Reply.REFUSED if alone else Reply.REFUSED_IN_PART
    if isinstance(error, AepNotReadyError) and not alone:
        return Reply.NOT_READY_IN_PART
    # Connection refused, 401, 403, or a pair alone: 404, "not ready".
    return Reply.NOT_SENT
