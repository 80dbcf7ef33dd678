"""Triggers: they wait in the triggerer, share one poll, and fire one small event.

Their arguments are stored in clear text, so they hold ids and times only. Events are logged whole by
Airflow, so they hold a status and counts; results travel in the XCom ``progress``.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import time
from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from typing import Any

from airflow.triggers.base import TaskSuccessEvent, TriggerEvent

from . import metrics, polling
from .endpoints import Call
from .errors import AepError, AepNotFoundError, AepSubmissionError
from .lookup import Look, find
from .models import FlowRun, Pair, RunStatus
from .planning import count, read_activation_info
from .polling import Bulk, Group, Snapshot, Subscription
from .progress import LINES_PER_ROUND, Progress
from .record import Order, Record
from .results import Delivery, Result, ended_well, is_delivered, is_terminal, line_of, results_of, summarize
from .shared_poll import FAILURES_ALLOWED, SharedPollTrigger, async_hook, event
from .watcher import WatcherMemory

NOT_FOUND_GRACE = 300.0
"""Seconds that a run may be unknown to AEP after its order."""


class SegmentExportTrigger(SharedPollTrigger):
    """Fires when no profile export is in progress and no run in progress concerns the given audiences.

    Without a deadline it is an asset watcher: it never ends, and fires each time when profile exports have finished
    and none is in progress. What it has told is kept in the asset's state store one round after the event, so that a
    triggerer that dies tells it again rather than never. Its first start only records what has finished so far.

    :param activation_info: if given, {flow id: [audience id, …]} whose runs in progress are waited for too.
    :param aliases: audience id → external id, for imported audiences.
    :param names: id → name, for the log.
    :param least_seconds: wait at least this long, however clear the way looks.
    :param ends_task: whether the task is over when the way is clear; it then ends without a worker.
    :param said: what the task has already logged that it waits for; it is not logged again.

    Event: ``{"status": "done" | "timeout" | "error", "message": str}``; that of a watcher is ``done`` and has
    ``export_id``, ``ended_at``, ``created_at``, ``profiles`` (of the newest export; None where AEP does not tell),
    ``exports`` (how many finished since the last event).
    """

    POLL = "export"

    def __init__(
        self,
        *,
        activation_info: Mapping[str, Sequence[str]] | None = None,
        aliases: Mapping[str, str] | None = None,
        names: Mapping[str, str] | None = None,
        least_seconds: float = 0.0,
        ends_task: bool = False,
        said: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.activation_info = {flow: list(audiences) for flow, audiences in (activation_info or {}).items()}
        self.aliases = dict(aliases or {})
        self.names = dict(names or {})
        self.least_seconds = float(least_seconds)
        self.ends_task = ends_task
        self._pairs = read_activation_info(self.activation_info)[0] if self.activation_info else []
        self.said = list(said)
        self._seen: list[str] | None = self.said or None
        self._stuck: set[str] = set()
        self._memory = WatcherMemory()

    def _arguments(self) -> dict[str, Any]:
        return {
            "activation_info": self.activation_info,
            "aliases": self.aliases,
            "names": self.names,
            "least_seconds": self.least_seconds,
            "ends_task": self.ends_task,
            "said": self.said,
        }

    def _wanted(self) -> set[str]:
        return {pair.flow_id for pair in self._pairs}

    @classmethod
    def _group(cls, key: Hashable) -> Group:
        return polling.group(key, per_request=1, same_thing=True)

    @classmethod
    async def _read(cls, hook: Any, wanted: Sequence[str], bulk: Bulk) -> Snapshot:
        snapshot: Snapshot = await hook.call(polling.export_call(wanted, dt.datetime.now(tz=dt.UTC)))
        settings = await hook.settings()
        return dataclasses.replace(snapshot, place=f"{settings.org_id}/{settings.sandbox_name}")

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Snapshot]) -> AsyncIterator[TriggerEvent]:
        """Turn the shared snapshots into a waiting task's one event, or into a watcher's many."""
        if self.deadline is not None:
            async for found in super().filter_shared_stream(shared_stream):
                yield found
            return
        subscription = Subscription(set(), self.poll_interval, self._ends_at)
        with self._group(self.shared_stream_key()).joined(subscription):
            async for snapshot in self._unending(shared_stream):
                if snapshot.error is not None:
                    self._failed(snapshot.error)
                    continue
                self._recovered()
                if (news := await self._memory.consider(snapshot, self.asset_state_store)) is not None:
                    yield event("done", **news)

    async def _unending(self, stream: AsyncIterator[Snapshot]) -> AsyncIterator[Snapshot]:
        """Go on with a poll of one's own should the shared one end: a watcher that ends would start no campaign."""
        while True:
            try:
                async for snapshot in stream:
                    yield snapshot
                self.log.warning("The shared poll of segment exports has ended; this watcher goes on by itself")
            except Exception:
                self.log.exception("The shared poll of segment exports has failed; this watcher goes on by itself")
            await asyncio.sleep(self.poll_interval)
            stream = type(self).open_shared_stream(self.serialize()[1])

    def _failed(self, error: Exception) -> TriggerEvent | None:
        """Count a failed poll. A watcher goes on for ever, and says so now and then."""
        if self.deadline is not None:
            return super()._failed(error)
        self._failures += 1
        if self._failures == 1 or self._failures % FAILURES_ALLOWED == 0:
            self.log.warning(
                "Segment exports are not watched: AEP (connection %s) could not be asked, %d times in a row. "
                "Campaigns that start after an export do not start meanwhile. The watcher goes on trying. Last: %s",
                self.aep_conn_id,
                self._failures,
                error if isinstance(error, AepError) else type(error).__name__,
                exc_info=None if isinstance(error, AepError) else error,
            )
        return None

    async def _consider(self, snapshot: Snapshot, subscription: Subscription) -> TriggerEvent | None:
        self._recovered()
        if not self._wanted() <= set(snapshot.flow_runs):
            return None  # the round began before this task joined
        waiting, stuck = polling.blockers(snapshot, self._pairs, self.aliases, dt.datetime.now(tz=dt.UTC), self.names)
        for line in [item for item in stuck if item.split(" (")[0] not in self._stuck]:
            self._stuck.add(line.split(" (")[0])
            self.log.warning("Not waiting for %s: it has been in progress for over 24 h and looks stuck", line)
        if not waiting and time.monotonic() - self._since < self.least_seconds:
            return None
        if not waiting:
            self.log.info("Nothing is in progress any more, after %d s of waiting", time.monotonic() - self._since)
            return TaskSuccessEvent() if self.ends_task else event("done")
        if waiting != self._seen:
            self._seen = waiting
            self.log.info("Waiting for %s", "; ".join(waiting[:LINES_PER_ROUND]))
        return None

    def _unfinished(self) -> str:
        return "; ".join((self._seen or ["AEP's first answer"])[:LINES_PER_ROUND])


class FlowRunTrigger(SharedPollTrigger):
    """Fires when every given flow run has ended, and keeps the XCom ``progress`` up to date meanwhile.

    :param orders: [[flow id, audience id, run id, adopted], …].
    :param aliases: audience id → external id, for imported audiences.
    :param names: id → name, for the log.
    :param ends_task: whether the task is over when every run delivered; it then ends without a worker.
    :param accept_partial: whether partial success counts as delivered.

    Event: ``{"status": "done" | "timeout" | "error", "message": str, "counts": {status: number}}``.
    """

    POLL = "runs"

    def __init__(
        self,
        *,
        orders: Sequence[Sequence[Any]],
        aliases: Mapping[str, str] | None = None,
        names: Mapping[str, str] | None = None,
        ends_task: bool = False,
        accept_partial: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.orders = [list(order) for order in orders]
        self.aliases = dict(aliases or {})
        self.names = dict(names or {})
        self._deliveries = [Delivery(Pair(o[0], o[1]), Order(o[2], bool(o[3]))) for o in self.orders]
        self.ends_task = ends_task
        self.accept_partial = accept_partial
        self._runs: dict[str, FlowRun | AepError] = {}
        self._results: list[Result] = []
        self._progress = Progress(self.names, self.log)

    def _arguments(self) -> dict[str, Any]:
        return {
            "orders": self.orders,
            "aliases": self.aliases,
            "names": self.names,
            "ends_task": self.ends_task,
            "accept_partial": self.accept_partial,
        }

    def _wanted(self) -> set[str]:
        return {delivery.order.run_id for delivery in self._deliveries}

    @classmethod
    async def _read(cls, hook: Any, wanted: Sequence[str], bulk: Bulk) -> Snapshot:
        return await polling.read_runs(hook, wanted, bulk)

    async def _consider(self, snapshot: Snapshot, subscription: Subscription) -> TriggerEvent | None:
        async with polling.turn():
            await asyncio.sleep(0)  # let the others line up: whom nobody keeps waiting takes no turns
            found = self._take_in(snapshot, subscription)
        await self._progress.say()
        if found is not None:
            return found
        await self._progress.write(self.task_instance, self._results, last=not subscription.wanted)
        return None if subscription.wanted else await self._end(self._results)

    def _take_in(self, snapshot: Snapshot, subscription: Subscription) -> TriggerEvent | None:
        """Note what has changed; returns an event only where none of the runs could be read for too long."""
        news: list[str] = []
        failed: list[AepError] = []
        changed = not self._results
        for run_id in list(subscription.wanted):
            run = snapshot.runs.get(run_id)
            if run is None:
                continue
            if isinstance(run, AepError):
                if self._is_lost(run):
                    self._runs[run_id], changed = run, True
                    subscription.wanted.discard(run_id)
                else:
                    failed.append(run)
                continue
            before = self._runs.get(run_id)
            if run == before:
                continue
            changed = True
            if run.status is not (before.status if isinstance(before, FlowRun) else RunStatus.IN_PROGRESS):
                news.append(run_id)
            self._runs[run_id] = run
            if run.status.is_terminal:
                subscription.wanted.discard(run_id)
        if failed and len(failed) == len(subscription.wanted) and not isinstance(failed[0], AepNotFoundError):
            return self._failed(failed[0])
        self._recovered()
        first = not self._results
        if changed:
            self._results = results_of(self._deliveries, self._runs, self.aliases)
            self._progress.note(news, self._results, first=first)
        return None

    async def _end(self, results: list[Result]) -> TriggerEvent:
        """End the task here if every run delivered; otherwise, and where its results are not kept, a worker does.

        Airflow would store what a TaskSuccessEvent carries as text in text, which a task that pulls it gets as text.
        """
        summary = summarize(results)
        delivered = all(is_delivered(result, accept_partial=self.accept_partial) for result in results)
        kept = self.ends_task and delivered and self._progress.holds(results)
        value = {"summary": summary, "results": results}
        if kept and await self._progress.push(self.task_instance, "return_value", value):
            await self._progress.say(ended_well(len(results)))
            return TaskSuccessEvent()
        return event("done", counts={status: number for status, number in summary.items() if number})

    def _is_lost(self, error: AepError) -> bool:
        """Whether AEP has not known a run for so long that it never will."""
        return isinstance(error, AepNotFoundError) and time.monotonic() - self._since > NOT_FOUND_GRACE

    def _unfinished(self) -> str:
        open_runs = [r for r in results_of(self._deliveries, self._runs, self.aliases) if not is_terminal(r)]
        return "; ".join(line_of(result, self.names) for result in open_runs[:LINES_PER_ROUND])

    def _kill_note(self) -> str:
        going_on = [r for r in results_of(self._deliveries, self._runs, self.aliases) if not is_terminal(r)]
        if not going_on:
            return ""
        runs = ", ".join(str(result["run_id"]) for result in going_on[:LINES_PER_ROUND])
        return (
            f"This task no longer watches {count(len(going_on), 'flow run')}, but AEP cannot cancel them: they go on "
            f"and deliver. Run ids: {runs}"
        )


class LostSubmissionTrigger(SharedPollTrigger):
    """Fires when it is known what became of an activation whose answer was lost.

    AEP may list a run late, so "AEP knows nothing" is concluded only after ``settle_seconds`` of this
    trigger's own clock (a restart begins anew, which is the safe side).

    :param record: the submission's record, as stored.
    :param aliases: audience id → external id, for imported audiences.
    :param settle_seconds: how long a run may take to show up.

    Event: ``{"status": "done" | "timeout" | "error", "message": str}``.
    """

    POLL = "lost"

    def __init__(
        self,
        *,
        record: Mapping[str, Any],
        settle_seconds: float,
        aliases: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.record = dict(record)
        self.settle_seconds = float(settle_seconds)
        self.aliases = dict(aliases or {})
        self._unnamed: tuple[str, ...] = ()

    def _arguments(self) -> dict[str, Any]:
        return {"record": self.record, "settle_seconds": self.settle_seconds, "aliases": self.aliases}

    def shared_stream_key(self) -> None:
        """Return nothing to share: what is looked for belongs to one submission."""
        return

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look for the lost activation until it is found or cannot appear any more."""
        if found := self._too_new():
            await self._hold_back(found)
            yield found
            return
        async with await async_hook(self.aep_conn_id, self.sandbox_name) as hook:
            while True:
                found = await self._round(hook)
                if found is None and dt.datetime.now(tz=dt.UTC) >= self._ends_at:
                    found = event("timeout", "runs that name no audience: " + ", ".join(self._unnamed))
                if found is not None:
                    await self._hold_back(found)
                    yield found
                    return
                await asyncio.sleep(polling.next_pause(time.monotonic() - self._since, self.poll_interval))

    async def _round(self, hook: Any) -> TriggerEvent | None:
        tags = {"poll": self.POLL, "conn_id": self.aep_conn_id, "sandbox": self.sandbox_name or ""}
        metrics.count(metrics.POLLS, tags)
        try:
            look: Look = await hook.call(self._look())
        except AepSubmissionError as error:  # the record cannot be read, and will not become readable
            return event("error", str(error), retriable=False)
        except Exception as error:  # noqa: BLE001 - counted and judged like a failed round of a shared poll
            metrics.count(metrics.POLLS_FAILED, tags)
            return self._failed(error)
        self._recovered()
        return self._judge(look)

    def _look(self) -> Call[Look]:
        record = Record.from_json(self.record)
        missing = [pair for pair, order in record.orders.items() if order is None]
        marks = record.intent.watermarks if record.intent else {}
        known = {order.run_id for order in record.orders.values() if order} | set(record.failed_runs)
        look = yield from find(missing, self.aliases, marks, ignore=known)
        self._all_found = len(look.found) == len(missing)
        return look

    def _judge(self, look: Look) -> TriggerEvent | None:
        if look.unnamed != self._unnamed and look.unnamed:
            self.log.info("AEP lists young runs that name no audience yet: %s", ", ".join(look.unnamed))
        self._unnamed = look.unnamed
        if self._all_found:
            self.log.info("The lost activation was found in AEP")
            return event("done")
        if time.monotonic() - self._since < self.settle_seconds or look.unnamed:
            return None
        return event("done")
