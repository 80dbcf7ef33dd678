"""The DAG runs of a delivery, started and followed through Airflow's own database, as its own commands do it."""

from __future__ import annotations

import getpass
import shlex
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow.api.client import get_current_api_client
from airflow.exceptions import DagRunAlreadyExists, ParamValidationError
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.xcom import XComModel
from airflow.sdk.exceptions import AirflowException
from airflow.utils.session import create_session

from adobe_experience_platform.aep import one_line
from adobe_experience_platform.delivery import task_ids, xcom

PAUSE = 2.0
"""Seconds between two looks at a run."""


class RunError(Exception):
    """A run cannot be started or followed; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as it is.

    :param state: Airflow's word, such as ``running``.
    :param tasks: task id → Airflow's word; of a mapped task ``task_id[0]``, those that have none yet are left out.
    :param notes: task id → {XCom key: value} of what the pages read, see :mod:`.delivery.xcom`.
    """

    state: str
    tasks: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def progress(self) -> tuple[int, int] | None:
        """(Deliveries that have ended, all of them), None while none is watched."""
        note = self.note(task_ids.WAIT_RUNS, xcom.PROGRESS)
        return (note["ended"], note["of"]) if isinstance(note, dict) else None

    def note(self, task_id: str, key: str) -> Any:
        """Return what a task has left, None if it left nothing."""
        return self.notes.get(task_id, {}).get(key)


def start(dag_id: str, run_id: str, conf: Mapping[str, Any]) -> None:
    """Start a run of a DAG that is there and not paused; a run of that id is never started a second time."""
    with create_session() as session:
        dag = session.get(DagModel, dag_id)
        if dag is None or dag.is_stale:
            raise RunError(f"There is no DAG {dag_id}: see airflow dags list, and airflow dags list-import-errors.")
        if dag.is_paused:
            raise RunError(f"The DAG {dag_id} is paused, so no run would begin: airflow dags unpause {dag_id}")
    try:
        get_current_api_client().trigger_dag(dag_id, run_id=run_id, conf=dict(conf), triggering_user_name=_user())
    except DagRunAlreadyExists:
        raise RunError(
            f"There is a run {run_id} already, and it was not started again: airflow aep follow {shlex.quote(run_id)}"
        ) from None
    except (AirflowException, ParamValidationError, ValueError) as error:
        raise RunError(f"Airflow does not start the run: {one_line(str(error))}") from None


def views(dag_id: str, run_id: str) -> Iterator[RunView]:
    """Look at a run again and again, until it has ended."""
    while True:
        found = view(dag_id, run_id)
        yield found
        if found.state in ("success", "failed"):
            return
        time.sleep(PAUSE)


def view(dag_id: str, run_id: str) -> RunView:
    """Look at a run once."""
    with create_session() as session:
        run = DagRun.find_duplicate(dag_id=dag_id, run_id=run_id, session=session)
        if run is None:
            raise RunError(f"There is no run {run_id} of {dag_id}: see airflow dags list-runs {dag_id}")
        tasks = {
            ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]": str(ti.state)
            for ti in run.get_task_instances(session=session)
            if ti.state
        }
        notes: dict[str, dict[str, Any]] = {}
        keys = (xcom.BRIEFING, xcom.PROGRESS, xcom.RETURN_VALUE, xcom.REASON)
        kept: Iterable[Any] = session.scalars(XComModel.get_many(run_id=run_id, dag_ids=[dag_id]))
        for item in kept:
            if item.key in keys and (item.key != xcom.RETURN_VALUE or item.task_id == task_ids.REPORT):
                notes.setdefault(item.task_id, {})[item.key] = XComModel.deserialize_value(item)
        return RunView(str(run.state), tasks, notes)


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return None
