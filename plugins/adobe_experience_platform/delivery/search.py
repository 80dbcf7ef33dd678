"""What AEP knows: which runs are newer than a watermark, which concern an audience. Calls and rules, no I/O."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from adobe_experience_platform.aep import PAGE_SIZE, Activation, Call, FlowRun, Pair, RunStatus, by_flow, endpoints
from adobe_experience_platform.errors import Conflict

from .record import Record, Watermark
from .steps import Log

WATERMARK_IDS = 350
"""The most run ids that a record's watermarks keep (twice, while a POST is open): 80 pairs stay below 64 KB."""
TOGETHER = 300
"""Runs that are read in one list of several flows' newest; a flow that is not among them is asked for itself."""
SKEW = dt.timedelta(seconds=5)
"""How far the clocks of AEP's own nodes may be apart."""
_BEST = (RunStatus.SUCCESS, RunStatus.IN_PROGRESS, RunStatus.PARTIAL_SUCCESS, RunStatus.FAILED)


@dataclass(frozen=True, slots=True)
class RunSearch:
    """What AEP knows of pairs without a run.

    :param found: the run that names each; of several, one that has delivered.
    :param unnamed: runs in progress that must say more before anything is concluded: they may yet name our audiences,
        or one of several that name the same is to be chosen.
    :param nameless: runs that have ended and name no audience: they never will.
    """

    found: Mapping[Pair, FlowRun]
    unnamed: tuple[str, ...]
    nameless: tuple[str, ...]


def names_of(pair: Pair, aliases: Mapping[str, str]) -> tuple[str, ...]:
    """Return the ids that AEP may use for the pair's audience."""
    other = aliases.get(pair.audience_id)
    return (pair.audience_id, other) if other else (pair.audience_id,)


def may_deliver(run: FlowRun, pair: Pair, aliases: Mapping[str, str]) -> bool:
    """Whether what a run says of itself can be true of the pair: its flow, and its audiences where it names any."""
    is_here = run.flow_id in ("", pair.flow_id)
    return is_here and (not run.audiences or run.names(names_of(pair, aliases)))


def pair_of(conflict: Conflict, pairs: Iterable[Pair], aliases: Mapping[str, str]) -> Pair | None:
    """Return which of these pairs AEP means."""
    own = (pair for pair in pairs if conflict.flow_id == pair.flow_id)
    return next((pair for pair in own if conflict.audience_id in names_of(pair, aliases)), None)


def matched(
    orders: Iterable[Activation], pairs: Iterable[Pair], aliases: Mapping[str, str], log: Log
) -> dict[Pair, Activation]:
    """Return the runs of an answer, matched by audience id or by the imported audience's other id.

    A pair that the answer gives two runs has none: which of them delivers is looked for in AEP.
    """
    ids = {(pair.flow_id, name): pair for pair in pairs for name in names_of(pair, aliases)}
    found: dict[Pair, Activation] = {}
    twice: set[Pair] = set()
    for order in orders:
        pair = ids.get((order.flow_id, order.audience_id))
        if pair is None:
            log.warning("AEP's answer names %s on flow %s, which was not asked for", order.audience_id, order.flow_id)
        elif found.setdefault(pair, Activation(*pair, order.run_id)).run_id != order.run_id:
            twice.add(pair)
    return {pair: order for pair, order in found.items() if pair not in twice}


def watermarks(flow_ids: Iterable[str], room: int = WATERMARK_IDS) -> Call[dict[str, Watermark]]:
    """Note the newest runs of each flow, at most ``room`` ids, to tell later which runs are newer."""
    ids = list(flow_ids)
    together, marks = yield from _newest_together(ids)
    for flow_id in ids:
        if flow_id in marks:
            continue
        runs = together.get(flow_id) or (yield from endpoints.runs_of_flow(flow_id, _has_newest))
        # An empty list may be a slip of AEP's; as a watermark it would make every old run look like ours.
        runs = runs or (yield from endpoints.runs_of_flow(flow_id, _has_newest))
        newest = max((run.created_at for run in runs if run.created_at is not None), default=None)
        since = newest - SKEW if newest is not None else None
        ids = [run.id for run in runs if run.created_at is None or since is None or run.created_at >= since]
        if len(ids) > room and newest is not None:
            # Too many to keep: only runs of a later millisecond will count as newer.
            since, ids = newest + dt.timedelta(milliseconds=1), []
        room -= len(ids)
        marks[flow_id] = Watermark(since, tuple(ids))
    return marks


def _has_newest(runs: list[FlowRun]) -> bool:
    """Whether a newest-first list holds all runs that the clocks of AEP's nodes may have put last."""
    first, last = runs[0].created_at, runs[-1].created_at
    return first is not None and last is not None and last < first - SKEW


def _newest_together(flow_ids: Sequence[str]) -> Call[tuple[Mapping[str, Sequence[FlowRun]], dict[str, Watermark]]]:
    """Read the newest runs of several flows in one list.

    :return: flow id → its runs, of flows that ran lately; flow id → watermark of those that never ran, see
        :func:`_never_ran`.
    """
    if len(flow_ids) < 2:
        return {}, {}
    last: list[FlowRun] = []
    is_cut = False

    def enough(runs: list[FlowRun]) -> bool:
        nonlocal is_cut
        last[:] = runs[-1:]
        newest = _newest(runs)
        is_cut = len(runs) >= TOGETHER or all(flow_id in newest and is_read(newest[flow_id]) for flow_id in flow_ids)
        return is_cut

    def is_read(newest: dt.datetime) -> bool:
        """Whether the list goes back beyond all runs that the clocks of AEP's nodes may have put last."""
        end = last[0].created_at
        return end is not None and end < newest - SKEW

    listed = (yield from endpoints.runs_of_flows(flow_ids[:PAGE_SIZE], enough)) or {}
    newest = _newest(run for runs in listed.values() for run in runs)
    # A list that was read to its end has all of them.
    found = {each: runs for each, runs in listed.items() if each in newest and (not is_cut or is_read(newest[each]))}
    silent = [flow_id for flow_id, runs in listed.items() if not runs and not is_cut]
    return found, (yield from _never_ran(silent, newest.values())) if len(silent) > 1 else {}


def _never_ran(silent: Iterable[str], listed: Iterable[dt.datetime]) -> Call[dict[str, Watermark]]:
    """Return the watermark of those flows that the list of all runs does not name either.

    Whatever they run from now on is newer than what AEP has listed of any flow; should both lists have been cut, what
    they lack is older.

    :param silent: flows of which a list that was read to its end has no run.
    :param listed: when the newest runs of others in that list were created.
    """
    runs = yield from endpoints.all_runs()
    if runs is None:
        return {}
    newest = max([*listed, *(run.created_at for run in runs if run.created_at is not None)], default=None)
    mark = Watermark(newest - SKEW if newest is not None else None, ())
    return dict.fromkeys(set(silent) - {run.flow_id for run in runs}, mark)


def _newest(runs: Iterable[FlowRun]) -> dict[str, dt.datetime]:
    """Return flow id → when its newest run was created, of flows of whose runs all tell."""
    newest: dict[str, dt.datetime] = {}
    silent = set()
    for run in runs:
        if run.created_at is None:
            silent.add(run.flow_id)
        else:
            newest[run.flow_id] = max(run.created_at, newest.get(run.flow_id, run.created_at))
    return {flow_id: moment for flow_id, moment in newest.items() if flow_id not in silent}


def find(record: Record, aliases: Mapping[str, str]) -> Call[RunSearch]:
    """Look for runs that are newer than the watermarks of the pairs that the record seeks.

    A run of another pair of ours counts too: AEP may let pairs share one.

    :raises AepTransientError: if a list lacks what AEP had listed before: it proves nothing absent.
    """
    found: dict[Pair, FlowRun] = {}
    unnamed: list[str] = []
    nameless: list[str] = []
    conflict = record.conflict
    refused = pair_of(conflict, record.orders, aliases) if conflict is not None else None
    # Without a lost answer of ours, AEP has said what there is of the pair that it refused: the run in the way.
    sought = {pair: mark for pair, mark in record.sought.items() if pair != refused or pair in record.marks}
    by_flow_id: dict[str, dict[Pair, Watermark]] = {}
    for pair, mark in sought.items():
        by_flow_id.setdefault(pair.flow_id, {})[pair] = mark
    together = yield from _since_marks({flow_id: set(marks.values()) for flow_id, marks in by_flow_id.items()})
    for flow_id, marks in by_flow_id.items():
        oldest = list(set(marks.values()))
        if flow_id in together:
            runs = together[flow_id]
        else:
            runs = yield from endpoints.runs_of_flow(flow_id, partial(_reached, oldest))
        if any(mark.ids and all(map(mark.is_newer, runs)) for mark in oldest):
            raise endpoints.shrunken_list(flow_id)
        newer = [run for run in runs if any(mark.is_newer(run) for mark in oldest)]
        ours = {name for pair in record.orders if pair.flow_id == flow_id for name in names_of(pair, aliases)}
        # Oldest first: the run next to the POST is the likeliest to be ours. A run may hold several audiences.
        candidates = [run for run in reversed(newer) if run.id not in record.not_ours]
        for pair, mark in marks.items():
            own = [run for run in candidates if mark.is_newer(run) and run.names(names_of(pair, aliases))]
            if own:
                # One that has delivered, else one that still may; of those that are alike, the oldest.
                found[pair] = min(own, key=lambda run: _BEST.index(run.status))
                if len(own) > 1 and found[pair].status is not RunStatus.SUCCESS:
                    unnamed += [run.id for run in own if not run.status.is_terminal]
        open_names = [names_of(pair, aliases) for pair in marks if pair not in found and pair != refused]
        # What has failed may be somebody else's: ours may be one that names nobody yet.
        settled = {pair for pair in marks if pair in found and found[pair].status is not RunStatus.FAILED}
        for run in candidates:
            if run.status.is_terminal:
                nameless += [] if run.audiences else [run.id]
            elif not run.audiences and marks.keys() - settled:
                unnamed.append(run.id)
            elif set(run.audiences) <= ours and not all(map(run.names, open_names)):
                # AEP may name the audiences of one run one after the other.
                unnamed.append(run.id)
    return RunSearch(found, tuple(dict.fromkeys(unnamed)), tuple(nameless))


def _since_marks(marks: Mapping[str, Collection[Watermark]]) -> Call[dict[str, list[FlowRun]]]:
    """Read the runs of several flows in one list, as far as that shows what is newer than their watermarks.

    It does where it goes back to all that was listed then; that a flow still has no run, the list of all runs must say
    too. Other flows are left out: each is to be asked for itself.
    """
    if len(marks) < 2:
        return {}
    is_cut = False

    def enough(runs: list[FlowRun]) -> bool:
        nonlocal is_cut
        is_cut = len(runs) >= TOGETHER
        return is_cut or all(_reached(each, runs) for each in marks.values())

    listed = (yield from endpoints.runs_of_flows(list(marks)[:PAGE_SIZE], enough)) or {}
    known = {flow_id: {ident for mark in marks[flow_id] for ident in mark.ids} for flow_id in listed}
    found = {each: runs for each, runs in listed.items() if known[each] and known[each] <= {run.id for run in runs}}
    silent = {each for each, runs in listed.items() if not runs and not known[each] and not is_cut}
    if len(silent) > 1 and (every := (yield from endpoints.all_runs())) is not None:
        found |= {flow_id: [] for flow_id in silent - {run.flow_id for run in every}}
    return found


def _reached(marks: Iterable[Watermark], runs: list[FlowRun]) -> bool:
    return all(mark.reached(runs) for mark in marks)


def in_progress(pairs: Iterable[Pair], aliases: Mapping[str, str], since: dt.datetime) -> Call[dict[Pair, FlowRun]]:
    """Return for each pair a run in progress that concerns it; one that names no audience yet might."""
    concerned: dict[Pair, FlowRun] = {}
    grouped = by_flow(pairs)
    listed = yield from endpoints.recent_runs(grouped, since)
    for flow_id, audience_ids in grouped.items():
        concerned |= concerns(listed[flow_id], [Pair(flow_id, audience_id) for audience_id in audience_ids], aliases)
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
