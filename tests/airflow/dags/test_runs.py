"""The on-demand DAG and the catalog, run to their end in this process."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.execution_time.supervisor import InProcessTestSupervisor

from tests.support.aep import SEED, LocalAep
from tests.support.dagtest import play

DAGS = Path(__file__).resolve().parents[3] / "dags"
TASKS = ("plan_jobs", "wait_for_segment_export", "get_latest_export_job", "activate", "wait_for_flow_runs", "report")


def statuses(report: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {(item["flow_id"], item["audience_id"]): item["status"] for item in report["results"]}


def reason(item: dict[str, Any]) -> dict[str, Any]:
    return {"code": item["code"], "text": item["message"], "records": item["count"]}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count what tasks ask Airflow's API server: each question costs some 12 ms of its CPU."""
    client, found = InProcessTestSupervisor._Client, Counter[str]()
    request = client.request

    def counted(self: Any, method: str, url: str, *args: Any, **more: Any) -> Any:
        found[re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}/|aep_adhoc_activation/[^/]*/", "", f"{method} {url}")] += 1
        return request(self, method, url, *args, **more)

    monkeypatch.setattr(client, "request", counted)
    return found


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_audiences_are_delivered(aep: LocalAep, deliver: Any, asked: Counter[str], version: str) -> None:
    run = deliver({"mail": ["gold", "silver"], "shop": ["bronze"]}, api_version=version)

    assert run.state == "success"
    assert run.states() == dict.fromkeys(("activate[0]", *(task for task in TASKS if task != "activate")), "success")
    pairs = {("mail", "gold"): 1, ("mail", "silver"): 1, ("shop", "bronze"): 1}
    assert aep.delivered() == pairs
    [post] = aep.posts()
    assert post["json"].get("exportIds") == (["722"] if version == "v1" else None)
    report = run.xcom("report")
    assert statuses(report) == dict.fromkeys(pairs, "success")
    assert run.xcom("get_latest_export_job") == "722"
    for text in ("Gold customers", "Mail", "Delivered: 3 deliveries to 2 destinations"):
        assert text in run.log
    # Six tasks, and one of them twice: `dag.test` goes on with a wait that has ended the task by itself.
    assert asked.total() <= 96
    assert {"POST xcoms/plan_jobs/briefing", "POST xcoms/plan_jobs/return_value"} == {
        what for what in asked if what.startswith("POST xcoms/plan_jobs/")
    }


def test_the_result_is_small_and_holds_what_the_design_says(aep: LocalAep, deliver: Any) -> None:
    aep.add_outcomes({"status": "success", "records": 600, "records_skipped": 5, "records_failed": 400})
    run = deliver({"mail": ["gold"]})
    report = run.xcom("report")

    [result] = report["results"]
    assert set(result) == {
        *("flow_id", "audience_id", "run_id", "status", "records_exported", "records_skipped", "records_failed"),
        *("started_at", "completed_at", "error_code", "error", "adopted", "figures"),
    }
    told = aep.change_run(result["run_id"])["metrics"]
    records, duration = told["recordSummary"], told["durationSummary"]
    assert result["figures"] == {
        "audiences": 1,
        "seconds": round((duration["completedAtUTC"] - duration["startedAtUTC"]) / 1000),
        "files": told["fileSummary"]["outputFileCount"],
        "bytes": told["sizeSummary"]["outputBytes"],
        "skipped": [reason(item) for item in records["skippedInfo"]],
        "failed": [reason(item) for item in records["failedInfo"]],
    }
    [line] = [line for line in run.log.splitlines() if "RECORDS LOST" in line and "(gold)" in line][:1]
    assert f"400 failed, [{records['failedInfo'][0]['code']}] {records['failedInfo'][0]['message']} (400 rec" in line
    assert report["summary"] == {
        **dict.fromkeys(("partial_success", "failed", "in_progress", "not_sent", "unknown", "adopted"), 0),
        "pairs": 1,
        "success": 1,
        "records_exported": result["records_exported"],
        "records_failed": 400,
    }


def test_a_dry_run_shows_the_plan_and_sends_nothing(aep: LocalAep, deliver: Any) -> None:
    run = deliver({"mail": ["gold"]}, dry_run=True)

    assert run.state == "success"
    assert {name.partition("[")[0]: state for name, state in run.states().items()} == {
        task: "success" if task == "plan_jobs" else "skipped" for task in TASKS
    }
    assert aep.posts() == []
    assert "Will deliver 1 audience to 1 destination in 1 job" in run.log
    assert "Dry run: nothing was sent" in run.log


def test_all_faults_come_in_one_message_before_anything_is_sent(aep: LocalAep, deliver: Any) -> None:
    run = deliver(
        {"mail": ["gold", "gold", "loose", "expired", "two words"], "nowhere": ["gold"], "off": ["gold"], "shop": []},
        dryrun=True,
    )

    assert run.state == "failed"
    assert aep.posts() == []
    states = run.states()
    assert states["plan_jobs"] == states["report"] == "failed"
    assert {states[task] for task in ("wait_for_segment_export", "wait_for_flow_runs")} == {"upstream_failed"}
    message = run.log.split("AepInputError: ")[1]
    assert message.startswith("Nothing was sent. 8 faults found")
    for fault in (
        "conf key 'dryrun' is unknown",
        "audience gold is listed twice",
        "audience 'two words' is not mapped to this flow",
        "flow shop: its list of audiences is empty",
        "audience loose is not mapped to this flow",
        "'Black Friday shoppers' (expired) has a schedule that ended on",
        "flow nowhere does not exist in this sandbox",
        "flow 'Switched off' (off) is disabled, not enabled",
    ):
        assert fault in message


def test_names_are_delivered_as_the_ids_that_they_stand_for(aep: LocalAep, deliver: Any) -> None:
    run = deliver({"Mail": ["Gold customers", "silver"], "shop": ["Bronze customers"]})

    assert run.state == "success"
    assert aep.delivered() == {("mail", "gold"): 1, ("mail", "silver"): 1, ("shop", "bronze"): 1}
    results = run.xcom("report")["results"]
    assert {(item["flow_id"], item["audience_id"]) for item in results} == set(aep.delivered())
    assert run.xcom("plan_jobs", "briefing")["names"]["gold"] == "Gold customers"


def test_aep_out_of_reach_does_not_hide_the_faults(aep: LocalAep, deliver: Any) -> None:
    aep.add_faults({"kind": "status", "status": 403, "path": "*/flows/*", "times": None})

    run = deliver({"mail": ["gold", "gold"]})

    assert "audience gold is listed twice" in run.log
    assert "in addition, looking up the flows failed" in run.log


def test_an_audience_for_too_many_flows_is_refused_with_the_number_needed(aep: LocalAep, deliver: Any) -> None:
    run = deliver({"mail": ["gold"], "shop": ["gold"]}, max_audiences_per_job=1)

    assert run.state == "failed"
    assert "raise max_audiences_per_job to 2" in run.log
    assert aep.posts() == []


def test_a_size_outside_of_the_guards_limits_is_refused_before_anything_is_sent(aep: LocalAep, deliver: Any) -> None:
    aep.reset({**SEED, "segment_jobs": [{"age": "2h", "sizes": {"gold": 10_000, "silver": 5}}]})

    run = deliver({"mail": ["gold", "silver"]}, size_guard={"max_records": 1500})

    assert run.state == "failed"
    assert "Nothing was sent. 1 fault found" in run.log
    assert "audience 'Gold customers' (gold) of flow 'Mail' (mail) has 10,000 profiles at its last" in run.log
    assert aep.posts() == []


def test_an_empty_delivery_is_a_loud_warning(aep: LocalAep, deliver: Any) -> None:
    run = deliver({"mail": ["nobody", "gold"]})

    assert run.state == "success"
    assert "EMPTY DELIVERY: Nobody yet → Mail delivered 0 records" in run.log
    assert run.log.count("EMPTY DELIVERY") == 1


@pytest.mark.parametrize(("policy", "state"), [("fail", "failed"), ("accept", "success")])
def test_partial_success_is_judged_as_the_param_says(aep: LocalAep, deliver: Any, policy: str, state: str) -> None:
    aep.add_outcomes({"audience_id": "gold", "status": "partialSuccess", "records": 90, "records_failed": 7})

    run = deliver({"mail": ["gold", "silver"]}, on_partial_success=policy)

    assert run.state == state
    assert statuses(run.xcom("report")) == {("mail", "gold"): "partial_success", ("mail", "silver"): "success"}
    assert ("1 of 2 deliveries did not succeed" in run.log) is (state == "failed")
    assert run.xcom("report")["summary"]["records_failed"] == 7


@pytest.mark.parametrize(("policy", "state"), [("fail", "failed"), ("warn", "success")])
def test_records_lost_in_a_success_are_judged_as_the_param_says(
    aep: LocalAep, deliver: Any, policy: str, state: str
) -> None:
    aep.add_outcomes({"audience_id": "gold", "status": "success", "records": 600, "records_failed": 400})

    run = deliver({"mail": ["gold", "silver"]}, on_failed_records=policy)

    assert run.state == state
    report = run.xcom("report")
    assert statuses(report) == {("mail", "gold"): "success", ("mail", "silver"): "success"}
    assert report["verdict"]["label"] == "RECORDS LOST"
    assert "RECORDS LOST, although AEP calls it a success: " in run.log
    assert ("1 of 2 deliveries lost records:" in run.log) is (state == "failed")
    assert ("there is nothing to clear" in run.log) is (state == "failed")


def test_a_failed_delivery_is_named_with_aeps_code_and_text(aep: LocalAep, deliver: Any) -> None:
    aep.add_outcomes({"audience_id": "gold", "status": "failed", "code": "CONNECTOR-1", "message": "Disk is full."})

    run = deliver({"mail": ["gold", "silver"]})

    assert run.state == "failed"
    states = run.states()
    assert states["activate[0]"] == "success"
    assert states["wait_for_flow_runs"] == states["report"] == "failed"
    report = run.xcom("report")
    assert statuses(report) == {("mail", "gold"): "failed", ("mail", "silver"): "success"}
    assert "[CONNECTOR-1] Disk is full." in run.log
    assert report["results"][0]["error_code"] == "CONNECTOR-1"


def test_an_old_snapshot_is_refused(aep: LocalAep, deliver: Any) -> None:
    run = deliver({"mail": ["gold"]}, max_export_age_hours=1)

    assert run.state == "failed"
    assert "older than max_export_age_hours = 1" in run.log
    assert aep.posts() == []


def test_a_failed_newer_export_is_a_loud_warning(aep: LocalAep, deliver: Any) -> None:
    aep.start_export_job(status="FAILED")

    run = deliver({"mail": ["gold"]}, api_version="v1")

    assert run.state == "success"
    assert "FAILED after the newest that succeeded: the delivery uses the older snapshot of job 722" in run.log
    assert aep.posts()[0]["json"]["exportIds"] == ["722"]


def test_an_export_that_does_not_end_in_time_is_named(aep: LocalAep, deliver: Any) -> None:
    job = aep.start_export_job(duration=600)

    run = deliver({"mail": ["gold"]}, export_timeout_minutes=0.02)

    assert run.state == "failed"
    assert f"for segment export job {job['id']}" in run.log
    assert aep.posts() == []


def test_the_catalog_lists_what_can_be_pasted(airflow_db: None, aep: LocalAep, deliver: Any) -> None:
    run = play(DagBag(DAGS).dags["aep_catalog"], {})

    assert run.state == "success"
    catalog = run.xcom("list_destinations")
    assert catalog["activation_info"]["mail"] == ["gold", "silver", "bronze", "nobody", "partner"]
    assert "off" not in catalog["activation_info"]
    flows = {flow["flow_id"]: flow for flow in catalog["flows"]}
    assert set(flows) == {"mail", "shop", "north", "south", "off"}
    reasons = {item["audience_id"]: item["reason"] for item in flows["mail"]["audiences"] if not item["ready"]}
    assert set(reasons) == {"expired"}
    assert "has a schedule that ended on" in reasons["expired"]
    assert "Black Friday shoppers" in run.log

    pasted = deliver({"mail": catalog["activation_info"]["mail"]}, dry_run=True)
    assert pasted.state == "success"
