"""`make screenshots`: deliver in a real Airflow, take the pictures of docs/tour.md, measure how soon pages paint.

The scenes are always the same; times and durations on the pictures are those of the day.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.browser import BrowserError, browser, find, install
from lab.local_postgres import LocalPostgres, LocalPostgresError
from lab.screenshots.album import Album
from lab.screenshots.first_paint import (
    A_RUN,
    ACTIVATIONS,
    AN_AUDIENCE,
    AUDIENCES,
    DELIVER,
    FLOWS,
    guardrails,
    measure,
    slowest_key,
)
from lab.screenshots.history import add_history
from lab.screenshots.play import (
    DONE,
    LOYALTY,
    LOYALTY_DAG,
    PARTLY,
    RUN_SECONDS,
    WATCHING,
    deliver,
    deliver_elsewhere,
    keep_going,
)
from tools.airflow_client import AirflowClientError
from tools.airflow_settings import REPOSITORY
from tools.demo import ACTIVATION_DAG, CATALOG_DAG
from tools.demo_view import terminal
from tools.local_airflow import LocalAirflowError
from tools.simulator_client import SimulatorError
from tools.stack import Stack, local_stack

PICTURES = REPOSITORY / "docs" / "pictures"
MOST_BYTES = 250_000
RUNS = 200
MANY_RUNS = 10_000
"""A year of 27 deliveries a day."""


@contextmanager
def _stack() -> Iterator[Stack]:
    """Run all with PostgreSQL, as a team does: with SQLite, Airflow reads all task instances to show one XCom."""
    with LocalPostgres() as postgres:
        config = {"database.sql_alchemy_conn": postgres.url}
        with local_stack(more_dags=[WATCHING], config=config) as stack:
            yield stack


def main(folder: Path = PICTURES) -> int:
    """Take all pictures, and return the exit code."""
    console = terminal()
    try:
        program = find() or install()
        console.print("Starting Airflow and a simulated Adobe Experience Platform (about 15 seconds)")
        with _stack() as stack, browser(program) as chromium:
            deliver(stack)
            client = stack.airflow.client
            good, bad = [(ACTIVATION_DAG, DONE), (LOYALTY_DAG, LOYALTY)], [(ACTIVATION_DAG, PARTLY)]
            database = stack.airflow.environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
            add_history(database, good, bad, runs=RUNS, days=28)
            painted = measure(chromium, stack.airflow.url, client.token(), ACTIVATIONS, A_RUN)
            console.print(f"Activations with {RUNS} runs: {painted}")
            deliver_elsewhere(client, stack.simulator)
            keep_going(client, stack.simulator)
            client.create_connection("aep_shop", {**stack.simulator.connection(), "port": 0})
            folder.mkdir(parents=True, exist_ok=True)
            for path in Album(chromium, stack.airflow.url, client.token(), folder).take():
                console.print(f"{path.relative_to(folder.parent)}: {path.stat().st_size / 1000:.0f} kB")
            stack.simulator.reset(guardrails())
            client.wait_run(CATALOG_DAG, client.trigger_dag(CATALOG_DAG), RUN_SECONDS)
            visit = (chromium, stack.airflow.url, client.token())
            console.print(f"Deliver with {FLOWS} x {AUDIENCES}: {measure(*visit, DELIVER, AN_AUDIENCE)}")
            console.print(f"A key of a search in it: at most {slowest_key(*visit):.0f} ms")
            add_history(database, good, bad, runs=MANY_RUNS - RUNS, days=365, first=RUNS)
            console.print(f"Activations with {MANY_RUNS:,} runs: {measure(*visit, ACTIVATIONS, A_RUN)}")
    except (AirflowClientError, BrowserError, LocalAirflowError, LocalPostgresError, SimulatorError) as error:
        console.print(str(error), style="red", markup=False)
        return 1
    if large := [path.name for path in folder.glob("*.png") if path.stat().st_size > MOST_BYTES]:
        console.print(f"Too large for a document: {', '.join(large)}", style="red", markup=False)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
