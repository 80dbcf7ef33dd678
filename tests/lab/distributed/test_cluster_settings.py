"""What the services are given here comes from docker-compose.yaml; what differs is listed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.distributed import environment
from lab.distributed.cluster import Cluster
from tools import compose_env

CONTAINER = re.compile(r"redis:6379|@postgres|api-server:|(?<!\w)(8090|8974)(?!\w)|(?<!\d)0\.0\.0\.0|/opt/airflow")
"""What is true in a container only. Ports are whole words: one chosen here, or a folder's name, may hold the digits."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment, "postgres_folder", lambda: Path("/postgres"))
        cluster = Cluster(profiles={"demo", "flower"})
        yield cluster
        cluster.postgres.stop()
        shutil.rmtree(cluster.home)


def test_runs_every_replica_of_the_file(cluster: Cluster) -> None:
    assert set(cluster.replicas()) == {
        "postgres-1", "redis-1", "airflow-init-1", "api-server-1", "dag-processor-1", "simulator-1", "flower-1",
        "demo-1", "scheduler-1", "scheduler-2", "triggerer-1", "triggerer-2", "worker-1", "worker-2",
    }  # fmt: skip


def test_commands_are_those_of_the_file_with_listed_additions(cluster: Cluster) -> None:
    assert cluster.command("scheduler-2") == ["airflow", "scheduler"]
    assert cluster.command("triggerer-1") == ["airflow", "triggerer", "--skip-serve-logs"]
    assert cluster.command("worker-2") == [
        "airflow", "celery", "worker", "--skip-serve-logs", "--celery-hostname", "celery@worker-2",
    ]  # fmt: skip
    assert cluster.command("simulator-1") == [
        "python", "-m", "include.aep_simulator", "--host", "127.0.0.1", "--port", str(cluster.ports["simulator"]),
        "--speed", "60",
    ]  # fmt: skip


def test_nothing_leads_to_a_container(cluster: Cluster) -> None:
    for replica in cluster.replicas():
        if replica == "postgres-1":
            continue
        values = [*cluster.command(replica), *cluster.environment(replica).values()]
        assert [text for text in values if CONTAINER.search(without_chance(text, cluster))] == [], replica


def without_chance(text: str, cluster: Cluster) -> str:
    """Leave out the secrets, which are random: they may hold anything."""
    for name in compose_env.strong_values():
        text = text.replace(cluster.variables[name], "")
    return text


@pytest.mark.parametrize("text", ["127.0.0.1:48090", "/tmp/airflow-8090x7ab/tmp", "10.0.0.0", "--port 18974"])
def test_digits_that_come_by_chance_lead_nowhere(cluster: Cluster, text: str) -> None:
    secret = cluster.variables["REDIS_PASSWORD"]

    assert not CONTAINER.search(without_chance(f"{text} {secret}", cluster))


@pytest.mark.parametrize(
    "text", ["8090", "http://simulator:8090/ims", "--port 8974", "--host 0.0.0.0", "@postgres/airflow"]
)
def test_what_leads_to_a_container_is_noticed(cluster: Cluster, text: str) -> None:
    assert CONTAINER.search(without_chance(text, cluster))


def test_settings_of_the_file_reach_airflow(cluster: Cluster) -> None:
    given = cluster.environment("worker-1")

    password = cluster.variables["REDIS_PASSWORD"]
    assert given["AIRFLOW__CELERY__BROKER_URL"] == f"redis://:{password}@127.0.0.1:{cluster.ports['redis']}/0"
    assert given["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"
    assert given["DUMB_INIT_SETSID"] == "0"
    assert given["AIRFLOW_CONFIG"] == f"{given['TMPDIR']}/airflow.cfg"
    assert given["HOSTNAME"] == "worker-1"


def test_schedulers_answer_on_ports_of_their_own(cluster: Cluster) -> None:
    name = "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT"

    assert cluster.environment("scheduler-1")[name] != cluster.environment("scheduler-2")[name]


def test_the_simulator_knows_no_secret(cluster: Cluster) -> None:
    values = " ".join(cluster.environment("simulator-1").values())

    assert not [name for name, value in cluster.variables.items() if len(value) > 8 and value in values]
