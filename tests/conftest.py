"""What every test runs in: an Airflow home of its own, made before anything imports Airflow."""

from __future__ import annotations

import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from tools.simulator_process import SimulatorProcess

pytest_plugins = ["tests.support.order"]

REPOSITORY = Path(__file__).resolve().parent.parent
AIRFLOW_HOME = Path(tempfile.mkdtemp(prefix="airflow-tests-"))

for _name in [name for name in os.environ if name.startswith("AIRFLOW_")]:
    del os.environ[_name]
os.environ.update(
    AIRFLOW_HOME=str(AIRFLOW_HOME),
    AIRFLOW__CORE__DAGS_FOLDER=str(REPOSITORY / "dags"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__PLUGINS_FOLDER=str(REPOSITORY / "plugins"),
    AIRFLOW__ADOBE_EXPERIENCE_PLATFORM__NOTIFIER_PACKAGES="tests",
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{AIRFLOW_HOME / 'airflow.db'}",
    NO_PROXY="*",
)


# Machines that do other things besides are slow now and then; that is no failure.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[object]:
    """Look for no garbage meanwhile, nor ever again in what has been collected: it was a quarter of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_unconfigure() -> None:
    shutil.rmtree(AIRFLOW_HOME, ignore_errors=True)


@pytest.fixture(autouse=True)
def fresh_pace() -> Iterator[None]:
    """Let no test wait for what another test's AEP has asked for."""
    yield
    if pace := sys.modules.get("adobe_experience_platform.hooks.throttle"):
        pace.forget_all()
        shutil.rmtree(AIRFLOW_HOME / "aep_pauses", ignore_errors=True)


@pytest.fixture(scope="session")
def airflow_db() -> None:
    """Make Airflow's tables: for tests that run tasks in this process (`dag.test`)."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture(scope="session")
def simulator_process() -> Iterator[SimulatorProcess]:
    """Run one simulated AEP for all tests; use `simulator`, which starts each test afresh."""
    from tools.simulator_process import SimulatorProcess

    with SimulatorProcess(speed=600) as process:
        yield process


@pytest.fixture
def simulator(simulator_process: SimulatorProcess) -> SimulatorProcess:
    """Give the simulated AEP, reset to its first state."""
    simulator_process.reset()
    return simulator_process


@pytest.fixture
def aep_connection(simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch) -> str:
    """Point the connection `aep_default` at the simulated AEP, for code that runs in this process."""
    import json

    monkeypatch.setenv("AIRFLOW_CONN_AEP_DEFAULT", json.dumps(simulator.connection()))
    return "aep_default"
