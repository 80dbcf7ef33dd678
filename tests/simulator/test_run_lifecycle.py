"""A run: young, in progress, ended one way or another. At speed 60 it lasts 5 s and is young for 1/3 s."""

from __future__ import annotations

import pytest


def entities(run, side):
    summaries = run["metrics"]["recordSummary"][side]
    return [entity["id"] for summary in summaries for entity in summary["entitySummaries"]]


def test_a_young_run_has_nulls_and_names_no_audience(small):
    small.settings(young_seconds=6000)  # 100 s
    run_id = small.run_of({"mail": ["gold"]})
    small.control("PATCH", f"runs/{run_id}", {"status": "inProgress"})
    metrics = small.run(run_id)["metrics"]
    assert metrics["statusSummary"] is None
    assert metrics["durationSummary"] == {"startedAtUTC": None, "completedAtUTC": None}
    assert metrics["recordSummary"]["sourceSummaries"][0]["entitySummaries"] is None
    small.advance(40)
    young = small.run(run_id)
    assert young["metrics"]["statusSummary"] == {"status": "inProgress"}
    assert "gold" not in str(young)
    small.advance(61)
    assert entities(small.run(run_id), "sourceSummaries") == ["segment:gold"]


def test_no_run_says_that_it_started_in_the_future(small):
    run_id = small.run_of({"mail": ["gold"]})
    small.control("PATCH", f"runs/{run_id}", {"status": "inProgress"})
    assert small.run(run_id)["metrics"]["durationSummary"]["startedAtUTC"] is None, "its work begins after 1.5 s"
    small.advance(2)
    assert small.run(run_id)["metrics"]["durationSummary"]["startedAtUTC"]


def test_a_young_run_of_the_older_form_has_no_metrics_then_no_audience(small):
    small.settings(young_seconds=6000, forms="older")  # 100 s
    run_id = small.run_of({"mail": ["gold"]})
    small.control("PATCH", f"runs/{run_id}", {"status": "inProgress"})
    assert "metrics" not in small.run(run_id)
    small.advance(40)
    young = small.run(run_id)
    assert "recordSummary" not in young["metrics"]
    assert young["metrics"]["statusSummary"] == {"status": "inProgress"}
    assert "gold" not in str(young)
    small.advance(61)
    assert entities(small.run(run_id), "sourceSummaries") == ["segment:gold"]


def test_a_run_in_progress_has_no_end(small):
    run_id = small.run_of({"mail": ["gold"]})
    small.advance(2)
    metrics = small.run(run_id)["metrics"]
    known = {"durationSummary", "recordSummary", "statusSummary"}
    assert {name for name, part in metrics.items() if part is not None} == known
    assert metrics["durationSummary"]["completedAtUTC"] is None
    small.settings(forms="older")
    metrics = small.run(run_id)["metrics"]
    assert set(metrics) == known
    assert set(metrics["durationSummary"]) == {"startedAtUTC"}


def test_a_run_succeeds_after_its_duration(small):
    run_id = small.run_of({"mail": ["gold"]})
    small.advance(5.5)
    run = small.run(run_id)
    metrics = run["metrics"]
    duration = metrics["durationSummary"]
    assert metrics["statusSummary"]["status"] == "success"
    assert run["createdAt"] < duration["startedAtUTC"] < duration["completedAtUTC"] == run["updatedAt"]
    assert duration["completedAtUTC"] - run["createdAt"] == 5000
    records = metrics["recordSummary"]
    assert records["inputRecordCount"] == 1000
    assert records["outputRecordCount"] + records["skippedRecordCount"] == 1000
    assert records["skippedInfo"][0]["count"] == records["skippedRecordCount"]
    assert entities(run, "targetSummaries") == entities(run, "sourceSummaries") == ["segment:gold"]
    assert metrics["fileSummary"] == {"inputFileCount": 1, "outputFileCount": 1}
    assert [activity["name"] for activity in run["activities"]] == [
        "Activation Batch XdmProcessor Activity",
        "Activation Batch Publisher Activity",
    ]
    assert small.deliveries()["mail", "gold"] == {
        "flow_id": "mail",
        "audience_id": "gold",
        "count": 1,
        "run_ids": [run_id],
        "successful": 1,
    }


def test_a_failed_run_lacks_sizes_and_files(small):
    small.control("POST", "outcomes", {"audience_id": "gold", "status": "failed", "code": "X-1", "message": "No."})
    run_id = small.run_of({"mail": ["gold"]})
    small.advance(6)
    run = small.run(run_id)
    assert set(run["metrics"]) == {"durationSummary", "recordSummary", "statusSummary"}
    assert run["metrics"]["statusSummary"]["errors"] == [{"code": "X-1", "message": "No."}]
    assert "targetSummaries" not in run["metrics"]["recordSummary"]
    assert small.deliveries()["mail", "gold"]["successful"] == 0


def test_the_default_failure_is_adobes_sample(small):
    small.control("POST", "outcomes", {"status": "failed"})
    run_id = small.run_of({"mail": ["gold"]})
    small.advance(6)
    error = {"code": "ACTIVATION_BATCH-0000-FAILED", "message": "Job aborted."}
    assert small.run(run_id)["metrics"]["recordSummary"]["failedInfo"] == [error]


def test_a_partial_success_counts_failed_records(small):
    outcome = {"status": "partialSuccess", "records": 90, "records_failed": 7, "records_skipped": 3}
    small.control("POST", "outcomes", outcome)
    run_id = small.run_of({"mail": ["gold"]})
    small.advance(6)
    metrics = small.run(run_id)["metrics"]
    assert metrics["statusSummary"]["status"] == "partialSuccess"
    assert metrics["statusSummary"]["errors"]
    counts = metrics["recordSummary"]
    assert (counts["inputRecordCount"], counts["outputRecordCount"]) == (100, 90)
    assert (counts["failedRecordCount"], counts["skippedRecordCount"]) == (7, 3)


def test_a_run_tells_files_bytes_and_reasons_as_asked(small):
    skipped = [{"code": "S-1", "message": "No address.", "count": 2}, {"code": "S-2", "message": "Filtered."}]
    failed = [{"code": "C-1", "message": "Too long.", "count": 7, "type": "Error"}, {"code": "W", "type": "Warning"}]
    outcome = {"records": 90, "records_failed": 7, "records_skipped": 3, "files": 4, "bytes": 9000, "files_failed": 1}
    small.control("POST", "outcomes", {**outcome, "skipped_info": skipped, "failed_info": failed})
    run_id = small.run_of({"mail": ["gold"]})
    small.advance(6)
    metrics = small.run(run_id)["metrics"]
    assert metrics["sizeSummary"] == {"inputBytes": 9000, "outputBytes": 9000}
    assert metrics["fileSummary"] == {"inputFileCount": 4, "outputFileCount": 4, "failedFileCount": 1}
    assert (metrics["recordSummary"]["skippedInfo"], metrics["recordSummary"]["failedInfo"]) == (skipped, failed)
    assert metrics["statusSummary"]["errors"][0]["count"] == 7, "as in the sample of a run that lost records"


def test_files_and_bytes_are_of_the_whole_run(small):
    small.settings(shared_runs=True)
    run_id = small.run_of({"mail": ["gold", "silver"]})
    small.advance(6)
    metrics = small.run(run_id)["metrics"]
    assert metrics["fileSummary"]["outputFileCount"] == 2
    sides = metrics["recordSummary"]["targetSummaries"]
    assert len(sides) == 1
    assert metrics["sizeSummary"]["outputBytes"] == 109 * sum(
        entity["outputRecordCount"] for entity in sides[0]["entitySummaries"]
    )


def test_a_success_can_deliver_nothing(small):
    small.control("POST", "outcomes", {"records": 0})
    run_id = small.run_of({"mail": ["gold"]})
    small.advance(6)
    assert small.run(run_id)["metrics"]["recordSummary"]["outputRecordCount"] == 0


@pytest.mark.parametrize("status", ["Processing", "somethingNew"])
def test_an_unknown_or_running_end_is_shown_without_completion(small, status):
    small.control("POST", "outcomes", {"status": status, "seconds": 1})
    run_id = small.run_of({"mail": ["gold"]})
    small.advance(2)
    metrics = small.run(run_id)["metrics"]
    assert metrics["statusSummary"]["status"] == status
    assert "completedAtUTC" not in metrics["durationSummary"]


def test_a_status_can_stay_missing(small):
    small.control("POST", "outcomes", {"status": None, "seconds": 0})
    run_id = small.run_of({"mail": ["gold"]})
    assert "statusSummary" not in small.run(run_id)["metrics"]


def test_outcomes_are_used_up_in_order(small):
    orders = [{"status": "failed", "seconds": 0, "times": 2}, {"status": "partialSuccess", "seconds": 0}]
    small.control("POST", "outcomes", orders)
    found = []
    for _ in range(4):
        run_id = small.run_of({"mail": ["gold"]})
        small.advance(6)
        found.append(small.run(run_id)["metrics"]["statusSummary"]["status"])
    assert found == ["failed", "failed", "partialSuccess", "success"]


def test_outcomes_are_for_one_pair(small):
    small.control("POST", "outcomes", {"flow_id": "mail", "audience_id": "silver", "status": "failed", "times": None})
    order = small.adhoc({"mail": ["gold", "silver"]}).json()["order"]
    small.advance(6)
    ended = {o["segment"]: small.run(o["statusURL"].rpartition("/")[2]) for o in order}
    assert ended["gold"]["metrics"]["statusSummary"]["status"] == "success"
    assert ended["silver"]["metrics"]["statusSummary"]["status"] == "failed"


def test_a_run_is_ended_by_hand(small):
    run_id = small.run_of({"mail": ["gold"]})
    small.control("PATCH", f"runs/{run_id}", {"status": "failed", "message": "Stopped."})
    assert small.run(run_id)["metrics"]["statusSummary"]["errors"][0]["message"] == "Stopped."
    assert small.control("PATCH", "runs/nope", {"status": "failed"}, ok=False) == {
        "error": "there is no /_simulator/runs/nope"
    }


def test_a_run_is_kept_running_by_hand(small):
    run_id = small.run_of({"mail": ["gold"]})
    small.control("PATCH", f"runs/{run_id}", {"status": "Processing"})
    small.advance(9000)
    assert small.run(run_id)["metrics"]["statusSummary"]["status"] == "Processing"


def test_a_change_without_a_status_leaves_it(small):
    run_id = small.run_of({"mail": ["gold"]})
    small.control("PATCH", f"runs/{run_id}", {"raw": {"metrics": {"statusSummary": None}}})
    small.advance(6)
    metrics = small.run(run_id)["metrics"]
    assert "statusSummary" not in metrics
    assert metrics["durationSummary"]["completedAtUTC"]


def test_durations_vary_the_same_way_each_time(small):
    def lengths():
        small.reset({"settings": {"run_variation": 0.2, "random_seed": 3}, "flows": flows})
        order = small.adhoc({"mail": ["a", "b", "c"]}).json()["order"]
        small.advance(10)
        runs = [small.run(entry["statusURL"].rpartition("/")[2]) for entry in order]
        return [run["metrics"]["durationSummary"]["completedAtUTC"] - run["createdAt"] for run in runs]

    flows = [{"id": "mail", "name": "Mail", "audiences": ["a", "b", "c"]}]
    first = lengths()
    assert first == lengths()
    assert len(set(first)) == 3
    assert all(4000 <= length <= 6000 for length in first)


def test_a_run_may_be_hidden_at_first(small):
    small.settings(run_404_seconds=120, list_lag_seconds=240)  # 2 s and 4 s
    run_id = small.run_of({"mail": ["gold"]})
    assert small.get(f"{small.runs}/{run_id}").status_code == 404
    small.advance(2)
    assert small.get(f"{small.runs}/{run_id}").status_code == 200
    assert small.get(small.runs).json()["items"] == []
    small.advance(2)
    assert [run["id"] for run in small.get(small.runs).json()["items"]] == [run_id]


def test_somebody_elses_run(small):
    run = small.control("POST", "runs", {"flow_id": "mail", "audience_ids": ["gold"], "seconds": 3})
    small.advance(4)
    assert small.run(run["id"])["metrics"]["statusSummary"]["status"] == "success"
    assert small.deliveries() == {}


def test_aep_has_its_own_clock(small):
    before = small.run(small.run_of({"mail": ["gold"]}))["createdAt"]
    small.settings(clock_skew_seconds=-3600)
    after = small.run(small.run_of({"mail": ["silver"]}))["createdAt"]
    assert before - after > 3_500_000
