from __future__ import annotations

from typing import Any, cast

import pytest

from tools.airflow_client import AirflowClient
from tools.demo import DemoError
from tools.remote_demo import connect
from tools.simulator_process import SimulatorProcess


class Connections:
    """Stands for Airflow's connections."""

    def __init__(self, **there: dict[str, Any]) -> None:
        self.there = there

    def connection(self, conn_id: str) -> dict[str, Any] | None:
        return self.there.get(conn_id)

    def create_connection(self, conn_id: str, connection: dict[str, Any]) -> None:
        self.there[conn_id] = connection


def test_makes_the_connection_where_there_is_none(simulator: SimulatorProcess) -> None:
    airflow = Connections()

    connect(cast(AirflowClient, airflow), simulator)

    made = airflow.there["aep_default"]
    assert made["host"] == simulator.base_url
    assert made["extra"]["allow_http"] is True


def test_a_second_demo_keeps_the_connection(simulator: SimulatorProcess) -> None:
    there = {"host": simulator.base_url, "login": "kept"}
    airflow = Connections(aep_default=there)

    connect(cast(AirflowClient, airflow), simulator)

    assert airflow.there == {"aep_default": there}


def test_refuses_a_connection_that_leads_elsewhere(simulator: SimulatorProcess) -> None:
    airflow = Connections(aep_default={"host": "https://platform.adobe.io"})

    with pytest.raises(DemoError, match=r"leads to https://platform\.adobe\.io"):
        connect(cast(AirflowClient, airflow), simulator)


def test_refuses_a_connection_in_the_environment(simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AEP_DEFAULT", "{}")

    with pytest.raises(DemoError, match="AIRFLOW_CONN_AEP_DEFAULT is set"):
        connect(cast(AirflowClient, Connections()), simulator)
