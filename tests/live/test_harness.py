"""The harness itself: what the other live tests stand on does what its names say."""

from __future__ import annotations

import pytest

from tools.airflow_client import AirflowApiError, AirflowClient
from tools.local_airflow import LocalAirflow


@pytest.fixture
def smoke(client: AirflowClient) -> str:
    client.wait_dags("smoke")
    return "smoke"


def test_runs_mapped_and_deferred_tasks_and_reads_what_they_left(client: AirflowClient, smoke: str) -> None:
    run_id = client.trigger_dag(smoke)

    assert client.wait_run(smoke, run_id) == "success"
    assert client.task_states(smoke, run_id) == dict.fromkeys(
        ("numbers", "double[0]", "double[1]", "wait", "finish"), "success"
    )
    assert client.xcom(smoke, run_id, "double", map_index=1) == 4
    assert client.xcom(smoke, run_id, "finish") == {"sum": 6}
    assert client.xcom(smoke, run_id, "finish", "no_such_key") is None
    assert client.state_store(smoke, run_id, "wait") == {"deferred": {"seconds": 8.0}}
    log = client.task_log(smoke, run_id, "wait")
    assert "deferring for 8 s" in log
    assert "Trigger fired event" in log


def test_clears_only_what_failed(client: AirflowClient, smoke: str) -> None:
    run_id = client.trigger_dag(smoke, {"fail": True})
    assert client.wait_run(smoke, run_id) == "failed"
    assert "AirflowFailException: as asked" in client.task_log(smoke, run_id, "finish")

    assert client.clear(smoke, run_id, only_failed=True) == ["finish"]
    assert client.wait_run(smoke, run_id) == "failed"
    tries = {task["task_id"]: task["try_number"] for task in client.task_instances(smoke, run_id)}
    assert tries["finish"] == 2
    assert tries["wait"] == 1


def test_a_deferred_task_outlives_its_triggerer(airflow: LocalAirflow, client: AirflowClient, smoke: str) -> None:
    run_id = client.trigger_dag(smoke, {"seconds": 8})
    client.wait_task(smoke, run_id, "wait", "deferred")

    airflow.kill("triggerer")
    assert not airflow.alive("triggerer")
    airflow.start("triggerer")

    assert client.wait_run(smoke, run_id) == "success"


def test_marks_a_waiting_task(client: AirflowClient, smoke: str) -> None:
    run_id = client.trigger_dag(smoke, {"seconds": 600})
    client.wait_task(smoke, run_id, "wait", "deferred")

    client.set_task_state(smoke, run_id, "wait", "failed")

    assert client.wait_run(smoke, run_id) == "failed"
    assert client.task_states(smoke, run_id)["finish"] == "upstream_failed"


def test_a_refused_request_says_why(client: AirflowClient, smoke: str) -> None:
    with pytest.raises(AirflowApiError, match="not found") as refused:
        client.trigger_dag("no_such_dag")

    assert refused.value.status == 404


def test_every_dag_file_can_be_imported(client: AirflowClient, smoke: str) -> None:
    assert client.import_errors() == {}
