"""Waits until flow runs have ended."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Mapping, Sequence
from typing import Any

from airflow.triggers.base import TaskSuccessEvent, TriggerEvent

from adobe_experience_platform.aep import Activation, FlowRun, RunStatus, count
from adobe_experience_platform.delivery import (
    Result,
    Snapshot,
    all_succeeded,
    is_delivered,
    is_terminal,
    line_of,
    losses_of,
    results_of,
    summarize,
    xcom,
)
from adobe_experience_platform.errors import AepError, AepNotFoundError

from . import polling
from .base import SharedPollTrigger, event
from .polling import Bulk, Subscription, Window
from .progress import LINES_PER_ROUND, Progress

NOT_FOUND_GRACE = 300.0
"""Seconds that a run may be unknown to AEP without a break: after its order, or where its lists lack it for a while."""


class FlowRunTrigger(SharedPollTrigger):
    """Fires when every given flow run has ended, and keeps the XCom ``progress`` up to date meanwhile.

    :param orders: [[flow id, audience id, run id, adopted], …].
    :param aliases: audience id → external id, for imported audiences.
    :param names: id → name, for the log.
    :param ends_task: whether the task is over when every run delivered; it then ends without a worker.
    :param accept_partial: whether partial success counts as delivered.
    :param accept_loss: whether a success that lost or may lack records does.

    Event: ``{"status": "done" | "timeout" | "error", "message": str, "counts": {status: number}}``.
    """

    POLL = "runs"
    FIRST_LOOK = 1.0  # AEP has just accepted them: nothing ends at once

    def __init__(
        self,
        *,
        orders: Sequence[Sequence[Any]],
        aliases: Mapping[str, str] | None = None,
        names: Mapping[str, str] | None = None,
        ends_task: bool = False,
        accept_partial: bool = False,
        accept_loss: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.orders = [list(order) for order in orders]
        self.aliases = dict(aliases or {})
        self.names = dict(names or {})
        self._deliveries = [Activation(*order) for order in self.orders]
        self.ends_task = ends_task
        self.accept_partial = accept_partial
        self.accept_loss = accept_loss
        self._runs: dict[str, FlowRun | AepError] = {}
        self._results: list[Result] = []
        self._missing: dict[str, float] = {}
        """Run → since when AEP does not know it, on the monotonic clock."""
        self._progress = Progress(self.names, self.log)

    def _wanted(self) -> set[str]:
        return {delivery.run_id for delivery in self._deliveries}

    @classmethod
    async def _read(cls, hook: Any, wanted: Sequence[str], bulk: Bulk) -> Snapshot:
        return await polling.learn_usual(hook, await polling.read_runs(hook, wanted, bulk), bulk)

    async def _consider(self, snapshot: Snapshot, subscription: Subscription) -> TriggerEvent | None:
        async with polling.turn():
            await asyncio.sleep(0)  # lets the others queue up; where there are none it costs nothing
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
                if self._is_lost(run_id, run):
                    self._runs[run_id], changed = run, True
                    subscription.wanted.discard(run_id)
                else:
                    failed.append(run)
                continue
            self._missing.pop(run_id, None)
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
        subscription.expected = self._expected(snapshot, subscription)
        subscription.is_all_expected = len(subscription.expected) == len(subscription.wanted)
        first = not self._results
        if changed:
            self._results = results_of(self._deliveries, self._runs, self.aliases)
            self._progress.note(news, self._results, first=first)
        return None

    def _expected(self, snapshot: Snapshot, subscription: Subscription) -> list[Window]:
        """Return when the runs that go on should end, those of which that is known."""
        windows: list[Window] = []
        for run_id in subscription.wanted:
            run = self._runs.get(run_id)
            usual = snapshot.usual.get(run.flow_id) if isinstance(run, FlowRun) else None
            if not isinstance(run, FlowRun) or usual is None:
                continue
            began = subscription.joined
            if (since := run.started_at or run.created_at) is not None:
                began = time.monotonic() - max(0.0, (dt.datetime.now(tz=dt.UTC) - since).total_seconds())
            windows.append(Window(began + usual.shortest, began + usual.longest))
        return windows

    async def _end(self, results: list[Result]) -> TriggerEvent:
        """End the task here if every run delivered; otherwise, and where its results are not kept, a worker does.

        Airflow would store what a TaskSuccessEvent carries as text in text, which a task that pulls it gets as text.
        """
        summary = summarize(results)
        accepted = {"accept_partial": self.accept_partial, "accept_loss": self.accept_loss}
        delivered = all(is_delivered(result, **accepted) for result in results)
        kept = self.ends_task and delivered and self._progress.holds(results)
        value = {"summary": summary, "results": results}
        if kept and await self._progress.push(self.task_instance, xcom.RETURN_VALUE, value):
            await self._progress.say(all_succeeded(results), warnings=losses_of(results, self.names))
            return TaskSuccessEvent()
        return event("done", counts={status: number for status, number in summary.items() if number})

    def _is_lost(self, run_id: str, error: AepError) -> bool:
        """Whether AEP has not known a run for so long that it never will."""
        if not isinstance(error, AepNotFoundError):
            return False
        return time.monotonic() - self._missing.setdefault(run_id, time.monotonic()) > NOT_FOUND_GRACE

    def _unfinished(self) -> str:
        return "; ".join(line_of(result, self.names) for result in self._going_on()[:LINES_PER_ROUND])

    def _going_on(self) -> list[Result]:
        return [item for item in results_of(self._deliveries, self._runs, self.aliases) if not is_terminal(item)]

    async def on_kill(self) -> None:
        """Say what goes on in AEP: a delivery cannot be cancelled there."""
        if going_on := self._going_on():
            self.log.warning(
                "This task no longer watches %s, but AEP cannot cancel them: they go on and deliver. Run ids: %s",
                count(len(going_on), "flow run"),
                ", ".join(str(result["run_id"]) for result in going_on[:LINES_PER_ROUND]),
            )
