"""A DAG run in this process: the real operators, trigger and protocol, an AEP in memory, Airflow's buttons, one clock.

What Airflow keeps and forgets is as its 3.3 does it: a try begins without the task's XComs, except on resuming; task
state and asset state outlive retries and clears; a running task that is cleared begins its next try with the old event.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Callable, Mapping
from string import ascii_lowercase
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred

from adobe_experience_platform.aep import Pair
from adobe_experience_platform.aep.endpoints import FLOWS, RUNS
from adobe_experience_platform.delivery import KEY, Record, steps
from adobe_experience_platform.operators import AdHocActivationOperator, base
from adobe_experience_platform.operators.wait_for_runs import DeliveryOperator
from adobe_experience_platform.triggers import EVENT_VERSION, LostSubmissionTrigger, lost_submission
from adobe_experience_platform.triggers import base as trigger_base
from tests.support import memory_aep
from tests.support.memory_aep import Crash, MemoryAep
from tests.support.parts import flow_json, received, selector
from tests.support.tasks import Context, Store, TaskInstance

DONE = {"v": EVENT_VERSION, "status": "done", "message": ""}


class OddAep(MemoryAep):
    """An AEP that also does what only some AEP, gateway or list ever did.

    :ivar odd_lists: what the next lists of runs say instead of the truth; None lets one pass.
    :ivar one_by_one: seconds between two audiences that a run names, 0 for all at once.
    :ivar jitter: seconds that the clock of every other node of AEP is behind.
    :ivar paused: seconds that a worker's own clock did not count, as when its virtual machine was suspended.
    :ivar hidden: how often `GET /runs/{id}` does not know a run yet.
    :ivar at_post: called when a POST has arrived.
    :ivar after_post: called once, when a POST has taken effect and is not yet answered.
    """

    def __init__(self, **options: Any) -> None:
        self.odd_lists: list[Callable[[dict[str, Any]], dict[str, Any]] | None] = []
        self.one_by_one = self.jitter = self.paused = 0.0
        self.hidden = 0
        self.at_post: Callable[[], None] = lambda: None
        self.after_post: Callable[[], None] | None = None
        super().__init__(**options)

    def _answer(self, send: Any) -> Any:
        path = send.url.removeprefix(self.connection.base_url)
        query = dict(send.params)
        if path == RUNS and query.get("property", "").startswith("id=="):
            wanted = query["property"].removeprefix("id==").split(",")
            return received(200, {"items": [self._show(run) for run in self.runs if run.id in wanted]})
        if path.startswith(FLOWS + "/"):
            flow_id = path.rsplit("/", 1)[1]
            imported = [selector(other, systemSegmentId=name) for name, other in self.aliases.items()]
            others = [selector(name) for name in ascii_lowercase if name not in self.aliases]
            return received(200, {"items": [flow_json(flow_id, *imported, *others)]})
        if path.startswith(RUNS + "/") and self.hidden:
            self.hidden -= 1
            return received(404, {"errorMessage": "not found"})
        answer = super()._answer(send)
        if path == RUNS and self.odd_lists and (odd := self.odd_lists.pop(0)) is not None:
            return received(200, odd(json.loads(answer.body)))
        return answer

    def _activate(self, body: dict[str, Any]) -> Any:
        self.at_post()
        meets = self.posts[0] if self.posts else "ok"
        pairs = [Pair(flow, name) for flow, names in body["activationInfo"].items() for name in names]
        if meets == "repeated":  # a gateway sends our POST once more, and passes on the second answer
            self._take(body, "ok")
            self.posts[0] = "ok"
        if meets == "404_in_part":
            self.posts.pop(0)
            self.sent.append(body)
            self._start(pairs[:-1])
            return received(404, {"message": "no such dataflow"})
        answer = super()._activate(body)
        if (call := self.after_post) is not None:
            self.after_post = None
            call()
        return answer

    def _show(self, run: Any) -> dict[str, Any]:
        shown = super()._show(run)
        if self.jitter and int(run.id.rsplit("-", 1)[1]) % 2:
            shown["createdAt"] -= round(self.jitter * 1000)
        if self.one_by_one and not run.ended(self.now):
            known = int((self.now - run.created) // self.one_by_one)
            shown["metrics"].pop("recordSummary", None)
            entities = [{"id": f"segment:{name}", "inputRecordCount": 1} for name in run.audiences[:known]]
            if entities:
                shown["metrics"]["recordSummary"] = {"sourceSummaries": [{"entitySummaries": entities}]}
        return shown


class Ti(TaskInstance):
    """A task instance whose XComs are its DAG run's."""

    def __init__(self, run: Run, task_id: str, map_index: int) -> None:
        super().__init__(max_tries=3, try_number=0)
        self.task_id, self.run_id, self.map_index, self._run = task_id, run.run_id, map_index, run

    def xcom_push(self, key: str, value: Any) -> None:
        self._run.xcoms[self.task_id, self.map_index, key] = json.loads(json.dumps(value))

    def xcom_pull(self, task_ids: str | None = None, key: str = "return_value", map_indexes: Any = None) -> Any:
        found = {at: v for (task, at, name), v in sorted(self._run.xcoms.items()) if (task, name) == (task_ids, key)}
        return found.get(map_indexes) if map_indexes is not None else found.get(-1, list(found.values()))


class World:
    """AEP, Airflow's asset state store, and one clock for all."""

    def __init__(self, aep: OddAep) -> None:
        self.aep = aep
        self.assets: dict[str, AssetStore] = {}
        self.lasting: list[float] = []

    def run(self, run_id: str = "run") -> Run:
        return Run(self, run_id)

    @property
    def delivered(self) -> dict[tuple[str, str], int]:
        """How many runs of ours each pair has."""
        pairs = {Pair(run.flow_id, name) for run in self.aep.runs if run.ours for name in run.audiences}
        return {tuple(pair): len(self.aep.ours(pair)) for pair in sorted(pairs)}


class AssetStore(dict[str, Any]):
    def set(self, key: str, value: Any) -> None:
        self[key] = json.loads(json.dumps(value))

    def delete(self, key: str) -> None:
        self.pop(key, None)


class AssetStores:
    """``context["asset_state_store"]``: of the assets that the task names only."""

    def __init__(self, kept: dict[str, AssetStore], task: Any) -> None:
        self._kept, self._names = kept, {asset.name for asset in [*task.inlets, *task.outlets]}

    def __getitem__(self, asset: Any) -> AssetStore:
        if asset.name not in self._names:
            raise KeyError(asset)
        return self._kept.setdefault(asset.name, AssetStore())


class Run:
    """A DAG run: XComs, and how often a person cleared any of its tasks."""

    def __init__(self, world: World, run_id: str) -> None:
        self.world, self.run_id = world, run_id
        self.xcoms: dict[tuple[str, int, str], Any] = {}
        self.clear_number = 0

    def activate(self, info: Mapping[str, list[str]] | None = None, map_index: int = -1, **arguments: Any) -> Task:
        """Return a submitting task by itself, or an index of a mapped one."""

        def make(task: Task) -> Any:
            given = {"activation_info": task.info, **arguments}
            return AdHocActivationOperator(task_id="activate", poll_interval=30, **given)

        return Task(self, "activate", map_index, make, info)

    def watch(self, jobs: list[dict[str, Any]]) -> Task:
        """Return the task that watches a delivery, and repairs it."""

        def make(_: Task) -> Any:
            return DeliveryOperator(task_id="wait", jobs=jobs, submit_task_id="activate", briefing={"settings": {}})

        return Task(self, "wait", -1, make)


class WatchedStore(Store):
    """Task state; ``on_open`` is called once, after an open intent is kept, ``on_ready`` after its runs are."""

    on_open: Callable[[], Any] | None = None
    on_ready: Callable[[], Any] | None = None

    def set(self, key: str, value: Any, **more: Any) -> None:
        super().set(key, value, **more)
        name = {"open": "on_open", "ready": "on_ready"}.get(value.get("state", ""))
        if name == "on_ready" and not any(run for runs in value["orders"].values() for run in runs.values()):
            return
        if name and (call := getattr(self, name)) is not None:
            setattr(self, name, None)
            call()


class Task:
    """A task instance. Every try, and every resumption, is a new process that knows only what Airflow keeps."""

    def __init__(self, run: Run, task_id: str, map_index: int, make: Callable[[Task], Any], info: Any = None) -> None:
        self.run, self.make, self.info = run, make, info
        self.store = WatchedStore()
        self.ti = Ti(run, task_id, map_index)
        self.event: Any = None
        self.is_killed = False
        self.was_resumed = False

    def start(self, *, crash: int | None = None, until: type | None = None) -> Any:
        """Begin a try; return what it returns, the error that it raises, or "killed".

        :param crash: at which moment the process dies, counted over requests.
        :param until: stop at a wait for this kind of trigger and return it.
        """
        self.ti.try_number += 1
        if not self.was_resumed:
            for key in [key for key in self.run.xcoms if key[:2] == (self.ti.task_id, self.ti.map_index)]:
                del self.run.xcoms[key]
        return self._play(crash, until)

    def clear(self, *, while_running: bool = False, **how: Any) -> Any:
        """Press "clear" and let the task run; a task that was running when it was cleared keeps its old event."""
        self.run.clear_number += 1
        self.was_resumed = self.was_resumed and while_running
        if self.ti.try_number:
            self.ti.max_tries = self.ti.try_number + 3
        self.run.world.aep.cleared()
        return self.start(**how)

    def forget(self) -> None:
        """Delete the task's state rows, as a clear may do one day."""
        self.store.clear()

    def resume(self, event: Any, **how: Any) -> Any:
        """Hand a wait's event to the task."""
        self.event, self.was_resumed = event, True
        return self._play(how.get("crash"), how.get("until"))

    @property
    def record(self) -> Record:
        return Record.from_json(self.store[KEY])

    def said(self) -> dict[tuple[str, str], str]:
        """What the task's XCom says of each pair: its run, ``not_sent`` or ``unknown``."""
        note = self.run.xcoms[self.ti.task_id, self.ti.map_index, "submission"]
        runs = {tuple(order[:2]): order[2] for order in note["orders"]}
        return {**runs, **{tuple(pair): note["missing_is"] for pair in note["missing"]}}

    def _play(self, crash: int | None, until: type | None) -> Any:
        aep = self.run.world.aep
        aep.crashes.at, aep.crashes.seen = crash, 0
        try:
            for _ in range(40):
                try:
                    return self._process()
                except TaskDeferred as wait:
                    if until is not None and isinstance(wait.trigger, until):
                        return wait.trigger
                    self.event, self.was_resumed = event_of(self.run.world, wait.trigger), True
        except Crash:
            return "killed"
        except Exception as error:  # noqa: BLE001 - tests look at it
            self.was_resumed = False
            return error
        finally:
            aep.crashes.at = None
        raise AssertionError("the task never ends")

    def _process(self) -> Any:
        task = self.make(self)
        aep = self.run.world.aep
        task._hook = SimpleNamespace(call=aep.call, settings=aep.connection)
        task._is_killed = self.is_killed
        context = Context(
            ti=self.ti,
            task_state_store=self.store,
            asset_state_store=AssetStores(self.run.world.assets, task),
            dag_run=SimpleNamespace(conf={}, clear_number=self.run.clear_number),
            dag=SimpleNamespace(tasks=[AdHocActivationOperator(task_id="another", activation_info={})]),
        )
        done = task.execute_complete(context, self.event) if self.was_resumed else task.execute(context)
        self.was_resumed = False
        return done


def event_of(world: World, trigger: Any) -> Any:
    """Let a trigger wait, in simulated time; other waits than for a lost answer take ten minutes."""
    if not isinstance(trigger, LostSubmissionTrigger):
        world.aep.advance(600)
        world.aep.exporting = False
        return DONE
    copy = type(trigger)(**json.loads(json.dumps(trigger.serialize()[1])))
    begun = world.aep.now

    async def first() -> Any:
        async for found in copy.run():
            return found.payload
        raise AssertionError("a trigger ends with an event")

    event = asyncio.run(first())
    world.lasting.append(world.aep.now - begun)
    return event


class AsyncHook:
    """What triggers and reading tasks ask AEP through."""

    def __init__(self, aep: OddAep) -> None:
        self._aep = aep

    async def __aenter__(self) -> AsyncHook:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def call(self, call: Any) -> Any:
        return self._aep.call(call)


def simulated(aep: OddAep, monkeypatch: pytest.MonkeyPatch) -> World:
    """Return a world whose triggers sleep in AEP's time."""

    async def hook(*_: object) -> AsyncHook:
        return AsyncHook(aep)

    async def sleep(seconds: float) -> None:
        aep.advance(max(seconds, 1.0))

    clock = SimpleNamespace(monotonic=lambda: aep.now)
    for module in (base, trigger_base, lost_submission):
        monkeypatch.setattr(module, "async_hook", hook, raising=False)
    for module in (trigger_base, lost_submission):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(lost_submission, "asyncio", SimpleNamespace(sleep=sleep))
    boot = SimpleNamespace(CLOCK_BOOTTIME=7, clock_gettime=lambda _: aep.now - aep.paused, time=lambda: aep.now)
    monkeypatch.setattr(steps, "time", boot)
    monkeypatch.setattr(memory_aep, "START", dt.datetime.now(tz=dt.UTC) - dt.timedelta(seconds=aep.now))
    return World(aep)
