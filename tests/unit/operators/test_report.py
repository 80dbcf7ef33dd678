"""The report: what it collects, what it pushes, when it is red."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from adobe_experience_platform.delivery.results import Result
from adobe_experience_platform.operators.report import DeliveryReportOperator, row_of
from tests.support.dagtest import captured


def result(**changes: Any) -> Result:
    values = {
        "flow_id": "mail",
        "audience_id": "gold",
        "run_id": "run-1",
        "status": "success",
        "records_exported": 12345,
        "records_skipped": 0,
        "records_failed": 0,
        "started_at": "2026-03-10T12:00:00+00:00",
        "completed_at": "2026-03-10T13:01:02+00:00",
        "error_code": "",
        "error": "",
        "adopted": False,
    }
    return Result(**{**values, **changes})  # type: ignore[typeddict-item]


FIGURES = {"audiences": 1, "seconds": 3662, "files": 2, "bytes": 855202780}


@pytest.mark.parametrize(
    ("changes", "row"),
    [
        (
            {"figures": FIGURES},
            ("Mail", "gold", "success", "12,345", "0", "0", "2", "855.2 MB", "1:01:02", "run-1", ""),
        ),
        (
            {
                "figures": {**FIGURES, "audiences": 2},
                "records_exported": None,
                "records_exported_in_run": 9000,
                "records_failed": None,
                "records_failed_in_run": 1400,
            },
            (
                "Mail",
                "gold",
                "success (records lost)",
                "9,000*",
                "0",
                "1,400*",
                "2*",
                "855.2 MB*",
                "1:01:02",
                "run-1",
                "",
            ),
        ),
        (
            {
                "figures": {"audiences": 1, "failed": [{"code": "C-1", "text": "Too long.", "records": 4}]},
                "records_failed": 4,
                "error_code": "C-2",
                "error": "Cut.",
                "adopted": True,
            },
            (
                *("Mail", "gold", "success (adopted) (records lost)", "12,345", "0", "4", "-", "-", "-", "run-1"),
                "[C-1] Too long. (4 records); [C-2] Cut.",
            ),
        ),
        (
            {"figures": {"audiences": 1}, "loss": "1 file failed in its run"},
            (
                *("Mail", "gold", "success (records may be missing)", "12,345", "0", "0", "-", "-", "-", "run-1"),
                "1 file failed in its run",
            ),
        ),
        (
            {"figures": {"audiences": 1, "seconds": 0, "files": 0, "bytes": 0}, "records_exported": 0},
            ("Mail", "gold", "success", "0", "0", "0", "0", "0 B", "0:00", "run-1", ""),
        ),
        (
            {"status": "failed", "error_code": "X-1", "error": "Full.", "records_exported": None},
            ("Mail", "gold", "failed", "-", "0", "0", "-", "-", "-", "run-1", "[X-1] Full."),
        ),
        (
            {"status": "partial_success", "adopted": True, "records_skipped": 1500, "figures": {"audiences": 1}},
            ("Mail", "gold", "partial success (adopted)", "12,345", "1,500", "0", "-", "-", "-", "run-1", ""),
        ),
        (
            {"run_id": None, "status": "not_sent", "error": "refused", "records_failed": None, "records_skipped": None},
            ("Mail", "gold", "not sent", "12,345", "-", "-", "-", "-", "-", "-", "refused"),
        ),
    ],
)
def test_a_row_of_the_report(changes: Any, row: tuple[str, ...]) -> None:
    assert row_of(result(**changes), {"mail": "Mail"}) == row


REPORT = DeliveryReportOperator(
    task_id="report",
    plan_task_id="plan",
    submit_task_id="activate",
    watch_task_id="watch",
    task_ids=["plan", "activate", "watch"],
)
JOBS = [{"job": 1, "of": 1, "activation_info": {"mail": ["gold", "silver", "bronze"]}}]


def reported(context: Any) -> dict[str, Any]:
    found: dict[str, Any] = context.ti.xcoms[context.ti.task_id, "return_value"]
    return found


def test_the_report_of_a_good_delivery(context: Any) -> None:
    context.ti.xcoms["plan", "return_value"] = [{"job": 1, "of": 1, "activation_info": {"mail": ["gold"]}}]
    context.ti.xcoms["watch", "progress"] = {"results": [result()]}

    REPORT.execute(context)

    assert reported(context)["results"] == [result()]
    assert reported(context)["summary"]["success"] == 1
    assert reported(context)["verdict"] == {
        "state": "delivered",
        "label": "Delivered",
        "headline": "1 delivery to 1 destination, 12,345 records",
        "advice": [],
        "failed_tasks": [],
    }


@pytest.mark.parametrize("state", ["failed", "upstream_failed"])
def test_the_report_is_pushed_before_it_turns_red(context: Any, state: str) -> None:
    context.ti.xcoms["plan", "return_value"] = JOBS
    context.ti.xcoms["activate", "submission"] = [
        {"orders": [["mail", "silver", "run-2", False]], "missing": [["mail", "bronze"]], "missing_is": "unknown"}
    ]
    context.ti.xcoms["watch", "progress"] = {"results": [result()]}
    context.ti.states = {"plan": "success", "activate_0": "failed", "watch": state}

    with pytest.raises(AirflowFailException, match="activate_0"):
        REPORT.execute(context)

    statuses = {item["audience_id"]: item["status"] for item in reported(context)["results"]}
    assert statuses == {"gold": "success", "silver": "unknown", "bronze": "unknown"}


def test_the_report_without_any_result_names_every_planned_pair(context: Any) -> None:
    context.ti.xcoms["plan", "return_value"] = JOBS
    context.ti.states = {"plan": "success", "activate": "upstream_failed"}

    with pytest.raises(AirflowFailException):
        REPORT.execute(context)
    assert {item["status"] for item in reported(context)["results"]} == {"not_sent"}
    assert reported(context)["summary"]["pairs"] == 3


def test_the_report_of_a_failed_plan_says_that_nothing_was_sent(context: Any) -> None:
    context.ti.states = {"plan": "failed", "activate": "upstream_failed"}

    with pytest.raises(
        AirflowFailException, match=r"^FAILED: nothing was sent\. Failed tasks, the first one first: plan;"
    ):
        REPORT.execute(context)
    assert reported(context)["verdict"]["state"] == "plan_failed"


def test_a_plan_that_fails_after_a_clear_does_not_hide_what_was_sent(context: Any) -> None:
    context.ti.xcoms["activate", "submission"] = [{"orders": [["mail", "gold", "run-1", False]], "missing": []}]
    context.ti.states = {"plan": "failed", "activate": "upstream_failed"}

    with pytest.raises(AirflowFailException) as failure:
        REPORT.execute(context)
    assert "nothing was sent" not in str(failure.value)
    assert reported(context)["results"][0]["run_id"] == "run-1"


def test_the_report_of_a_refused_delivery_says_who_said_no(context: Any) -> None:
    report = DeliveryReportOperator(
        task_id="report",
        plan_task_id="plan",
        submit_task_id="activate",
        watch_task_id="watch",
        approve_task_id="approve",
        task_ids=["plan", "approve", "activate", "watch"],
    )
    context.ti.xcoms["plan", "return_value"] = JOBS
    context.ti.xcoms["approve", "approval"] = {"approved": False, "why": "anna has rejected this delivery"}
    context.ti.states = {"plan": "success", "approve": "failed", "activate": "upstream_failed"}

    with pytest.raises(AirflowFailException, match="NOT APPROVED: nothing was sent: anna has rejected this delivery"):
        report.execute(context)


def test_the_report_of_a_campaign_day_that_is_over_says_so(context: Any) -> None:
    context.ti.xcoms["plan", "campaign_day"] = {"overdue": True}
    context.ti.states = {"plan": "failed"}

    with pytest.raises(AirflowFailException, match="LATE: no delivery has begun in time"):
        REPORT.execute(context)


def test_a_report_asks_once_how_the_tasks_stand_and_keeps_one_value(context: Any) -> None:
    context.ti.xcoms["plan", "return_value"] = JOBS
    context.ti.states = {"plan": "success", "activate": "upstream_failed"}
    asked = []
    context.ti.get_task_states = lambda _ask=context.ti.get_task_states, **what: asked.append(what) or _ask(**what)

    with pytest.raises(AirflowFailException):
        REPORT.execute(context)
    assert len(asked) == 1
    assert context["task_state_store"].calls == ["get reported", "set reported"]


def test_a_job_that_begins_after_its_note_was_read_does_not_pass_for_one_that_never_did(context: Any) -> None:
    context.ti.xcoms["plan", "return_value"] = JOBS
    context.ti.states = {"plan": "success", "activate_0": "upstream_failed"}
    pull = context.ti.xcom_pull

    def pull_and_begin(**what: Any) -> Any:
        found = pull(**what)
        if what["key"] == "submission":
            context.ti.states["activate_0"] = "running"
        return found

    context.ti.xcom_pull = lambda task_ids=None, key="return_value": pull_and_begin(task_ids=task_ids, key=key)

    with pytest.raises(AirflowFailException):
        REPORT.execute(context)
    assert {item["status"] for item in reported(context)["results"]} == {"unknown"}


@pytest.mark.parametrize(("clears", "status"), [((0, 1, 2), "not_sent"), ((0, 2), "unknown"), ((1,), "unknown")])
def test_after_a_clear_a_missing_note_proves_what_it_did_before(context: Any, clears: Any, status: str) -> None:
    """A clear that no report has seen may have let a job begin."""
    context.ti.xcoms["plan", "return_value"] = JOBS
    context.ti.states = {"plan": "success", "activate": "upstream_failed"}

    for number in clears:
        context["dag_run"].clear_number = number
        with pytest.raises(AirflowFailException):
            REPORT.execute(context)
    assert {item["status"] for item in reported(context)["results"]} == {status}


def test_a_delivery_that_was_skipped_has_no_report(context: Any) -> None:
    context.ti.states = dict.fromkeys(("plan", "activate", "watch"), "skipped")

    with pytest.raises(AirflowSkipException):
        REPORT.execute(context)


def test_an_empty_delivery_is_shouted(context: Any) -> None:
    context.ti.xcoms["watch", "progress"] = {"results": [result(records_exported=0)]}

    with captured() as lines:
        REPORT.execute(context)
    assert any(line.startswith("EMPTY DELIVERY: gold → mail delivered 0 records") for line in lines)


def test_the_log_says_why_records_were_skipped_and_which_figures_are_of_the_whole_run(context: Any) -> None:
    skipped = [{"code": "S-1", "text": "No address.", "records": 176}]
    figures = {**FIGURES, "audiences": 2, "skipped": skipped, "file_names": ["gold.csv"]}
    pair = [result(figures=figures), result(audience_id="silver", figures=figures)]
    context.ti.xcoms["watch", "progress"] = {"results": pair}

    with captured() as lines:
        REPORT.execute(context)
    assert [line for line in lines if "S-1" in line] == [
        "gold and 1 more → mail: skipped: [S-1] No address. (176 records); files: gold.csv"
    ]
    assert any(line.startswith("* of the whole flow run") for line in lines)
    assert any("2*   855.2 MB*    1:01:02" in line for line in lines)
