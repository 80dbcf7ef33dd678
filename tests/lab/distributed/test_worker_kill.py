"""One delivery by Celery, PostgreSQL and Redis, whose worker dies between AEP's POST and its answer.

The services have the environments of docker-compose.yaml: a worker without a database delivers.
"""

from __future__ import annotations

import secrets
import subprocess
from typing import Any

import pytest
import requests

from lab.chaos.arena import ADHOC, until
from lab.distributed.cluster import Cluster
from lab.distributed.deliveries import DrawnDelivery, counts, seed
from tests.support.roles import COLUMNS, table, wrong_cells
from tools.airflow_client import AirflowClient
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
    # Where a container's file system is read-only, nothing was written: all is in /tmp or in the volume of the logs.
    assert [path for path in (cluster.home / "airflow").iterdir() if not path.is_symlink()] == []
    assert {path.name for path in cluster.home.iterdir()} == {"airflow", "bin", "output", "tmp", "volumes"}


def test_celerys_user_can_open_its_own_database_only(cluster: Cluster) -> None:
    def opens(database: str) -> bool:
        own = {"PGUSER": "celery", "PGPASSWORD": cluster.variables["CELERY_RESULTS_PASSWORD"], "PGDATABASE": database}
        command = ["psql", "--no-psqlrc", "--command", "SELECT 1"]
        environment = {**cluster.environment("postgres-1"), **own}
        return subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0

    assert {name: opens(name) for name in ("celery", "airflow", "postgres")} == {
        "celery": True, "airflow": False, "postgres": False,
    }  # fmt: skip


def test_flower_answers_those_who_have_its_password(cluster: Cluster) -> None:
    cluster.wait_healthy("flower")
    url = f"http://127.0.0.1:{cluster.ports['flower']}/"

    assert requests.get(url, timeout=60).status_code == 401
    assert requests.get(url, auth=("admin", "admin"), timeout=60).status_code == 401
    assert requests.get(url, auth=("admin", cluster.variables["FLOWER_PASSWORD"]), timeout=60).status_code == 200


def test_each_role_may_do_what_the_table_of_security_md_says(cluster: Cluster) -> None:
    """FAB, which docker-compose.yaml has: its roles, with the rights they are made with."""
    sessions = {"not logged in": requests.Session()}
    for role in ("Public", "Viewer", "User", "Op", "Admin"):
        password = secrets.token_urlsafe()
        name = f"some-{role}"
        user: dict[str, Any] = {"username": name, "first_name": role, "last_name": role, "email": f"{role}@example.com"}
        cluster.client._call(
            "POST", "/auth/fab/v1/users", json={**user, "roles": [{"name": role}], "password": password}
        )
        session = sessions["no role" if role == "Public" else role] = requests.Session()
        session.headers["Authorization"] = f"Bearer {AirflowClient(cluster.url, name, password).token()}"

    def wrong(column: str) -> list[str]:
        def ask(method: str, path: str, body: object) -> int:
            return sessions[column].request(method, cluster.url + path, json=body, timeout=120).status_code

        return wrong_cells(column, table(), ask)

    assert {column: wrong(column) for column in COLUMNS} == {column: [] for column in COLUMNS}


def test_the_health_checks_of_the_file_know_who_is_there(cluster: Cluster) -> None:
    assert cluster.is_healthy("postgres-1")
    assert cluster.is_healthy("redis-1")
    assert cluster.is_healthy("scheduler-1")
    assert cluster.is_healthy("worker-1")

    cluster.kill("scheduler-1")

    assert not cluster.is_healthy("scheduler-1")
