"""Run DAGs in this process, against the simulated AEP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import DagBag
from airflow.models.dagrun import DagRun
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.xcom import XComModel
from airflow.sdk import DAG
from airflow.serialization.definitions.dag import SerializedDAG
from airflow.serialization.serialized_objects import LazyDeserializedDAG
from airflow.utils.session import create_session

from adobe_experience_platform import auth
from tools.simulator_process import SimulatorProcess

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@dataclass(frozen=True)
class Finished:
    """What a run left."""

    run: DagRun

    @property
    def state(self) -> str:
        return str(self.run.state)

    @property
    def states(self) -> dict[str, str | None]:
        """Return {task id: state}; a mapped task has one per index, as ``id[0]``."""
        return {
            item.task_id + (f"[{item.map_index}]" if item.map_index >= 0 else ""): item.state
            for item in self.run.get_task_instances()
        }

    def result(self, task_id: str, key: str = "return_value") -> Any:
        """Return what a task pushed."""
        with create_session() as session:
            found = session.scalars(
                XComModel.get_many(run_id=self.run.run_id, dag_ids=self.run.dag_id, task_ids=task_id, key=key)
            ).first()
            return None if found is None else XComModel.deserialize_value(found)


Run = Callable[..., Finished]


@pytest.fixture(autouse=True)
def connections(airflow_db: None, aep_connection: str, simulator: SimulatorProcess, monkeypatch: Any) -> Iterator[None]:
    """Give both connections that the examples use; the second account reaches development only."""
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
    """Return a function that runs a DAG in this process to its end."""
    # `dag.test` reads all files of the DAG's bundle first: this one has none.
    bundle = {
        "name": "own-dags",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(tmp_path)},
    }
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", json.dumps([bundle]))

    def run(dag: DAG, **conf: Any) -> Finished:
        DagBundlesManager().sync_bundles_to_db()
        serialized = LazyDeserializedDAG.from_dag(dag)
        SerializedDAG.bulk_write_to_db("own-dags", None, [serialized])
        SerializedDagModel.write_dag(serialized, bundle_name="own-dags")
        return Finished(dag.test(run_conf=conf))

    return run


@pytest.fixture
def example(examples: DagBag, run: Run) -> Run:
    """Return a function that runs an example by its id."""

    def run_example(dag_id: str, **conf: Any) -> Finished:
        return run(examples.dags[dag_id], **conf)

    return run_example
