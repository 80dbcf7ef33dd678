"""What tasks leave for each other, read as it was written and with parts missing."""

from __future__ import annotations

import pytest

from adobe_experience_platform.aep import Activation, Pair
from adobe_experience_platform.delivery import NOT_SENT, UNKNOWN, xcom

A, B = Pair("flow", "a"), Pair("flow", "b")


@pytest.mark.parametrize(("said", "means"), [({}, UNKNOWN), ({"missing_is": NOT_SENT}, NOT_SENT)])
def test_a_pair_without_a_run_is_unsent_only_where_the_note_says_so(said: dict[str, str], means: str) -> None:
    orders, missing = xcom.read_submissions(
        {"v": 1, "orders": [["flow", "a", "run", False]], "missing": [list(B)], **said}
    )

    assert orders == {A: Activation("flow", "a", "run", False)}
    assert missing == {B: means}


@pytest.mark.parametrize("value", [None, [], "text", 7])
def test_what_is_no_note_says_nothing(value: object) -> None:
    assert xcom.read_submissions([value]) == ({}, {})
