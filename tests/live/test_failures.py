"""When AEP fails a part, or the input is wrong: the run is red, says what, and can be finished by a clear."""

from __future__ import annotations

import pytest

from tests.support.aep import ADHOC
from tests.support.stage import Scene, together
from tools.airflow_client import AirflowApiError


@together
def test_after_a_failed_run_clearing_finishes_exactly_what_failed(scene: Scene) -> None:
    scene.aep.add_outcomes(
        {
            "audience_id": "silver",
            "status": "failed",
            "seconds": 0,
            "code": "CONNECTOR-2001-500",
            "message": "Disk is full.",
        },
        {"audience_id": "gold", "seconds": 5},
    )
    run = scene.start({"mail": ["gold", "silver"], "shop": ["bronze"]})

    assert run.wait() == "failed"
    assert run.statuses() == {("mail", "gold"): "success", ("mail", "silver"): "failed", ("shop", "bronze"): "success"}
    assert {task for task, state in run.states().items() if state != "success"} == {"wait_for_flow_runs", "report"}
    log = run.log("wait_for_flow_runs")
    verdict = log[log.index("1 of 3 deliveries did not succeed") :]
    for word in ("silver", "Silver customers", "mail", "CONNECTOR-2001-500", "Disk is full."):
        assert word in verdict

    assert run.clear_failed() == ["report", "wait_for_flow_runs"]

    assert run.wait() == "success"
    assert scene.aep.delivered() == {("mail", "gold"): 1, ("mail", "silver"): 2, ("shop", "bronze"): 1}
    assert [post["json"] for post in scene.aep.posts()][1:] == [{"activationInfo": {"mail": ["silver"]}}]
    assert set(run.statuses().values()) == {"success"}
    summary = run.report()["summary"]
    assert (summary["pairs"], summary["success"], summary["failed"]) == (3, 3, 0)


@together
def test_after_a_refused_job_clearing_sends_it_and_nothing_else(scene: Scene) -> None:
    refusal = {"message": "Invalid parameter: come on", "statusCode": 400, "errorCode": "bad"}
    scene.aep.add_faults({"kind": "status", "status": 400, "body": refusal, "method": "POST", "path": ADHOC})
    scene.aep.add_outcomes({"seconds": 4})
    pairs = [("mail", "gold"), ("mail", "silver")]
    run = scene.start({"mail": ["gold", "silver"]}, max_audiences_per_job=1)

    assert run.wait() == "failed"
    statuses = run.statuses()
    assert sorted(statuses.values()) == ["not_sent", "success"], "the other job is watched to its end"
    [index] = [n for n in (0, 1) if run.states()[f"activate[{n}]"] == "failed"]
    assert run.tries()[f"activate[{index}]"] == 1, "AEP has answered: a person decides"
    assert "Invalid parameter: come on" in run.log("activate", map_index=index)

    assert run.clear_failed() == [f"activate[{index}]", "report", "wait_for_flow_runs"]

    assert run.wait() == "success"
    assert scene.aep.delivered() == dict.fromkeys(pairs, 1)
    assert run.statuses() == dict.fromkeys(pairs, "success")


@together
def test_all_faults_of_an_input_are_named_before_anything_is_sent(scene: Scene) -> None:
    run = scene.start(
        {"mail": ["gold", "gold", "loose", "expired"], "no-such-flow": ["gold"], "off": ["gold"]}, dryrun=True
    )

    assert run.wait() == "failed"
    assert scene.aep.posts() == []
    assert run.tries()["plan_jobs"] == 1
    log = run.log("plan_jobs")
    assert "Nothing was sent. 6 faults found" in log
    for fault in (
        "conf key 'dryrun' is unknown",
        "audience gold is listed twice",
        "audience loose is not mapped to this flow",
        "'Black Friday shoppers' (expired) has a schedule that ended on",
        "flow no-such-flow does not exist",
        "flow 'Switched off' (off) is disabled",
    ):
        assert fault in log
    states = run.states()
    assert states["report"] == "failed"
    assert states["wait_for_flow_runs"] == "upstream_failed"


@together
def test_an_empty_or_shapeless_input_is_refused(scene: Scene) -> None:
    for value in (None, "mail: gold", ["mail"]):
        with pytest.raises(AirflowApiError) as refused:
            scene.start(value, suffix=type(value).__name__)  # type: ignore[arg-type]
        assert refused.value.status == 400
    run = scene.start({})

    assert run.wait() == "failed"
    assert "activation_info is empty" in run.log("plan_jobs")
    assert scene.aep.requests() == []


@together
def test_marking_a_waiting_task_failed_says_what_goes_on_in_aep(scene: Scene) -> None:
    scene.aep.add_outcomes({"seconds": 300})
    run = scene.start({"mail": ["gold"]})
    run.wait_task("wait_for_flow_runs", "deferred")
    [delivery] = scene.aep.deliveries()
    scene.until(lambda: scene.aep.requests(path="*/runs/" + delivery["run_ids"][0]))

    run.mark_failed("wait_for_flow_runs")

    assert run.wait() == "failed"
    line = scene.until(lambda: _line(run.log("wait_for_flow_runs"), "AEP cannot cancel"))
    assert delivery["run_ids"][0] in line


def _line(log: str, part: str) -> str:
    return next((line for line in log.splitlines() if part in line), "")
