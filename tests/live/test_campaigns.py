"""Campaigns that nobody starts by hand: the export starts them; and one that nobody allows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.aep import JOBS, LocalAep
from tests.support.database_client import DatabaseClient
from tests.support.stage import Run, Scene, through_an_outage, together
from tools.airflow_client import AirflowClient
from tools.local_airflow import LocalAirflow

CAMPAIGNS = ("live_after_export_1", "live_after_export_2")
PAIRS = {("mail", "gold"): 1, ("mail", "silver"): 1}


@together
def test_nobody_answers_and_nothing_is_sent(scene: Scene) -> None:
    run = scene.start({"mail": ["gold"]}, dag_id="live_approval")

    assert run.wait() == "failed"

    assert scene.aep.posts() == []
    assert {task: state for task, state in run.states().items() if state != "upstream_failed"} == {
        "plan_jobs": "success",
        "approve": "failed",
        "wait_for_flow_runs": "failed",
        "report": "failed",
    }
    assert "NOT APPROVED: nothing was sent: nobody approved this delivery within 12 s" in run.log("report")
    assert run.statuses() == {("mail", "gold"): "not_sent"}


def read_again(client: AirflowClient, bundle: str, *files: str) -> None:
    assert isinstance(client, DatabaseClient)
    for file in files:
        client.read_again(bundle, file)


@contextmanager
def begun(client: AirflowClient) -> Iterator[None]:
    """Switch on what starts by itself."""
    dag_ids = (*CAMPAIGNS, "live_after_delivery")
    client.wait_dags(*dag_ids)
    for dag_id in dag_ids:
        client.set_paused(dag_id, False)
    read_again(client, "dags_campaigns", "recurring.py")
    try:
        yield
    finally:
        for dag_id in dag_ids:
            client.set_paused(dag_id, True)


def watermark(client: AirflowClient, conn_id: str = "aep_watched") -> list[str]:
    """Return the exports that the watcher has told, or has found at its first start."""
    [asset] = [
        item
        for item in client.get("/api/v2/assets", name_pattern="aep_segment_export")["assets"]
        if item["name"].split("?")[0] == f"aep_segment_export/{conn_id}"
    ]
    entries = client.get(f"/api/v2/assets/{asset['id']}/state-store")["asset_state_store"]
    found: list[str] = entries[0]["value"]["export_ids"] if entries else []
    return found


def runs(airflow: LocalAirflow, client: AirflowClient, dag_id: str) -> list[Run]:
    return [Run(airflow, client, item["dag_run_id"], dag_id) for item in client.runs(dag_id)]


@through_an_outage
def test_an_export_that_ends_while_the_triggerer_is_down_starts_each_campaign_once(scene: Scene) -> Iterator[None]:
    client, aep = scene.client, scene.watched_aep
    with begun(client):
        Scene.until(lambda: watermark(client) == ["722"])
        assert not any(client.runs(dag_id) for dag_id in CAMPAIGNS), "the first start only records"

        yield
        aep.start_export_job(id=800, status="SUCCEEDED")

        yield
        found: dict[str, Run] = {}
        for dag_id in CAMPAIGNS:
            [found[dag_id]] = Scene.until(lambda dag_id=dag_id: runs(scene.airflow, client, dag_id))
            assert found[dag_id].wait() == "success"
            told = client.xcom(dag_id, found[dag_id].run_id, "plan_jobs", "campaign_day")
            assert (told["deliver"], told["export_id"]) == (True, "800")
        assert aep.delivered() == PAIRS

        aep.start_export_job(id=801, status="SUCCEEDED")
        for dag_id in CAMPAIGNS:
            Scene.until(lambda dag_id=dag_id: len(runs(scene.airflow, client, dag_id)) == 2)
            [second] = [run for run in runs(scene.airflow, client, dag_id) if run.run_id != found[dag_id].run_id]
            assert second.wait() == "success"
            assert "This run delivers nothing" in second.log("plan_jobs")
            assert set(second.states().values()) == {"success", "skipped"}
        assert aep.delivered() == PAIRS, "one delivery per day"

        told = client.get("/api/v2/assets/events", source_dag_id=CAMPAIGNS[0])["asset_events"]
        events = [event for event in told if event["source_task_id"] == "report"]
        assert sorted(event["uri"] for event in events) == [f"aep://deliveries/{CAMPAIGNS[0]}", "aep://flows/mail"]
        assert [event["extra"]["audiences"] for event in events if event["uri"] == "aep://flows/mail"] == [1]
        assert Scene.until(lambda: runs(scene.airflow, client, "live_after_delivery"))

        polls = polls_per_second(aep)
        assert max(polls.values()) <= 2, "two campaigns, one poll"


def polls_per_second(aep: LocalAep) -> dict[str, int]:
    """Return how often the watcher has asked in each second, in the sandbox that the campaigns watch."""
    counts: dict[str, int] = {}
    for request in aep.requests(path=JOBS):
        if request["headers"]["x-sandbox-name"] == "prod" and "aiohttp" in request["headers"].get("user-agent", ""):
            counts[str(int(request["at"]))] = counts.get(str(int(request["at"])), 0) + 1
    return counts
