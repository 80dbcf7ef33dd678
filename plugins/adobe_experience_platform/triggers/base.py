"""What all triggers share: one poll per triggerer, a deadline, patience with failures, one small event.

Their arguments are stored in clear text, so they hold ids and times only. Events are logged whole by Airflow, so they
hold a status and counts; results travel in the XCom ``progress``.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import gc
import importlib
import inspect
import time
from collections.abc import AsyncIterator, Hashable, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import conf
from airflow.triggers.base import BaseEventTrigger, BaseTrigger, TaskSuccessEvent, TriggerEvent

from adobe_experience_platform.aep import DEFAULT_CONN_ID
from adobe_experience_platform.delivery import Snapshot
from adobe_experience_platform.errors import AepAuthError, AepConnectionConfigError, AepError
from adobe_experience_platform.hooks import metrics

from . import polling
from .polling import Bulk, Group, Subscription

if TYPE_CHECKING:
    from adobe_experience_platform.hooks import AdobeExperiencePlatformAsyncHook

EVENT_VERSION = 1
ARGUMENTS_VERSION = 1
"""Of the stored arguments of all triggers; those without a version are of the first.

Arguments may be added, with a default; raise this when one changes its meaning or must not be ignored. Never
rename or remove one, nor a trigger's class: Airflow has stored both for every task that waits.
"""
FAILURES_ALLOWED = 20
"""Failed polls in a row (each already retried inside) before a wait gives up."""
REFUSALS_ALLOWED = 3
"""The same for a credential that is refused for good: by IMS, or with a 403. A 401 may heal."""


NEVER = dt.datetime.max.replace(tzinfo=dt.UTC)


def resume_pause() -> float:
    """Return the seconds that a deferral lasts at least before its task is resumed on a worker.

    Airflow's supervisor may notice the end of a task's process only after ``min_heartbeat_interval``. A task
    that was resumed before then is taken for killed by the scheduler, and retried for nothing.
    """
    return conf.getint("workers", "min_heartbeat_interval", fallback=5) + 1.0


@functools.cache
def _arguments_of(trigger: type) -> tuple[str, ...]:
    """Return the names of a trigger's arguments, those of the classes that it is made of among them."""
    kinds = (kind for kind in trigger.__mro__ if issubclass(kind, SharedPollTrigger) and "__init__" in vars(kind))
    found = (each for kind in kinds for each in inspect.signature(kind.__init__).parameters.values())
    return tuple(dict.fromkeys(each.name for each in found if each.kind is each.KEYWORD_ONLY))


def class_path(trigger: type) -> str:
    """Return what Airflow stores of a trigger's class: its place in this room's face, which does not move."""
    return f"adobe_experience_platform.triggers.{trigger.__qualname__}"


def event(status: str, message: str = "", **fields: object) -> TriggerEvent:
    """Build an event: ``done``, ``timeout`` or ``error``, a message for people, and counts."""
    return TriggerEvent({"v": EVENT_VERSION, "status": status, "message": message, **fields})


async def async_hook(conn_id: str, sandbox: str | None) -> AdobeExperiencePlatformAsyncHook:
    """Make a hook; loading its module takes longer than the event loop may be held, so a thread does it."""
    module = await asyncio.to_thread(_load, "adobe_experience_platform.hooks.async_hook")
    hook: AdobeExperiencePlatformAsyncHook = module.AdobeExperiencePlatformAsyncHook(conn_id, sandbox)
    return hook


@functools.cache
def _load(name: str) -> Any:
    """Load a module, once, and let the garbage collector leave alone what has been loaded so far.

    With ten thousand runs a poll makes enough objects for a full collection now and then. That looks through all of
    Airflow's modules too, and holds the event loop for over a tenth of a second; frozen, they are not looked at.
    """
    module = importlib.import_module(name)
    gc.freeze()
    return module


def run_inline(trigger: BaseTrigger, task_instance: Any) -> object:
    """Wait here, by the trigger's own code, where no triggerer shall do it; return its event's payload."""

    async def first() -> object:
        async for found in trigger.run():
            return found.payload
        raise AssertionError("a trigger ends with an event")

    trigger.task_instance = task_instance
    return asyncio.run(first())


class SharedPollTrigger(BaseEventTrigger):
    """What the triggers have in common: arguments, the poll that is shared, deadline and failures.

    :param aep_conn_id: Airflow connection.
    :param sandbox_name: sandbox; it is part of what makes two polls the same. A waiting task gives the resolved one;
        an asset watcher, which is made before the connection can be read, may give None for the connection's.
    :param deadline: end of the wait, also as ISO 8601; UTC if it names no time zone; None (for an asset watcher) has
        no end.
    :param poll_interval: longest pause between two polls, seconds.
    :param v: version of these arguments, at most :data:`ARGUMENTS_VERSION`.
    :param unknown: arguments that only a newer version knows; the wait then ends at once, with that as its error.
    """

    POLL = "other"
    """What is asked for, a tag of metrics."""
    FIRST_LOOK = 0.0
    """When it is asked for first, in shortest pauses."""

    def __init__(
        self,
        *,
        aep_conn_id: str = DEFAULT_CONN_ID,
        sandbox_name: str | None,
        deadline: str | dt.datetime | None,
        poll_interval: float = 30.0,
        v: int = 1,
        **unknown: Any,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        if unknown and v <= ARGUMENTS_VERSION:
            raise TypeError(f"{type(self).__name__} has no argument {', '.join(map(repr, unknown))}")
        self.v = v
        self._unknown = unknown
        self.aep_conn_id = aep_conn_id
        self.sandbox_name = sandbox_name
        self.poll_interval = float(poll_interval)
        ends = dt.datetime.fromisoformat(deadline) if isinstance(deadline, str) else deadline or NEVER
        self._ends_at = ends if ends.tzinfo else ends.replace(tzinfo=dt.UTC)
        self.deadline = None if deadline is None else self._ends_at.isoformat()
        self._failures = 0
        self._since = time.monotonic()

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return class path and arguments: each is kept as the attribute of its name."""
        names = _arguments_of(type(self))
        return class_path(type(self)), {**{name: getattr(self, name) for name in names}, **self._unknown}

    def shared_stream_key(self) -> Hashable:
        """Return what makes polls the same: class, connection and sandbox, never the interval."""
        return self._key(self.aep_conn_id, self.sandbox_name)

    @classmethod
    def _key(cls, aep_conn_id: str, sandbox_name: str | None) -> Hashable:
        return class_path(cls), aep_conn_id, sandbox_name

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[Snapshot]:
        """Poll AEP for all subscribers; runs for as long as there are any."""
        conn_id, sandbox = kwargs["aep_conn_id"], kwargs["sandbox_name"]
        bulk = Bulk()
        async with await async_hook(conn_id, sandbox) as hook:

            async def read(wanted: Sequence[Any]) -> Snapshot:
                tags = {"poll": cls.POLL, "conn_id": conn_id, "sandbox": sandbox}
                metrics.count(metrics.POLLS, tags)
                try:
                    return await cls._read(hook, wanted, bulk)
                except Exception:
                    metrics.count(metrics.POLLS_FAILED, tags)
                    raise

            async for snapshot in polling.rounds(cls._group(cls._key(conn_id, sandbox)), read):
                yield snapshot

    @classmethod
    def _group(cls, key: Hashable) -> Group:
        return polling.group(key)

    @classmethod
    async def _read(cls, hook: Any, wanted: Sequence[Any], bulk: Bulk) -> Snapshot:
        raise NotImplementedError

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Snapshot]) -> AsyncIterator[TriggerEvent]:
        """Turn the shared snapshots into this task's one event."""
        if found := self._too_new():
            await self._hold_back(found)
            yield found
            return
        subscription = Subscription(self._wanted(), self.poll_interval, self._ends_at)
        first = min(self.FIRST_LOOK * polling.SHORTEST_PAUSE, self.poll_interval, max(subscription.left, 0.0))
        subscription.due = time.monotonic() + first
        with self._group(self._key(self.aep_conn_id, self.sandbox_name)).joined(subscription):
            async for snapshot in shared_stream:
                found = None
                if subscription.concerned(snapshot):
                    error = snapshot.error
                    found = self._failed(error) if error else await self._consider(snapshot, subscription)
                if found is None and dt.datetime.now(tz=dt.UTC) >= self._ends_at:
                    found = event("timeout", self._unfinished())
                if found is not None:
                    await self._hold_back(found)
                    yield found
                    return

    def _too_new(self) -> TriggerEvent | None:
        """Return the end of a wait that a newer version of this package has begun."""
        if self.v <= ARGUMENTS_VERSION:
            return None
        return event(
            "error",
            f"a newer version of this package began this wait (arguments {self.v}, known up to {ARGUMENTS_VERSION}): "
            "deploy the same version on every worker and triggerer",
        )

    async def _hold_back(self, found: TriggerEvent) -> None:
        """Resume a task no earlier than Airflow can take it; ending it in the triggerer needs no pause."""
        if self.trigger_id is not None and not isinstance(found, TaskSuccessEvent):
            await asyncio.sleep(max(0.0, self._since + resume_pause() - time.monotonic()))

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait with a poll of one's own, where no triggerer shares it (``dag.test``)."""
        stream = type(self).open_shared_stream(self.serialize()[1])
        async for found in self.filter_shared_stream(stream):
            yield found
            if self.deadline is not None:
                return

    def _wanted(self) -> set[Any]:
        raise NotImplementedError

    async def _consider(self, snapshot: Snapshot, subscription: Subscription) -> TriggerEvent | None:
        raise NotImplementedError

    def _unfinished(self) -> str:
        raise NotImplementedError

    def _failed(self, error: Exception) -> TriggerEvent | None:
        """Count a failed poll; a wait ends only after many in a row."""
        self._failures += 1
        final = isinstance(error, AepAuthError | AepConnectionConfigError) and not error.retriable
        allowed = REFUSALS_ALLOWED if final else FAILURES_ALLOWED
        if self._failures == 1 or self._failures == allowed:
            known = isinstance(error, AepError)
            self.log.warning(
                "Polling AEP failed (%d of %d in a row): %s",
                self._failures,
                allowed,
                error if known else type(error).__name__,
                exc_info=None if known else error,
            )
        if self._failures < allowed:
            return None
        return event("error", f"Polling AEP failed {allowed} times in a row. Last: {error}", retriable=not final)

    def _recovered(self) -> None:
        if self._failures:
            self.log.info("AEP responds again after %d failed polls", self._failures)
            self._failures = 0
