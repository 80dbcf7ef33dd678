"""Which delivery a waiting task calls the next one: what it notes of that, and what the note says. No I/O."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from adobe_experience_platform.aep import Activation, Call, FlowRun, Pair, RunStatus, endpoints, named
from adobe_experience_platform.errors import AepCallError, AepNotFoundError, AepTransientError

from .results import Result, results_of
from .run_news import RunMark, Sought, unreadable

Note = dict[str, Any]
BEGUN = {"asked", "begun"}
"""What is noted before AEP was asked: what was asked for, and our own time."""
FIXED = {"asked", "since", "flow_id", "audience_ids", "names", "mark", "run_id", "failed", "max_tries"}
"""What is noted then."""
MOST_SAID = 100
"""Runs that were logged as not counting, and are noted as such."""


def read_note(kept: object) -> Note | None:
    """Return what a task has noted, None if it has not begun.

    :raises AepError: if it cannot be read: it must not be taken for a first look.
    """
    if kept is None:
        return None
    if not isinstance(kept, dict) or not (kept.keys() >= BEGUN or kept.keys() >= FIXED):
        raise unreadable()
    return kept


def mark_of(note: Note) -> RunMark:
    """Return what was no news when the task began, or was passed over since."""
    return RunMark.require(note["mark"])


def passed(note: Note, run_id: str) -> Note:
    """Return the note after this run turned out not to be the next delivery."""
    return {**note, "mark": mark_of(note).with_told(run_id).to_json(), "run_id": None, "failed": False}


def sought_of(note: Note, *, accept_partial: bool, wait_for_good: bool) -> Sought:
    """Return which deliveries count.

    :param accept_partial: whether what AEP calls a partial success is good.
    :param wait_for_good: whether only good ones count.
    """
    since = dt.datetime.fromisoformat(note["since"]) if note["since"] else None
    sought = Sought(note["flow_id"], tuple(note["audience_ids"]), ended_since=since)
    good = {RunStatus.SUCCESS.value, *([RunStatus.PARTIAL_SUCCESS.value] if accept_partial else [])}
    return replace(sought, statuses=frozenset(good)) if wait_for_good else sought


def ended_run(run_id: str) -> Call[FlowRun]:
    """Read the run that was found; a node of AEP's that lags may not know it, or not that it has ended."""
    try:
        run = yield from endpoints.run(run_id)
    except AepNotFoundError as error:
        raise AepTransientError(error.call, text=f"run {run_id}, which had ended, is not found") from error
    if not run.status.is_terminal:
        raise AepTransientError("GET /runs/{id}", text=f"run {run_id}, which had ended, is in progress")
    return run


def results_in(note: Note, run: FlowRun) -> list[Result]:
    """Return what became of the audience in a run, or of each that the run names."""
    own = tuple(note["audience_ids"])
    pairs = [Pair(note["flow_id"] or run.flow_id, ident) for ident in (own[:1] or sorted(run.audiences))] or [
        Pair("", "")
    ]
    aliases = dict([own]) if len(own) == 2 else {}
    return results_of([Activation(*pair, run.id) for pair in pairs], {run.id: run}, aliases)


def names_in(note: Note, run: FlowRun) -> Call[dict[str, str]]:
    """Return id → name, also of the flow that has delivered, where any might have."""
    names: dict[str, str] = note["names"]
    if note["flow_id"] or not run.flow_id:
        return names
    try:
        flow = yield from endpoints.flow(run.flow_id)
    except AepCallError:  # a name is not worth a delivery
        return names
    return {**names, flow.id: flow.name} if flow.name else names


def title_of(note: Mapping[str, Any]) -> str:
    """Return what is waited for, for the log."""
    names, ids = note["names"], note["audience_ids"]
    audience = f"audience {named(ids[0], names)} to " if ids else ""
    flow = f"flow {named(note['flow_id'], names)}" if note["flow_id"] else "any destination flow"
    return f"the next delivery of {audience}{flow}"


def lines_of(others: Iterable[FlowRun], sought: Sought) -> Iterator[str]:
    """Return a line for the log about each run that has ended and does not count."""
    for run in others:
        unnamed = sought.audience_ids and not run.audiences
        why = "does not say which audience it delivers" if unnamed else "does not count"
        yield f"Flow run {run.id} of flow {run.flow_id or sought.flow_id} has ended ({run.raw_status}) and {why}"
