"""What AEP knows: which runs are newer than a watermark, which concern an audience. Calls and rules, no I/O."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from adobe_experience_platform.aep import Call, FlowRun, Pair, endpoints

from .record import Watermark

WATERMARK_IDS = 1_000
"""The most run ids that one intent keeps, so that a record of 80 pairs stays below 64 KB."""


@dataclass(frozen=True, slots=True)
class RunSearch:
    """What AEP knows of pairs without a run.

    :param found: runs that name them.
    :param unnamed: young runs that name no audience yet.
    :param nameless: runs that have ended and name no audience: they never will.
    :param newer: all runs that are newer than the watermark.
    """

    found: Mapping[Pair, FlowRun]
    unnamed: tuple[str, ...]
    nameless: tuple[str, ...]
    newer: frozenset[str]


def names_of(pair: Pair, aliases: Mapping[str, str]) -> tuple[str, ...]:
    """Return the ids that AEP may use for the pair's audience."""
    other = aliases.get(pair.audience_id)
    return (pair.audience_id, other) if other else (pair.audience_id,)


def watermarks(flow_ids: Iterable[str]) -> Call[dict[str, Watermark]]:
    """Note the newest runs of each flow, to tell later which runs are newer."""
    marks: dict[str, Watermark] = {}
    room = WATERMARK_IDS
    for flow_id in flow_ids:
        runs = yield from endpoints.runs_of_flow(flow_id, _has_whole_moment)
        newest = max((run.created_at for run in runs if run.created_at is not None), default=None)
        ids = [run.id for run in runs if run.created_at is None or run.created_at == newest]
        if len(ids) > room and newest is not None:
            # Too many to keep: only runs of a later millisecond will count as newer.
            newest, ids = newest + dt.timedelta(milliseconds=1), []
        room -= len(ids)
        marks[flow_id] = Watermark(newest, tuple(ids))
    return marks


def _has_whole_moment(runs: list[FlowRun]) -> bool:
    """Whether a newest-first list holds all runs of the newest moment: one POST makes many at once."""
    first, last = runs[0].created_at, runs[-1].created_at
    return first is not None and last is not None and last < first


def find(
    pairs: Iterable[Pair],
    aliases: Mapping[str, str],
    marks: Mapping[str, Watermark],
    *,
    ignore: Iterable[str] = (),
) -> Call[RunSearch]:
    """Look for runs of these pairs that are newer than the watermarks.

    :param ignore: ids of runs that do not count. A run of another pair of ours does: AEP may let pairs share a run.
    """
    wanted = list(pairs)
    skip = set(ignore)
    found: dict[Pair, FlowRun] = {}
    unnamed: list[str] = []
    nameless: list[str] = []
    newer_ids: set[str] = set()
    for flow_id in dict.fromkeys(pair.flow_id for pair in wanted):
        mark = marks.get(flow_id, Watermark(None, ()))
        runs = yield from endpoints.runs_of_flow(flow_id, mark.reached)
        newer = [run for run in runs if mark.is_newer(run)]
        newer_ids |= {run.id for run in newer}
        # Oldest first: the run next to the POST is the likeliest to be ours. A run may hold several audiences.
        for run in reversed([run for run in newer if run.id not in skip]):
            for pair in wanted:
                if pair.flow_id == flow_id and pair not in found and run.names(names_of(pair, aliases)):
                    found[pair] = run
            if not run.audiences:
                (nameless if run.status.is_terminal else unnamed).append(run.id)
    return RunSearch(found, tuple(unnamed), tuple(nameless), frozenset(newer_ids))


def in_progress(pairs: Iterable[Pair], aliases: Mapping[str, str], since: dt.datetime) -> Call[dict[Pair, FlowRun]]:
    """Return for each pair a run in progress that concerns it; one that names no audience yet might."""
    wanted = list(pairs)
    concerned: dict[Pair, FlowRun] = {}
    for flow_id in dict.fromkeys(pair.flow_id for pair in wanted):
        runs = yield from endpoints.recent_runs_of_flow(flow_id, since)
        concerned.update(concerns(runs, [pair for pair in wanted if pair.flow_id == flow_id], aliases))
    return concerned


def concerns(runs: Iterable[FlowRun], pairs: Iterable[Pair], aliases: Mapping[str, str]) -> dict[Pair, FlowRun]:
    """Return for each pair (of the runs' own flow) a run in progress that concerns it."""
    running = [run for run in runs if not run.status.is_terminal]
    concerned: dict[Pair, FlowRun] = {}
    for pair in pairs:
        named = next((run for run in running if run.names(names_of(pair, aliases))), None)
        run = named or next((run for run in running if not run.audiences), None)
        if run is not None:
            concerned[pair] = run
    return concerned
