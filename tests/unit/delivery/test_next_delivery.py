"""What a waiting task notes of the next delivery: read back as it was, and never taken for none."""

from __future__ import annotations

from typing import Any

import pytest

from adobe_experience_platform.aep.calls import Response
from adobe_experience_platform.aep.flow_runs import FlowRun
from adobe_experience_platform.delivery import next_delivery
from adobe_experience_platform.delivery.run_news import RunMark, Sought
from adobe_experience_platform.errors import AepError, AepTransientError
from tests.support.parts import answer, flow_json, play, run_json, selector

BEGUN: Any = {"asked": ["mail", "", None, "ORG/prod"], "begun": "2026-03-10T06:00:00+00:00", "max_tries": 0}
MARK = RunMark("ORG/prod", None, {}, {}).to_json()
NOTE: Any = {
    "asked": BEGUN["asked"],
    "since": None,
    "flow_id": "mail",
    "audience_ids": ["gold"],
    "names": {"mail": "Mail", "gold": "Gold"},
    "mark": MARK,
    "run_id": "a",
    "failed": True,
    "max_tries": 0,
}


@pytest.mark.parametrize("kept", [None, BEGUN, NOTE])
def test_a_note_comes_back_as_it_was(kept: object) -> None:
    assert next_delivery.read_note(kept) == kept


@pytest.mark.parametrize("kept", ["", 0, [], {}, {"asked": []}])
def test_what_is_no_note_is_refused(kept: object) -> None:
    with pytest.raises(AepError, match="Start a new run"):
        next_delivery.read_note(kept)


@pytest.mark.parametrize("missing", sorted(next_delivery.FIXED))
def test_half_a_note_is_refused(missing: str) -> None:
    with pytest.raises(AepError, match="Start a new run"):
        next_delivery.read_note({key: value for key, value in NOTE.items() if key != missing})


def test_a_run_that_was_passed_over_is_no_news_again() -> None:
    note = next_delivery.passed(NOTE, "a")
    assert (note["run_id"], note["failed"]) == (None, False)
    assert not next_delivery.mark_of(note).is_news(FlowRun.from_json(run_json("a")))


def test_a_node_that_lags_and_calls_the_run_in_progress_is_asked_again() -> None:
    lags, knows = (Response({"items": [run_json("a", status=status)]}, "") for status in (None, "success"))

    with pytest.raises(AepTransientError, match="which had ended, is in progress"):
        play(next_delivery.ended_run("a"), lambda _: lags)
    assert play(next_delivery.ended_run("a"), lambda _: knows).id == "a"


@pytest.mark.parametrize(
    ("accept_partial", "wait_for_good", "statuses"),
    [
        (False, False, {"success", "partial_success", "failed"}),
        (False, True, {"success"}),
        (True, True, {"success", "partial_success"}),
    ],
)
def test_what_counts_is_what_the_policies_say(accept_partial: bool, wait_for_good: bool, statuses: set[str]) -> None:
    sought = next_delivery.sought_of(NOTE, accept_partial=accept_partial, wait_for_good=wait_for_good)
    assert (sought.statuses, sought.flow_id, sought.audience_ids) == (statuses, "mail", ("gold",))


def test_an_audience_may_go_to_any_flow() -> None:
    note = {**NOTE, "flow_id": "", "names": {"gold": "Gold"}}
    assert next_delivery.title_of(note) == "the next delivery of audience 'Gold' (gold) to any destination flow"
    run = FlowRun.from_json(run_json("a", "shop", "failed", ["gold"]))
    [result] = next_delivery.results_in(note, run)
    assert (result["flow_id"], result["audience_id"]) == ("shop", "gold")
    assert answer(next_delivery.names_in(NOTE, run))[0] is NOTE["names"]
    found, _ = answer(next_delivery.names_in(note, run), {"items": [flow_json("shop", selector(), name="Shop")]})
    assert found == {"gold": "Gold", "shop": "Shop"}


def test_the_log_names_what_is_waited_for_and_what_does_not_count() -> None:
    assert next_delivery.title_of(NOTE) == "the next delivery of audience 'Gold' (gold) to flow 'Mail' (mail)"
    runs = [FlowRun.from_json(run_json("a", status="failed")), FlowRun.from_json(run_json("b", audiences=["gold"]))]
    lines = list(next_delivery.lines_of(runs, Sought("flow-1", ("gold",))))
    assert lines == [
        "Flow run a of flow flow-1 has ended (failed) and does not say which audience it delivers",
        "Flow run b of flow flow-1 has ended (success) and does not count",
    ]
