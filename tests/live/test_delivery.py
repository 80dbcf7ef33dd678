"""What AEP receives when all goes well, and that nothing is sent while it should not be."""

from __future__ import annotations

import json
from collections import Counter

from tests.support.aep import ACCEPT_V2, CROWD, SEED
from tests.support.stage import DAG, TASKS, Scene, together

ACCOUNT = "_xdm.context.account"


@together
def test_v1_waits_for_the_export_in_progress_and_sends_its_id_as_text(scene: Scene) -> None:
    accounts = [{"id": 1000 + number, "schema": ACCOUNT, "age": 60 + number} for number in range(110)]
    profiles = [{"id": 500, "age": "30h"}, {"id": 600, "status": "PROCESSING", "age": "2h"}]
    scene.aep.control("POST", "reset", {**SEED, "export_jobs": [*profiles, *accounts]})
    run = scene.start({"mail": ["gold"]}, api_version="v1")
    run.wait_task("wait_for_segment_export", "deferred")
    scene.until(lambda: len(scene.aep.requests(path="*/export/jobs")) >= 4)  # two looks, two pages each
    assert scene.aep.posts() == []

    scene.aep.end_export_job(600)

    assert run.wait() == "success"
    [post] = scene.aep.posts()
    assert post["json"] == {"activationInfo": {"mail": ["gold"]}, "exportIds": ["600"]}
    assert "version=2" not in post["headers"]["accept"]
    assert "segment export job 600" in run.log("wait_for_segment_export")


@together
def test_v2_sends_the_activation_info_alone(scene: Scene) -> None:
    """Also: runs that AEP shows late and audiences that it calls by another id."""
    scene.aep.change_settings(
        order_segment="external", entity_id="external", run_404_seconds=900, list_lag_seconds=900, young_seconds=900
    )
    records = {"gold": 11, "partner": 12, "silver": 13}
    scene.aep.add_outcomes(*({"audience_id": name, "records": number} for name, number in records.items()))

    run = scene.start({"mail": ["gold", "partner"], "shop": ["silver"]})

    assert run.wait() == "success"
    [post] = scene.aep.posts()
    assert post["json"] == {"activationInfo": {"mail": ["gold", "partner"], "shop": ["silver"]}}
    assert post["headers"]["accept"] == ACCEPT_V2
    assert post["headers"]["content-type"] == "application/json"
    assert post["headers"]["x-sandbox-name"] == "prod"
    assert run.states() == dict.fromkeys(("activate[0]", *(task for task in TASKS if task != "activate")), "success")
    report = run.report()
    assert run.statuses() == dict.fromkeys([("mail", "gold"), ("mail", "partner"), ("shop", "silver")], "success")
    assert report["summary"]["success"] == 3
    assert {item["audience_id"]: item["records_exported"] for item in report["results"]} == records
    assert scene.client.xcom("aep_adhoc_activation", run.run_id, "wait_for_flow_runs")["results"] == report["results"]


@together
def test_a_hundred_audiences_to_two_destinations_arrive_once_in_one_report(scene: Scene) -> None:
    info = {"north": CROWD[:60], "south": CROWD[40:]}

    run = scene.start(info)

    assert run.wait() == "success"
    jobs = [post["json"]["activationInfo"] for post in scene.aep.posts()]
    assert sorted(sum(map(len, job.values())) for job in jobs) == [40, 80]
    in_jobs = Counter(audience for job in jobs for audience in set().union(*job.values()))
    assert in_jobs == dict.fromkeys(CROWD, 1), "an audience must not be in two jobs"
    pairs = {(flow, audience): 1 for flow, audiences in info.items() for audience in audiences}
    assert scene.aep.delivered() == pairs
    assert run.statuses() == dict.fromkeys(pairs, "success")
    assert run.report()["summary"]["pairs"] == 120


@together
def test_another_delivery_of_the_audience_is_waited_for(scene: Scene) -> None:
    other = scene.aep.start_run("mail", audience_ids=["gold"], status="inProgress")
    run = scene.start({"mail": ["gold"]})
    run.wait_task("wait_for_segment_export", "deferred")
    assert scene.aep.posts() == []

    scene.aep.change_run(other["id"], status="success")

    assert run.wait() == "success"
    assert scene.aep.delivered() == {("mail", "gold"): 1}
    assert run.report()["results"][0]["run_id"] != other["id"]


@together
def test_a_dry_run_sends_nothing_and_waits_for_nothing(scene: Scene) -> None:
    scene.aep.start_export_job()

    run = scene.start({"mail": ["gold", "silver"]}, dry_run=True)

    assert run.wait() == "success"
    assert scene.aep.posts() == []
    assert {task.partition("[")[0]: state for task, state in run.states().items()} == {
        task: "success" if task == "plan_jobs" else "skipped" for task in TASKS
    }
    log = run.log("plan_jobs")
    assert "Gold customers" in log
    assert "nothing was sent" in log


@together
def test_a_person_delivers_in_a_terminal(scene: Scene) -> None:
    scene.client.set_paused(DAG, False)
    words = ("--to", "Mail", "Gold customers", "silver", "--to", "shop", "bronze", "--run-id", scene.name)

    out = scene.airflow.command("aep", "deliver", *words, "--conn-id", scene.conn_id, "-o", "json")

    pairs = {("mail", "gold"): 1, ("mail", "silver"): 1, ("shop", "bronze"): 1}
    assert scene.aep.delivered() == pairs
    rows = json.loads(out)
    assert {(row["flow_id"], row["audience_id"]): row["status"] for row in rows} == dict.fromkeys(pairs, "success")
    assert {row["audience"] for row in rows} == {"Gold customers", "Silver customers", "Bronze customers"}
