"""Who has to agree: one model for campaign files and Python code."""

from __future__ import annotations

import datetime as dt

import pytest

from adobe_experience_platform.delivery import Approval
from adobe_experience_platform.errors import AepInputError


def test_anybody_may_answer_within_four_hours() -> None:
    assert (Approval().by, Approval().within) == ([], dt.timedelta(hours=4))


def test_users_and_times_are_taken_as_python_or_as_text() -> None:
    assert Approval(by=("anna", "bo"), within="1h 30m") == Approval(by=["anna", "bo"], within=dt.timedelta(minutes=90))
    assert Approval(by="anna").by == ["anna"]
    assert Approval(within=dt.timedelta(seconds=12)).within == dt.timedelta(seconds=12)


def test_all_faults_come_at_once_with_remedies() -> None:
    with pytest.raises(AepInputError) as error:
        Approval(by=[7.5, "a\nb"], within="soon", withn="4h")  # type: ignore[call-arg,list-item]

    assert error.value.faults == [
        "by[1]: 'a\\nb' is not a line of text: write one line, 1 to 250 characters",
        "within: 'soon' is not a valid duration: write it like 2h, 90m or 1h 30m",
        "withn: the key 'withn' is unknown: did you mean 'within'?",
    ]


@pytest.mark.parametrize("within", [dt.timedelta(0), dt.timedelta(days=8), 4])
def test_a_span_that_nobody_can_wait_is_refused(within: object) -> None:
    with pytest.raises(AepInputError, match="within: "):
        Approval(within=within)  # type: ignore[arg-type]
