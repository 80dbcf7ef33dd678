"""One delivery by Celery, PostgreSQL and Redis, whose worker dies between AEP's POST and its answer."""

from __future__ import annotations

import pytest

from lab.chaos.arena import ADHOC, until
from lab.distributed.cluster import Cluster
from lab.distributed.deliveries import DrawnDelivery, counts, seed
from tools.simulator_client import SimulatorClient

DAG = "aep_adhoc_activation"


@pytest.fixture
def simulator(cluster: Cluster) -> SimulatorClient:
    simulator = SimulatorClient(cluster.simulator_url)
    connection = simulator.connection()
    cluster.client.create_connection("aep_default", {**connection, "extra": {**connection["extra"], "timeout": 3}})
    return simulator


def test_a_killed_worker_neither_loses_nor_doubles_a_delivery(cluster: Cluster, simulator: SimulatorClient) -> None:
    delivery = DrawnDelivery("killed-worker", {"mail": ["gold", "silver"]})
    simulator.reset(seed([delivery], run_seconds=2))
    simulator.add_faults(
        {"kind": "wait_release", "method": "POST", "path": ADHOC, "effect": True, "if_gone": "carry_out"}
    )
    cluster.client.wait_dags(DAG, timeout=180)
    conf = {"activation_info": delivery.info, "poll_interval": 1}
    cluster.client.trigger_dag(DAG, conf, delivery.run_id)
    until(lambda: bool(simulator.state()["held"]), "AEP to hold the POST")

    cluster.kill("worker-1")
    simulator.release()
    cluster.bring_back("worker-1")
    state = cluster.client.wait_run(DAG, delivery.run_id, timeout=180)

    assert state == "success"
    assert counts(simulator) == {("mail", "gold"): 1, ("mail", "silver"): 1}
    report = cluster.client.xcom(DAG, delivery.run_id, "report")
    assert [(item["status"], item["adopted"]) for item in report["results"]] == [("success", True)] * 2
    tasks = {task["task_id"]: task["try_number"] for task in cluster.client.task_instances(DAG, delivery.run_id)}
    assert tasks["activate"] == 2
    assert dict(cluster.restarts) == {}


def test_the_health_checks_of_the_file_know_who_is_there(cluster: Cluster) -> None:
    assert cluster.is_healthy("postgres-1")
    assert cluster.is_healthy("redis-1")
    assert cluster.is_healthy("scheduler-1")
    assert cluster.is_healthy("worker-1")

    cluster.kill("scheduler-1")

    assert not cluster.is_healthy("scheduler-1")
