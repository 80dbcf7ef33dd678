"""Which segment exports have finished since the last look: what an asset watcher remembers and reports.

The mark is kept in the asset's own state store, so a new triggerer knows what was reported before. Only times and ids
of AEP are compared with each other, never with our clock. No I/O.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adobe_experience_platform.aep import ExportJob

from . import exports
from .rounds import Snapshot

MARK_VERSION = 1
MOST_IDS = 1000
"""Ids that a mark holds; a day has a handful of exports."""


@dataclass(frozen=True, slots=True)
class ExportMark:
    """What was finished at the last look.

    :param place: organization and sandbox; another place starts over.
    :param ended_at: when the newest export ended, None if there was none or AEP does not say.
    """

    place: str
    ended_at: dt.datetime | None
    ids: frozenset[str]

    @classmethod
    def of(cls, place: str, jobs: Sequence[ExportJob]) -> ExportMark:
        """Remember these finished exports, given newest first."""
        times = [job.ended_at for job in jobs if job.ended_at]
        return cls(place, max(times, default=None), frozenset(job.id for job in jobs[:MOST_IDS]))

    def knows(self, job: ExportJob) -> bool:
        """Whether this export had finished at the last look."""
        is_older = job.ended_at is not None and self.ended_at is not None and job.ended_at < self.ended_at
        return is_older or job.id in self.ids

    def merged(self, other: ExportMark) -> ExportMark:
        """Return the mark of all that either knows."""
        ended_at = max(filter(None, (self.ended_at, other.ended_at)), default=None)
        return ExportMark(self.place, ended_at, self.ids | other.ids)

    def to_json(self) -> dict[str, object]:
        """Return the mark as it is stored."""
        at = self.ended_at.isoformat() if self.ended_at else None
        return {"v": MARK_VERSION, "place": self.place, "ended_at": at, "export_ids": sorted(self.ids)}

    @classmethod
    def from_json(cls, data: object) -> ExportMark | None:
        """Read a stored mark; what cannot be read counts as none, so the next look only records."""
        if not isinstance(data, Mapping) or data.get("v") != MARK_VERSION:
            return None
        at, ids = data.get("ended_at"), data.get("export_ids")
        if not isinstance(ids, list) or not isinstance(at, str | None):
            return None
        try:
            ended = dt.datetime.fromisoformat(at) if at else None
        except ValueError:
            return None
        if ended is not None and ended.tzinfo is None:
            return None
        return cls(str(data.get("place", "")), ended, frozenset(map(str, ids)))


@dataclass(frozen=True, slots=True)
class ExportNews:
    """What a round means: what finished since the mark, newest first (nothing while one is in progress).

    :param mark: what to remember once the news is reported; None while there is nothing to remember.
    """

    news: tuple[ExportJob, ...] = ()
    waiting: tuple[ExportJob, ...] = ()
    stuck: tuple[ExportJob, ...] = ()
    mark: ExportMark | None = None


def look(snapshot: Snapshot, mark: ExportMark | None, now: dt.datetime) -> ExportNews:
    """Compare what AEP lists with the mark; without a mark (the first start) nothing is news."""
    state = exports.state_of(snapshot.jobs, now)
    # What somebody exports by API, of single audiences, is never delivered: it is no reason to deliver.
    finished = [job for job in snapshot.jobs if job.is_snapshot]
    if mark is None or mark.place != snapshot.place:
        return ExportNews(waiting=state.in_progress, stuck=state.stuck, mark=ExportMark.of(snapshot.place, finished))
    if state.in_progress:
        return ExportNews(waiting=state.in_progress, stuck=state.stuck)
    news = [job for job in finished if not mark.knows(job)]
    if not news:
        return ExportNews(stuck=state.stuck)
    epoch = dt.datetime.fromtimestamp(0, tz=dt.UTC)
    news.sort(key=lambda job: job.ended_at or epoch, reverse=True)
    later = ExportMark.of(snapshot.place, finished)
    if mark.ended_at and (later.ended_at is None or later.ended_at < mark.ended_at):
        later = ExportMark(later.place, mark.ended_at, later.ids)
    return ExportNews(news=tuple(news), stuck=state.stuck, mark=later)


def event_payload(news: Sequence[ExportJob]) -> dict[str, Any]:
    """Return what the event says of the newest export, and how many finished since the last event."""
    newest = news[0]
    return {
        "export_id": newest.id,
        "ended_at": newest.ended_at.isoformat() if newest.ended_at else None,
        "created_at": newest.created_at.isoformat() if newest.created_at else None,
        "profiles": newest.records,
        "exports": len(news),
    }
