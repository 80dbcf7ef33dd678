"""The DAGs of this repository, run in this process against a small simulated AEP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag

from tests.support.aep import SEED, LocalAep
from tests.support.dagtest import Played, play

DAGS = Path(__file__).resolve().parents[3] / "dags"
Deliver = Callable[..., Played]


@pytest.fixture(scope="session")
def local_aep() -> Iterator[LocalAep]:
    with LocalAep(speed=600) as aep:
        yield aep


@pytest.fixture
def aep(local_aep: LocalAep, monkeypatch: pytest.MonkeyPatch) -> LocalAep:
    """Give the simulated AEP in its first state, as the connection `aep_default`."""
    local_aep.reset(SEED)
    connection = local_aep.connection()
    connection["extra"]["timeout"] = 3
    monkeypatch.setenv("AIRFLOW_CONN_AEP_DEFAULT", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW__ADOBE_EXPERIENCE_PLATFORM__SETTLE_MARGIN_SECONDS", "1")
    return local_aep


@pytest.fixture
def deliver(airflow_db: None, aep: LocalAep) -> Deliver:
    """Return a function that runs the on-demand DAG to its end."""
    dag = DagBag(DAGS).dags["aep_adhoc_activation"]
    for task in dag.tasks:
        task.retries = 0  # nobody waits half a minute here

    def run(info: Any, **conf: Any) -> Played:
        return play(dag, {"activation_info": info, "poll_interval": 1, **conf})

    return run
