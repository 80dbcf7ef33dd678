"""Weeks of deliveries for the pages to show: copies of real finished runs, dated back, in a local Airflow's database.

Only Airflow's own rows are copied (runs, task instances, XComs), so its API answers as it would after these weeks.
"""

from __future__ import annotations

import json
import random
import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

Row = dict[str, Any]
RunKey = tuple[str, str]
SEED = 7
_TIMES = frozenset(
    (
        *("queued_at", "start_date", "end_date", "run_after", "last_scheduling_decision", "created_at", "updated_at"),
        *("queued_dttm", "scheduled_dttm", "last_heartbeat_at", "timestamp"),
    )
)
_EVERY_FAILED = 11  # one run in so many is a copy of one that failed


def add_history(
    database: Path, good: Sequence[RunKey], bad: Sequence[RunKey], *, runs: int, days: int, first: int = 0
) -> None:
    """Add finished runs over the last days.

    :param database: Airflow's SQLite file
    :param good: (DAG id, run id) of successful runs to copy, in turn
    :param bad: the same of failed ones
    :param first: the number of the first; how many an earlier call has added
    """
    draw = random.Random(SEED)  # noqa: S311 - the same each time, no secret
    with closing(sqlite3.connect(database, timeout=60)) as connection, connection:
        connection.row_factory = sqlite3.Row
        originals = {key: _Original(connection, *key) for key in (*good, *bad)}
        for index in range(runs):
            keys = bad if bad and index % _EVERY_FAILED == _EVERY_FAILED - 1 else good
            ago = timedelta(days=index * days / runs, minutes=draw.randint(5, 180))
            originals[keys[index % len(keys)]].copy(connection, f"earlier__{first + index:03}", ago, draw)


class _Original:
    """A finished run, with all that is copied of it."""

    def __init__(self, connection: sqlite3.Connection, dag_id: str, run_id: str) -> None:
        def rows(table: str) -> list[Row]:
            query = f"SELECT * FROM {table} WHERE dag_id = ? AND run_id = ?"  # noqa: S608 - our own names
            found = connection.execute(query, (dag_id, run_id))
            return [dict(row) for row in found]

        [self.run] = rows("dag_run")
        self.tasks = rows("task_instance")
        self.xcoms = rows("xcom")

    def copy(self, connection: sqlite3.Connection, run_id: str, ago: timedelta, draw: random.Random) -> None:
        """Insert the run once more, so much earlier, with other numbers of records and another duration."""
        longer = draw.uniform(0.6, 1.4)
        more = draw.uniform(0.7, 1.3)
        run = _moved({**self.run, "run_id": run_id}, ago)
        run.pop("id")
        run["end_date"] = _later(run["start_date"], self.run["start_date"], self.run["end_date"], longer)
        number = _insert(connection, "dag_run", run)
        for task in self.tasks:
            _insert(connection, "task_instance", _moved({**task, "run_id": run_id, "id": uuid.uuid4().hex}, ago))
        for xcom in self.xcoms:
            value = xcom["value"]
            if xcom["key"] in ("return_value", "progress") and '"records_exported"' in str(value):
                value = json.dumps(_scaled(json.loads(value), more))
            moved = _moved({**xcom, "run_id": run_id, "dag_run_id": number, "value": value}, ago)
            _insert(connection, "xcom", moved)


def _insert(connection: sqlite3.Connection, table: str, row: Mapping[str, Any]) -> int | None:
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    statement = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - Airflow's own names
    return connection.execute(statement, tuple(row.values())).lastrowid


def _moved(row: Row, ago: timedelta) -> Row:
    return {
        name: str(datetime.fromisoformat(value) - ago) if name in _TIMES and value else value
        for name, value in row.items()
    }


def _later(start: str, original_start: str, original_end: str, factor: float) -> str:
    took = datetime.fromisoformat(original_end) - datetime.fromisoformat(original_start)
    return str(datetime.fromisoformat(start) + took * factor)


def _scaled(value: Any, factor: float) -> Any:
    """Multiply every number of exported records and bytes in a report."""
    if isinstance(value, list):
        return [_scaled(item, factor) for item in value]
    if isinstance(value, dict):
        return {
            key: int(item * factor)
            if key in ("records_exported", "bytes") and isinstance(item, int)
            else _scaled(item, factor)
            for key, item in value.items()
        }
    return value
