"""One triggerer, or several, that watch thousands of flow runs for many deferred tasks."""

from __future__ import annotations

import datetime as dt
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lab.bench.meter import Meter, cpu_seconds, memory_mb, processes_of
from lab.bench.scene import HERE, WATCH_PLAN, ident, seed_of
from tools.airflow_settings import REPOSITORY
from tools.local_airflow import COMPONENTS, LocalAirflow
from tools.process_session import ProcessSession, stop_all
from tools.simulator_process import SimulatorProcess

CASES = ((100, 5, 1), (1_000, 50, 1), (10_000, 500, 1), (10_000, 10, 1), (100_000, 20, 2))
"""(flow runs, deferred tasks, triggerers): growth at 1, 10 and 100 times; the most runs on few tasks; 10 times that."""
INTERVAL = 30.0
STEADY_SECONDS = 65.0
"""Two rounds of the longest interval, and what measuring needs."""
ENDING_SECONDS = 240.0
"""Over which the runs end, task by task: flow runs take minutes, and do not all end in one moment."""
RUNS_PER_FLOW = 100
LONGEST_START = 600.0
BLOCKED = "async thread was blocked"


@dataclass(frozen=True, slots=True)
class Watched:
    """What one case cost the triggerer."""

    runs: int
    tasks: int
    flows: int
    cpu_share: float
    """Of one core, while nothing ends; like memory and requests, of all triggerers together."""
    memory_above_idle_mb: float
    requests_per_round: float
    requests_per_minute: float
    lag_p50_s: float
    lag_p99_s: float
    """From the end of a task's last run in AEP to the trigger's event."""
    ended_p99_s: float
    """The same to the end of the task, which is the scheduler's and the database's work."""
    blocks: int
    """Times that the event loop was blocked for over 200 ms after the start, by Airflow's watchdog."""
    not_succeeded: int
    triggerers: int = 1


def plan_of(runs: int, tasks: int) -> tuple[list[dict[str, Any]], dict[str, list[list[Any]]]]:
    """Return (runs, {DAG id: the orders of its task}).

    Airflow's triggerer keeps a copy of the whole DAG for each task that begins in it, which those that a worker has
    deferred do not cost. So each task has a DAG of its own here, the smallest there can be.
    """
    name = f"aep_watch_{runs}_by_{tasks}"
    seeded: list[dict[str, Any]] = [
        {
            "id": ident(f"run {name} {number}"),
            "flow_id": ident(f"flow {number // RUNS_PER_FLOW}"),
            "audience_ids": [ident(f"audience {number}")],
            "kind": "adhoc",
            "age": 30,
            "status": "inProgress",
        }
        for number in range(runs)
    ]
    orders = [[run["flow_id"], run["audience_ids"][0], run["id"], False] for run in seeded]
    size = runs // tasks
    parts = [orders[start : start + size] for start in range(0, runs, size)]
    return seeded, {f"{name}_{number:04}": part for number, part in enumerate(parts)}


def rounds_of(times: Sequence[float], gap: float = 1.5) -> list[int]:
    """Return the number of requests in each round: a pause longer than `gap` parts two."""
    rounds: list[int] = []
    last = float("-inf")
    for at in times:
        if at - last > gap:
            rounds.append(0)
        rounds[-1] += 1
        last = at
    return rounds


def watch(cases: Sequence[tuple[int, int, int]] = CASES) -> list[Watched]:
    """Measure each case in triggerers that have watched nothing before."""
    found = []
    for runs, tasks, triggerers in cases:
        seeded, dags = plan_of(runs, tasks)
        with tempfile.TemporaryDirectory(prefix="aep-watch-") as folder, SimulatorProcess(speed=1) as aep:
            file = Path(folder) / "plan.json"
            file.write_text(
                json.dumps({name: {"poll_interval": INTERVAL, "orders": orders} for name, orders in dags.items()})
            )
            os.environ[WATCH_PLAN] = str(file)
            aep.reset({**seed_of(runs, per_flow=RUNS_PER_FLOW), "runs": seeded})
            with (
                LocalAirflow(
                    dags_folders=[HERE / "watch_dags"],
                    connections={"aep_default": aep.connection()},
                    config={"triggerer.capacity": str(max(-(-tasks // triggerers), 1))},  # so that each takes its share
                ) as airflow,
                _more_triggerers(airflow, triggerers - 1) as sessions,
            ):
                found.append(_watch(airflow, sessions, aep, list(dags), seeded, tasks))
            print(f"  {json.dumps(asdict(found[-1]))}", flush=True)
    return found


@contextmanager
def _more_triggerers(airflow: LocalAirflow, number: int) -> Iterator[dict[str, int]]:
    """Start so many beside the first; give the sessions of all of them."""
    command = [sys.executable, "-m", "airflow", *COMPONENTS["triggerer"]]
    names = [f"triggerer-{count + 2}" for count in range(number)]
    started = [
        ProcessSession(name, command, log=airflow.component_log(name), env=airflow.environment, cwd=REPOSITORY)
        for name in names
    ]
    try:
        yield {"triggerer": airflow.sessions()["triggerer"], **{item.name: item.sid for item in started}}
    finally:
        stop_all(started, grace=0.0)


def _watch(
    airflow: LocalAirflow,
    triggerers: Mapping[str, int],
    aep: SimulatorProcess,
    dag_ids: Sequence[str],
    seeded: list[Any],
    tasks: int,
) -> Watched:
    client = airflow.client
    client.wait_dags(*dag_ids, timeout=120)
    time.sleep(5)
    idle_mb = memory_mb(processes_of(triggerers.values()))
    run_ids = {dag_id: client.trigger_dag(dag_id) for dag_id in dag_ids}
    deadline = time.monotonic() + LONGEST_START
    while _asked(aep) < len(seeded):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{_asked(aep)} of {len(seeded)} runs are watched after {LONGEST_START:.0f} s")
        time.sleep(2)
    time.sleep(INTERVAL)  # what the start has left to do
    aep.control("DELETE", "requests")
    at_start = _blocks(airflow, triggerers)  # Airflow itself blocks while it starts
    with Meter(triggerers) as meter:
        began, before = time.monotonic(), sum(cpu_seconds(triggerers).values())
        time.sleep(STEADY_SECONDS)
        used, lasted = sum(cpu_seconds(triggerers).values()) - before, time.monotonic() - began
        times = sorted(item["at"] for item in aep.requests())
        ends = _end_all(aep, seeded, tasks)
        for dag_id, run_id in run_ids.items():
            client.wait_run(dag_id, run_id, timeout=600, interval=2)
    instances = [item for dag_id, run_id in run_ids.items() for item in client.task_instances(dag_id, run_id)]
    done = {
        item["dag_id"]: dt.datetime.fromisoformat(item["end_date"]).timestamp()
        for item in instances
        if item["state"] == "success"
    }
    ended = sorted(at - ends[number_of(dag_id)] for dag_id, at in done.items())
    # Airflow's supervisor does not keep the last log line of every trigger; the task ends later than the trigger.
    lags = sorted(at - ends[number_of(dag_id)] for dag_id, at in {**done, **_fired(airflow)}.items())
    if len(done) != tasks:
        raise RuntimeError(f"{len(done)} of {tasks} tasks succeeded")
    rounds = rounds_of(times)
    return Watched(
        runs=len(seeded),
        tasks=tasks,
        flows=len({run["flow_id"] for run in seeded}),
        cpu_share=round(used / lasted, 3),
        memory_above_idle_mb=round(meter.peak_mb - idle_mb, 1),
        requests_per_round=max(rounds, default=0),
        requests_per_minute=round(len(times) / lasted * 60, 1),
        lag_p50_s=round(statistics.median(lags), 2),
        lag_p99_s=round(_p99(lags), 2),
        ended_p99_s=round(_p99(ended), 2),
        blocks=_blocks(airflow, triggerers) - at_start,
        not_succeeded=sum(item["state"] != "success" for item in instances),
        triggerers=len(triggerers),
    )


def _blocks(airflow: LocalAirflow, triggerers: Iterable[str]) -> int:
    return sum(airflow.component_log(name).read_text(errors="replace").count(BLOCKED) for name in triggerers)


def number_of(dag_id: str) -> int:
    """Return the number of a DAG's task."""
    return int(dag_id.rsplit("_", 1)[1])


def _p99(ordered: Sequence[float]) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]


def _fired(airflow: LocalAirflow) -> dict[str, float]:
    """Read from the task logs when triggers fired: {DAG id: seconds since the epoch}, of those whose line is there."""
    found: dict[str, float] = {}
    for file in airflow.home.rglob("*.trigger.*.log"):
        dag_id = next(part.removeprefix("dag_id=") for part in file.parts if part.startswith("dag_id="))
        for line in file.read_text().splitlines():
            entry = json.loads(line)
            if entry["event"] == "Trigger fired event":
                found[dag_id] = dt.datetime.fromisoformat(entry["timestamp"]).timestamp()
    return found


def _asked(aep: SimulatorProcess) -> int:
    """Return how many runs have been asked for at least once."""
    seen: set[str] = set()
    for item in aep.requests(path="*/runs*"):
        for name, value in item["query"]:
            if name == "property" and value.startswith("id=="):
                seen.update(value.removeprefix("id==").split(","))
        seen.add(item["path"].rsplit("/", 1)[-1])
    return len(seen - {"runs"})


def _end_all(aep: SimulatorProcess, seeded: list[Any], tasks: int) -> dict[int, float]:
    """End the runs, task by task over some time; return {number of the task: when its last run ended}."""
    size = len(seeded) // tasks
    pause = ENDING_SECONDS / tasks
    ends: dict[int, float] = {}
    began = time.monotonic()
    for number in range(tasks):
        for run in seeded[number * size : (number + 1) * size]:
            aep.change_run(run["id"], status="success")
        ends[number] = time.time()
        time.sleep(max(0.0, began + (number + 1) * pause - time.monotonic()))
    return ends
