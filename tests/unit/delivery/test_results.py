"""The outcome of each pair as people and later tasks see it."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from adobe_experience_platform.aep.flow_runs import FlowRun, RunStatus
from adobe_experience_platform.aep.orders import Activation, Pair
from adobe_experience_platform.delivery.results import (
    NOT_SENT,
    UNKNOWN,
    all_succeeded,
    error_of,
    explanations,
    failed_for,
    is_terminal,
    line_of,
    records_text,
    result_of,
    results_of,
    summarize,
    what_failed,
    without_run,
)
from adobe_experience_platform.errors import AepNotFoundError
from tests.support.parts import NOW, millis

A, B = Pair("flow-1", "a"), Pair("flow-1", "b")


def run(status="success", run_id="r1", *, ended=True, totals=None, **audiences):
    """Return a run; ``audiences`` maps names to (exported, skipped)."""
    sources = [{"id": f"segment:{name}", "skippedRecordCount": counts[1]} for name, counts in audiences.items()]
    targets = [{"id": f"segment:{name}", "outputRecordCount": counts[0]} for name, counts in audiences.items()]
    duration = {"startedAtUTC": millis(NOW)}
    if ended:
        duration["completedAtUTC"] = millis(NOW + dt.timedelta(minutes=7))
    records = {
        "sourceSummaries": [{"entitySummaries": sources}],
        "targetSummaries": [{"entitySummaries": targets}],
        **(totals or {}),
    }
    summary = {"status": status, "errors": [{"code": "C-1", "message": "Job aborted."}] if status == "failed" else []}
    return FlowRun.from_json(
        {
            "id": run_id,
            "flowId": "flow-1",
            "metrics": {"durationSummary": duration, "recordSummary": records, "statusSummary": summary},
        }
    )


def delivery(pair=A, run_id="r1", *, adopted=False):
    return Activation(*pair, run_id, adopted)


def test_a_success_with_its_counts_and_times():
    result = result_of(delivery(), run(a=(7, 2)), {}, alone=True)
    assert result == {
        "flow_id": "flow-1",
        "audience_id": "a",
        "run_id": "r1",
        "status": "success",
        "records_exported": 7,
        "records_skipped": 2,
        "records_failed": None,
        "started_at": "2026-03-10T12:00:00+00:00",
        "completed_at": "2026-03-10T12:07:00+00:00",
        "error_code": "",
        "error": "",
        "adopted": False,
    }
    assert is_terminal(result)
    json.dumps(result)


@pytest.mark.parametrize("status", ["success", "failed", "partialSuccess"])
def test_ended_deliveries_are_terminal(status):
    assert is_terminal(result_of(delivery(), run(status), {}, alone=True))


def test_an_unfinished_delivery_has_no_end_and_no_failures_yet():
    result = result_of(delivery(), run("inProgress", totals={"failedRecordCount": 3}), {}, alone=True)
    assert (result["status"], result["completed_at"], result["records_failed"]) == ("in_progress", None, None)
    assert not is_terminal(result)


def test_a_failure_says_aeps_code_and_text():
    result = result_of(delivery(), run("failed"), {}, alone=True)
    assert (result["error_code"], result["error"]) == ("C-1", "Job aborted.")


@pytest.mark.parametrize(
    ("read", "status"),
    [(None, "in_progress"), (AepNotFoundError("GET /runs/{id}", status=404), UNKNOWN)],
)
def test_a_run_that_was_not_read(read, status):
    result = result_of(delivery(), read, {}, alone=True)
    assert result["status"] == status
    assert not is_terminal(result)
    assert bool(result["error"]) is (status == UNKNOWN)


def test_counts_of_an_imported_audience_go_by_its_other_id():
    assert result_of(delivery(), run(external=(7, 0)), {"a": "external"}, alone=False)["records_exported"] == 7


def test_totals_of_a_run_are_an_audiences_own_only_if_it_is_alone():
    deliveries = [delivery(A, "r1"), delivery(B, "r1"), delivery(A, "r2")]
    runs = {
        "r1": run(totals={"outputRecordCount": 9}),
        "r2": run(run_id="r2", totals={"outputRecordCount": 5}),
    }
    results = results_of(deliveries, runs, {})
    assert [item["records_exported"] for item in results] == [None, None, 5]
    assert [item.get("records_exported_in_run") for item in results] == [9, 9, None]
    assert "9 records in its run" in line_of(results[0], {})
    assert (records_text(results), summarize(results)["records_exported"]) == ("14 records", 14)
    assert records_text(results[1:]) == "at least 5 records", "the run delivered another one too"


def test_a_run_that_exported_no_record_at_all_exported_none_of_each_audience():
    results = results_of([delivery(A), delivery(B)], {"r1": run(totals={"outputRecordCount": 0})}, {})
    assert [item["records_exported"] for item in results] == [0, 0]


def test_what_failed_of_a_whole_run_counts_once_in_the_summary():
    own = {"status": RunStatus.SUCCESS.value, "run_id": "r1", "records_exported": 1, "adopted": False}
    told = [
        {**own, "records_failed": 3},
        {**own, "records_failed": None, "records_failed_in_run": 400},
        {**own, "records_failed": None, "records_failed_in_run": 400},
        {**own, "records_failed": 5, "run_id": "r2"},
    ]
    assert summarize(told)["records_failed"] == 405


def test_pairs_without_a_run():
    result = without_run(A, NOT_SENT, "why")
    assert (result["run_id"], result["status"], result["error"]) == (None, NOT_SENT, "why")
    assert not is_terminal(result)


def test_the_summary_counts_every_status_and_adds_up_records():
    results = [
        result_of(delivery(A), run(a=(7, 0)), {}, alone=True),
        result_of(delivery(B, adopted=True), run("partialSuccess", totals={"failedRecordCount": 2}), {}, alone=True),
        result_of(delivery(B), run("failed"), {}, alone=True),
        result_of(delivery(B), None, {}, alone=True),
        without_run(A, NOT_SENT, ""),
        without_run(A, UNKNOWN, ""),
    ]
    assert summarize(results) == {
        "pairs": 6,
        "in_progress": 1,
        "success": 1,
        "partial_success": 1,
        "failed": 1,
        "not_sent": 1,
        "unknown": 1,
        "adopted": 1,
        "records_exported": 7,
        "records_failed": 2,
    }
    assert set(RunStatus) < set(summarize([]))


@pytest.mark.parametrize(
    ("result", "line"),
    [
        (
            result_of(delivery(), run(a=(7808223, 0)), {}, alone=True),
            "'Gold' (a) → 'S3' (flow-1): success, 7,808,223 records, run r1",
        ),
        (
            result_of(delivery(), run(a=(0, 0)), {}, alone=True),
            "'Gold' (a) → 'S3' (flow-1): success, 0 records, run r1",
        ),
        (
            result_of(delivery(adopted=True), run("failed"), {}, alone=True),
            "'Gold' (a) → 'S3' (flow-1): failed, [C-1] Job aborted., run r1 (adopted)",
        ),
        (
            result_of(delivery(), run("inProgress", totals={"outputRecordCount": 3}), {}, alone=True),
            "'Gold' (a) → 'S3' (flow-1): in progress, run r1",
        ),
        (without_run(B, NOT_SENT, "refused"), "b → 'S3' (flow-1): not sent, refused"),
    ],
)
def test_a_line_about_a_pair(result, line):
    assert line_of(result, {"flow-1": "S3", "a": "Gold"}) == line


@pytest.mark.parametrize("status", ["success", "failed"])
@pytest.mark.parametrize(("pair", "own"), [(Pair("flow-2", "a"), "a"), (A, "z")], ids=["flow", "audience"])
def test_a_run_that_says_it_delivers_something_else_is_no_word_on_the_pair(status, pair, own):
    assert result_of(delivery(pair), run(status, **{own: (7, 0)}), {}, alone=True)["status"] == UNKNOWN


def test_an_ended_run_brings_its_figures_and_an_open_one_none() -> None:
    deliveries = [delivery(A, "r1"), delivery(B, "r1"), delivery(A, "r2"), delivery(A, "r3")]
    runs = {"r1": run(), "r2": run("inProgress", "r2"), "r3": AepNotFoundError("GET /runs/{id}", status=404)}
    figures = [item.get("figures") for item in results_of(deliveries, runs, {})]
    assert figures == [{"audiences": 2, "seconds": 420}, {"audiences": 2, "seconds": 420}, None, None]


def test_a_run_that_delivers_something_else_lends_no_figures() -> None:
    assert "figures" not in results_of([delivery()], {"r1": run(z=(7, 0))}, {})[0]


def test_audiences_that_were_not_asked_for_are_counted_too() -> None:
    [result] = results_of([delivery()], {"r1": run(a=(7, 0), x=(1, 0), y=(1, 0))}, {"a": "a"})
    assert result["figures"]["audiences"] == 3


def test_an_audience_of_two_ids_is_one() -> None:
    both = run(a=(7, 0), external=(1, 0))
    results = results_of([delivery(A), delivery(B)], {"r1": both}, {"b": "external"})
    assert [item["figures"]["audiences"] for item in results] == [2, 2]
    assert [item["records_exported"] for item in results] == [7, 1]


@pytest.mark.parametrize(("audiences", "number"), [({}, 1), ({"a": (7, 0)}, 1), ({"a": (7, 0), "b": (1, 0)}, 2)])
def test_a_run_that_is_given_by_its_id_alone_says_itself_what_it_delivers(audiences, number) -> None:
    [result] = results_of([Activation("", "", "r1", False)], {"r1": run(**audiences)}, {})
    assert (result["flow_id"], result["figures"]["audiences"]) == ("flow-1", number)


def lossy(**changes):
    info = [{"code": "C-1", "message": "No name.", "count": 4}, {"code": "C-2", "message": "No address."}]
    totals = {"failedRecordCount": 5, "failedInfo": info, **changes}
    return results_of([delivery()], {"r1": run(totals=totals, a=(7, 0))}, {})[0]


def test_a_line_says_why_records_failed_and_says_it_once() -> None:
    result = lossy()
    assert (result["error_code"], error_of(result)) == ("C-1", "")
    assert line_of(result, {}) == (
        "a → flow-1: success, 7 records, 5 failed, [C-1] No name. (4 records); [C-2] No address., run r1"
    )


def test_what_is_not_counted_is_said_by_the_error_alone() -> None:
    result = lossy(failedInfo=[{"code": "C-1", "message": "No name."}])
    assert (failed_for(result), error_of(result)) == ([], "[C-1] No name.")


def test_a_pair_that_lost_nothing_has_no_reasons_of_others() -> None:
    result = {**lossy(), "records_failed": 0}
    assert failed_for(result) == []


def test_what_is_said_of_losses_together_is_true_of_each() -> None:
    lost, doubtful = lossy(), {**lossy(), "records_failed": 0, "loss": "1 file failed in its run"}
    fine = {**lossy(), "records_failed": 0}
    said = [what_failed(found) for found in ([lost], [doubtful], [lost, doubtful], [lost, fine])]
    assert said == ["lost records", "may lack records", "may lack records", "did not succeed"]
    assert all_succeeded([lost, fine]) == "All 2 deliveries succeeded, but 1 of them lost records"
    assert all_succeeded([doubtful]) == "The delivery succeeded, but it may lack records"


def test_a_run_explains_itself_once() -> None:
    info = {"skippedInfo": [{"code": "S-1", "message": "Filtered.", "count": 3}], "failedInfo": [{"code": "C-1"}]}
    runs = {"r1": run("partialSuccess", totals=info), "r2": run(run_id="r2", totals={"skippedInfo": [{"count": 2}]})}
    results = results_of([delivery(A), delivery(B), delivery(A, "r2")], runs, {})
    assert explanations(results, {"flow-1": "S3"}) == [
        "a and 1 more → S3: skipped: [S-1] Filtered. (3 records)",
        "a → S3: skipped: no reason given (2 records)",
    ]
    assert explanations([lossy()], {}) == [], "its warning says it"


@pytest.mark.parametrize(
    ("exported", "said"),
    [
        ([7, 1], "8 records"),
        ([7, None], "at least 7 records"),
        ([None, None], "an unknown number of records"),
        ([0], "0 records"),
        ([], "0 records"),
    ],
)
def test_records_that_aep_does_not_count_are_not_none(exported, said) -> None:
    results = [{**result_of(delivery(), run(), {}, alone=False), "records_exported": number} for number in exported]
    assert records_text([*results, without_run(B, NOT_SENT, "")]) == said
