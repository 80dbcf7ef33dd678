"""Waits until AEP has delivered, whoever started it, or tells of each delivery that has ended."""

from __future__ import annotations

import datetime as dt
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import TriggerEvent

from adobe_experience_platform.aep import FlowRun, RunStatus
from adobe_experience_platform.delivery import Snapshot, run_lists, run_news
from adobe_experience_platform.delivery.next_delivery import lines_of
from adobe_experience_platform.delivery.run_lists import RunsWanted
from adobe_experience_platform.delivery.run_news import RunMark, Sought
from adobe_experience_platform.errors import AepError

from . import polling
from .asset_events import WatcherTrigger
from .base import event
from .memory import News, WatcherMemory
from .polling import Bulk, Group, Subscription, is_throttled, outcomes

if TYPE_CHECKING:
    from adobe_experience_platform.hooks import AdobeExperiencePlatformAsyncHook

MOST_REMEMBERED = 1000
"""Runs that were logged as not counting; with more, they may be logged again."""
TOLD = (RunStatus.SUCCESS.value, RunStatus.PARTIAL_SUCCESS.value)
"""How a delivery has ended of which a watcher tells unless it is told otherwise."""


async def read_flows(hook: AdobeExperiencePlatformAsyncHook, asked: Sequence[RunsWanted], bulk: Bulk) -> Snapshot:
    """Read the runs of flows, each as far back as anybody asks; a flow that cannot be read is no trouble of others."""
    runs: dict[Hashable, list[FlowRun]] = {}
    errors: dict[Hashable, AepError] = {}
    place, now = (await hook.settings()).place, dt.datetime.now(tz=dt.UTC)
    mappings = bulk.mappings[place]
    calls = ((whose, run_lists.runs_call(whose, asked, mappings, now)) for whose in {each.whose for each in asked})
    async for whose, result in outcomes(hook, calls):
        if not isinstance(result, AepError):
            runs[whose] = result
            continue
        errors[whose] = result
        if is_throttled(result):
            raise result  # asking for the others now would be as impolite
    if errors and not runs:
        raise next(iter(errors.values()))
    if place != (await hook.settings()).place:
        return Snapshot(is_pause=True)  # the connection was changed meanwhile: whose runs these are is not known
    return Snapshot(flow_runs=runs, flow_errors=errors, carriers=dict(mappings.known), place=place)


class DeliveryTrigger(WatcherTrigger):
    """Fires when a delivery of a flow (in AEP's words a flow run) has ended that had not ended before.

    Without a deadline it is an asset watcher: it never ends, and fires once for every delivery. What it has told is
    kept in the asset's state store. Its first start only records what has ended so far.

    :param flow_id: id of the destination flow; "": any that the audience is mapped to, also one that gets it later.
    :param audience_ids: ids by which AEP may name the audience; none: any audience of the flow.
    :param statuses: how the delivery must have ended: ``success``, ``partial_success``, ``failed``.
    :param ended_since: when it must have ended at the earliest, ISO 8601; None: after the mark was made.
    :param mark: what had ended when the waiting task began, as stored; a watcher has its own.

    Event of a task: ``{"status": "done" | "timeout" | "error", "message": str}``, with ``run_id`` where it is done.

    Event of a watcher: ``run_id``, ``flow_id``, ``audience_ids`` (at most 100), ``audience_count``, ``status`` (one of
    ``statuses``), ``records_exported``, ``records_skipped``, ``records_failed``, ``files``, ``bytes`` (None where AEP
    does not say), ``loss`` (why a success may lack records, else ""), ``created_at``, ``started_at``, ``completed_at``
    (ISO 8601 or None), ``error_code``, ``error``, ``possible_repeat`` (true only where a triggerer died or froze around
    the event: it may have been told before).

    Source: Adobe, Flow Service API, ``GET /runs``.
    """

    POLL = "deliveries"

    def __init__(
        self,
        *,
        flow_id: str = "",
        audience_ids: Sequence[str] = (),
        statuses: Sequence[str] = TOLD,
        ended_since: str | None = None,
        mark: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.flow_id = flow_id
        self.audience_ids = list(audience_ids)
        self.statuses = list(statuses)
        self.ended_since = ended_since
        self.mark = None if mark is None else dict(mark)
        since = dt.datetime.fromisoformat(ended_since) if ended_since else None
        self._sought = Sought(flow_id, tuple(audience_ids), frozenset(statuses), since)
        self._what = f"flow {flow_id}" if flow_id else f"audience {self.audience_ids[0]} to any destination flow"
        self.WHAT = f"deliveries of {self._what}"
        self._memory = WatcherMemory(RunMark.from_json, self.WHAT)
        self._memory.mark = RunMark.from_json(self.mark)
        self._others: set[str] = set()
        self._is_carried = True

    def _wanted(self) -> set[RunsWanted]:
        return {run_lists.wanted(self._sought, self._memory.mark)}

    @classmethod
    def _group(cls, key: Hashable) -> Group:
        return polling.group(key, per_request=1)

    @classmethod
    async def _read(cls, hook: Any, wanted: Sequence[RunsWanted], bulk: Bulk) -> Snapshot:
        return await read_flows(hook, wanted, bulk)

    def _error_in(self, snapshot: Snapshot) -> Exception | None:
        return snapshot.error or snapshot.flow_errors.get(self._sought.whose)

    def _news(self, snapshot: Snapshot, mark: RunMark | None) -> News[RunMark]:
        runs, now = snapshot.flow_runs[self._sought.whose], dt.datetime.now(tz=dt.UTC)
        carriers = {} if self.flow_id else snapshot.carriers[self._sought.audience_ids]
        self._warn(bool(self.flow_id or carriers), snapshot.place)
        if mark is None or (self.deadline is None and mark.place != snapshot.place):
            return News({}, run_news.first_mark(snapshot.place, runs, now, carriers=carriers))
        most = run_news.MOST_TOLD if self.deadline is None else None
        found = run_news.look(runs, mark, self._sought, now, most, carriers)
        self._say(found)
        return News({run.id: run_news.describe(run, self._sought) for run in found.news}, found.mark)

    def _warn(self, is_carried: bool, place: str) -> None:
        """Warn, once, while the audience is mapped to no flow."""
        if self._is_carried and not is_carried:
            self.log.warning(
                "Audience %s is not mapped to any destination flow of %s, so nothing delivers it. It is watched "
                "all the same: map it under Destinations > Browse > Activate audiences, or correct its id",
                self.audience_ids[0],
                place,
            )
        self._is_carried = is_carried

    def _say(self, found: run_news.RunNews) -> None:
        """Log what ended and does not count, once."""
        new = [run for run in found.others if run.id not in self._others]
        for line in lines_of(new, self._sought):
            self.log.warning("%s", line)
        kept = self._others if len(self._others) < MOST_REMEMBERED else set()
        self._others = {*kept, *(run.id for run in found.others)}

    def _line(self, payload: Mapping[str, Any]) -> str:
        said = f"Flow run {payload['run_id']} of flow {payload['flow_id']} has ended: {payload['status']}"
        return f"{said}, {payload['loss']}" if payload["loss"] else said

    async def _consider(self, snapshot: Snapshot, subscription: Subscription) -> TriggerEvent | None:
        if (error := self._error_in(snapshot)) is not None:
            return self._failed(error)
        self._recovered()
        news = self._news(snapshot, self._memory.mark)
        for run_id, payload in news.events.items():
            self.log.info("%s", self._line(payload))
            return event("done", run_id=run_id)
        self._memory.mark = news.mark or self._memory.mark
        subscription.wanted = self._wanted()
        return None

    def _unfinished(self) -> str:
        return f"the next delivery of {self._what}"
