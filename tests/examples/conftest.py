"""Run DAGs in this process, against the simulated AEP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import DagBag
from airflow.models.serialized_dag import SerializedDagModel
from airflow.sdk import DAG
from airflow.serialization.definitions.dag import SerializedDAG
from airflow.serialization.serialized_objects import LazyDeserializedDAG

from adobe_experience_platform import auth
from tests.support.dagtest import Played, play
from tools.simulator_process import SimulatorProcess

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
BUNDLE = "own-dags"

Run = Callable[..., Played]


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
    """Return a function that runs a DAG in this process to its end, each task once."""
    # `dag.test` first reads all files of the DAG's bundle: this one has none.
    bundle = {
        "name": BUNDLE,
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(tmp_path)},
    }
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", json.dumps([bundle]))

    def run(dag: DAG, *, leave_out: str | None = None, **conf: Any) -> Played:
        for task in dag.tasks:
            task.retries = 0
        DagBundlesManager().sync_bundles_to_db()
        serialized = LazyDeserializedDAG.from_dag(dag)
        SerializedDAG.bulk_write_to_db(BUNDLE, None, [serialized])
        SerializedDagModel.write_dag(serialized, bundle_name=BUNDLE)
        return play(dag, conf, leave_out=leave_out)

    return run


@pytest.fixture
def example(examples: DagBag, run: Run) -> Run:
    """Return a function that runs an example by its id."""

    def run_example(dag_id: str, **conf: Any) -> Played:
        return run(examples.dags[dag_id], **conf)

    return run_example
