"""One delivery of n audiences: by this project, by the stock HTTP provider, by a script."""

from __future__ import annotations

import datetime as dt
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from lab.bench.meter import Meter, execution_calls, occupations, waiting_seconds
from lab.bench.scene import (
    ADHOC_RUN,
    HERE,
    POLL_SECONDS,
    SIDES,
    SPEED,
    Reader,
    info_of,
    requests_by_kind,
    seed_of,
    stock_connections,
)
from tools.airflow_client import RunTimeoutError
from tools.airflow_settings import REPOSITORY
from tools.local_airflow import LocalAirflow
from tools.simulator_process import SimulatorProcess

TOGETHER = (("project", "script"), ("bare",), ("stock",))
"""What is measured at the same time: the script uses an AEP of its own and next to nothing of the machine."""
SIZES = (80,)
"""Audiences; the table of growth wants others too."""
MOST_AUDIENCES = 400
DAGS = {"project": "aep_adhoc_activation", "bare": "bare_activation", "stock": "stock_http_activation"}
WAITING = {
    "project": ("wait_for_segment_export", "wait_for_flow_runs"),
    "bare": ("wait_for_segment_export", "wait_for_flow_runs"),
    "stock": ("wait_for_export", "wait_for_run"),
}
RUN_TIMEOUT = 1800.0
SETTLE_SECONDS = 2.0
"""Between two runs, so that the end of one is not counted in the next."""
IDLE_SECONDS = 120.0
"""Twice as long as the DAG processor takes to read all files again (``min_file_process_interval``)."""
WARM_UP_SECONDS = 10.0
"""How long AEP's flow runs take while nothing is measured."""
PAIRS_PER_JOB = 80
PARALLELISM = max(4, 2 * (os.cpu_count() or 1))


@dataclass
class Row:
    """One delivery, or the medians of several."""

    case: str
    n: int
    side: str
    wall_beyond_aep_s: float
    cpu_s: float
    task_processes: float
    slot_s_waiting: float
    requests: dict[str, float]
    tokens: float
    peak_mb: float
    failures: float
    airflow_calls: float = 0
    """Of tasks and triggers to Airflow's API server."""
    cpu_by_component: dict[str, float] = field(default_factory=dict)
    spread: dict[str, list[float]] = field(default_factory=dict)
    """Of repeats: {cost: [least, most]}."""
    measured: str = field(default_factory=lambda: f"{dt.datetime.now(tz=dt.UTC):%Y-%m-%d}")
    repeats: int = 1
    note: str = field(default="", repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return the row as results.json has it."""
        return {name: value for name, value in vars(self).items() if name != "note"}


def median_of(rows: Sequence[Row]) -> Row:
    """Return the medians of repeats; failures are added up: a median would hide them."""
    first = rows[0]

    def middle(values: Sequence[float]) -> float:
        return round(statistics.median(values), 2)

    kinds = sorted({kind for row in rows for kind in row.requests})
    components = {name: [row.cpu_by_component[name] for row in rows] for name in first.cpu_by_component}
    return Row(
        first.case,
        first.n,
        first.side,
        wall_beyond_aep_s=middle([row.wall_beyond_aep_s for row in rows]),
        cpu_s=middle([row.cpu_s for row in rows]),
        task_processes=middle([row.task_processes for row in rows]),
        slot_s_waiting=middle([row.slot_s_waiting for row in rows]),
        requests={kind: middle([row.requests.get(kind, 0) for row in rows]) for kind in kinds},
        tokens=middle([row.tokens for row in rows]),
        peak_mb=middle([row.peak_mb for row in rows]),
        failures=sum(row.failures for row in rows),
        airflow_calls=middle([row.airflow_calls for row in rows]),
        cpu_by_component={name: middle(values) for name, values in components.items()},
        spread={
            "wall_beyond_aep_s": _ends([row.wall_beyond_aep_s for row in rows]),
            "cpu_s": _ends([row.cpu_s for row in rows]),
            **{f"cpu_s {name}": _ends(values) for name, values in components.items()},
        },
        repeats=len(rows),
    )


def _ends(values: Sequence[float]) -> list[float]:
    return [min(values), max(values)]


class Bench:
    """An Airflow with the DAGs of all sides, and a simulated AEP for each thing that runs at the same time."""

    def __init__(self, airflow: LocalAirflow, aep: SimulatorProcess, script_aep: SimulatorProcess) -> None:
        self.airflow = airflow
        self.aep = aep
        self._script_aep = script_aep
        self.seed = seed_of(MOST_AUDIENCES)
        self._count = 0
        self._idle: dict[str, float] = {}
        self._own_s = WARM_UP_SECONDS

    def warm_up(self) -> None:
        """Let everything be imported and compiled once; that cost is not part of a delivery."""
        measured, self.seed = self.seed, seed_of(1, run_seconds=WARM_UP_SECONDS)
        for side in DAGS:
            self.deliver(side, 1)
            time.sleep(SETTLE_SECONDS)
        self.seed = measured

    def measure_idle(self, seconds: float = IDLE_SECONDS) -> float:
        """Measure and return the CPU seconds a second of this Airflow while it has nothing to do."""
        with Meter(self.airflow.sessions()) as meter:
            time.sleep(seconds)
        self._idle = {name: used / meter.seconds for name, used in meter.cpu_s.items()}
        return sum(self._idle.values())

    def deliver_all(self, n: int, sides: Sequence[str] = SIDES) -> list[Row]:
        """Run one delivery of each side, one after the other but for those of `TOGETHER`."""
        rows: list[Row] = []
        for group in TOGETHER:
            with ThreadPoolExecutor() as pool:
                rows += pool.map(lambda side: self.deliver(side, n), [side for side in group if side in sides])
            time.sleep(SETTLE_SECONDS)
        return rows

    def deliver(self, side: str, n: int, case: str = "delivery", **conf: Any) -> Row:
        """Run one delivery and return what it cost."""
        return self.script(n) if side == "script" else self._airflow_run(side, n, case, conf)

    def _airflow_run(self, side: str, n: int, case: str, conf: dict[str, Any]) -> Row:
        self.aep.reset(self.seed)
        info = {} if side == "bare" else info_of(self.seed, n)
        self._count += 1
        dag_id, run_id = DAGS[side], self.last_run_id
        conf = {**self._conf(side, n), **conf}
        log = self.airflow.component_log("api-server")
        offset = log.stat().st_size
        note = ""
        with Meter(self.airflow.sessions()) as meter:
            self.airflow.client.trigger_dag(dag_id, conf, run_id=run_id)
            try:
                state = self.airflow.client.wait_run(dag_id, run_id, timeout=RUN_TIMEOUT, interval=1.0)
            except RunTimeoutError as error:
                state, note = "timed out", str(error)
                self.airflow.client.set_run_state(dag_id, run_id, "failed")
        seen = self.aep.requests()
        tokens = int(self.aep.state()["tokens"])
        run = self.airflow.client.run(dag_id, run_id)
        instances = self.airflow.client.task_instances(dag_id, run_id)
        with log.open("rb") as file:
            file.seek(offset)
            text = file.read().decode(errors="replace")
        found = occupations(text)
        waiting = {item["id"]: item["task_id"] for item in instances if item["task_id"] in WAITING[side]}
        total = _seconds_between(run["queued_at"], run["end_date"]) if run["end_date"] else RUN_TIMEOUT
        if state != "success":
            note = note or str({item["task_id"]: item["state"] for item in instances if item["state"] != "success"})
        if side != "bare":
            self._own_s = own_time(self.aep, seen)
        used = {name: cpu_s - self._idle.get(name, 0) * meter.seconds for name, cpu_s in meter.cpu_s.items()}
        return Row(
            case=case,
            n=n,
            side=side,
            wall_beyond_aep_s=round(total - self._own_s, 2),
            cpu_s=round(sum(used.values()), 2),
            cpu_by_component={name: round(cpu_s, 2) for name, cpu_s in used.items()},
            task_processes=len(found),
            slot_s_waiting=round(waiting_seconds(found, waiting), 2),
            requests={kind: float(number) for kind, number in requests_by_kind(seen).items()},
            tokens=tokens,
            peak_mb=round(meter.peak_mb, 1),
            airflow_calls=execution_calls(text),
            failures=(state != "success") + wrong_deliveries(self.aep, info),
            note=note,
        )

    @property
    def last_run_id(self) -> str:
        """The id of the newest DAG run."""
        return f"bench-{self._count}"

    def _conf(self, side: str, n: int) -> dict[str, Any]:
        if side == "bare":  # as long as AEP took for the side before it
            return {"jobs": -(-n // PAIRS_PER_JOB), "seconds": self._own_s}
        return {
            "activation_info": info_of(self.seed, n),
            **({"poll_interval": POLL_SECONDS} if side == "project" else {}),
        }

    def script(self, n: int) -> Row:
        """Run the script in a process of its own; its whole life is a slot, were it a task."""
        aep = self._script_aep
        aep.reset(self.seed)
        account = aep.connection()
        info = info_of(self.seed, n)
        given = {
            "base_url": aep.base_url,
            "ims_url": aep.base_url,
            "client_id": account["login"],
            "client_secret": account["password"],
            "scope": account["extra"]["scopes"],
            "org_id": account["extra"]["org_id"],
            "activation_info": info,
            "sleep": POLL_SECONDS,
        }
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, str(HERE / "script.py"), json.dumps(given)], stdout=subprocess.PIPE, cwd=REPOSITORY
        )
        assert process.stdout is not None  # noqa: S101 - for the type checker: it was asked for above
        waited = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stdout.close()
        total = time.monotonic() - began
        seen = aep.requests()
        tokens = int(aep.state()["tokens"])
        return Row(
            case="delivery",
            n=n,
            side="script",
            wall_beyond_aep_s=round(total - own_time(aep, seen), 2),
            cpu_s=round(usage.ru_utime + usage.ru_stime, 2),
            task_processes=1,
            slot_s_waiting=round(float(waited or 0), 2),
            requests={kind: float(number) for kind, number in requests_by_kind(seen).items()},
            tokens=tokens,
            peak_mb=round(usage.ru_maxrss * 1024 / 1e6, 1),
            failures=(process.returncode != 0) + wrong_deliveries(aep, info),
        )


def _seconds_between(first: str, last: str) -> float:
    return (dt.datetime.fromisoformat(last) - dt.datetime.fromisoformat(first)).total_seconds()


def own_time(aep: SimulatorProcess, seen: Sequence[dict[str, Any]]) -> float:
    """Return AEP's own time: from the first activation it got to the end of the last run."""
    posts = [item["at"] for item in seen if item["path"] == ADHOC_RUN]
    run_ids = [run_id for item in aep.deliveries() for run_id in item["run_ids"]]
    if not posts or not run_ids:
        return 0.0
    durations = [run["metrics"]["durationSummary"] for run in Reader(aep).runs(run_ids)]
    ends = [(found.get("completedAtUTC") or 0) / 1000 for found in durations]
    return float(max(ends) - min(posts))


def wrong_deliveries(aep: SimulatorProcess, info: dict[str, list[str]]) -> int:
    """Return the number of pairs that were not delivered exactly once."""
    counts: dict[tuple[str, str], int] = {
        (item["flow_id"], item["audience_id"]): item["count"] for item in aep.deliveries()
    }
    wanted = {(flow, audience) for flow, audiences in info.items() for audience in audiences}
    return sum(counts.get(pair, 0) != 1 for pair in wanted) + len(counts.keys() - wanted)


@contextmanager
def bench() -> Iterator[Bench]:
    """Start all that a delivery of any side needs."""
    with ExitStack() as stack:
        aep = stack.enter_context(SimulatorProcess(speed=SPEED))
        script_aep = stack.enter_context(SimulatorProcess(speed=SPEED))
        account = aep.connection()
        airflow = stack.enter_context(
            LocalAirflow(
                dags_folders=[REPOSITORY / "dags", HERE / "stock_dags", HERE / "bare_dags"],
                connections={"aep_default": account, **stock_connections(account)},
                config={"core.parallelism": str(PARALLELISM)},
            )
        )
        airflow.client.wait_dags(*DAGS.values())
        yield Bench(airflow, aep, script_aep)
