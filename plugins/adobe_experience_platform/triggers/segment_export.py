"""Waits until no segment export is in progress, or tells of each export that has finished."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from airflow.triggers.base import TaskSuccessEvent, TriggerEvent

from adobe_experience_platform.aep import Pair, count
from adobe_experience_platform.delivery import Snapshot, export_news, read_activation_info, rounds
from adobe_experience_platform.delivery.export_news import ExportMark

from . import polling
from .asset_events import WatcherTrigger
from .base import event
from .memory import News, WatcherMemory
from .polling import Bulk, Group, Subscription
from .progress import LINES_PER_ROUND


@dataclasses.dataclass
class ExportWait:
    """Says of each round whether anything, also of these pairs, must end first; logs what has changed, once."""

    log: Any
    pairs: Sequence[Pair] = ()
    aliases: Mapping[str, str] = dataclasses.field(default_factory=dict)
    names: Mapping[str, str] | None = None
    waiting: Sequence[str] = ()
    stuck: set[str] = dataclasses.field(default_factory=set)

    def is_over(self, snapshot: Snapshot, now: dt.datetime) -> bool:
        """Return whether nothing is in progress that counts."""
        waiting, stuck = rounds.blockers(snapshot, self.pairs, self.aliases, now, self.names)
        self.warn_of(stuck)
        if waiting and waiting[:LINES_PER_ROUND] != self.waiting:
            self.waiting = waiting[:LINES_PER_ROUND]
            self.log.info("Waiting for %s", self)
        return not waiting

    def warn_of(self, stuck: Mapping[str, str]) -> None:
        """Warn once of exports that are not waited for: id → its description."""
        for line in [line for job_id, line in stuck.items() if job_id not in self.stuck]:
            self.log.warning("Not waiting for %s: it has been in progress for over 24 h and looks stuck", line)
        self.stuck |= stuck.keys()

    def __str__(self) -> str:
        return "; ".join(self.waiting)


class SegmentExportTrigger(WatcherTrigger):
    """Fires when no profile export is in progress and no run in progress concerns the given audiences.

    Without a deadline it is an asset watcher: it never ends, and fires each time when profile exports have finished
    and none is in progress. What it has told is kept in the asset's state store. Its first start only records what has
    finished so far.

    :param activation_info: if given, {flow id: [audience id, …]} whose runs in progress are waited for too.
    :param aliases: audience id → external id, for imported audiences.
    :param names: id → name, for the log.
    :param least_seconds: wait at least this long, however clear the way looks.
    :param ends_task: whether the task is over when the way is clear; it then ends without a worker.
    :param said: what the task has already logged that it waits for; it is not logged again.
    :param stuck: ids of the stuck exports that the task has already warned of.

    Event: ``{"status": "done" | "timeout" | "error", "message": str}``; that of a watcher is ``done`` and has
    ``export_id``, ``ended_at``, ``created_at``, ``profiles`` (of the newest export; None where AEP does not say),
    ``exports`` (how many finished since the last event), ``possible_repeat`` (a triggerer died around the event).
    """

    POLL = "export"
    WHAT = "segment exports"

    def __init__(
        self,
        *,
        activation_info: Mapping[str, Sequence[str]] | None = None,
        aliases: Mapping[str, str] | None = None,
        names: Mapping[str, str] | None = None,
        least_seconds: float = 0.0,
        ends_task: bool = False,
        said: Sequence[str] = (),
        stuck: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.activation_info = {flow: list(audiences) for flow, audiences in (activation_info or {}).items()}
        self.aliases = dict(aliases or {})
        self.names = dict(names or {})
        self.least_seconds = float(least_seconds)
        self.ends_task = ends_task
        self.said = list(said)
        self.stuck = list(stuck)
        pairs = read_activation_info(self.activation_info)[0] if self.activation_info else []
        self._wait = ExportWait(self.log, pairs, self.aliases, self.names, self.said, {*self.stuck})
        self._memory = WatcherMemory(ExportMark.from_json, self.WHAT)
        self._in_progress: list[str] = []

    def _wanted(self) -> set[str]:
        return {pair.flow_id for pair in self._wait.pairs}

    @classmethod
    def _group(cls, key: Hashable) -> Group:
        return polling.group(key, per_request=1, same_thing=True)

    @classmethod
    async def _read(cls, hook: Any, wanted: Sequence[str], bulk: Bulk) -> Snapshot:
        snapshot: Snapshot = await hook.call(rounds.export_call(wanted, dt.datetime.now(tz=dt.UTC)))
        settings = await hook.settings()
        return dataclasses.replace(snapshot, place=settings.place)

    def _news(self, snapshot: Snapshot, mark: ExportMark | None) -> News[ExportMark]:
        found = export_news.look(snapshot, mark, dt.datetime.now(tz=dt.UTC))
        self._say(found)
        if not found.news:
            return News({}, found.mark)
        return News({found.news[0].id: export_news.event_payload(found.news)}, found.mark)

    def _line(self, payload: Mapping[str, Any]) -> str:
        return f"Segment export {payload['export_id']} has finished: {count(payload['exports'], 'new export')}"

    def _say(self, found: export_news.ExportNews) -> None:
        """Log changes only."""
        waiting = [job.id for job in found.waiting]
        if waiting and waiting != self._in_progress:
            self.log.info("In progress: segment exports %s", ", ".join(waiting[:LINES_PER_ROUND]))
        self._in_progress = waiting
        self._wait.warn_of({job.id: f"segment export job {job.id}" for job in found.stuck})

    async def _consider(self, snapshot: Snapshot, subscription: Subscription) -> TriggerEvent | None:
        self._recovered()
        if not self._wanted() <= set(snapshot.flow_runs):
            return None  # the round began before this task joined
        if not self._wait.is_over(snapshot, dt.datetime.now(tz=dt.UTC)):
            return None
        waited = time.monotonic() - self._since
        if waited < self.least_seconds:
            return None
        self.log.info("Nothing is in progress any more, after %d s of waiting", waited)
        return TaskSuccessEvent() if self.ends_task else event("done")

    def _unfinished(self) -> str:
        return str(self._wait) or "AEP's first answer"
