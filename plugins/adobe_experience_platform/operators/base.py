"""What all tasks that talk to AEP share: the hook, the durable store, deadlines, the reading of events."""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

from airflow.sdk import BaseHook, conf
from airflow.sdk.api.datamodels._generated import TaskInstanceState
from airflow.sdk.bases.operator import TRIGGER_FAIL_REPR, TriggerFailureReason
from airflow.sdk.exceptions import AirflowException, AirflowSensorTimeout
from airflow.sdk.execution_time.context import NEVER_EXPIRE

from adobe_experience_platform.aep import AepConnection, destination_url, one_line, short_repr
from adobe_experience_platform.delivery import SETTINGS, DeliverySettings, checked_settings, xcom
from adobe_experience_platform.errors import (
    AepDeadlineError,
    AepError,
    AepExecutionTimeoutError,
    AepInputError,
    AepTransientError,
)
from adobe_experience_platform.hooks import read_connection
from adobe_experience_platform.triggers import (
    ARGUMENTS_VERSION,
    EVENT_VERSION,
    SegmentExportTrigger,
    async_hook,
    keep_policy,
    run_inline,
)

from .long_pauses import LongPauses
from .retry import AEP_RETRY_POLICY
from .templates import TypedTemplates

if TYPE_CHECKING:
    from airflow.sdk import Context, RetryPolicy
    from airflow.sdk.definitions.mappedoperator import OperatorPartial
    from airflow.triggers.base import BaseTrigger

    from adobe_experience_platform.hooks import AdobeExperiencePlatformAsyncHook, WorkerHook

T = TypeVar("T")
Resolvable = Any
"""A value, or what Airflow resolves to it at run time: a template, an XComArg, ``dag.param(…)``."""

BACKSTOP = dt.timedelta(seconds=90)
"""Airflow's own deferral time-out comes this much after the trigger's precise one."""
BEGUN = "begun"
"""Store key: when which try began."""
CLEAR_ON_SUCCESS = (
    "Airflow's option [state_store] clear_on_success is on: it would erase the record that keeps a cleared task from "
    "delivering twice. Set it to False"
)


class WaitTimeoutError(AepDeadlineError, AirflowSensorTimeout):
    """An :class:`AepDeadlineError` that Airflow itself knows as a sensor's time-out, and so never retries."""


class TaskStore:
    """A task's own durable store (``task_state_store``); it survives crashes, retries and clears."""

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
        self._store.set(key, value, retention=NEVER_EXPIRE)
        if self._after_set is not None:
            self._after_set(key, value)


class Deadline(NamedTuple):
    """When a wait ends; the limit is Airflow's ``execution_timeout`` where that ends it, None where a setting does."""

    at: dt.datetime
    limit: dt.timedelta | None = None

    def require(self, what: str) -> None:
        """Fail, so that Airflow may retry, if it is ``execution_timeout`` that has ended the wait."""
        if self.limit is not None:
            raise AepExecutionTimeoutError(
                f"Airflow's execution_timeout ({self.limit}) of this try is over, and this was still to end: "
                f"{what.strip()}. What AEP has accepted goes on there. A retry waits again; if there is none left, "
                "clear this task, and give it a longer execution_timeout."
            )


class AepTask(LongPauses, TypedTemplates):
    """Base of all tasks that talk to AEP: connection, sandbox, poll interval, deferral, retries.

    :param deferrable: wait in the triggerer (default) instead of holding a worker slot.
    :param retry_policy: what is retried, and when; default: see :class:`~.retry.AepRetryPolicy`.

    The other arguments are documented where people meet them, on the operators and sensors.
    """

    briefing: Any = None
    names: Any = None
    own_settings: ClassVar[tuple[str, ...]] = ()
    """The settings of a delivery that this task takes as arguments; each may be a template."""

    _options: DeliverySettings | None = None
    _hook: WorkerHook | None = None
    _connection: AepConnection | None = None

    def __init__(
        self, *, deferrable: bool = True, retry_policy: RetryPolicy | None = AEP_RETRY_POLICY, **kwargs: Any
    ) -> None:
        super().__init__(retry_policy=retry_policy, **kwargs)
        self.deferrable = deferrable

    def __init_subclass__(cls) -> None:
        """Find its own settings among the arguments."""
        super().__init_subclass__()
        arguments = inspect.signature(cls.__init__).parameters
        cls.own_settings = tuple(name for name in SETTINGS if name in arguments or name in cls.own_settings)
        cls.template_fields = tuple(dict.fromkeys((*cls.template_fields, *cls.own_settings)))

    @classmethod
    def partial(cls, **kwargs: Any) -> OperatorPartial:
        """Return a task to be mapped, with the retry policy of an unmapped one."""
        return keep_policy(super().partial(**kwargs), kwargs, AEP_RETRY_POLICY)

    @classmethod
    def lists_pairs(cls, given: Mapping[str, Any]) -> bool:
        """Whether a task of this kind, with these arguments, names pairs to deliver itself, without a plan."""
        return False

    def _is_alone(self, context: Context) -> bool:
        """Whether no other task or map index of this DAG run might name the same pairs."""
        others = [task for task in context["dag"].tasks if task.task_id != self.task_id]
        return context["ti"].map_index == -1 and not any(map(_lists_pairs, others))

    @property
    def options(self) -> DeliverySettings:
        """The settings of the delivery: those that ``plan_jobs`` has checked, or one's own arguments, checked now."""
        if self._options is None:
            briefing = self.given("briefing")
            own = {name: getattr(self, name) for name in self.own_settings}
            self._options = self._limited(checked_settings(own if briefing is None else briefing["settings"]))
        return self._options

    def _limited(self, options: DeliverySettings) -> DeliverySettings:
        """Return the settings within the limits that Airflow has for this task."""
        return options

    @property
    def known_names(self) -> Mapping[str, str]:
        """Id → name: the task's ``names``, or those of its briefing."""
        briefing: Mapping[str, Any] = self.given("briefing") or {}
        names = self.given("names") or briefing.get("names") or {}
        return {str(ident): str(name) for ident, name in names.items()}

    @property
    def hook(self) -> WorkerHook:
        """The hook, made when first needed."""
        if self._hook is None:
            from adobe_experience_platform.hooks import WorkerHook  # load time: a twentieth of a second

            self._hook = WorkerHook(self.options.aep_conn_id, self.options.sandbox_name, self.connection)
            self._be_patient(self._hook)
        return self._hook

    @property
    def connection(self) -> AepConnection:
        """The checked connection; a task that asks AEP nothing needs no hook."""
        if self._hook is not None:
            return self._hook.settings  # a waiting task may have read it again, for a new secret
        if self._connection is None:
            self._connection = read_connection(
                BaseHook.get_connection, self.options.aep_conn_id, self.options.sandbox_name
            )
        return self._connection

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
            "v": ARGUMENTS_VERSION,
            "aep_conn_id": self.options.aep_conn_id,
            "sandbox_name": self.connection.sandbox_name,
            "deadline": deadline.isoformat(),
            "poll_interval": self.options.poll_interval,
        }

    def _tags(self) -> dict[str, str]:
        """Return the tags of this task's metrics."""
        settings = self.connection
        return {"dag_id": self.dag_id, "conn_id": self.options.aep_conn_id, "sandbox": settings.sandbox_name}

    def _wait(
        self, context: Context, trigger: BaseTrigger, deadline: dt.datetime, backstop: dt.timedelta = BACKSTOP
    ) -> object:
        """Wait for a trigger's event.

        In the triggerer this does not return: every wait goes on in ``execute_complete``. Without one the trigger's
        own code runs here, and its event comes back.
        """
        if not self.deferrable:
            return run_inline(trigger, context["ti"])
        left = max(deadline - now(), dt.timedelta(0))
        self.defer(trigger=trigger, method_name="execute_complete", timeout=left + backstop)
        raise AssertionError("defer() does not return")

    def _deadline(self, context: Context, name: str, minutes: float, *, is_new: bool = False) -> Deadline:
        """Return when a wait ends: by its setting, or with this try, if ``execution_timeout`` comes first.

        A retry keeps the setting's deadline; a task that a person clears gets a new one. A task may have several waits.

        :param is_new: whether this one certainly begins now, so that nothing is kept of it.
        """
        store, tries = TaskStore(context), context["ti"].max_tries
        kept = None if is_new else store.get(f"deadline_{name}")
        if not isinstance(kept, dict) or kept.get("max_tries") != tries:
            kept = {"at": (now() + dt.timedelta(minutes=float(minutes))).isoformat(), "max_tries": tries}
            store.set(f"deadline_{name}", kept)
        own, ends = dt.datetime.fromisoformat(str(kept["at"])), self._try_ends(context)
        return Deadline(own) if ends is None or own < ends else Deadline(ends, self.execution_timeout)

    def _try_ends(self, context: Context) -> dt.datetime | None:
        """Return when ``execution_timeout`` ends this try, None without one.

        Airflow enforces it in a task's process only: while a task is deferred it forgets it, and every resumption
        begins anew.
        """
        if self.execution_timeout is None or not self.deferrable:
            return None
        store, ti = TaskStore(context), context["ti"]
        begun = store.get(BEGUN)
        if not isinstance(begun, dict) or begun.get("try") != ti.try_number:
            begun = {"try": ti.try_number, "at": (getattr(ti, "start_date", None) or now()).isoformat()}
            store.set(BEGUN, begun)
        return dt.datetime.fromisoformat(str(begun["at"])) + self.execution_timeout

    def _ask(self, reading: Callable[[AdobeExperiencePlatformAsyncHook], Awaitable[T]]) -> T:
        """Ask AEP once as the triggers do."""

        async def ask() -> T:
            conn_id, sandbox = self.options.aep_conn_id, self.options.sandbox_name
            async with await async_hook(conn_id, sandbox) as hook:
                return await reading(hook)

        with self._patiently():
            return asyncio.run(ask())

    def _export_trigger(
        self, deadline: dt.datetime, info: Mapping[str, Sequence[str]], aliases: Mapping[str, str], **kwargs: Any
    ) -> SegmentExportTrigger:
        place = self._trigger_arguments(deadline)
        names = self.known_names
        flow_names = {flow_id: names[flow_id] for flow_id in info if flow_id in names}
        return SegmentExportTrigger(activation_info=info, aliases=aliases, names=flow_names, **kwargs, **place)

    @staticmethod
    def _push_clears(context: Context) -> None:
        """Say, for a task that repairs, that time has gone by since the run was cleared."""
        if clears := clears_of(context):
            context["ti"].xcom_push(key=xcom.CLEARS, value=clears)

    def _link_to(self, flow_id: str) -> None:
        """Keep the address of a destination in AEP for the task's button, see :class:`~.links.DestinationLink`."""
        settings = self.connection
        self.destination_url = destination_url(settings.tenant, settings.sandbox_name, flow_id)


def _lists_pairs(task: object) -> bool:
    kind: type = getattr(task, "operator_class", type(task))
    return issubclass(kind, AepTask) and kind.lists_pairs(getattr(task, "partial_kwargs", vars(task)))


def keep_reason(context: Context) -> None:
    """Keep why a task has failed, for the notice; a failure callback. Only texts that are written for people."""
    error = context.get("exception")
    if error is not None:
        text = str(error) if isinstance(error, AepError | AirflowException) else type(error).__name__
        context["ti"].xcom_push(key=xcom.REASON, value=one_line(text, 1000))


def clears_of(context: Context) -> int:
    """Return how often a person has cleared something of this run: it may have sent before, and somebody looks on."""
    return int(getattr(context["dag_run"], "clear_number", None) or 0)


def now() -> dt.datetime:
    """Return the present as an aware UTC time."""
    return dt.datetime.now(tz=dt.UTC)


def read_event(event: object) -> tuple[str, str]:
    """Return (status, message) of a trigger's event; raise what it tells of, also if this version does not know it."""
    if event == TaskInstanceState.SUCCESS:
        return "done", ""  # the trigger ended the task; only ``dag.test`` resumes it all the same
    if not isinstance(event, dict) or event.get("v") != EVENT_VERSION:
        raise AepTransientError(
            "the wait",
            text=f"the trigger sent an unknown event of type {type(event).__name__}",
            advice="workers and triggerer need the same version of this package",
        )
    status, message = (
        text if isinstance(text := event.get(key, ""), str) else short_repr(text) for key in ("status", "message")
    )
    if status == "error":
        error = AepTransientError("the wait", text=message) if event.get("retriable", True) else AepError(message)
        raise error
    if status not in ("done", "timeout"):
        raise AepTransientError("the wait", text=f"the trigger sent an unknown status {short_repr(status)}")
    return status, message
