"""Run DAGs in this process, against the simulated AEP."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG

from adobe_experience_platform.aep import auth
from tests.support.dagtest import Played, empty_bundle, play, store
from tools.simulator_process import SimulatorProcess

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"

Run = Callable[..., Played]
DEFERRED = "running trigger in line"
"""What `dag.test` logs when a task waits in the triggerer."""


@pytest.fixture(autouse=True)
def connections(
    airflow_db: None, aep_connection: str, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Give both connections that the examples use."""
    connection = simulator.connection()
    connection["extra"]["sandbox_name"] = "dev"
    monkeypatch.setenv("AIRFLOW_CONN_AEP_DEVELOPMENT", json.dumps(connection))
    auth.forget_all()
    yield
    auth.forget_all()


@pytest.fixture(scope="session")
def examples() -> DagBag:
    """Load all examples, as Airflow's DAG processor does."""
    return DagBag(EXAMPLES)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a DAG in this process to its end, each task once unless told otherwise."""
    # `dag.test` first reads all files of the DAG's bundle: this one has none.
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", json.dumps([empty_bundle(tmp_path)]))

    def run(dag: DAG, *, leave_out: str | None = None, retries: int = 0, **conf: Any) -> Played:
        for task in dag.tasks:
            task.retries, task.retry_delay = retries, timedelta(0)
        store(dag)
        return play(dag, conf, leave_out=leave_out)

    return run


@pytest.fixture
def example(examples: DagBag, run: Run) -> Run:
    """Return a function that runs an example by its id."""

    def run_example(dag_id: str, **conf: Any) -> Played:
        return run(examples.dags[dag_id], **conf)

    return run_example


@contextmanager
def after_a_look(simulator: SimulatorProcess, path: str, action: Callable[[], None]) -> Iterator[None]:
    """Do something as soon as a task has looked at AEP once."""
    stop = threading.Event()

    def watch() -> None:
        while not simulator.requests(path=path):
            if stop.wait(0.1):
                return
        action()

    with ThreadPoolExecutor(1) as thread:
        watching = thread.submit(watch)
        try:
            yield
        finally:
            stop.set()
        watching.result()
