"""Runs DAGs in this process: real task runner, state store, XComs and serialization, no scheduler."""

from __future__ import annotations

import datetime as dt
import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from airflow.sdk import DAG

BUNDLE = "own-dags"


class Played:
    """A DAG run that was played, and what its tasks left behind.

    :param lines: what the tasks logged.
    """

    def __init__(self, run: Any, lines: list[str]) -> None:
        self._run = run
        self.log = "\n".join(lines)

    @property
    def run_id(self) -> str:
        """The run's id."""
        return str(self._run.run_id)

    @property
    def state(self) -> str:
        """The run's state."""
        return str(self._run.state)

    def states(self) -> dict[str, str | None]:
        """Return {task id, or task id[map index]: state}."""
        return {
            ti.task_id + (f"[{ti.map_index}]" if ti.map_index >= 0 else ""): ti.state and str(ti.state)
            for ti in self.task_instances()
        }

    def task_instances(self, session: Any = None) -> list[Any]:
        """Return the run's task instances as Airflow's database has them."""
        found: list[Any] = self._run.get_task_instances(**({"session": session} if session else {}))
        return found

    def xcom(self, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """Return an XCom's value, None when there is none."""
        from airflow.models.xcom import XComModel
        from airflow.utils.session import create_session

        with create_session() as session:
            query = XComModel.get_many(
                run_id=self._run.run_id,
                key=key,
                task_ids=task_id,
                dag_ids=self._run.dag_id,
                map_indexes=map_index,
            )
            found = session.scalars(query).first()
            return None if found is None else found.value


def play(dag: DAG, conf: dict[str, Any] | None = None, *, leave_out: str | None = None) -> Played:
    """Run a DAG once, whatever comes of it.

    :param leave_out: regular expression of task ids that are marked as successful without being run.
    """
    with captured() as lines, _known(dag):
        run = dag.test(run_conf=conf, logical_date=dt.datetime.now(tz=dt.UTC), mark_success_pattern=leave_out)
    return Played(run, lines)


_played: set[str] = set()
_judged: set[str] = set()


@contextmanager
def _known(dag: DAG) -> Iterator[None]:
    """Spare `dag.test` what it did before.

    It reads all DAG files, though it played the very same DAG; and each task judges whether the schema of each param is
    one, though it is that of the task before.
    """
    from airflow.models.dag_version import DagVersion
    from airflow.serialization.serialized_objects import DagSerialization
    from jsonschema import Draft202012Validator

    judge = Draft202012Validator.check_schema

    def judge_once(schema: Any, **more: Any) -> None:
        text = repr(schema)
        if text not in _judged:
            judge(schema, **more)
            _judged.add(text)

    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(Draft202012Validator, "check_schema", judge_once))
        form = repr(DagSerialization.serialize_dag(dag))
        if form in _played and DagVersion.get_version(dag.dag_id):
            for name in ("BundleDagBag", "sync_bag_to_db"):
                stack.enter_context(mock.patch(f"airflow.dag_processing.dagbag.{name}"))
        yield
    _played.add(form)


def empty_bundle(path: Path) -> dict[str, Any]:
    """Return the setting of a bundle without files: `dag.test` first reads all files of the DAG's bundle."""
    return {
        "name": BUNDLE,
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(path)},
    }


def store(dag: DAG) -> None:
    """Make a DAG that lies in no file known to Airflow; its bundle is `empty_bundle`."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.serialization.definitions.dag import SerializedDAG
    from airflow.serialization.serialized_objects import LazyDeserializedDAG

    DagBundlesManager().sync_bundles_to_db()
    serialized = LazyDeserializedDAG.from_dag(dag)
    SerializedDAG.bulk_write_to_db(BUNDLE, None, [serialized])
    SerializedDagModel.write_dag(serialized, bundle_name=BUNDLE)


@contextmanager
def captured() -> Iterator[list[str]]:
    """Collect what is logged, through structlog or the standard library."""
    import structlog

    lines: list[str] = []
    with structlog.testing.capture_logs(processors=[_with_error]) as entries:
        handler = _Collector(lines)
        logging.getLogger().addHandler(handler)
        try:
            yield lines
        finally:
            logging.getLogger().removeHandler(handler)
            lines += [str(entry.get("event")) for entry in entries]


def _with_error(_logger: object, _method: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Put the text of the error that is being handled beside what was logged about it."""
    error = sys.exc_info()[1]
    if entry.get("exc_info") and error is not None:
        entry["event"] = f"{entry['event']}: {type(error).__name__}: {error}"
    return entry


class _Collector(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record.getMessage())
