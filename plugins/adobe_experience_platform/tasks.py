"""What the operators and sensors share: the hook, the store, deadlines, and the two long waits."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, conf
from airflow.sdk.api.datamodels._generated import TaskInstanceState
from airflow.sdk.bases.operator import TRIGGER_FAIL_REPR, TriggerFailureReason

from . import links, polling
from .errors import AepDeadlineError, AepDeliveryError, AepError, AepInputError, AepTransientError, shown
from .models import Pair, RunStatus
from .planning import check_id, count
from .record import Order
from .results import (
    NOT_SENT,
    UNKNOWN,
    Delivery,
    Result,
    deliveries,
    is_delivered,
    is_terminal,
    line_of,
    results_of,
    summarize,
)
from .retry import LONGEST_DELAY
from .shared_poll import EVENT_VERSION
from .submission import Done, Settle, Submission, WaitFor
from .triggers import FlowRunTrigger, LostSubmissionTrigger, SegmentExportTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from .hook import AdobeExperiencePlatformHook

Resolvable = Any
"""A value, or what Airflow resolves to it at run time: a template, an XComArg, ``dag.param(…)``."""

BACKSTOP = dt.timedelta(seconds=90)
"""Airflow's own deferral time-out comes this much after the trigger's precise one."""
CONFLICT_PAUSE = 30.0
"""Seconds before an activation that AEP has refused because of another run is tried again, at least."""
SHOWN = 50
CLEAR_ON_SUCCESS = (
    "Airflow's option [state_store] clear_on_success is on: it would erase the record that keeps a cleared task from "
    "delivering twice. Set it to False"
)
PHASE = "phase"
"""Store key: what a submitting task waits for, so that its resumption knows; it survives a lost event."""
WATCHING: dict[str, object] = {"watching": True}


class TaskStore:
    """A task's own durable store (``task_state_store``); it survives crashes, retries and clears.

    :param after_set: called with every value that was stored.
    """

    def __init__(self, context: Context, after_set: Callable[[str, dict[str, object]], None] | None = None) -> None:
        if conf.getboolean("state_store", "clear_on_success", fallback=False):
            raise AepInputError([CLEAR_ON_SUCCESS])
        self._store: Any = context["task_state_store"]
        self._after_set = after_set

    def get(self, key: str) -> object:
        """Return the stored value, None if there is none."""
        value: object = self._store.get(key)
        return value

    def set(self, key: str, value: dict[str, object]) -> None:
        """Store a value for as long as the run exists."""
        from airflow.sdk.execution_time.context import NEVER_EXPIRE

        self._store.set(key, value, retention=NEVER_EXPIRE)
        if self._after_set is not None:
            self._after_set(key, value)


class AepTask(BaseOperator):
    """Base of all tasks that talk to AEP: connection, sandbox, poll interval, deferral.

    The arguments are documented where people meet them, on the operators and sensors.
    """

    aep_conn_id: str
    sandbox_name: str | None
    poll_interval: float
    deferrable: bool

    _hook: AdobeExperiencePlatformHook | None = None

    @property
    def hook(self) -> AdobeExperiencePlatformHook:
        """The hook, made when first needed."""
        if self._hook is None:
            from .hook import AdobeExperiencePlatformHook

            self._hook = AdobeExperiencePlatformHook(self.aep_conn_id or "", self.sandbox_name or None)
        return self._hook

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Treat Airflow's own deferral time-out like the trigger's: AEP is asked once more before the verdict.

        It strikes when no triggerer was there in time.
        """
        if (
            next_method == TRIGGER_FAIL_REPR
            and (next_kwargs or {}).get("error") == TriggerFailureReason.TRIGGER_TIMEOUT
        ):
            next_method = "execute_complete"
            next_kwargs = {"event": {"v": EVENT_VERSION, "status": "timeout", "message": ""}}
        return super().resume_execution(next_method, next_kwargs, context)

    def _trigger_arguments(self, deadline: dt.datetime) -> dict[str, Any]:
        return {
            "aep_conn_id": self.aep_conn_id,
            "sandbox_name": self.hook.settings.sandbox_name,
            "deadline": deadline.isoformat(),
            "poll_interval": float(self.poll_interval),
        }

    def _defer_until(self, trigger: Any, deadline: dt.datetime) -> None:
        """Wait in the triggerer; does not return. Every wait goes on in ``execute_complete``."""
        left = max(deadline - now(), dt.timedelta(0))
        self.defer(trigger=trigger, method_name="execute_complete", timeout=left + BACKSTOP)

    def _export_trigger(
        self,
        deadline: dt.datetime,
        info: Mapping[str, Sequence[str]],
        aliases: Mapping[str, str],
        **kwargs: Any,
    ) -> SegmentExportTrigger:
        place = self._trigger_arguments(deadline)
        return SegmentExportTrigger(activation_info=info, aliases=aliases, **kwargs, **place)

    def _push_link(self, context: Context, flow_id: str) -> None:
        settings = self.hook.settings
        if url := links.destination_url(settings.tenant, settings.sandbox_name, flow_id):
            context["ti"].xcom_push(key=links.XCOM_KEY, value=url)


def now() -> dt.datetime:
    """Return the present as an aware UTC time."""
    return dt.datetime.now(tz=dt.UTC)


def read_event(event: object) -> tuple[str, str]:
    """Return (status, message) of a trigger's event; an unknown or empty event is a failure.

    :raises AepError: for an error event or one that this version does not know.
    """
    if event == TaskInstanceState.SUCCESS:
        return "done", ""  # the trigger ended the task; only ``dag.test`` resumes it all the same
    if not isinstance(event, dict) or event.get("v") != EVENT_VERSION:
        raise AepTransientError("the wait", text=f"the trigger sent an unknown event of type {type(event).__name__}")
    status, message = (
        text if isinstance(text := event.get(key, ""), str) else shown(text) for key in ("status", "message")
    )
    if status == "error":
        error = AepTransientError("the wait", text=message) if event.get("retriable", True) else AepError(message)
        raise error
    if status not in ("done", "timeout"):
        raise AepTransientError("the wait", text=f"the trigger sent an unknown status {shown(status)}")
    return status, message


def deadline_of(context: Context, name: str, minutes: float) -> dt.datetime:
    """Return when a wait ends: a retry keeps its deadline, a task cleared by a person gets a new one.

    :param name: of the wait; one task may have several.
    :param minutes: length of the wait.
    """
    store = TaskStore(context)
    tries = context["ti"].max_tries
    stored = store.get(f"deadline_{name}")
    if isinstance(stored, dict) and stored.get("max_tries") == tries:
        return dt.datetime.fromisoformat(str(stored["at"]))
    deadline = now() + dt.timedelta(minutes=float(minutes))
    store.set(f"deadline_{name}", {"at": deadline.isoformat(), "max_tries": tries})
    return deadline


class SubmittingTask(AepTask):
    """A task that submits jobs exactly once, see :mod:`.submission`."""

    export_timeout_minutes: float

    def _submit(self, context: Context, submissions: Sequence[Submission], *, settled: str = "") -> None:
        """Bring every submission to its end, deferring where something must be waited for.

        :param settled: key of the submission whose wait after a lost answer is over.
        """
        for submission in submissions:
            is_settled = submission.key == settled
            while not isinstance(step := self.hook.call(submission.step(settled=is_settled)), Done):
                is_settled = False
                deadline = deadline_of(context, "submit", self.export_timeout_minutes)
                if now() >= deadline:
                    what = (
                        step.reason
                        if isinstance(step, WaitFor)
                        else f"runs {', '.join(step.unnamed)} to name their audiences"
                    )
                    raise AepDeadlineError(
                        f"Waited until {deadline:%Y-%m-%d %H:%M} UTC for {what}. What was not sent is named in the "
                        "report; clear this task to go on."
                    )
                if isinstance(step, Settle):
                    self._settle(context, submission, step, deadline)
                    is_settled = True
                else:
                    self._wait_for(context, submission, step, deadline)

    def _settle(self, context: Context, submission: Submission, step: Settle, deadline: dt.datetime) -> None:
        seconds = max(settle_seconds(self.hook.settings.timeout), min(step.at_least, LONGEST_DELAY))
        self.log.info(
            "It is not wholly known what the last activation started. AEP is watched for its runs for up to %d s "
            "before anything else is done.",
            seconds,
        )
        trigger = LostSubmissionTrigger(
            record=submission.record.to_json(),
            settle_seconds=seconds,
            aliases=submission.job.aliases,
            **self._trigger_arguments(max(deadline, now() + dt.timedelta(seconds=seconds))),
        )
        if self.deferrable:
            TaskStore(context).set(PHASE, {"settling": submission.key})
            self._defer_until(trigger, max(deadline, now() + dt.timedelta(seconds=seconds)))
        time.sleep(seconds)

    def _wait_for(self, context: Context, submission: Submission, step: WaitFor, deadline: dt.datetime) -> None:
        self.log.info("Before anything is sent, this must end: %s", step.reason)
        pairs = list(submission.missing) if submission.on_conflict == "wait" else []
        # AEP has just refused: even if its lists show nothing, asking again at once would be refused again.
        least = 0.0 if step.conflict is None else min(float(self.poll_interval), CONFLICT_PAUSE)
        if step.conflict is not None and not check_id(step.conflict.flow_id, "") and step.conflict not in pairs:
            pairs.append(step.conflict)
        info = info_of(pairs)
        if self.deferrable:
            TaskStore(context).set(PHASE, {"settling": ""})
            self._defer_until(
                self._export_trigger(deadline, info, submission.job.aliases, least_seconds=least), deadline
            )
        time.sleep(least)
        since = time.monotonic()
        while now() < deadline:
            snapshot = self.hook.call(polling.export_call(info, now()))
            if not polling.blockers(snapshot, pairs, submission.job.aliases, now())[0]:
                return
            time.sleep(polling.next_pause(time.monotonic() - since, float(self.poll_interval)))


def info_of(pairs: Iterable[Pair]) -> dict[str, list[str]]:
    """Return pairs in the form of an ``activation_info``."""
    info: dict[str, list[str]] = {}
    for pair in pairs:
        info.setdefault(pair.flow_id, []).append(pair.audience_id)
    return info


def phase_of(context: Context) -> dict[str, object]:
    """Return what a task that has submitted was waiting for when it deferred."""
    phase = TaskStore(context).get(PHASE)
    return phase if isinstance(phase, dict) else {}


def settle_seconds(timeout: float) -> float:
    """Return how long after a lost answer a run may still show up: the POST's hard limit and a margin.

    The margin is Airflow's option ``[adobe_experience_platform] settle_margin_seconds``, 60 by default.
    """
    return timeout + conf.getfloat("adobe_experience_platform", "settle_margin_seconds", fallback=60.0)


class WatchingTask(AepTask):
    """A task that watches flow runs to their end."""

    activation_timeout_minutes: float
    on_partial_success: str
    names: Mapping[str, str] | None

    def _watch(
        self,
        context: Context,
        deliveries: Sequence[Delivery],
        aliases: Mapping[str, str],
        *,
        look_first: bool,
        ends_task: bool = True,
    ) -> list[Result]:
        """Return the results of runs that have ended, or defer until they have.

        :param look_first: ask AEP before deferring: after a retry or a clear all may be over.
        :param ends_task: whether the task is over when these runs delivered.
        """
        deadline = deadline_of(context, "watch", self.activation_timeout_minutes)
        if not deliveries:
            return []
        since = time.monotonic()
        while look_first or not self.deferrable:
            try:
                results = self._read_results(deliveries, aliases)
            except AepTransientError as error:
                if not self.deferrable and now() >= deadline:
                    raise
                self.log.warning("%s", error)
                results = []
            if results and (all(map(is_terminal, results)) or (not self.deferrable and now() >= deadline)):
                return results
            if self.deferrable:
                break
            time.sleep(polling.next_pause(time.monotonic() - since, float(self.poll_interval)))
        shown = {ident for item in deliveries for ident in item.pair}
        trigger = FlowRunTrigger(
            orders=[[*item.pair, item.order.run_id, item.order.adopted] for item in deliveries],
            aliases=aliases,
            names={ident: name for ident, name in (self.names or {}).items() if ident in shown},
            ends_task=ends_task,
            accept_partial=self.on_partial_success == "accept",
            **self._trigger_arguments(deadline),
        )
        runs = len({item.order.run_id for item in deliveries})
        self.log.info("Waiting for %s to end, until %s UTC", count(runs, "flow run"), f"{deadline:%Y-%m-%d %H:%M}")
        self._defer_until(trigger, deadline)
        raise AssertionError("defer() does not return")

    def _read_results(self, deliveries: Sequence[Delivery], aliases: Mapping[str, str]) -> list[Result]:
        runs = self.hook.call(polling.runs_call(list(dict.fromkeys(item.order.run_id for item in deliveries))))
        return results_of(deliveries, runs, aliases)

    def _watched(
        self, context: Context, deliveries: Sequence[Delivery], aliases: Mapping[str, str], event: object
    ) -> list[Result]:
        """Return the results after a wait: those that the trigger has kept, or AEP's word where it could not."""
        status, _ = read_event(event)
        ti = context["ti"]
        kept = ti.xcom_pull(task_ids=ti.task_id, key="progress", map_indexes=ti.map_index)
        results: list[Result] = kept.get("results", []) if isinstance(kept, dict) else []
        known = {item["run_id"] for item in results if is_terminal(item)}
        if status == "done" and known >= {item.order.run_id for item in deliveries}:
            return results
        return self._read_results(deliveries, aliases)

    def _verdict(self, context: Context, results: Sequence[Result]) -> dict[str, Any]:
        """Keep the results where later tasks find them, then fail if any pair was not delivered.

        :raises AepDeliveryError: naming every such pair.
        """
        summary = summarize(results)
        ended = sum(map(is_terminal, results))
        context["ti"].xcom_push(key="progress", value={"ended": ended, "of": len(results), "results": list(results)})
        accept = self.on_partial_success == "accept"
        bad = [item for item in results if not is_delivered(item, accept_partial=accept)]
        if bad:
            lines = [line_of(item, self.names or {}) for item in bad[:SHOWN]]
            lines += [f"and {len(bad) - SHOWN:,} more"] if len(bad) > SHOWN else []
            raise AepDeliveryError(
                f"{len(bad)} of {len(results)} deliveries did not succeed:\n"
                + "\n".join(f"  - {line}" for line in lines)
                + "\n"
                + _advice(bad)
            )
        self.log.info("All %s ended well", deliveries(len(results)))
        return {"summary": summary, "results": list(results)}


def _advice(bad: Sequence[Result]) -> str:
    """Say what a person can do about pairs that were not delivered."""
    statuses = {item["status"] for item in bad}
    advice = []
    if statuses & {RunStatus.FAILED.value, NOT_SENT}:
        advice.append(
            "Clear the failed tasks of this run to send again exactly what failed or was not sent; what was delivered "
            "is never sent twice."
        )
    if RunStatus.PARTIAL_SUCCESS in statuses:
        advice.append("Partly delivered audiences are not sent again by this run: start a new run if they should be.")
    if RunStatus.IN_PROGRESS in statuses:
        advice.append(
            "What is in progress did not end within activation_timeout_minutes and goes on in AEP: clear this task to "
            "keep watching it."
        )
    if UNKNOWN in statuses:
        advice.append("What is unknown must be looked up in AEP before it is sent again.")
    return " ".join(advice)


DEEPEST = 5
"""Levels of lists in lists of orders: what is nested deeper was not returned by any operator."""


def deliveries_of(orders: Any, *, deepest: int = DEEPEST) -> list[Delivery]:
    """Read orders as operators return them: dicts, lists, or run ids alone; nested lists are joined.

    :raises AepInputError: for anything else.
    """
    if isinstance(orders, str) and orders:
        return [_delivery({"run_id": orders})]
    if isinstance(orders, Mapping) and orders.get("run_id"):
        return [_delivery(orders)]
    if isinstance(orders, Sequence) and not isinstance(orders, str | bytes) and deepest > 0:
        return [found for item in orders for found in deliveries_of(item, deepest=deepest - 1)]
    raise AepInputError([f"orders: {type(orders).__name__} is no order: pass what AdHocActivationOperator returns"])


def _delivery(order: Mapping[str, Any]) -> Delivery:
    """Read one order. AEP has checked no id of it yet, and each is shown or becomes part of a URL."""
    names = ["run_id", *(name for name in Pair._fields if order.get(name, "") != "")]
    if faults := [fault for name in names if (fault := check_id(order[name], f"orders: {name}"))]:
        raise AepInputError(faults)
    pair = Pair(order.get("flow_id", ""), order.get("audience_id", ""))
    return Delivery(pair, Order(order["run_id"], bool(order.get("adopted"))))
