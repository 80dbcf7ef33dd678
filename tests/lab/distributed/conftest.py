"""docker-compose.yaml as processes: Celery, PostgreSQL, Redis and what runs on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.chaos.arena import IMPATIENT
from lab.distributed import environment
from lab.distributed.cluster import Cluster

HERE = Path(__file__).parent
# One of each: what two of each do is shown by `make distributed`.
SMALL = {
    "AIRFLOW_SCHEDULERS": "1",
    "AIRFLOW_TRIGGERERS": "1",
    "AIRFLOW_WORKERS": "1",
    "AIRFLOW_WORKER_CONCURRENCY": "2",
}
QUICK = {
    **IMPATIENT,
    "dag_processor.min_file_process_interval": "60",
    "dag_processor.parsing_processes": "1",
    "scheduler.task_instance_heartbeat_timeout": "15",
    "scheduler.task_instance_heartbeat_timeout_detection_interval": "2",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path == HERE / "test_worker_kill.py":
            item.add_marker(pytest.mark.live)


@pytest.fixture(scope="session")
def distributed_environment() -> None:
    """Install what the image has, PostgreSQL and Redis, once."""
    environment.ensure()


@pytest.fixture(scope="module")
def cluster(distributed_environment: None) -> Iterator[Cluster]:
    """Run the services of all profiles, the demo itself apart."""
    cluster = Cluster(profiles={"demo", "flower"}, variables=SMALL, config=QUICK)
    del cluster.services["demo"]
    with cluster:
        yield cluster
