"""The verdict of a run: one value for log, notice and page."""

from __future__ import annotations

from typing import Any

import pytest

from adobe_experience_platform.aep.orders import Pair
from adobe_experience_platform.delivery.results import Result, without_run
from adobe_experience_platform.delivery.verdict import RedRun, VerdictState, advice_for, judge, message_of, title_of


def result(audience: str, status: str = "success", exported: int | None = 1200, flow: str = "mail") -> Result:
    found = without_run(Pair(flow, audience), status, "")
    found["records_exported"] = exported
    return found


GOOD = result("gold")
EMPTY = result("nobody", exported=0)
PARTLY = result("silver", "partial_success", 7)
FAILED = result("bronze", "failed", None)
UNSENT = result("bronze", "not_sent", None)
UNKNOWN = result("bronze", "unknown", None)
LOSSY = Result(**{**result("silver", exported=600), "records_failed": 400})
DOUBTFUL = Result(**{**result("bronze", exported=7), "loss": "1 file failed in its run"})


@pytest.mark.parametrize(
    ("results", "red", "state", "title"),
    [
        ([GOOD], None, "delivered", "Delivered: 1 delivery to 1 destination, 1,200 records"),
        (
            [GOOD, result("gold", flow="shop")],
            None,
            "delivered",
            "Delivered: 2 deliveries to 2 destinations, 2,400 records",
        ),
        ([GOOD, EMPTY], None, "empty", "EMPTY delivery: 1 of 2 deliveries with 0 records"),
        ([GOOD, PARTLY], None, "partly", "Delivered partly: 1 of 2 deliveries only partly, 1,207 records"),
        (
            [GOOD, LOSSY],
            None,
            "lossy",
            (
                "RECORDS LOST: 1 of 2 deliveries lost records although AEP reports success: 400 records failed, "
                "1,800 records delivered"
            ),
        ),
        (
            [GOOD, DOUBTFUL],
            None,
            "lossy",
            (
                "RECORDS MAY BE MISSING: 1 of 2 deliveries may lack records although AEP reports success: "
                "1 file failed in its run, 1,207 records delivered"
            ),
        ),
        (
            [DOUBTFUL, LOSSY, DOUBTFUL],
            {"loss_refused": True},
            "loss_refused",
            (
                "RECORDS LOST: 1 of 3 deliveries lost records, 2 may lack some, although AEP reports success: "
                "400 records failed, 614 records delivered"
            ),
        ),
        ([], None, "nothing", "Finished: there was nothing to deliver"),
        ([GOOD, FAILED], {}, "incomplete", "FAILED: 1 of 2 deliveries did not succeed"),
        ([GOOD, PARTLY, UNKNOWN], {}, "incomplete", "FAILED: 1 of 3 deliveries did not succeed, 1 only partly"),
        ([PARTLY], {}, "incomplete", "FAILED: 1 of 1 delivery reached the destination only partly"),
        ([GOOD], {}, "task_failed", "FAILED: 1 delivery succeeded, but a task of the run failed"),
        ([], {}, "task_failed", "FAILED: a task of the run failed"),
        ([], {"plan_failed": True}, "plan_failed", "FAILED: nothing was sent"),
        ([], {"plan_failed": True, "overdue": True}, "late", "LATE: no delivery has begun in time"),
        (
            [UNSENT],
            {"refused": True, "why": "anna says no"},
            "not_approved",
            "NOT APPROVED: nothing was sent: anna says no",
        ),
    ],
)
def test_a_run_comes_to_one_verdict(results: list[Result], red: dict[str, Any] | None, state: str, title: str) -> None:
    verdict = judge(results, None if red is None else RedRun(**red))

    assert (verdict["state"], title_of(verdict)) == (state, title)
    assert VerdictState(state).is_red is (red is not None)


@pytest.mark.parametrize("red", [{"plan_failed": True}, {"refused": True, "why": "anna says no"}])
@pytest.mark.parametrize("earlier", [GOOD, PARTLY, FAILED, UNKNOWN])
def test_nothing_was_sent_is_not_said_of_a_run_that_has_sent_something(red: dict[str, Any], earlier: Result) -> None:
    verdict = judge([earlier, UNSENT], RedRun(**red))

    assert "nothing was sent" not in message_of(verdict)


@pytest.mark.parametrize(
    ("statuses", "begins"),
    [
        (["failed"], ["Clear the failed tasks of this run to send again"]),
        (["not_sent"], ["Clear the failed tasks of this run to send again"]),
        (["partial_success"], ["Partly delivered audiences are not sent again"]),
        (["in_progress"], ["What is in progress goes on in AEP"]),
        (["unknown"], ["First check in AEP what became of the unknown"]),
        (["unknown", "failed"], ["First check in AEP"]),
        (["success"], []),
    ],
)
def test_each_status_has_its_advice(statuses: list[str], begins: list[str]) -> None:
    advice = advice_for([result("gold", status, None) for status in statuses])

    assert [text.startswith(begin) for text, begin in zip(advice, begins, strict=True)] == [True] * len(begins)


def test_only_a_failed_pair_is_advised_to_be_cleared() -> None:
    """An unknown one might be sent twice."""
    assert "Clear" not in message_of(judge([UNKNOWN], RedRun()))


def test_the_message_of_a_red_run_names_the_tasks_that_failed_and_what_to_do() -> None:
    message = message_of(judge([FAILED], RedRun(failed_tasks=["activate_0", "wait_for_flow_runs"])))

    assert message.startswith(
        "FAILED: 1 of 1 delivery did not succeed. Failed tasks, the first one first: activate_0, wait_for_flow_runs; "
        "their logs say why. Clear the failed tasks of this run"
    )


def test_a_message_names_only_so_many_tasks() -> None:
    message = message_of(judge([FAILED], RedRun(failed_tasks=[f"activate_{number}" for number in range(62)])))

    assert "activate_19 and 42 more; their logs" in message
    assert "activate_20" not in message


def test_an_empty_audience_is_advised_in_a_red_run_too() -> None:
    advice = judge([EMPTY, FAILED], RedRun())["advice"][-1]
    assert "how large the empty audiences were" in advice
    assert "whether records were skipped" in advice, "a destination may have skipped all that were in them"
