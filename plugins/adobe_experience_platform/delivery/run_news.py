"""Which deliveries of a flow, or of an audience to any flow, have ended since the last look, whoever started them.

AEP calls a delivery a flow run. The mark keeps the runs that are no news by their ids and times, so a run that began
early and ends late is news when it ends, and a list that lacks a run for a moment neither loses nor repeats it. Only
times of AEP are compared with each other. No I/O.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from adobe_experience_platform.aep import PAGE_SIZE, FlowRun, RunStatus
from adobe_experience_platform.errors import AepError

from .record import millis, moment_of
from .run_figures import loss_in

DELIVERIES_VERSION = 1
WINDOW = dt.timedelta(hours=24)
"""How far a look goes back behind the newest run: a run may be listed late, or end long after later ones."""
STEP = dt.timedelta(hours=1)
"""By so much the window moves at a time, or the mark would change with every run."""
FORGOTTEN = dt.timedelta(days=7)
"""A run that is in progress for longer is no longer asked for."""
MOST_IDS = 700
"""Runs that a mark holds, below the 64 KB of a store's value; with more, its window is shorter."""
MOST_OPEN = 250
"""Runs in progress that a mark holds: by Adobe's guardrails a flow has no more audiences."""
MOST_TOLD = 50
"""Deliveries of which a watcher tells at a time: what is being told is stored too, and while a triggerer hands events
over (ten or more a second) it says to nobody that it is alive."""
AUDIENCES_SHOWN = 100
"""Audiences that an event names; Airflow logs events whole."""

EPOCH, _NEVER = dt.datetime(1970, 1, 1, tzinfo=dt.UTC), dt.datetime.max.replace(tzinfo=dt.UTC)
Times = Mapping[str, dt.datetime | None]
"""Run → when it began, None where AEP does not say."""
Audience = tuple[str, ...]
"""The ids by which AEP may name an audience: its own, its external one."""
Carriers = Mapping[str, dt.datetime | None]
"""The flows that an audience is mapped to → since when, None where AEP does not say."""


@dataclass(frozen=True, slots=True)
class Sought:
    """Which deliveries are waited for.

    :param flow_id: of which destination flow; "": of any that the audience is mapped to.
    :param audience_ids: ids by which AEP may name the audience; none: any audience.
    :param statuses: in which of these the run must have ended.
    :param ended_since: when it must have ended at the earliest, by AEP's clock; None: after the mark was made.
    """

    flow_id: str
    audience_ids: Audience = ()
    statuses: frozenset[str] = frozenset(status for status in RunStatus if status.is_terminal)
    ended_since: dt.datetime | None = None

    @property
    def whose(self) -> str | Audience:
        """Of what the runs are read: of one flow, or of all that an audience is mapped to."""
        return self.flow_id or self.audience_ids

    def is_here(self, run: FlowRun) -> bool:
        """Whether a run is of this flow."""
        return not self.flow_id or run.flow_id in ("", self.flow_id)

    def concerns(self, run: FlowRun) -> bool:
        """Whether a run is of this flow and says that it delivers the audience."""
        return self.is_here(run) and (not self.audience_ids or run.names(self.audience_ids))

    def may_concern(self, run: FlowRun) -> bool:
        """Whether a run is of this flow and may deliver the audience, as it names it or none."""
        return self.is_here(run) and (not run.audiences or self.concerns(run))

    def is_met(self, run: FlowRun) -> bool:
        """Whether a run is a delivery that is waited for, and has ended."""
        if run.status not in self.statuses or not self.concerns(run):
            return False
        ended = run.completed_at or began(run)
        return self.ended_since is None or ended is None or ended >= self.ended_since


@dataclass(frozen=True, slots=True)
class RunMark:
    """What is no news any more.

    :param place: organization and sandbox; another place starts over.
    :param since: runs that began earlier are no news, but for those in ``open``; None: there were none at all.
    :param known: runs that began since, and had ended at the first look or were told.
    :param open: runs that were in progress at the last look, however early they began.
    :param flows: of an audience to any flow: the flows that had it at a look; of one that had it not at the first, when
        it got it. What ended by then there is no news.
    :param seen: the latest time that AEP said at the first look: nothing that ended by then is news of later flows.
    """

    place: str
    since: dt.datetime | None
    known: Times
    open: Times
    flows: Carriers = field(default_factory=dict)
    seen: dt.datetime | None = None

    def is_news(self, run: FlowRun) -> bool:
        """Whether a run that has ended was neither told nor over at the first look."""
        return run.id not in self.known and (run.id in self.open or not self._is_old(run))

    def with_flows(self, carriers: Carriers) -> RunMark:
        """Return the mark with flows that have got the audience since."""
        new = {key: max(filter(None, (self.seen, at)), default=EPOCH) for key, at in carriers.items()}
        return replace(self, flows=_flows({**new, **self.flows}))

    def _is_old(self, run: FlowRun) -> bool:
        at, got = began(run), self.flows.get(run.flow_id)
        if got is not None and run.completed_at is not None and run.completed_at <= got:
            return True
        return self.since is not None and at is not None and at < self.since

    def with_told(self, run_id: str) -> RunMark:
        """Return the mark after this run was told."""
        return replace(self, known={**self.known, run_id: None})

    def merged(self, other: RunMark) -> RunMark:
        """Return the mark of all that either knows."""
        known = {**self.known, **other.known}
        still = {
            key: at
            for one, two in ((self, other), (other, self))
            for key, at in one.open.items()
            # What the other mark has passed without it was told, and is forgotten there.
            if key not in known and (key in two.open or not (two.since and at and at < two.since))
        }
        since = max(filter(None, (self.since, other.since)), default=None)
        seen = min(filter(None, (self.seen, other.seen)), default=None)
        got = [{key: at or EPOCH for key, at in mark.flows.items()} for mark in (self, other)]
        flows = {key: min(at, got[0].get(key, at)) for key, at in {**got[0], **got[1]}.items()}
        return RunMark(self.place, since, known, still, _flows(flows), seen)

    def to_json(self) -> dict[str, object]:
        """Return the mark as it is stored."""
        since, seen = millis(self.since), millis(self.seen)
        times = {"known": self.known, "open": self.open, "flows": self.flows}
        stored = {name: {key: millis(at) for key, at in found.items()} for name, found in times.items()}
        return {"v": DELIVERIES_VERSION, "place": self.place, "since": since, "seen": seen, **stored}

    @classmethod
    def require(cls, data: object) -> RunMark:
        """Read what a task has noted; what cannot be read is an error: it must not be taken for a first look."""
        if (mark := cls.from_json(data)) is None:
            raise unreadable()
        return mark

    @classmethod
    def from_json(cls, data: object) -> RunMark | None:
        """Read a stored mark; what cannot be read counts as none, so the next look only records."""
        if not isinstance(data, Mapping) or data.get("v") != DELIVERIES_VERSION:
            return None
        try:
            since, seen = moment_of(data.get("since")), moment_of(data.get("seen"))
            names = "known", "open", "flows"
            known, still, flows = ({str(key): moment_of(at) for key, at in data[name].items()} for name in names)
            return cls(str(data.get("place", "")), since, known, still, flows, seen)
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
            return None


class RunNews(NamedTuple):
    """What one look means.

    :param news: deliveries that have ended since the mark, the first to end first.
    :param mark: what to remember once the news is told; None if nothing has changed.
    :param others: runs that have ended and do not count: in another status, or without naming any audience.
    """

    news: tuple[FlowRun, ...]
    mark: RunMark | None
    others: tuple[FlowRun, ...]


def unreadable() -> AepError:
    """Return the error that what a task has noted is damaged, or of another version."""
    return AepError(
        "What this task has noted of earlier deliveries cannot be read, so it cannot tell which one is the next. "
        "Start a new run."
    )


def began(run: FlowRun) -> dt.datetime | None:
    """Return when a run began, as well as AEP says: some runs have no ``createdAt``."""
    return run.created_at or run.started_at or run.completed_at


def newest_of(runs: Iterable[FlowRun], now: dt.datetime) -> dt.datetime | None:
    """Return when the newest run began, None if AEP does not say.

    A time that is ahead of ours by more than clocks may differ is an error of AEP's, and would hide all that begins
    before it.
    """
    return max((at for run in runs if (at := began(run)) and at <= now + WINDOW), default=None)


def first_mark(
    place: str,
    runs: Iterable[FlowRun],
    now: dt.datetime,
    ended_since: dt.datetime | None = None,
    carriers: Iterable[str] = (),
) -> RunMark:
    """Return the mark of a first look: what has ended so far is no news.

    :param now: our own time. Where AEP lists no run at all, what began a window earlier can only be a slip of its list.
    :param ended_since: what has ended since then is news all the same.
    """
    found = _by_id(runs)
    if ended_since is not None:
        timeless = {run.id: None for run in found.values() if run.status.is_terminal and began(run) is None}
        return RunMark(place, ended_since - WINDOW, timeless, {}, _flows(dict.fromkeys(carriers, EPOCH)))
    newest = newest_of(found.values(), now) or now
    ended = {run.id: began(run) for run in found.values() if run.status.is_terminal}
    said = (at for run in found.values() for at in (began(run), run.completed_at) if at and at <= now + WINDOW)
    mark = RunMark(place, None, ended, {}, _flows(dict.fromkeys(carriers, EPOCH)), max(said, default=None))
    return _moved(replace(mark, open=_open({}, found.values(), mark)), newest - WINDOW)


def look(
    runs: Iterable[FlowRun],
    before: RunMark,
    sought: Sought,
    now: dt.datetime,
    most: int | None = None,
    carriers: Carriers | None = None,
) -> RunNews:
    """Compare what AEP lists with the mark.

    :param most: how many deliveries are news at most, those that began first; the others are news of the next look.
    :param carriers: of an audience to any flow: the flows that it is mapped to.
    """
    found = _by_id(filter(sought.is_here, runs))
    mark = before.with_flows(carriers) if carriers else before
    ended = [run for run in found.values() if run.status.is_terminal and mark.is_news(run)]
    met = sorted((run for run in ended if sought.is_met(run)), key=lambda run: began(run) or EPOCH)
    news, rest = met[:most], met[len(met[:most]) :]
    others = tuple(
        run
        for run in ended
        if sought.may_concern(run) and (run.status not in sought.statuses or not sought.concerns(run))
    )
    news.sort(key=lambda run: (run.completed_at or began(run) or EPOCH, run.id))
    over = {run.id for run in found.values() if run.status.is_terminal} - {run.id for run in rest}
    later = replace(
        mark,
        known={**mark.known, **{run.id: began(run) for run in news}},
        open=_open({key: at for key, at in mark.open.items() if key not in over}, found.values(), mark),
    )
    newest = newest_of(found.values(), now)
    moves = newest is not None and (mark.since is None or newest - WINDOW > mark.since + STEP)
    if moves or len(later.known) > MOST_IDS:
        upto = min((at for run in rest if (at := began(run)) and run.id not in later.open), default=_NEVER)
        since = max(mark.since or EPOCH, min(newest - WINDOW, upto)) if newest and moves else mark.since
        later = _moved(later, since, upto)
    return RunNews(tuple(news), later if later != before else None, others)


def _flows(known: Carriers) -> Carriers:
    """Return what a mark holds: by Adobe's guardrails a sandbox has no more destinations."""
    return dict(sorted(known.items())[:PAGE_SIZE])


def _open(known: Times, runs: Iterable[FlowRun], mark: RunMark) -> Times:
    """Return what is in progress, the oldest first: the list may lack it when the window moves on."""
    going_on = {run.id: began(run) for run in runs if not run.status.is_terminal and mark.is_news(run)}
    dated = {key: at for key, at in {**going_on, **known}.items() if at is not None}
    return dict(sorted(dated.items(), key=lambda item: item[1])[:MOST_OPEN])


def _moved(mark: RunMark, since: dt.datetime | None, upto: dt.datetime = _NEVER) -> RunMark:
    """Let the window begin later: what is over and began before it is forgotten.

    :param upto: no later than then, however many runs are known.
    """
    known = sorted((at or _NEVER, key) for key, at in mark.known.items() if not (since and at and at < since))
    if len(known) > MOST_IDS and (last := known[-MOST_IDS - 1][0]) < upto:
        since = last + dt.timedelta(milliseconds=1)
        known = [(at, key) for at, key in known if at >= since]
    still = {key: at for key, at in mark.open.items() if not (since and at and at < since - FORGOTTEN)}
    return replace(mark, since=since, known={key: mark.known[key] for _, key in known}, open=still)


def _by_id(runs: Iterable[FlowRun]) -> dict[str, FlowRun]:
    """Return each run once: pages that shift while they are read may show it twice, first in progress, then ended."""
    found: dict[str, FlowRun] = {}
    for run in runs:
        if run.id not in found or run.status.is_terminal:
            found[run.id] = run
    return found


def describe(run: FlowRun, sought: Sought) -> dict[str, object]:
    """Return a delivery as a sensor returns it and an event tells it.

    Counts are the audience's, or the whole run's where it delivers no other or any was waited for. Files and bytes are
    of whole runs only. ``loss`` says why a success may lack records although none is counted as failed.
    """
    # Of a run with one audience AEP may count that alone.
    names = sought.audience_ids or (tuple(run.audiences) if len(run.audiences) == 1 else ())
    alone = not sought.audience_ids or set(run.audiences) <= {*names}
    counts = run.counts_for(names, alone=alone)
    return {
        "run_id": run.id,
        "flow_id": run.flow_id or sought.flow_id,
        "audience_ids": sorted(run.audiences)[:AUDIENCES_SHOWN],
        "audience_count": len(run.audiences),
        "status": run.status.value,
        "records_exported": counts.exported,
        "records_skipped": counts.skipped,
        "records_failed": counts.failed,
        "loss": loss_in(run, counts),
        "files": run.files if alone else None,
        "bytes": run.size if alone else None,
        "created_at": _iso(run.created_at),
        "started_at": _iso(run.started_at),
        "completed_at": _iso(run.completed_at),
        "error_code": run.error_code,
        "error": run.error_text,
    }


def _iso(at: dt.datetime | None) -> str | None:
    return at.isoformat() if at else None
