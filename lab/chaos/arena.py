"""The place of the experiments: one Airflow, and lanes, each with a simulated AEP of its own."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psutil

from lab.chaos.traps import Traps
from lab.chaos.verdict import DeliveryOutcome, Pair
from lab.local_postgres import LocalPostgres
from tools.airflow_client import TERMINAL_STATES, AirflowApiError, AirflowClient, AirflowUnreachableError
from tools.airflow_settings import REPOSITORY
from tools.local_airflow import LocalAirflow
from tools.simulator_process import SimulatorProcess

T = TypeVar("T")
Info = Mapping[str, Sequence[str]]

DAG = "aep_chaos"
ASKED_DAG, DAILY_DAG = "aep_chaos_asked", "aep_chaos_daily"
ON_DEMAND_DAG = "aep_adhoc_activation"
ADHOC = "/data/core/activation/disflowprovider/adhocrun"
DAGS_FOLDER = Path(__file__).parent / "chaos_dags"

SPEED = 600.0
LANES = 4
TIMEOUT = 3.0
SETTLE_MARGIN = 3.0
END_SECONDS = 240.0
PAUSE = 62.0
"""Seconds that AEP asks for: a task spends more than 60 in the triggerer."""
PAUSED = {"kind": "status", "status": 429, "headers": {"Retry-After": str(int(PAUSE))}}
HAPPEN_SECONDS = 120.0
_POLL_SECONDS = 0.1

FLOWS = {"mail": ["bronze", "gold", "silver"], "shop": ["bronze", "gold"]}
SEED = {
    "settings": {"run_variation": 0, "daily_export": False},
    "audiences": [{"id": name, "name": f"{name.title()} customers"} for name in ("bronze", "gold", "silver")],
    "flows": [{"id": flow, "name": flow.title(), "audiences": names} for flow, names in FLOWS.items()],
    "export_jobs": [{"age": "3h"}],
}
# Airflow's own patience with what has died; it is minutes by default.
IMPATIENT = {
    "adobe_experience_platform.settle_margin_seconds": str(SETTLE_MARGIN),
    "scheduler.orphaned_tasks_check_interval": "5",
    "scheduler.scheduler_health_check_threshold": "15",
    "scheduler.task_instance_heartbeat_timeout": "30",
    "scheduler.task_instance_heartbeat_timeout_detection_interval": "5",
    "triggerer.triggerer_health_check_threshold": "15",
}


class MissedError(Exception):
    """The moment that something was to happen at has passed; nothing is known to be wrong."""


class StartedDelivery:
    """One DAG run on a lane."""

    def __init__(self, lane: Lane, dag_id: str, run_id: str, info: Info) -> None:
        self.lane = lane
        self.dag_id = dag_id
        self.run_id = run_id
        self.info = info

    @property
    def pairs(self) -> list[Pair]:
        """What it delivers."""
        return [(flow, audience) for flow, audiences in self.info.items() for audience in audiences]

    def state(self) -> str:
        """Return the DAG run's state."""
        return patiently(lambda: self.lane.client.run_state(self.dag_id, self.run_id))

    def task_state(self, task: str) -> str | None:
        """Return the state of a task (``id`` or ``id[map index]``)."""
        return patiently(lambda: self.lane.client.task_states(self.dag_id, self.run_id)).get(task)

    def task_states(self, task: str) -> dict[str, str | None]:
        """Return {``id[map index]``: state} of a mapped task."""
        states = patiently(lambda: self.lane.client.task_states(self.dag_id, self.run_id))
        return {name: state for name, state in states.items() if name.startswith(f"{task}[")}

    def wait_task(self, task: str, *states: str) -> None:
        """Wait until a task is in one of the states."""
        until(lambda: self.task_state(task) in states, f"{task} of {self.run_id} to be {' or '.join(states)}")

    def wait_end(self, seconds: float = END_SECONDS) -> str:
        """Wait for the end and return the state; whatever it is when the time is over."""
        deadline = time.monotonic() + seconds
        while (state := self.state()) not in TERMINAL_STATES and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS * 3)
        return state

    def kill_task(self, task: str) -> None:
        """Kill the process of a running task.

        :raises MissedError: when it no longer runs
        """
        try:
            self.process_of(task).send_signal(signal.SIGKILL)
        except (psutil.NoSuchProcess, ProcessLookupError) as error:
            raise MissedError(f"{task} does not run") from error

    def process_of(self, task: str) -> psutil.Process:
        """Return the process of a running task.

        :raises MissedError: when it no longer runs
        """
        try:
            process = psutil.Process(self._instance(task)["pid"])
            if psutil.Process() not in process.parents():
                raise MissedError(f"process {process.pid} is none of ours")
        except (psutil.NoSuchProcess, TypeError) as error:
            raise MissedError(f"{task} does not run") from error
        return process

    def try_number(self, task: str) -> int:
        """Return the number of a task's newest try."""
        return int(self._instance(task)["try_number"])

    def _instance(self, task: str) -> dict[str, Any]:
        instances = patiently(lambda: self.lane.client.task_instances(self.dag_id, self.run_id))
        name, _, index = task.rstrip("]").partition("[")
        [found] = [item for item in instances if (item["task_id"], item["map_index"]) == (name, int(index or -1))]
        return found

    def report(self) -> dict[str, Any]:
        """Return what the task ``report`` returned, {} before it has."""
        report = patiently(lambda: self.lane.client.xcom(self.dag_id, self.run_id, "report"))
        return report if isinstance(report, dict) else {}

    def outcome(self) -> DeliveryOutcome:
        """Look at what became of it; nothing else must have delivered these pairs on this lane."""
        results = self.report().get("results", [])
        deliveries = self.lane.aep.deliveries()
        return DeliveryOutcome(
            run_id=self.run_id,
            state=self.state(),
            expected=dict.fromkeys(self.pairs, 1),
            counted={(item["flow_id"], item["audience_id"]): item["count"] for item in deliveries},
            reported={(item["flow_id"], item["audience_id"]): item["status"] for item in results},
            adopted=sum(bool(item["adopted"]) for item in results),
            delivered=frozenset((item["flow_id"], item["audience_id"]) for item in deliveries if item["successful"]),
        )


class Lane:
    """A simulated AEP, and a client of the Airflow that all lanes share."""

    def __init__(self, conn_id: str, aep: SimulatorProcess, client: AirflowClient) -> None:
        self.conn_id = conn_id
        self.aep = aep
        self.client = client
        self._started: list[StartedDelivery] = []

    def reset(self, **settings: object) -> None:
        """Start the simulated AEP afresh, when all that deliver to it have ended."""
        for delivery in self._started:
            self.aep.release()
            self.end_runs()
            delivery.wait_end()
        self._started.clear()
        self.aep.reset(SEED)
        if settings:
            self.aep.change_settings(**settings)

    def start(self, run_id: str, info: Info, dag_id: str = DAG, **conf: Any) -> StartedDelivery:
        """Start a DAG run that delivers to this lane's AEP."""
        conf = {"activation_info": info, "aep_conn_id": self.conn_id, "poll_interval": 2, **conf}

        def trigger() -> None:
            try:
                with _one_writer:
                    self.client.trigger_dag(dag_id, conf, run_id)
            except AirflowApiError as error:
                if error.status != 409:  # an answer was lost, and the run is there
                    raise

        patiently(trigger)
        self._started.append(StartedDelivery(self, dag_id, run_id, info))
        return self._started[-1]

    def runs_last(self) -> None:
        """Let every coming flow run go on until `end_runs`."""
        self.aep.add_outcomes({"seconds": 36_000, "times": None})

    def end_runs(self) -> None:
        """Let all flow runs of ours end well."""
        for item in self.aep.deliveries():
            for flow_run in item["run_ids"]:
                self.aep.change_run(flow_run, status="success")


class Arena:
    """One Airflow and its lanes."""

    def __init__(self, airflow: LocalAirflow, lanes: Sequence[Lane]) -> None:
        self.airflow = airflow
        self.lanes = lanes
        self.traps = Traps(airflow.home)


_one_writer = threading.Lock()


@contextmanager
def arena(*, postgres: bool) -> Iterator[Arena]:
    """Start everything, and stop it when the block ends.

    :param postgres: whether Airflow's database is a PostgreSQL in place of SQLite
    """
    with ExitStack() as stack:
        aeps = {f"aep_{number}": stack.enter_context(SimulatorProcess(speed=SPEED)) for number in range(1, LANES + 1)}
        connections = {conn_id: aep.connection() for conn_id, aep in aeps.items()}
        for connection in connections.values():
            connection["extra"]["timeout"] = TIMEOUT
        config = dict(IMPATIENT)
        if postgres:
            config["database.sql_alchemy_conn"] = stack.enter_context(LocalPostgres()).url
        airflow = LocalAirflow(dags_folders=[REPOSITORY / "dags", DAGS_FOLDER], connections=connections, config=config)
        stack.enter_context(airflow)
        airflow.client.wait_dags(DAG, ASKED_DAG, DAILY_DAG, ON_DEMAND_DAG)
        clients = [AirflowClient(airflow.url, "admin", airflow.passwords["admin"]) for _ in aeps]
        yield Arena(airflow, [Lane(*lane, client) for lane, client in zip(aeps.items(), clients, strict=True)])


def patiently(action: Callable[[], T], seconds: float = HAPPEN_SECONDS) -> T:
    """Carry out a call of Airflow's API, again while the API server is away or its SQLite is locked."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return action()
        except AirflowUnreachableError:
            if time.monotonic() > deadline:
                raise
        except AirflowApiError as error:
            if error.status < 500 or time.monotonic() > deadline:
                raise
        time.sleep(_POLL_SECONDS * 5)


def until(check: Callable[[], bool], what: str, seconds: float = HAPPEN_SECONDS) -> None:
    """Wait for something.

    :raises MissedError: when it does not happen in time
    """
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            raise MissedError(f"waited {seconds:.0f} s for {what}")
        time.sleep(_POLL_SECONDS)
