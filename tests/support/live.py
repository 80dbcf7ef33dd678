"""One real Airflow for all live tests: its components as processes, connected to simulated AEPs.

A pytest plugin that their conftest.py asks for, so that no other tests need its packages.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from contextlib import ExitStack
from email.message import EmailMessage
from pathlib import Path

import pytest

from lab.local_postgres import LocalPostgres
from tests.support.aep import SEED, LocalAep
from tests.support.database_client import DatabaseClient
from tests.support.mailbox import Mailbox, smtp_connection, text_of
from tests.support.order import LIVE, REPOSITORY, acts_of, scenario_of
from tests.support.sockets import closed_port
from tests.support.stage import Outage, Run, Scene, Stage
from tools.airflow_client import AirflowClient
from tools.local_airflow import COMPONENTS, LocalAirflow

AEPS = ("aep_default", *(f"aep_{number}" for number in range(2, 10)))
WATCHED = "aep_watched"
"""Has an AEP to itself: asset watchers look at it all the time."""
SHOP = "aep_shop"
"""Has the AEP that the shipped campaigns are made for."""
DUE_IN = dt.timedelta(minutes=6)
"""Enough for a busy machine to have read the DAG before; the test that waits for it is one of the last."""
TIMEOUT = 6
"""Seconds that AEP has for an answer; the simulated ones share this process with a browser's driver."""
SETTLE_MARGIN = 3
MAILBOX = Mailbox()
PRELOAD = """\
import sys

if {"scheduler", "dag-processor"} & set(sys.argv):
    import adobe_experience_platform.campaigns
    import adobe_experience_platform.hooks.sync_hook
    import airflow.sdk.execution_time.task_runner
"""
"""Tasks and readings of DAG files run in forks: what is loaded before, hundreds of them need not load."""


def mails_about(run: Run) -> list[EmailMessage]:
    """Return the notices of a run that have arrived, oldest first."""
    return [mail for mail in MAILBOX.messages if f"run {run.run_id}\n" in text_of(mail).replace("\r\n", "\n")]


@pytest.fixture(scope="session")
def aeps() -> Iterator[dict[str, LocalAep]]:
    """Run the simulated AEPs: connection id → AEP."""
    with ExitStack() as stack:
        yield {conn_id: stack.enter_context(LocalAep(speed=600)) for conn_id in AEPS}


@pytest.fixture(scope="session")
def watched_aep() -> Iterator[LocalAep]:
    """Run the simulated AEP whose exports start campaigns."""
    with LocalAep(speed=600) as aep:
        aep.reset(SEED)
        yield aep


@pytest.fixture(scope="session")
def shop_aep() -> Iterator[LocalAep]:
    """Run the simulated AEP that the shipped campaigns are made for."""
    with LocalAep(speed=600) as aep:
        aep.change_settings(daily_export=False)
        yield aep


@pytest.fixture(scope="session")
def campaigns_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the shipped campaigns to a folder, for that AEP and for any time of day."""
    folder = tmp_path_factory.mktemp("shipped") / "include" / "campaigns"
    folder.mkdir(parents=True)
    for file in (REPOSITORY / "include" / "campaigns").glob("*.yaml"):
        text = re.sub(r", not_before: .*}", "}", file.read_text(encoding="utf-8"))
        text = re.sub(r"when: \"0 7 .*", 'when: "* * * * *"', text).replace('by: "09:00"', 'by: "23:59"')
        (folder / file.name).write_text(f"{text}connection: {SHOP}\npolicies: {{poll_interval: 2}}\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[LocalPostgres]:
    """Run a PostgreSQL: with SQLite, a component that finds the database locked dies now and then."""
    with LocalPostgres() as server:
        yield server


@pytest.fixture(scope="session")
def live_airflow(
    aeps: dict[str, LocalAep],
    watched_aep: LocalAep,
    shop_aep: LocalAep,
    campaigns_folder: Path,
    postgres: LocalPostgres,
) -> Iterator[LocalAirflow]:
    """Run Airflow once for the whole session; tests use `airflow`, which repairs what the last one broke."""
    connections = {conn_id: aep.connection() for conn_id, aep in {**aeps, WATCHED: watched_aep, SHOP: shop_aep}.items()}
    for connection in connections.values():
        connection["extra"] |= {"timeout": TIMEOUT, "tenant": "acmecorp"}
    connections["smtp_default"] = MAILBOX.connection()
    connections["smtp_dead"] = smtp_connection(closed_port())
    airflow = LocalAirflow(
        dags_folders=[
            *(REPOSITORY / "dags", LIVE / "dags_smoke", LIVE / "dags_campaigns", LIVE / "dags_notices"),
            REPOSITORY / "lab" / "chaos" / "chaos_dags",
        ],
        connections=connections,
        config={
            "database.sql_alchemy_conn": postgres.url,
            # Every scenario may hold a task in its slot while another task of it has to run.
            "core.parallelism": str(2 * len(AEPS)),
            # Airflow's own patience with components that have died; it is minutes by default.
            "scheduler.orphaned_tasks_check_interval": "5",
            "scheduler.scheduler_health_check_threshold": "15",
            "triggerer.triggerer_health_check_threshold": "15",
            "dag_processor.bundle_refresh_check_interval": "5",
            "dag_processor.min_file_process_interval": "120",
            # Airflow's own deferral time-outs, swept this often, are part of what is tested.
            "scheduler.trigger_timeout_check_interval": "1",
            "adobe_experience_platform.campaigns_folder": str(campaigns_folder),
            "adobe_experience_platform.settle_margin_seconds": str(SETTLE_MARGIN),
        },
    )
    settings = airflow.home / "config" / "airflow_local_settings.py"
    settings.parent.mkdir(exist_ok=True)
    settings.write_text(PRELOAD)
    airflow.client = DatabaseClient(airflow)
    airflow.environment["AEP_LIVE_DUE"] = f"{dt.datetime.now(tz=dt.UTC) + DUE_IN:%H:%M}"
    with MAILBOX, airflow:
        yield airflow


@pytest.fixture(scope="session")
def stage(
    request: pytest.FixtureRequest, live_airflow: LocalAirflow, aeps: dict[str, LocalAep], watched_aep: LocalAep
) -> Iterator[Stage]:
    """Play all scenarios that are going to be asked for, see `tests.support.stage`."""
    stage = Stage(live_airflow, aeps, watched_aep)
    stage.begin(scenario for item in request.session.items if (scenario := scenario_of(item)) is not None)
    yield stage
    stage.close()


@pytest.fixture(scope="session")
def outage(request: pytest.FixtureRequest, live_airflow: LocalAirflow, stage: Stage) -> Outage:
    """Have the triggerer die once for all scenarios that live through it, see `tests.support.stage`."""
    return Outage(live_airflow, stage, (acts for item in request.session.items if (acts := acts_of(item)) is not None))


@pytest.fixture
def scene(stage: Stage, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """Give a simulated AEP and a client, named like the test."""
    with stage.scene(re.sub(r"\W+", "-", request.node.name).strip("-")) as scene:
        yield scene


@pytest.fixture
def airflow(live_airflow: LocalAirflow, stage: Stage) -> LocalAirflow:
    """Give the running Airflow, with all its components alive; the scenarios play from now on."""
    if not all(live_airflow.alive(name) for name in COMPONENTS):
        live_airflow.start()
    return live_airflow


@pytest.fixture
def client(airflow: LocalAirflow) -> AirflowClient:
    """Give the REST client of the running Airflow, as its admin."""
    return airflow.client


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Add the components' logs to the report of a test that fails."""
    report = yield
    airflow = getattr(item, "funcargs", {}).get("live_airflow")
    if isinstance(airflow, LocalAirflow) and report.when == "call" and report.failed:
        for name in COMPONENTS:
            log = airflow.component_log(name)
            if log.exists():
                tail = log.read_text(errors="replace").splitlines()[-40:]
                report.sections.append((f"log of {name}", "\n".join(tail)))
    return report
