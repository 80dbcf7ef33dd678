"""What is read of AEP for those who wait for deliveries: of a flow, or of all flows that an audience is mapped to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

from adobe_experience_platform.aep import Call, FlowRun, endpoints
from adobe_experience_platform.errors import AepNotFoundError

from .run_news import WINDOW, Audience, Carriers, RunMark, Sought, began, newest_of

LOOKED_UP_FOR = dt.timedelta(minutes=10)
"""How long a look at the flows of an audience holds: a flow that gets it is noticed as late."""


class RunsWanted(NamedTuple):
    """What a look needs to know of a flow, or of an audience.

    :param since: read the runs that began since; None: those of a window behind the newest.
    :param open: ids of older runs that are asked for too.
    :param flows: flows that the audience was mapped to before.
    """

    whose: str | Audience
    since: dt.datetime | None
    open: tuple[str, ...] = ()
    flows: tuple[str, ...] = ()


def wanted(sought: Sought, mark: RunMark | None) -> RunsWanted:
    """Return what a look with this mark needs to know."""
    if mark is None:
        return RunsWanted(sought.whose, sought.ended_since and sought.ended_since - WINDOW)
    old = [key for key, at in mark.open.items() if at and mark.since and at < mark.since]
    return RunsWanted(sought.whose, mark.since, tuple(old), tuple(mark.flows))


@dataclass(slots=True)
class Mappings:
    """Which flows an audience is mapped to, as one poll knows it. A flow that loses it may still be delivering it.

    :param known: audience → its flows, and when it was mapped to each; those of before among them.
    """

    known: dict[Audience, Carriers] = field(default_factory=dict)
    _read: dict[Audience, dt.datetime] = field(default_factory=dict)

    def of(self, whose: str | Audience) -> Carriers:
        """Return the flows that are known of an audience; none of a flow, which is what it is."""
        return {} if isinstance(whose, str) else self.known.get(whose, {})

    def call(self, audience: Audience, now: dt.datetime) -> Call[Carriers]:
        """Return the flows of an audience, looked up now and then."""
        last = self._read.get(audience)
        if last is None or not last <= now < last + LOOKED_UP_FOR:
            found = yield from endpoints.flows_with(audience)
            self.known[audience] = {**self.of(audience), **{key: item.mapped_at for key, item in found.items()}}
            self._read[audience] = now
        return self.of(audience)


def runs_call(
    whose: str | Audience, asked: Iterable[RunsWanted], mappings: Mappings, now: dt.datetime
) -> Call[list[FlowRun]]:
    """Read the runs of a flow or audience as far back as any of these looks needs.

    Older ones in progress are read one by one.
    """
    looks = [each for each in asked if each.whose == whose]
    flow_ids = [whose] if isinstance(whose, str) else [*(yield from mappings.call(whose, now))]
    flow_ids += [flow_id for each in looks for flow_id in each.flows]
    enough = partial(_reached, {each.since for each in looks}, now)
    found = yield from endpoints.runs_of_each(flow_ids, enough)
    # An empty list may be a slip of AEP's; as a first look it would make every old run news.
    if not any(found.values()) and any(each.since is None for each in looks):
        found = yield from endpoints.runs_of_each(flow_ids, enough)
    runs = [run if run.flow_id else replace(run, flow_id=flow_id) for flow_id, of in found.items() for run in of]
    listed = {run.id for run in runs}
    for run_id in dict.fromkeys(run_id for each in looks for run_id in each.open if run_id not in listed):
        try:
            runs.append((yield from endpoints.run(run_id)))
        except AepNotFoundError:
            continue
    return runs


def _reached(ends: Iterable[dt.datetime | None], now: dt.datetime, runs: Sequence[FlowRun]) -> bool:
    last, newest = began(runs[-1]), newest_of(runs, now)
    return last is not None and newest is not None and all(last < (end or newest - WINDOW) for end in ends)
