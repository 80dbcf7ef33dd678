"""What became of a run, in words, and what a person can do. The report makes it once; log, notice and page show it."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from adobe_experience_platform.aep import RunStatus, count

from .results import NOT_SENT, UNKNOWN, Result, deliveries

TASKS_SHOWN = 20


class VerdictState(enum.StrEnum):
    """What a run came to."""

    DELIVERED = "delivered"
    EMPTY = "empty"
    PARTLY = "partly"
    NOTHING = "nothing"
    INCOMPLETE = "incomplete"
    TASK_FAILED = "task_failed"
    PLAN_FAILED = "plan_failed"
    NOT_APPROVED = "not_approved"
    LATE = "late"

    @property
    def is_red(self) -> bool:
        """Whether the run has failed."""
        return self not in (VerdictState.DELIVERED, VerdictState.EMPTY, VerdictState.PARTLY, VerdictState.NOTHING)

    @property
    def label(self) -> str:
        """Return the word that comes before everything else, also in the subject of a mail."""
        return _LABELS.get(self, "FAILED")


_LABELS = {
    VerdictState.DELIVERED: "Delivered",
    VerdictState.EMPTY: "EMPTY delivery",
    VerdictState.PARTLY: "Delivered partly",
    VerdictState.NOTHING: "Finished",
    VerdictState.NOT_APPROVED: "NOT APPROVED",
    VerdictState.LATE: "LATE",
}


class Verdict(TypedDict):
    """The verdict as an XCom: a :class:`VerdictState`, its label, what happened in one line, what a person can do."""

    state: str
    label: str
    headline: str
    advice: list[str]
    failed_tasks: list[str]


class Outcomes:
    """Results sorted by what a person asks first.

    :ivar good: delivered.
    :ivar partly: delivered, but AEP rejected some records.
    :ivar bad: not delivered, or not known to be.
    :ivar empty: delivered with 0 records; these are in ``good`` or ``partly`` too.
    """

    def __init__(self, results: Sequence[Result]) -> None:
        self.good = [item for item in results if item["status"] == RunStatus.SUCCESS]
        self.partly = [item for item in results if item["status"] == RunStatus.PARTIAL_SUCCESS]
        delivered = (RunStatus.SUCCESS, RunStatus.PARTIAL_SUCCESS)
        self.bad = [item for item in results if item["status"] not in delivered]
        self.empty = [item for item in (*self.good, *self.partly) if item["records_exported"] == 0]


@dataclass(frozen=True, slots=True)
class RedRun:
    """What is known of a red run besides the results of its pairs.

    :param failed_tasks: the tasks that failed themselves, in the order of the run.
    :param plan_failed: whether there is no plan, because the task that makes it failed.
    :param overdue: whether the plan failed because no delivery had begun in time.
    :param refused: whether a person said no, or nobody answered in time.
    :param why: who said no, and what they wrote.
    """

    failed_tasks: Sequence[str] = ()
    plan_failed: bool = False
    overdue: bool = False
    refused: bool = False
    why: str = ""


def judge(results: Sequence[Result], red: RedRun | None = None) -> Verdict:
    """Say what a run came to.

    :param results: of every planned pair.
    :param red: None if every task of the delivery has succeeded.
    """
    found = Outcomes(results)
    state = _state_of(found, red)
    return Verdict(
        state=state.value,
        label=state.label,
        headline=_headline(state, found, results, red),
        advice=[*_advice(state, found), *([EMPTY_ADVICE] if found.empty else [])],
        failed_tasks=list(red.failed_tasks) if red else [],
    )


def title_of(verdict: Verdict) -> str:
    """Return the verdict's line, such as ``Delivered: 1 delivery to 1 destination, 12 records``."""
    return f"{verdict['label']}: {verdict['headline']}"


def message_of(verdict: Verdict) -> str:
    """Return the verdict of a red run as a task's error message."""
    tasks = verdict["failed_tasks"]
    named = ", ".join(tasks[:TASKS_SHOWN]) + (
        f" and {len(tasks) - TASKS_SHOWN} more" if len(tasks) > TASKS_SHOWN else ""
    )
    where = f"Failed tasks, the first one first: {named}; their logs say why." if named else ""
    return " ".join(filter(None, [f"{title_of(verdict)}.", where, *verdict["advice"]]))


def advice_for(results: Sequence[Result]) -> list[str]:
    """Say what a person can do about pairs that were not delivered, or only partly."""
    statuses = {item["status"] for item in results}
    return [text for causes, text in _ADVICE if statuses & causes]


_ADVICE: Sequence[tuple[frozenset[str], str]] = (
    (
        frozenset({RunStatus.FAILED.value, NOT_SENT}),
        (
            "Clear the failed tasks of this run to send again exactly what failed or was not sent; what was delivered "
            "is never sent twice."
        ),
    ),
    (
        frozenset({RunStatus.PARTIAL_SUCCESS.value}),
        "Partly delivered audiences are not sent again by this run: start a new run if they should be.",
    ),
    (
        frozenset({RunStatus.IN_PROGRESS.value}),
        (
            "What is in progress did not end within activation_timeout_minutes and goes on in AEP: clear the failed "
            "tasks to keep watching it."
        ),
    ),
    (frozenset({UNKNOWN}), "Look up in AEP what became of the unknown deliveries before you send them again."),
)
EMPTY_ADVICE = "Check the size of the empty audiences in AEP: nobody was in them when the delivered snapshot was taken."


def _state_of(found: Outcomes, red: RedRun | None) -> VerdictState:
    if red is None:
        if found.empty:
            return VerdictState.EMPTY
        if found.partly:
            return VerdictState.PARTLY
        return VerdictState.DELIVERED if found.good else VerdictState.NOTHING
    if red.overdue:
        return VerdictState.LATE
    if red.refused:
        return VerdictState.NOT_APPROVED
    if found.bad or found.partly:
        return VerdictState.INCOMPLETE
    if not found.good and red.plan_failed:
        return VerdictState.PLAN_FAILED
    return VerdictState.TASK_FAILED


def _headline(state: VerdictState, found: Outcomes, results: Sequence[Result], red: RedRun | None) -> str:
    number = deliveries(len(results))
    records = count(sum(item["records_exported"] or 0 for item in results), "record")
    partly = f"{len(found.partly):,} of {number} only partly"
    if state is VerdictState.DELIVERED:
        return f"{number} to {count(len({item['flow_id'] for item in results}), 'destination')}, {records}"
    if state is VerdictState.EMPTY:
        return f"{len(found.empty):,} of {number} with 0 records"
    if state is VerdictState.PARTLY:
        return f"{partly}, {records}"
    if state is VerdictState.NOTHING:
        return "there was nothing to deliver"
    if state is VerdictState.LATE:
        return "no delivery has begun in time"
    if state is VerdictState.PLAN_FAILED:
        return "nothing was sent"
    if state is VerdictState.NOT_APPROVED:
        # After a clear, a run may be refused that has delivered before.
        unsent = all(item["status"] == NOT_SENT for item in results)
        said = "nothing was sent" if unsent else f"{len(found.bad):,} of {number} did not succeed"
        return f"{said}: {red.why}" if red and red.why else said
    if state is VerdictState.TASK_FAILED:
        return f"{number} succeeded, but a task of the run failed" if results else "a task of the run failed"
    if found.bad:
        more = f", {len(found.partly):,} only partly" if found.partly else ""
        return f"{len(found.bad):,} of {number} did not succeed{more}"
    return f"{len(found.partly):,} of {number} reached the destination only partly"


def _advice(state: VerdictState, found: Outcomes) -> list[str]:
    match state:
        case VerdictState.PLAN_FAILED | VerdictState.LATE:
            return [
                "The input of a run cannot be changed: if it is at fault, start a new run.",
                "Otherwise remove the cause, then clear the failed tasks.",
            ]
        case VerdictState.NOT_APPROVED:
            return ["Clear the failed tasks to be asked again; otherwise there is nothing to do."]
        case VerdictState.INCOMPLETE:
            return advice_for([*found.bad, *found.partly])
        case VerdictState.TASK_FAILED:
            return ["Look at the log of the failed task; clear it if it should run again."]
        case VerdictState.PARTLY:
            return ["Look in AEP why records failed. A new run delivers the whole audience again."]
    return []
