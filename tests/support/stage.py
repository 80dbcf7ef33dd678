"""Live scenarios that run at the same time: each plays against an AEP of its own, all in one Airflow.

A real run takes ten seconds or more, most of it waiting; a retry waits for half a minute. So the tests that are
marked :func:`together` all begin with the first live test, and those that are marked :func:`through_an_outage` share
one death of the triggerer.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import psutil

from lab.chaos.arena import patiently
from lab.chaos.traps import Traps
from tests.support.aep import SEED, LocalAep
from tests.support.database_client import DatabaseClient
from tools.airflow_client import AirflowApiError, AirflowClient, AirflowUnreachableError
from tools.local_airflow import LocalAirflow

DAG = "aep_adhoc_activation"
CHAOS_DAG = "aep_chaos"
"""The same pipeline, quick to retry, whose tasks step on the traps of `Scene.traps`."""
TASKS = ("plan_jobs", "wait_for_segment_export", "get_latest_export_job", "activate", "wait_for_flow_runs", "report")
RUN_SECONDS = 600.0
"""Guards against a hang only: a busy machine takes its time."""
LOOK_SECONDS = 0.3
"""Between two looks of a scenario at what it waits for."""

Info = Mapping[str, Sequence[str]]
_one_writer = threading.Lock()


class Run:
    """One run of a delivering DAG."""

    def __init__(self, airflow: LocalAirflow, client: AirflowClient, run_id: str, dag_id: str = DAG) -> None:
        self.airflow = airflow
        self.client = client
        self.run_id = run_id
        self.dag_id = dag_id

    def wait(self) -> str:
        """Wait for the end and return the state."""
        return self.client.wait_run(self.dag_id, self.run_id, timeout=RUN_SECONDS, interval=LOOK_SECONDS)

    def wait_task(self, task: str, *states: str) -> None:
        """Wait until a task (``id`` or ``id[map index]``) is in one of the states."""
        self.client.wait_task(self.dag_id, self.run_id, task, *states, timeout=RUN_SECONDS)

    def states(self) -> dict[str, str | None]:
        """Return {task id, or task id[map index]: state}."""
        return self.client.task_states(self.dag_id, self.run_id)

    def tries(self) -> dict[str, int]:
        """Return {task id, or task id[map index]: number of the try}."""
        return {name: instance["try_number"] for name, instance in self._instances().items()}

    def log(self, task_id: str, *, map_index: int = -1) -> str:
        """Return the logs of all tries of a task."""
        name = task_id if map_index < 0 else f"{task_id}[{map_index}]"
        tries = range(1, self.tries()[name] + 1)
        return "\n".join(
            self.client.task_log(self.dag_id, self.run_id, task_id, try_number=number, map_index=map_index)
            for number in tries
        )

    def report(self) -> dict[str, Any]:
        """Return what ``report`` returned."""
        report: dict[str, Any] = self.client.xcom(self.dag_id, self.run_id, "report")
        return report

    def statuses(self) -> dict[tuple[str, str], str]:
        """Return {pair: status} of the report."""
        return {(item["flow_id"], item["audience_id"]): item["status"] for item in self.report()["results"]}

    def clear_failed(self) -> list[str]:
        """Clear only the failed tasks, and return their names."""
        return sorted(patiently(lambda: self.client.clear(self.dag_id, self.run_id, only_failed=True)))

    def clear(self, *task_ids: str) -> None:
        """Clear tasks and what follows them; without names the whole run."""
        patiently(lambda: self.client.clear(self.dag_id, self.run_id, task_ids or None, downstream=True))

    def mark_failed(self, task_id: str) -> None:
        """Mark a task as failed, as a person does."""
        self.mark(task_id, "failed")

    def mark(self, task_id: str, state: str) -> None:
        """Mark a task (all of its map indexes) as success or failed, as a person does."""
        patiently(lambda: self.client.set_task_state(self.dag_id, self.run_id, task_id, state))

    def stored(self, task_id: str) -> dict[str, Any]:
        """Return what a task keeps in its state store."""
        return self.client.state_store(self.dag_id, self.run_id, task_id)

    def kill(self, task: str) -> None:
        """Kill the process of a running task, as a crash of its machine would."""
        pid = self._instances()[task]["pid"]
        assert psutil.Process() in psutil.Process(pid).parents()
        os.kill(pid, signal.SIGKILL)

    def _instances(self) -> dict[str, dict[str, Any]]:
        instances = {}
        for instance in self.client.task_instances(self.dag_id, self.run_id):
            index = instance["map_index"]
            instances[instance["task_id"] + (f"[{index}]" if index >= 0 else "")] = instance
        return instances


class Scene:
    """What one scenario plays with: an AEP of its own and a client of the shared Airflow.

    :param watched_aep: the AEP whose exports start campaigns, which no scene has to itself
    """

    def __init__(self, name: str, airflow: LocalAirflow, aep: LocalAep, conn_id: str, watched_aep: LocalAep) -> None:
        self.name = name
        self.airflow = airflow
        self.aep = aep
        self.conn_id = conn_id
        self.watched_aep = watched_aep
        self.client = DatabaseClient(airflow)
        self.traps = Traps(airflow.home)
        self._runs: list[Run] = []

    def start(self, info: Info, *, suffix: str = "", dag_id: str = DAG, **conf: Any) -> Run:
        """Start a run of the on-demand DAG, or of another one that is made of the same tasks."""
        conf = {"activation_info": info, "aep_conn_id": self.conn_id, "poll_interval": 2, **conf}
        with _one_writer:
            run = Run(self.airflow, self.client, self._trigger(dag_id, conf, self.name + suffix), dag_id)
        self._runs.append(run)
        return run

    def abandon(self) -> None:
        """Let nothing go on of a scenario that failed: a task that is held would keep its worker slot for ever."""
        self.traps.release_all(*(run.run_id for run in self._runs))
        self.aep.release()
        for run in self._runs:
            with suppress(AirflowApiError, AirflowUnreachableError):
                self.client.set_run_state(run.dag_id, run.run_id, "failed")

    def _trigger(self, dag_id: str, conf: Mapping[str, Any], run_id: str) -> str:
        self.client.wait_dags(dag_id)
        return patiently(lambda: self.client.trigger_dag(dag_id, conf, run_id=run_id))

    @staticmethod
    def until(check: Callable[[], Any], seconds: float = RUN_SECONDS) -> Any:
        """Wait until something is true, and return it."""
        deadline = time.monotonic() + seconds
        while not (found := check()):
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(LOOK_SECONDS)
        return found


Scenario = Callable[[Scene], None]
Acts = Callable[[Scene], Iterator[None]]


def together(scenario: Scenario) -> Callable[..., None]:
    """Make a test of a scenario that runs at the same time as the others."""

    def test(stage: Stage) -> None:
        stage.result(scenario)

    test.__name__, test.__doc__ = scenario.__name__, scenario.__doc__
    test.scenario = scenario  # type: ignore[attr-defined]
    return test


def through_an_outage(scenario: Acts) -> Callable[..., None]:
    """Make a test of a scenario of three acts: before the triggerer dies, while it is away, and when it is back.

    It yields after the first and after the second.
    """

    def test(outage: Outage) -> None:
        outage.result(scenario)

    test.__name__, test.__doc__ = scenario.__name__, scenario.__doc__
    test.acts = scenario  # type: ignore[attr-defined]
    return test


class Stage:
    """Plays scenarios, as many at a time as there are simulated AEPs but one, which is for a test of its own.

    :param aeps: connection id → simulated AEP
    :param watched_aep: the AEP whose exports start campaigns
    """

    def __init__(self, airflow: LocalAirflow, aeps: Mapping[str, LocalAep], watched_aep: LocalAep) -> None:
        self._airflow = airflow
        self._watched_aep = watched_aep
        self._free: queue.SimpleQueue[tuple[str, LocalAep]] = queue.SimpleQueue()
        for entry in aeps.items():
            self._free.put(entry)
        self._pool = ThreadPoolExecutor(len(aeps) - 1)
        self._played: dict[Scenario, Future[None]] = {}

    def begin(self, scenarios: Iterable[Scenario]) -> None:
        """Start all scenarios."""
        for scenario in scenarios:
            self._played[scenario] = self._pool.submit(self._play, scenario)

    def result(self, scenario: Scenario) -> None:
        """Wait for the end of a scenario; raises what it raised."""
        self._played[scenario].result()

    @contextmanager
    def scene(self, name: str) -> Iterator[Scene]:
        """Set up a scene with an AEP that nobody else has meanwhile."""
        conn_id, aep = self._free.get()
        try:
            aep.reset(SEED)
            yield Scene(name, self._airflow, aep, conn_id, self._watched_aep)
        finally:
            self._free.put((conn_id, aep))

    def close(self) -> None:
        """Let what has begun come to its end, and start nothing more."""
        self._pool.shutdown(cancel_futures=True)

    def _play(self, scenario: Scenario) -> None:
        with self.scene(scenario.__name__) as scene:
            try:
                scenario(scene)
            except BaseException:
                scene.abandon()
                raise


class Outage:
    """A death of the triggerer that scenarios live through; it comes when the first of them is asked for its result."""

    def __init__(self, airflow: LocalAirflow, stage: Stage, scenarios: Iterable[Acts]) -> None:
        self._airflow = airflow
        self._stage = stage
        self._scenarios = tuple(scenarios)
        self._played: Future[Mapping[Acts, BaseException]] | None = None

    def result(self, scenario: Acts) -> None:
        """Wait for the end of a scenario; raises what it raised."""
        if self._played is None:
            with ThreadPoolExecutor(1) as pool:
                self._played = pool.submit(self._play)
        if fault := self._played.result().get(scenario):
            raise fault

    def _play(self) -> Mapping[Acts, BaseException]:
        faults: dict[Acts, BaseException] = {}
        with ExitStack() as stack:
            scenes = {acts: stack.enter_context(self._stage.scene(acts.__name__)) for acts in self._scenarios}
            plays = {acts: acts(scene) for acts, scene in scenes.items()}
            faults |= _act(plays)
            self._airflow.kill("triggerer")
            assert not self._airflow.alive("triggerer")
            faults |= _act(plays)
            self._airflow.start("triggerer")
            faults |= _act(plays)
            for acts in faults:
                scenes[acts].abandon()
        return faults


def _act(plays: Mapping[Acts, Iterator[None]]) -> dict[Acts, BaseException]:
    """Let all play on at the same time, each to its next `yield` or to its end; return what those raised that failed.

    One that has failed is at its end.
    """
    with ThreadPoolExecutor(len(plays)) as pool:
        ends = {acts: pool.submit(next, play, None) for acts, play in plays.items()}
    return {acts: fault for acts, end in ends.items() if (fault := end.exception())}
