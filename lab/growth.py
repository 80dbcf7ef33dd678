"""`make growth`: count what a delivery leaves in Airflow's database and logs, and what `airflow db clean` takes away.

It counts rows and bytes, never times. Exits with 0 only when every delivery succeeded, no trigger row is left, and
the cleaning removed every row of the deliveries.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tools.demo import ACTIVATION_DAG
from tools.demo_view import terminal
from tools.local_airflow import LocalAirflow
from tools.stack import Stack, local_stack

SIZES = (1, 80, 400)
"""Pairs of the deliveries that are measured."""
RUN_SECONDS = 300.0

# Table -> the columns whose bytes grow with a delivery; in the others only rows are counted.
TABLES: dict[str, tuple[str, ...]] = {
    "dag_run": ("conf",),
    "task_instance": (),
    "task_instance_history": (),
    "task_state_store": ("value",),
    "asset_state_store": ("value",),
    "asset_event": ("extra",),
    "xcom": ("value",),
    "rendered_task_instance_fields": ("rendered_fields",),
    "trigger": ("kwargs",),
    "log": ("extra",),
}
CLEANED = [name for name in TABLES if name not in ("trigger", "log", "asset_state_store")]
Count = dict[str, tuple[int, int]]


class GrowthError(Exception):
    """Something was left behind."""


def seed(pairs: int) -> dict[str, Any]:
    """Return a world in which as many pairs can be delivered, of UUID-like ids as AEP's."""
    ids = [f"{number:08d}-aaaa-4bbb-8ccc-dddddddddddd" for number in range(pairs)]
    audiences = [{"id": item, "name": f"Audience number {number}", "size": 1000} for number, item in enumerate(ids)]
    flow = {"id": "11111111-2222-4333-8444-555555555555", "name": "Newsletter S3", "audiences": ids}
    return {
        "settings": {"daily_export": False},
        "audiences": audiences,
        "flows": [flow],
        "export_jobs": [{"age": "3h"}],
    }


def counted(airflow: LocalAirflow, tables: Mapping[str, tuple[str, ...]] = TABLES) -> Count:
    """Return {table: (rows, bytes of its growing columns)}; "logs" are the files of the tasks."""
    found: Count = {}
    with closing(sqlite3.connect(f"file:{airflow.home / 'airflow.db'}?mode=ro", uri=True)) as database:
        for table, columns in tables.items():
            size = " + ".join(f"coalesce(sum(length(cast({name} as blob))), 0)" for name in columns) or "0"
            [row] = database.execute(f"select count(*), {size} from {table}")  # noqa: S608 - names of this file
            found[table] = row[0], row[1]
    files = [path for path in airflow.logs.glob(f"dag_id={ACTIVATION_DAG}/**/*") if path.is_file()]
    found["log files"] = len(files), sum(path.stat().st_size for path in files)
    return found


def grown(before: Count, after: Count) -> Count:
    """Return what has been added."""
    return {name: (after[name][0] - before[name][0], after[name][1] - before[name][1]) for name in after}


def measure(stack: Stack, pairs: int) -> Count:
    """Deliver so many pairs and return what was left behind.

    :raises GrowthError: if the delivery did not succeed.
    """
    client = stack.airflow.client
    stack.simulator.reset(seed(pairs))
    [flow] = seed(pairs)["flows"]
    before = counted(stack.airflow)
    run_id = client.trigger_dag(
        ACTIVATION_DAG, {"activation_info": {flow["id"]: flow["audiences"]}, "poll_interval": 5}
    )
    if (state := client.wait_run(ACTIVATION_DAG, run_id, RUN_SECONDS)) != "success":
        raise GrowthError(f"the delivery of {pairs} pairs ended as {state}")
    return grown(before, counted(stack.airflow))


def clean(airflow: LocalAirflow) -> None:
    """Let Airflow itself remove all that is older than tomorrow."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    tables = "dag_run,task_instance,task_instance_history,task_state_store,asset_event,xcom,log,trigger"
    subprocess.run(
        [
            str(Path(sys.executable).with_name("airflow")), "db", "clean", "--clean-before-timestamp", tomorrow,
            "--tables", tables, "--skip-archive", "--yes",
        ],
        env=airflow.environment,
        check=True,
        capture_output=True,
    )  # fmt: skip


def table(sizes: Sequence[int], grew: Mapping[int, Count]) -> list[str]:
    """Return the figures as a table in Markdown: rows, and bytes where they grow."""
    lines = ["| left behind | " + " | ".join(f"{size:,} pair{'s' if size > 1 else ''}" for size in sizes) + " |"]
    lines.append("| --- |" + " ---: |" * len(sizes))
    for name in next(iter(grew.values())):
        cells = []
        for size in sizes:
            rows, octets = grew[size][name]
            cells.append(f"{rows:,}" + (f" ({octets / 1024:,.1f} KB)" if octets else ""))
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    return lines


def main() -> int:
    """Measure, clean, and say what was found."""
    console = terminal()
    grew: dict[int, Count] = {}
    try:
        with local_stack() as stack:
            stack.airflow.client.wait_dags(ACTIVATION_DAG)
            for size in SIZES:
                grew[size] = measure(stack, size)
            clean(stack.airflow)
            left = counted(stack.airflow)
    except GrowthError as error:
        console.print(f"Failed: {error}", style="red", markup=False)
        return 1
    for line in table(SIZES, grew):
        print(line)
    faults = [f"{name}: {left[name][0]} rows are left" for name in CLEANED if left[name][0]]
    faults += [
        f"{size} pairs left {count['trigger'][0]} triggers" for size, count in grew.items() if count["trigger"][0]
    ]
    print("\nAfter `airflow db clean`: " + (", ".join(faults) or "nothing of these deliveries is left"))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
