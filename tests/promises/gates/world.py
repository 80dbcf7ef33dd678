"""A whole delivery in one process and on one simulated clock: the real pipeline, operators, triggers and report.

Airflow is replaced by what it does to a run, see :class:`World`: trigger rules, tries, XComs that go at the start of a
try, task state that stays, buttons. AEP is :class:`~tests.support.memory_aep.MemoryAep`. After every pass the world
judges what was delivered, what the run's colour claims, and what its report says.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import heapq
import json
import re
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.operators import hitl
from airflow.sdk import DAG, XComArg
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    DownstreamTasksSkipped,
    TaskAwaitingInput,
    TaskDeferred,
)
from airflow.triggers.base import TaskSuccessEvent

from adobe_experience_platform.aep import Pair
from adobe_experience_platform.aep.endpoints import FLOWS
from adobe_experience_platform.aep.transport import Received, Send
from adobe_experience_platform.delivery import submission, xcom
from adobe_experience_platform.errors import AepError
from adobe_experience_platform.hooks import sync_hook
from adobe_experience_platform.operators import approve, base, campaign_gate, latest_export, plan, submit
from adobe_experience_platform.pipeline import activation_pipeline
from adobe_experience_platform.sensors import segment_export as export_sensor
from adobe_experience_platform.triggers import (
    base as trigger_base,
)
from adobe_experience_platform.triggers import (
    flow_run,
    lost_submission,
    polling,
    progress,
    segment_export,
)
from tests.support.asset_events import InletEvents, OutletEvents
from tests.support.dagtest import captured
from tests.support.memory_aep import Crash, FakeRun, MemoryAep
from tests.support.parts import flow_json, selector
from tests.support.tasks import Store

RETRIES = 2
DONE = ("success", "failed", "upstream_failed", "skipped", "removed")
PLAN, APPROVE, WAIT_EXPORT, LATEST = "plan_jobs", "approve", "wait_for_segment_export", "get_latest_export_job"
ACTIVATE, WATCH, REPORT = "activate", "wait_for_flow_runs", "report"
Name = tuple[str, int]


class Aep(MemoryAep):
    """The AEP in memory, which also has flows, fails runs as told, and counts a clear only after the failure.

    :ivar endings: pair → how its next runs end; success when it is empty.
    :ivar player: the DAG run that is being played, and ``owners`` which one began each run.
    :ivar at_post: called when a POST arrives, before it takes effect.
    """

    endings: dict[Pair, list[str]]
    player: str
    owners: dict[str, str]
    at_post: Callable[[], None] | None

    def _answer(self, send: Send) -> Received:
        path = send.url.removeprefix(self.connection.base_url)
        if path.startswith(FLOWS + "/"):
            audiences = [selector(name) for name in ("a1", "a2", "a3", "a4")]
            body = {"items": [flow_json(path.rsplit("/", 1)[1], *audiences)]}
            return Received(200, {}, json.dumps(body).encode())
        query = dict(send.params).get("property", "")
        if query.startswith("id=="):
            items = [self._show(run) for run in self.runs if run.id in query[4:].split(",")]
            return Received(200, {}, json.dumps({"items": items}).encode())
        return super()._answer(send)

    def _activate(self, body: dict[str, Any]) -> Received:
        if self.at_post is not None:
            self.at_post()
        return super()._activate(body)

    def _add(self, *arguments: Any, **more: Any) -> FakeRun:
        run = super()._add(*arguments, **more)
        self.owners[run.id] = self.player
        for pair, endings in self.endings.items():
            if run.ours and run.has(pair) and endings:
                run.ending = endings.pop(0)
        return run

    def _judge(self, pair: Pair, sender: str) -> None:
        for run in [run for run in self.ours(pair) if self.owners[run.id] == self.player]:
            failed = run.ended(self.now) and run.ending == "failed"
            if not failed or not any(run.ends_at is not None and at >= run.ends_at for at, _ in self.clears):
                self.breaches.append(f"{pair} was delivered by {run.id} ({run.ending}) and is sent again")


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose clock is AEP's: nobody waits."""

    aep: Aep

    def time(self) -> float:
        return self.aep.now

    def _run_once(self) -> None:
        while self._scheduled and self._scheduled[0]._cancelled:  # type: ignore[attr-defined]
            self._timer_cancelled_count -= 1  # type: ignore[attr-defined]
            heapq.heappop(self._scheduled)._scheduled = False  # type: ignore[attr-defined]
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self.aep.advance(max(0.0, self._scheduled[0]._when - self.aep.now))  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


class Instance:
    """A task instance and its XComs."""

    def __init__(self, world: World, name: Name) -> None:
        self.world, self.name = world, name
        self.task_id, self.map_index = name
        self.dag_id, self.run_id, self.id = world.dag.dag_id, world.run_id, f"{name}"
        self.state: str | None = None
        self.try_number, self.max_tries = 0, RETRIES
        self.resumes: tuple[str, Any] | None = None
        self.store = Store()
        self.xcoms: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = json.loads(json.dumps(value))

    def xcom_pull(self, task_ids: Any, key: str = "return_value", default: Any = None, map_indexes: Any = None) -> Any:
        found = {
            name[1]: one.xcoms[key]
            for name, one in sorted(self.world.instances.items())
            if name[0] == task_ids and key in one.xcoms
        }
        if not found:
            return default
        return list(found.values()) if min(found) >= 0 else found[-1]

    def get_task_states(self, *, task_ids: list[str], **_: Any) -> dict[str, dict[str, str | None]]:
        states = {
            task if index < 0 else f"{task}_{index}": one.state
            for (task, index), one in self.world.instances.items()
            if task in task_ids
        }
        return {self.run_id: states}

    def get_dagrun_state(self, dag_id: str, run_id: str) -> str:
        return self.world.other_runs[run_id]


class AssetStores(dict[str, dict[str, Any]]):
    """``context["asset_state_store"]``: it outlives runs."""

    class One(dict[str, Any]):
        def set(self, key: str, value: Any) -> None:
            self[key] = json.loads(json.dumps(value))

        def delete(self, key: str) -> None:
            self.pop(key, None)

    def __getitem__(self, asset: Any) -> Any:
        return self.setdefault(asset.name, self.One())


class World:
    """One DAG run, its AEP, and the person at Airflow's buttons.

    :param info: {flow: [audiences]}.
    :param pipeline: further arguments of ``activation_pipeline``.
    """

    def __init__(self, aep: Aep, info: Any, *, run_id: str = "run", kind: str = "manual", **pipeline: Any) -> None:
        self.aep, self.info, self.run_id, self.kind = aep, info, run_id, kind
        self.arguments = pipeline
        self.dag = self._dag(info)
        self.instances: dict[Name, Instance] = {}
        for task in self.dag.task_ids:
            self.instances[task, -1] = Instance(self, (task, -1))
        self.clear_number = 0
        self.answers: list[str | None] = []
        self.crashes: dict[str, list[str]] = {}
        self.other_runs: dict[str, str] = {}
        self.assets = AssetStores()
        self.before: dict[str, Callable[[], None]] = {}
        self.run_after = aep.clock()
        self.events: list[Any] = []
        self.log = ""

    def _dag(self, info: Any) -> DAG:
        with DAG("dag", schedule=None) as dag:
            activation_pipeline(activation_info=info, default_args={"retries": RETRIES}, **self.arguments)
        return dag

    # -- what a person does

    def clear(self, *tasks: str, only_failed: bool = False, downstream: bool = True) -> None:
        """Clear tasks, with what follows them; without names the whole run."""
        self.clear_number += 1
        self.aep.cleared()
        wanted = set(tasks or self.dag.task_ids)
        if downstream:
            for task in list(wanted):
                wanted |= {found.task_id for found in self.dag.get_task(task).get_flat_relatives(upstream=False)}
        for (task, _), one in self.instances.items():
            if task in wanted and (not only_failed or one.state in ("failed", "upstream_failed")):
                if one.try_number:
                    one.max_tries = one.try_number + RETRIES
                one.state, one.resumes = None, None

    def clear_failed(self) -> None:
        self.clear(only_failed=True)

    def follow_advice(self) -> None:
        """Do what the report of a red run says, to the letter, and no more; then let the run go on."""
        said = " ".join(self.instances[REPORT, -1].xcoms["return_value"]["verdict"]["advice"])
        green = re.search(r"Clear (\S+(?: and \S+)*) too, with the tasks that follow", said)
        for task in green[1].split(" and ") if green else ():
            self.clear(task)
        self.clear_failed()
        self.play()

    def mark(self, task: str, state: str) -> None:
        """Mark every map index of a task."""
        for (name, _), one in self.instances.items():
            if name == task and one.state not in DONE:
                one.state = state

    # -- what Airflow does

    @property
    def state(self) -> str:
        """The run's colour: that of its only leaf."""
        return str(self.instances[REPORT, -1].state)

    def states(self, task: str) -> list[str | None]:
        return [one.state for (name, _), one in sorted(self.instances.items()) if name == task]

    def play(self, *, stop_at: str = "") -> dict[str, Any]:
        """Let the run come to its end, or to a task that is about to begin; return what `report` says, judged."""
        player, self.aep.player = self.aep.player, self.run_id
        with captured() as self._lines:
            for _ in range(1000):
                before = self._snapshot()
                ready = next((name for name in self._order() if name in self.instances and self._is_due(name)), None)
                if ready is None and self._snapshot() != before:
                    continue
                if ready is None or ready[0] == stop_at:
                    break
                self._try(ready)
            else:
                raise AssertionError("the run does not come to an end")
        self.log = "\n".join(self._lines)
        self.aep.player = player or self.run_id
        report: dict[str, Any] = self.instances[REPORT, -1].xcoms.get("return_value", {})
        if not stop_at:
            self.judge(report)
        return report

    def _snapshot(self) -> dict[Name, str | None]:
        return {name: one.state for name, one in self.instances.items()}

    def _order(self) -> list[Name]:
        order = {task.task_id: number for number, task in enumerate(self.dag.topological_sort())}
        return sorted(self.instances, key=lambda name: (order[name[0]], name[1]))

    def _is_due(self, name: Name) -> bool:
        """Whether an instance may run; sets what it becomes without running."""
        one, task = self.instances[name], self.dag.get_task(name[0])
        if one.state in DONE or one.state == "awaiting_input":
            return False
        if one.resumes is not None or one.state == "up_for_retry":
            return True
        above = [other for (upstream, _), other in self.instances.items() if upstream in task.upstream_task_ids]
        states = [other.state for other in above if other.state != "removed"]
        rule = getattr(task.trigger_rule, "value", task.trigger_rule)
        if any(state not in DONE for state in states):
            return False
        if rule == "all_done":
            return True
        bad = {"failed", "upstream_failed"} & set(states)
        if rule == "all_success":
            if bad or "skipped" in states:
                one.state = "upstream_failed" if bad else "skipped"
                return False
        elif "success" not in states:
            one.state = "upstream_failed" if bad else "skipped"
            return False
        if name[0] == ACTIVATE:
            return self._expand(name)
        return True

    def _expand(self, name: Name) -> bool:
        jobs = self.instances[PLAN, -1].xcoms["return_value"]
        if name[1] >= 0:
            for index in range(len(jobs)):
                self.instances.setdefault((ACTIVATE, index), Instance(self, (ACTIVATE, index)))
            if name[1] >= len(jobs):
                self.instances[name].state = "removed"
            return name[1] < len(jobs)
        del self.instances[name]
        for index in range(len(jobs)):
            self.instances.setdefault((ACTIVATE, index), Instance(self, (ACTIVATE, index)))
        return False

    def _context(self, one: Instance) -> dict[str, Any]:
        run = SimpleNamespace(
            conf={}, run_id=self.run_id, run_type=self.kind, run_after=self.run_after, clear_number=self.clear_number
        )
        return {
            "ti": one,
            "task_instance": one,
            "task_state_store": one.store,
            "asset_state_store": self.assets,
            "dag_run": run,
            "dag": self.dag,
            "run_id": self.run_id,
            "triggering_asset_events": {"asset": self.events},
            "outlet_events": OutletEvents(),
            "inlet_events": InletEvents(list),
        }

    def _operator(self, one: Instance, context: Mapping[str, Any]) -> Any:
        task: Any = self.dag.get_task(one.task_id)
        if one.map_index >= 0:
            job = self.instances[PLAN, -1].xcoms["return_value"][one.map_index]
            task = task.unmap({"job": job})
        task = task.prepare_for_execution()
        for name in task.template_fields:
            setattr(task, name, _resolved(getattr(task, name), context))
        return task

    def _try(self, name: Name) -> None:
        """Run one try, or the rest of one that was deferred."""
        one = self.instances[name]
        resumes, one.resumes = one.resumes, None
        if resumes is None:
            one.try_number += 1
            one.xcoms.clear()
        one.state = "running"
        context: Any = self._context(one)
        label = one.task_id + (f"[{one.map_index}]" if one.map_index >= 0 else "")
        if hook := self.before.pop(label, None):
            hook()
        dies = self.crashes.get(label, [])
        try:
            if dies and dies[0] in ("start", "resume" if resumes else "start"):
                dies.pop(0)
                raise Crash
            task = self._operator(one, context)
            value = task.resume_execution(resumes[0], resumes[1], context) if resumes else task.execute(context)
            if value is not None:
                one.xcom_push("return_value", value)
            self._end(one, "success")
        except TaskAwaitingInput as wait:
            self._answer(one, wait.method_name)
        except TaskDeferred as wait:
            if one.state == "running":
                self._wait(one, wait)
        except DownstreamTasksSkipped as skipped:
            self._end(one, "success")
            for (task_id, _), other in self.instances.items():
                if task_id in skipped.tasks:
                    other.state = "skipped"
        except AirflowSkipException:
            self._end(one, "skipped")
        except (AirflowFailException, AirflowSensorTimeout) as error:
            self._lines.append(str(error))
            self._end(one, "failed")
        except (Exception, Crash) as error:
            for_good = isinstance(error, AepError) and not error.retriable
            if not isinstance(error, AepError | Crash):
                raise
            self._lines.append(str(error))
            self.aep.advance(30)
            again = not for_good and one.try_number <= one.max_tries
            self._end(one, "up_for_retry" if again else "failed")

    @staticmethod
    def _end(one: Instance, state: str) -> None:
        """End a try, unless somebody has marked or cleared it meanwhile."""
        if one.state == "running":
            one.state = state

    def _wait(self, one: Instance, wait: TaskDeferred) -> None:
        one.state = "deferred"
        kind, kwargs = wait.trigger.serialize()
        if "DateTime" in kind:
            self.aep.advance(max(0.0, (wait.trigger.moment - self.aep.clock()).total_seconds()))
            self._wake(one, wait.method_name, None)
            return
        label = f"{one.task_id}:{type(wait.trigger).__name__}"
        if hook := self.before.pop(label, None):
            hook()
        if one.state != "deferred":
            return
        event = None
        while event is None:
            trigger = type(wait.trigger)(**json.loads(json.dumps(kwargs)))
            trigger.task_instance = one
            # A triggerer that dies is followed by another one.
            with suppress(Crash), asyncio.Runner(loop_factory=self._loop) as runner:
                event = runner.run(_first(trigger))
        if isinstance(event, TaskSuccessEvent):
            one.state = "success" if one.state == "deferred" else one.state
            return
        self._wake(one, wait.method_name, event.payload)

    def _wake(self, one: Instance, method: str, event: Any) -> None:
        if one.state == "deferred":
            one.resumes = (method, {"event": event})

    def _loop(self) -> Loop:
        loop = Loop()
        loop.aep = self.aep
        return loop

    def _answer(self, one: Instance, method: str) -> None:
        if not self.answers:
            one.state = "awaiting_input"
            return
        answer = self.answers.pop(0)
        one.state = "deferred"
        event: dict[str, Any] = {"error": "late", "error_type": "timeout"}
        if answer is not None:
            user = {"id": "1", "name": "anna"}
            event = {"chosen_options": [answer], "params_input": {}, "responded_at": self.aep.clock()}
            event["responded_by_user"] = user
        self._wake(one, method, event)

    def answer(self, option: str | None) -> None:
        """Answer the question that is open."""
        one = self.instances[APPROVE, -1]
        if one.state == "awaiting_input":
            self.answers.append(option)
            self._answer(one, "execute_complete")
        else:
            self.answers.append(option)

    # -- what must hold

    def judge(self, report: Mapping[str, Any]) -> None:
        """Compare what happened with what was promised and said."""
        assert self.aep.breaches == []
        results = {Pair(item["flow_id"], item["audience_id"]): item for item in report.get("results", [])}
        for pair, item in results.items():
            runs = [run for run in self._own_runs(pair) if run.ours or item["adopted"]]
            delivered = any(run.ending == "success" and run.ended(self.aep.now) for run in runs)
            alive = any(not run.ended(self.aep.now) for run in runs)
            status = item["status"]
            assert status != "not_sent" or not runs, f"{pair} was sent"
            assert status != "failed" or not (delivered or alive), f"{pair} was delivered, or may be"
            assert status != "success" or delivered, f"{pair} was not delivered"
        verdict = report.get("verdict", {"headline": "", "advice": []})
        said = verdict["headline"] + " ".join(verdict["advice"])
        if any(self._own_runs(pair) for pair in results):
            assert "nothing was sent" not in said
        if self.state == "success":
            planned = {Pair(flow, name) for flow, names in self.info.items() for name in names}
            if results or self.aep.sent:
                assert {pair for pair, item in results.items() if item["status"] == "success"} >= planned

    def _own_runs(self, pair: Pair) -> list[FakeRun]:
        return [run for run in self.aep.runs if run.has(pair) and self.aep.owners[run.id] == self.run_id]

    def statuses(self) -> dict[str, str]:
        """Return {audience: status} of the report."""
        report = self.instances[REPORT, -1].xcoms.get("return_value", {"results": []})
        return {item["audience_id"]: item["status"] for item in report["results"]}

    def posts(self) -> list[list[str]]:
        """Return the audiences of each POST."""
        return [sorted(name for names in body["activationInfo"].values() for name in names) for body in self.aep.sent]


async def _first(trigger: Any) -> Any:
    async with aclosing(trigger.run()) as events:
        async for event in events:
            return event
    raise AssertionError("a trigger ends with an event")


def _resolved(value: Any, context: Any) -> Any:
    if isinstance(value, XComArg):
        return value.resolve(context)
    if isinstance(value, dict):
        return {key: _resolved(item, context) for key, item in value.items()}
    return value


class _Hook:
    """The hook of the triggerer, without sockets."""

    def __init__(self, aep: Aep) -> None:
        self._aep = aep

    async def settings(self) -> Any:
        return self._aep.connection

    async def __aenter__(self) -> _Hook:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def call(self, call: Any) -> Any:
        return self._aep.call(call)


@pytest.fixture
def aep(monkeypatch: pytest.MonkeyPatch) -> Aep:
    """Give an AEP whose clock is everybody's."""
    here = Aep()
    here.endings, here.at_post, here.player, here.owners = {}, None, "", {}

    class Moment(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:  # type: ignore[override]
            return here.clock()

    clock = SimpleNamespace(**{**vars(dt), "datetime": Moment})
    ticks = SimpleNamespace(**{**vars(time), "monotonic": lambda: here.now, "time": lambda: here.clock().timestamp()})
    for module in (trigger_base, polling, lost_submission, segment_export, submission):
        monkeypatch.setattr(module, "dt", clock)
    for module in (trigger_base, polling, lost_submission, segment_export, flow_run, progress):
        monkeypatch.setattr(module, "time", ticks)
    for module in (base, plan, submit, campaign_gate, latest_export, approve, export_sensor):
        monkeypatch.setattr(module, "now", here.clock)

    async def hook(*_: object) -> _Hook:
        return _Hook(here)

    async def inline(function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments)

    for module in (base, trigger_base, lost_submission):
        monkeypatch.setattr(module, "async_hook", hook)
    monkeypatch.setattr(asyncio, "to_thread", inline)
    monkeypatch.setattr(sync_hook.WorkerHook, "call", lambda self, call: here.call(call))
    for kind, attribute in ((sync_hook.WorkerHook, "settings"), (base.AepTask, "connection")):
        monkeypatch.setattr(kind, attribute, here.connection)
    monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **_: None)
    return here


def progress_of(world: World) -> Any:
    """Return what the watching task has kept."""
    return world.instances[WATCH, -1].xcoms.get(xcom.PROGRESS)
