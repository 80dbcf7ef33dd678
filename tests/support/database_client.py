"""A client of Airflow that looks at states in the database: looks through REST were most of what the server did."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from tools.airflow_client import AirflowClient
from tools.local_airflow import LocalAirflow

_RUN = sa.text("SELECT state FROM dag_run WHERE dag_id = :dag_id AND run_id = :run_id")
_TASKS = sa.text(
    "SELECT task_id, map_index, state, try_number, pid FROM task_instance WHERE dag_id = :dag_id AND run_id = :run_id"
)
_READ_AGAIN = sa.text(
    "INSERT INTO dag_priority_parsing_request (id, bundle_name, relative_fileloc) VALUES (:id, :bundle, :file) "
    "ON CONFLICT DO NOTHING"
)


class DatabaseClient(AirflowClient):
    """Drives an Airflow on this machine through its REST API; states of runs and tasks come from its database."""

    def __init__(self, airflow: LocalAirflow, user: str = "admin") -> None:
        super().__init__(airflow.url, user, airflow.passwords[user])
        database = airflow.environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
        self._database = sa.create_engine(database, isolation_level="AUTOCOMMIT", pool_size=1)

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return a run's state."""
        found = self._rows(_RUN, dag_id, run_id)
        return str(found[0]["state"]) if found else super().run_state(dag_id, run_id)

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return all task instances of a run: id, map index, state, try number and process id."""
        return [dict(row) for row in self._rows(_TASKS, dag_id, run_id)]

    def read_again(self, bundle: str, file: str) -> None:
        """Have a DAG file read soon, as the UI's button does; watchers of a DAG that is unpaused begin only then."""
        name = hashlib.sha256(f"{bundle}/{file}".encode()).hexdigest()[:32]
        with self._database.connect() as connection:
            connection.execute(_READ_AGAIN, {"id": name, "bundle": bundle, "file": file})

    def _rows(self, query: sa.TextClause, dag_id: str, run_id: str) -> list[Mapping[str, Any]]:
        with self._database.connect() as connection:
            return list(connection.execute(query, {"dag_id": dag_id, "run_id": run_id}).mappings())
