"""Weeks of deliveries for the pages to show: copies of real finished runs, dated back, in a local Airflow's database.

Only Airflow's own rows are copied (runs, task instances, XComs), so its API answers as it would after these weeks.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, Connection, MetaData, Table, create_engine, insert, select, text

Row = dict[str, Any]
RunKey = tuple[str, str]
SEED = 7
TABLES = ("dag_run", "task_instance", "xcom")
AT_ONCE = 200
"""Runs whose rows are inserted together."""
_EVERY_FAILED = 11  # one run in so many is a copy of one that failed


def add_history(
    database: str, good: Sequence[RunKey], bad: Sequence[RunKey], *, runs: int, days: int, first: int = 0
) -> None:
    """Add finished runs over the last days.

    :param database: address of Airflow's database, a PostgreSQL, for SQLAlchemy
    :param good: (DAG id, run id) of successful runs to copy, in turn
    :param bad: the same of failed ones
    :param first: the number of the first; how many an earlier call has added
    """
    draw = random.Random(SEED)  # noqa: S311 - the same each time, no secret
    engine, known = create_engine(database), MetaData()
    known.reflect(engine, only=TABLES)
    tables = {name: known.tables[name] for name in TABLES}
    for kind in (column.type for table in tables.values() for column in table.c):
        if isinstance(kind, JSON):
            kind.none_as_null = True
    with engine.begin() as connection:
        originals = {key: _Original(connection, tables, *key) for key in (*good, *bad)}
        new = text("SELECT nextval('dag_run_id_seq') FROM generate_series(1, :runs)")
        numbers = connection.scalars(new, {"runs": runs}).all()
        for start in range(0, runs, AT_ONCE):
            rows: dict[str, list[Row]] = {name: [] for name in TABLES}
            for index in range(start, min(start + AT_ONCE, runs)):
                keys = bad if bad and index % _EVERY_FAILED == _EVERY_FAILED - 1 else good
                ago = timedelta(days=index * days / runs, minutes=draw.randint(5, 180))
                copies = originals[keys[index % len(keys)]].copy(
                    f"earlier__{first + index:03}", numbers[index], ago, draw
                )
                for each, made in copies.items():
                    rows[each] += made
            for table_name, table in tables.items():
                connection.execute(insert(table), rows[table_name])
    engine.dispose()


class _Original:
    """A finished run, with all that is copied of it."""

    def __init__(self, connection: Connection, tables: Mapping[str, Table], dag_id: str, run_id: str) -> None:
        def rows(table: Table) -> list[Row]:
            found = connection.execute(select(table).where(table.c.dag_id == dag_id, table.c.run_id == run_id))
            return [dict(row) for row in found.mappings()]

        [self.run], self.tasks, self.xcoms = (rows(tables[name]) for name in TABLES)

    def copy(self, run_id: str, number: int, ago: timedelta, draw: random.Random) -> dict[str, list[Row]]:
        """Return the rows of the run once more, so much earlier, with other numbers of records and another duration."""
        longer, more = draw.uniform(0.6, 1.4), draw.uniform(0.7, 1.3)
        run = _moved({**self.run, "run_id": run_id, "id": number}, ago)
        run["end_date"] = run["start_date"] + (self.run["end_date"] - self.run["start_date"]) * longer
        tasks = [_moved({**task, "run_id": run_id, "id": uuid.uuid4()}, ago) for task in self.tasks]
        xcoms = [_moved({**xcom, "run_id": run_id, "dag_run_id": number}, ago) for xcom in self.xcoms]
        for xcom in xcoms:
            if xcom["key"] in ("return_value", "progress"):
                xcom["value"] = _scaled(xcom["value"], more)
        return {"dag_run": [run], "task_instance": tasks, "xcom": xcoms}


def _moved(row: Row, ago: timedelta) -> Row:
    return {name: value - ago if isinstance(value, datetime) else value for name, value in row.items()}


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
