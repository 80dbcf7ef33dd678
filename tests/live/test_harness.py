"""The harness itself: what the other live tests stand on does what its names say."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.stage import Run, Scene, together
from tools.airflow_client import AirflowApiError, AirflowClient


def start(scene: Scene, **conf: Any) -> Run:
    scene.client.wait_dags("smoke")
    return Run(scene.airflow, scene.client, scene.client.trigger_dag("smoke", conf), "smoke")


@together
def test_runs_mapped_and_deferred_tasks_and_reads_what_they_left(scene: Scene) -> None:
    run = start(scene)
    client = scene.client

    assert run.wait() == "success"
    assert client.task_states("smoke", run.run_id) == dict.fromkeys(
        ("numbers", "double[0]", "double[1]", "wait", "finish"), "success"
    )
    assert client.xcom("smoke", run.run_id, "double", map_index=1) == 4
    assert client.xcom("smoke", run.run_id, "finish") == {"sum": 6}
    assert client.xcom("smoke", run.run_id, "finish", "no_such_key") is None
    assert client.state_store("smoke", run.run_id, "wait") == {"deferred": {"seconds": 8.0}}
    log = client.task_log("smoke", run.run_id, "wait")
    assert "deferring for 8 s" in log
    assert "Trigger fired event" in log


@together
def test_clears_only_what_failed(scene: Scene) -> None:
    run = start(scene, fail=True)
    assert run.wait() == "failed"
    assert "AirflowFailException: as asked" in run.log("finish")

    assert run.clear_failed() == ["finish"]
    assert run.wait() == "failed"
    tries = run.tries()
    assert tries["finish"] == 2
    assert tries["wait"] == 1


@together
def test_marks_a_waiting_task(scene: Scene) -> None:
    run = start(scene, seconds=600)
    run.wait_task("wait", "deferred")

    run.mark_failed("wait")

    assert run.wait() == "failed"
    assert run.states()["finish"] == "upstream_failed"


def test_a_refused_request_says_why(client: AirflowClient) -> None:
    with pytest.raises(AirflowApiError, match="not found") as refused:
        client.trigger_dag("no_such_dag")

    assert refused.value.status == 404


def test_every_dag_file_can_be_imported(client: AirflowClient) -> None:
    client.wait_dags("smoke")
    assert client.import_errors() == {}
