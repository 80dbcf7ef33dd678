"""One real Airflow for all live tests: its components as processes, connected to the simulated AEP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.airflow_client import AirflowClient
from tools.local_airflow import COMPONENTS, LocalAirflow
from tools.simulator_process import SimulatorProcess

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.live)
    items.sort(key=lambda item: item.path.is_relative_to(HERE))  # what is quick to fail comes first


@pytest.fixture(scope="session")
def live_airflow(simulator_process: SimulatorProcess) -> Iterator[LocalAirflow]:
    """Run Airflow once for the whole session; tests use `airflow`, which repairs what the last one broke."""
    airflow = LocalAirflow(
        dags_folders=[REPOSITORY / "dags", HERE / "dags_smoke"],
        connections={"aep_default": simulator_process.connection()},
        # Airflow's own deferral time-outs, swept this often, are part of what is tested.
        config={"scheduler.trigger_timeout_check_interval": "1"},
    )
    with airflow:
        yield airflow


@pytest.fixture
def airflow(live_airflow: LocalAirflow) -> LocalAirflow:
    """Give the running Airflow, with all its components alive."""
    if not all(live_airflow.alive(name) for name in COMPONENTS):
        live_airflow.start()
    return live_airflow


@pytest.fixture
def client(airflow: LocalAirflow) -> AirflowClient:
    """Give the REST client of the running Airflow, as its admin."""
    return airflow.client


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Add the components' logs to the report of a test that fails."""
    report = yield
    airflow = getattr(item, "funcargs", {}).get("live_airflow")
    if isinstance(airflow, LocalAirflow) and report.when == "call" and report.failed:
        for name in COMPONENTS:
            log = airflow.component_log(name)
            if log.exists():
                tail = log.read_text(errors="replace").splitlines()[-40:]
                report.sections.append((f"log of {name}", "\n".join(tail)))
    return report
