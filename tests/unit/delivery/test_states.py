"""The states of a submission: the table is whole, and the page shows the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from adobe_experience_platform.delivery.states import (
    TRANSITIONS,
    UNCERTAIN,
    Event,
    Reply,
    SubmissionState,
    after,
    reply_of,
)
from adobe_experience_platform.errors import (
    AepAuthError,
    AepConflictError,
    AepLostAnswerError,
    AepNotFoundError,
    AepNotReadyError,
    AepRequestError,
    AepTransientError,
    Conflict,
)

PAGE = Path(__file__).resolve().parents[3] / "docs" / "exactly-once.md"


def test_the_page_shows_the_table_of_the_code() -> None:
    shown = set()
    for line in PAGE.read_text(encoding="utf-8").partition("## The states of a submission")[2].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 3 and cells[0].startswith("`"):
            for group in cells[2].split(";"):
                events, _, following = group.partition("→")
                shown |= {
                    (cells[0].strip("`"), event, following.strip().strip("`"))
                    for event in re.findall(r"`(\w+)`", events)
                }

    assert shown == {
        (state.value, event.value, following.value)
        for state, events in TRANSITIONS.items()
        for event, following in events.items()
    }


def test_every_state_has_a_row_and_can_be_left() -> None:
    assert set(TRANSITIONS) == set(SubmissionState)
    for state in SubmissionState:
        assert set(TRANSITIONS[state].values()) - {state}, state


@pytest.mark.parametrize("state", sorted(set(SubmissionState) - {SubmissionState.OPEN, SubmissionState.REOPENED}))
def test_only_an_open_post_is_answered(state: SubmissionState) -> None:
    for reply in Reply:
        with pytest.raises(ValueError, match="cannot happen"):
            after(state, reply)


@pytest.mark.parametrize("state", sorted(UNCERTAIN))
def test_what_may_have_started_is_never_ready_by_a_clear_alone(state: SubmissionState) -> None:
    assert after(state, Event.CLEARED) is not SubmissionState.READY


@pytest.mark.parametrize("state", [SubmissionState.OPEN, SubmissionState.REOPENED, SubmissionState.INCOMPLETE])
def test_silence_of_aep_closes_no_post_that_was_not_refused(state: SubmissionState) -> None:
    assert after(state, Event.ABSENT) is state


def test_what_aep_lists_late_is_waited_for_unless_its_answer_is_certain() -> None:
    certain = {SubmissionState.READY, SubmissionState.CONFLICT, SubmissionState.REFUSED}
    assert set(SubmissionState) - UNCERTAIN == certain


@pytest.mark.parametrize(
    ("error", "alone", "several"),
    [
        (AepConflictError("POST", Conflict("f", "a", "r")), Reply.CONFLICT, Reply.CONFLICT_IN_PART),
        (AepRequestError("POST"), Reply.REFUSED, Reply.REFUSED_IN_PART),
        (AepNotReadyError("POST"), Reply.NOT_SENT, Reply.NOT_READY_IN_PART),
        (AepLostAnswerError("POST"), Reply.LOST, Reply.LOST),
        (AepAuthError("POST"), Reply.NOT_SENT, Reply.NOT_SENT),
        (AepNotFoundError("POST"), Reply.NOT_SENT, Reply.REFUSED_IN_PART),
        (AepTransientError("POST"), Reply.NOT_SENT, Reply.NOT_SENT),
    ],
)
def test_a_400_is_certain_for_a_pair_alone_only(error: Any, alone: Reply, several: Reply) -> None:
    assert (reply_of(error, 1), reply_of(error, 2)) == (alone, several)
