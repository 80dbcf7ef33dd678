"""A model of Airflow: task instances, scheduler, triggerer, stores and buttons, around the package's own operators.

It keeps to what was found out of Airflow 3.3: a clear keeps task state, makes task instances anew (an old process can
then write nothing any more) and raises ``max_tries`` of tasks that have run; a task that is cleared while it runs keeps
the event that had resumed it; XComs go at the start of a try, but not at a resumption.
"""

from __future__ import annotations

import copy
import importlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from airflow.sdk import DAG, TriggerRule, XComArg
from airflow.sdk.bases.operator import TRIGGER_FAIL_REPR, TriggerFailureReason
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.sdk.definitions.retry_policy import RetryAction
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    DownstreamTasksSkipped,
    TaskDeferred,
)
from airflow.sdk.execution_time.context import NEVER_EXPIRE
from airflow.triggers.base import TaskSuccessEvent

from adobe_experience_platform.aep.transport import NeedToken, Sleep
from adobe_experience_platform.delivery import CampaignDay, task_ids, xcom
from adobe_experience_platform.pipeline import activation_pipeline
from tests.support.asset_events import InletEvents, OutletEvents, Told
from tests.support.memory_aep import START, Crash, MemoryAep

from .surroundings import SILENT, SURROUNDED, Fault, Freeze, Process, Surroundings, store_error

RETRIES = 3
HEARTBEAT_TIMEOUT = 300.0
DONE = ("success", "failed", "upstream_failed", "skipped")
RED = ("failed", "upstream_failed")
UNEXPANDED = -1
Key = tuple[str, int]


@dataclass
class Row:
    """A task instance.

    :param uid: changes with every retry and clear: an old process's writes are refused.
    :param event: of the wait that is over; it stays until the try ends.
    """

    task: str
    index: int
    state: str | None = None
    uid: int = 0
    try_number: int = 0
    max_tries: int = RETRIES
    method: str | None = None
    event: Any = None
    trigger: tuple[str, str, float] | None = None
    xcoms: dict[str, str] = field(default_factory=dict)
    store: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.task}_{self.index}" if self.index != UNEXPANDED else self.task


class TaskProcess(Process):
    """A process of a task instance, as it was when the process began."""

    def __init__(self, run: Run, row: Row, fault: Fault) -> None:
        super().__init__(fault, keeps=fault.kind == "freeze")
        self.run, self.row = run, row
        self.uid, self.try_number, self.max_tries = row.uid, row.try_number, row.max_tries
        self.clear_number = run.clear_number
        self.method, self.event = row.method, row.event
        self.since = 0.0
        self.outlets = OutletEvents()


class DeliveryAep(MemoryAep):
    """The AEP of a world: whatever it answers, the process may die before and after."""

    world: World

    def _react(self, effect: Any) -> Any:
        world = self.world
        if isinstance(effect, NeedToken):
            world.moment()
            return "token"
        if isinstance(effect, Sleep):
            return world.ask(lambda: self.advance(effect.seconds))
        if effect.before_bytes is None:
            world.moment()
        elif world.ask(lambda: self.posts[:1]) != ["refused"]:
            # From here to the first byte a process stands still for no time that matters: that is assumed.
            effect.before_bytes()
        received = world.ask(lambda: self._after_a_while(effect))
        world.moment()
        return received

    def _after_a_while(self, effect: Any) -> Any:
        self.advance(0.01)
        return self._answer(effect)


class World(Surroundings):
    """An AEP, an Airflow, and the DAG runs in it.

    :param arguments: of ``activation_pipeline``.
    """

    def __init__(self, aep: DeliveryAep, tasks: Tasks) -> None:
        super().__init__(aep)
        aep.world = self
        self.tasks = tasks
        self.runs: list[Run] = []
        self.assets: dict[str, dict[str, str]] = {}
        self.events: list[Told] = []
        self.frozen: list[TaskProcess] = []
        self.reports: Callable[[Run, Any], None] = lambda run, report: None
        self.errors: Callable[[TaskProcess, BaseException], None] = lambda process, error: None
        self.trail: list[str] = []

    def begin(self, kind: str = "manual") -> Run:
        run = Run(self, f"run-{len(self.runs) + 1}", kind)
        self.runs.append(run)
        return run


class Run:
    """A DAG run of the pipeline."""

    def __init__(self, world: World, run_id: str, kind: str) -> None:
        self.world, self.run_id, self.kind = world, run_id, kind
        self.clear_number = 0
        self.state = "running"
        self.touched: set[str] = set()
        self.doubted: set[str] = set()
        self.run_after = world.aep.clock()
        self.rows: dict[Key, Row] = {(task, UNEXPANDED): Row(task, UNEXPANDED) for task in world.tasks.order}

    # -- the scheduler

    def of(self, task: str) -> list[Row]:
        return [row for row in self.rows.values() if row.task == task]

    def ready(self) -> list[Row]:
        """Return the task instances that can go on, after all that follows without a process."""
        changed = True
        while changed:
            changed = False
            for row in list(self.rows.values()):
                if row.state is None and (end := self._end_without_a_process(row)):
                    row.state, changed = end, True
        rows = [row for row in self.rows.values() if row.state in (None, "up_for_retry", "deferred")]
        return [row for row in rows if row.state == "deferred" or self._may_begin(row)]

    def _upstream(self, row: Row) -> list[str | None]:
        return [found.state for task in self.world.tasks.upstream[row.task] for found in self.of(task)]

    def _may_begin(self, row: Row) -> bool:
        states = self._upstream(row)
        rule = self.world.tasks.rules[row.task]
        if row.task in self.world.tasks.mapped and row.index == UNEXPANDED:
            return False
        if rule == TriggerRule.ALL_SUCCESS:
            return all(state == "success" for state in states)
        return all(state in DONE for state in states)

    def _end_without_a_process(self, row: Row) -> str | None:
        states = self._upstream(row)
        rule = self.world.tasks.rules[row.task]
        if rule == TriggerRule.ALL_SUCCESS:
            if any(state in RED for state in states):
                return "upstream_failed"
            return "skipped" if "skipped" in states else None
        all_in_vain = all(state in DONE and state != "success" for state in states)
        if rule == TriggerRule.ALL_DONE_MIN_ONE_SUCCESS and all_in_vain:
            return "upstream_failed" if any(state in RED for state in states) else "skipped"
        return None

    @property
    def is_over(self) -> bool:
        if self.ready():
            return False
        return all(row.state in DONE for row in self.rows.values() if row.task == task_ids.REPORT)

    @property
    def is_green(self) -> bool:
        return all(row.state in ("success", "skipped") for row in self.of(task_ids.REPORT))

    def go(self, row: Row, fault: Fault) -> None:
        """Let a task instance go on: a try begins, or a wait ends and its task is resumed."""
        world = self.world
        world.aep.advance(1.0)
        if row.state == "deferred":
            if not self._wait_is_over(row, fault):
                return
            if row.state == "success":
                return
        elif row.method is None:
            row.xcoms.clear()
        if row.state != "deferred":
            row.try_number += 1
        row.state = "running"
        self._live(TaskProcess(self, row, fault))

    def _wait_is_over(self, row: Row, fault: Fault) -> bool:
        """Carry out the trigger; returns whether it ended."""
        world = self.world
        assert row.trigger is not None
        path, arguments, timeout = row.trigger
        if path == "":
            return row.event is not None  # a person has to answer
        if fault.kind == "no_triggerer":
            world.aep.advance(timeout)
            row.method, row.event = TRIGGER_FAIL_REPR, {"error": TriggerFailureReason.TRIGGER_TIMEOUT}
            fault.kind = ""
            return True
        module, _, name = path.rpartition(".")
        is_crash = fault.kind == "trigger_crash"
        process = TaskProcess(self, row, Fault("crash", fault.at) if is_crash else Fault())
        world.process, world.aep.sender = process, self.run_id
        try:
            trigger = getattr(importlib.import_module(module), name)(**json.loads(arguments))
            trigger.task_instance = TaskInstance(process)
            found = SURROUNDED.run(_first(trigger))
        except Crash:
            world.trail.append(f"  triggerer died at moment {process.moments}")
            return False
        finally:
            world.process = None
        if is_crash:
            fault.kind = ""
        world.trail.append(f"  {row.name}: {type(found).__name__} {found.payload}")
        if isinstance(found, TaskSuccessEvent):
            self._end(row, "success")
        else:
            row.event = {"event": json.loads(json.dumps(found.payload))}
        return True

    def _live(self, process: TaskProcess) -> None:
        """Let a process run to its end, its wait, its death or a freeze."""
        world, row = self.world, process.row
        world.process, world.aep.sender = process, self.run_id
        process.cursor, process.moments, process.writes, process.gone = 0, 0, 0, None
        try:
            task = world.tasks.of(row, lambda arg: world.ask(lambda: self.pull(arg.operator.task_id, arg.key)))
        except LookupError:
            world.process = None
            self._take(process, "failed", None)  # the job is gone: its plan was marked a success by hand
            return
        process.on_kill = task.on_kill
        context = self._context(process)
        end, value = "success", None
        try:
            if process.method is None:
                value = task.execute(context)
            else:
                value = task.resume_execution(process.method, copy.deepcopy(process.event), context)
            if value is not None:
                context["ti"].xcom_push(xcom.RETURN_VALUE, value)
        except TaskDeferred as wait:
            end, value = "deferred", wait
        except DownstreamTasksSkipped as skip:
            for name in skip.tasks:
                for other in self.of(name):
                    other.state = "skipped"
        except AirflowSkipException:
            end = "skipped"
        except Freeze:
            end = "frozen"
        except Crash:
            end = "died"
        except Exception as error:  # noqa: BLE001 - Airflow takes every error
            world.errors(process, error)
            end, value = self._verdict(task, error, process), error
        finally:
            world.process = None
        world.trail.append(f"  {row.name} try {process.try_number}: {end} {_told(value)}")
        if end == "frozen":
            process.since = world.aep.now
            world.frozen.append(process)
            return
        self._take(process, end, value)

    def _take(self, process: TaskProcess, end: str, value: Any) -> None:
        row = process.row
        if row.state == "restarting" and row.uid == process.uid + 1:
            # Cleared while it ran: only a process that was killed gets its tries anew; the event stays.
            row.state = None
            if end == "died":
                row.max_tries = row.try_number + RETRIES
            return
        if row.uid != process.uid or row.state != "running":
            return  # an old attempt says nothing any more
        if end == "deferred":
            row.state, row.method, row.event = "deferred", value.method_name, None
            trigger = value.trigger
            path, arguments = trigger.serialize() if trigger is not None else ("", {})
            row.trigger = path, json.dumps(arguments), value.timeout.total_seconds() if value.timeout else 1e9
        elif end in ("died", "retry"):
            self._give_up(row)
        else:
            if end == "success":
                self.world.events += process.outlets.told(self.world.aep.clock())
            self._end(row, end)

    def _give_up(self, row: Row) -> None:
        if row.try_number <= row.max_tries:
            row.state, row.method, row.event = "up_for_retry", None, None
            row.uid += 1
        else:
            self._end(row, "failed")

    def _end(self, row: Row, state: str) -> None:
        row.state, row.method, row.event, row.trigger = state, None, None, None
        if row.task == task_ids.PLAN and state == "success":
            jobs = self.pull(task_ids.PLAN, xcom.RETURN_VALUE) or []
            for task in self.world.tasks.mapped:
                self.rows.pop((task, UNEXPANDED), None)
                for index in range(len(jobs)):
                    self.rows.setdefault((task, index), Row(task, index))

    @staticmethod
    def _verdict(task: Any, error: Exception, process: TaskProcess) -> str:
        if isinstance(error, AirflowFailException | AirflowSensorTimeout):
            return "failed"
        policy = task.retry_policy
        if policy is not None:
            decision = policy.evaluate(error, process.try_number, process.max_tries, None)
            if decision.action is RetryAction.FAIL:
                return "failed"
        return "retry"

    # -- what a task sees

    def pull(self, task: str, key: str) -> Any:
        """Return what a task, or all indexes of a mapped one, have pushed."""
        rows = [row for row in self.of(task) if key in row.xcoms]
        if task in self.world.tasks.mapped:
            return [json.loads(row.xcoms[key]) for row in sorted(rows, key=lambda row: row.index)]
        return json.loads(rows[0].xcoms[key]) if rows else None

    def _context(self, process: TaskProcess) -> dict[str, Any]:
        run = SimpleNamespace(
            conf={}, clear_number=process.clear_number, run_type=self.kind, run_after=self.run_after, run_id=self.run_id
        )
        return {
            "ti": TaskInstance(process),
            "dag": SimpleNamespace(tasks=[]),
            "dag_run": run,
            "run_id": self.run_id,
            "task_state_store": StateStore(process, process.row.store),
            "asset_state_store": AssetStores(process),
            "triggering_asset_events": {},
            "outlet_events": process.outlets,
            "inlet_events": InletEvents(lambda: self.world.ask(lambda: list(self.world.events))),
        }

    # -- the buttons

    def clear(self, rows: Iterable[Row]) -> None:
        """Clear task instances, as a person does."""
        self.clear_number += 1
        self.state = "running"
        self.world.aep.cleared(self.run_id)
        for row in rows:
            row.uid += 1
            if row.state == "running":
                row.state = "restarting"
                continue
            if row.try_number:
                row.max_tries = row.try_number + RETRIES
            row.state, row.method, row.event, row.trigger = None, None, None, None

    def mark(self, row: Row, state: str) -> None:
        """Mark a task instance as success or failed by hand."""
        self.touched.add(row.task)
        if row.state == "running":
            row.state = state
        else:
            self._end(row, state)

    # -- frozen processes

    def thaw(self, process: TaskProcess, fault: Fault) -> None:
        """Let a frozen process go on; its supervisor may have been told to kill it."""
        self.world.frozen.remove(process)
        process.fault = fault
        self._live(process)

    def lose(self, process: TaskProcess) -> None:
        """Give up a process that no longer says that it lives."""
        row = process.row
        if row.state == "running" and row.uid == process.uid:
            self._give_up(row)
        elif row.state == "restarting" and row.uid == process.uid + 1:
            row.state, row.max_tries = None, row.try_number + RETRIES


async def _first(trigger: Any) -> Any:
    stream = trigger.run()
    async for found in stream:
        await stream.aclose()
        return found
    raise AssertionError("a trigger ends with an event")


def _told(value: Any) -> str:
    if isinstance(value, TaskDeferred):
        return type(value.trigger).__name__
    return f"{type(value).__name__}: {value}"[:300] if isinstance(value, BaseException) else ""


class TaskInstance:
    """What a running task, or its trigger, sees of its task instance."""

    def __init__(self, process: TaskProcess) -> None:
        self._process = process
        row = process.row
        self.task_id, self.map_index, self.dag_id, self.run_id = row.task, row.index, "dag", process.run.run_id
        self.try_number, self.max_tries, self.id = process.try_number, process.max_tries, process.uid
        self.start_date = None

    def xcom_push(self, key: str, value: Any) -> None:
        process = self._process
        text = json.dumps(value)

        def push() -> None:
            if process.row.uid != process.uid:
                raise store_error(404)
            process.row.xcoms[key] = text
            if process.row.task == task_ids.REPORT and key == xcom.RETURN_VALUE:
                process.run.world.reports(process.run, json.loads(text))

        process.run.world.act(push)

    def xcom_pull(
        self, task_ids: str | None = None, key: str = "return_value", map_indexes: Any = None, **_: Any
    ) -> Any:
        run = self._process.run

        def pull() -> Any:
            if map_indexes is None or not isinstance(map_indexes, int):
                return run.pull(str(task_ids), key)
            row = run.rows.get((str(task_ids), map_indexes))
            return json.loads(row.xcoms[key]) if row is not None and key in row.xcoms else None

        return run.world.ask(pull)

    def get_task_states(self, *, task_ids: Sequence[str], **_: Any) -> dict[str, dict[str, Any]]:
        run = self._process.run

        def look() -> dict[str, Any]:
            return {row.name: row.state for row in run.rows.values() if row.task in task_ids and row.state is not None}

        return {run.run_id: run.world.ask(look)}

    def get_dagrun_state(self, dag_id: str, run_id: str) -> str:
        world = self._process.run.world

        def look() -> str:
            (run,) = [run for run in world.runs if run.run_id == run_id]
            return "running" if not run.is_over else "success" if run.is_green else "failed"

        return world.ask(look)


class StateStore:
    """Airflow's state store: JSON by key."""

    def __init__(self, process: TaskProcess, kept: dict[str, str]) -> None:
        self._process, self._kept = process, kept

    def get(self, key: str, default: Any = None) -> Any:
        text = self._process.run.world.ask(lambda: self._kept.get(key))
        return default if text is None else json.loads(text)

    def set(self, key: str, value: Any, *, retention: Any = NEVER_EXPIRE) -> None:
        assert retention is NEVER_EXPIRE, "a record that expires would let a delivery be sent twice"
        text = json.dumps(value)
        assert json.loads(text) == value, "Airflow's store takes JSON values only: no tuples"
        process = self._process

        def put() -> None:
            if process.row.uid != process.uid:
                raise store_error(404)
            self._kept[key] = text

        process.run.world.write(put)

    def delete(self, key: str) -> None:
        self._process.run.world.write(lambda: self._kept.pop(key, None) and None)


class AssetStores:
    """The state stores of assets, which belong to no run."""

    def __init__(self, process: TaskProcess) -> None:
        self._process = process

    def __getitem__(self, asset: Any) -> StateStore:
        return StateStore(self._process, self._process.run.world.assets.setdefault(asset.name, {}))


class Tasks:
    """The tasks of the real pipeline, made ready to be copied for a process.

    :param arguments: of ``activation_pipeline``.
    """

    def __init__(self, arguments: Mapping[str, Any], *, campaign: bool = False) -> None:
        day = CampaignDay(timezone="UTC") if campaign else None
        with DAG("dag", schedule=None) as dag:
            activation_pipeline(campaign_day=day, **arguments)
        self.order = [task for task in task_ids.ALL if dag.has_task(task)]
        found = {task: dag.get_task(task) for task in self.order}
        self.upstream = {task: [up for up in self.order if up in op.upstream_task_ids] for task, op in found.items()}
        self.rules = {task: op.trigger_rule for task, op in found.items()}
        self.mapped = {task for task, op in found.items() if isinstance(op, MappedOperator)}
        self._made = {task: _made(op) for task, op in found.items()}

    def is_below(self, task: str, above: str) -> bool:
        """Whether a task comes, directly or not, after another."""
        return any(up == above or self.is_below(up, above) for up in self.upstream[task])

    def of(self, row: Row, resolve: Callable[[Any], Any]) -> Any:
        """Return a fresh task for a process, its XComs resolved."""
        made, arguments = self._made[row.task]
        task = copy.copy(made)
        for name, value in arguments.items():
            found = resolve(value)
            if name == "job":
                found = (found or [])[row.index]
            object.__setattr__(task, name, found)
        return task


def _made(operator: Any) -> tuple[Any, dict[str, Any]]:
    """Return an operator and those of its arguments that hold XComs."""
    if isinstance(operator, MappedOperator):
        expanded = dict(operator.expand_input.value)
        given = {**operator.partial_kwargs, **expanded}
        plain = {key: value for key, value in operator.partial_kwargs.items() if not isinstance(value, XComArg)}
        made = operator.operator_class(task_id=operator.task_id, **plain)
    else:
        made = operator
        given = {name: getattr(operator, name) for name in operator.template_fields}
    return made, {name: value for name, value in given.items() if isinstance(value, XComArg)}


__all__ = ["SILENT", "START", "DeliveryAep", "Row", "Run", "TaskProcess", "Tasks", "World"]
