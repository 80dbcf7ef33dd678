"""What became of a run, in words, and what a person can do. The report makes it once; log, notice and page show it."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from adobe_experience_platform.aep import RunStatus, count

from .input import listed
from .results import LOST, MAY_LACK, NOT_SENT, UNKNOWN, Result, deliveries, failed_records, loss_label, records_text

TASKS_SHOWN = 20


class VerdictState(enum.StrEnum):
    """What a run came to."""

    DELIVERED = "delivered"
    LOSSY = "lossy"
    LOSS_REFUSED = "loss_refused"
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
        return self not in _GREEN

    @property
    def label(self) -> str:
        """Return the word that comes before everything else, also in the subject of a mail."""
        return _LABELS.get(self, "FAILED")


_GREEN = frozenset(("delivered", "lossy", "empty", "partly", "nothing"))
_LABELS = {
    VerdictState.DELIVERED: "Delivered",
    VerdictState.LOSSY: LOST,
    VerdictState.LOSS_REFUSED: LOST,
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
    :ivar lossy: in ``good``, but records failed, or may be missing; ``doubtful`` are those of which AEP counts none.
    :ivar empty: delivered with 0 records, and none failed; these are in ``good`` or ``partly`` too.
    """

    def __init__(self, results: Sequence[Result]) -> None:
        self.good = [item for item in results if item["status"] == RunStatus.SUCCESS]
        self.partly = [item for item in results if item["status"] == RunStatus.PARTIAL_SUCCESS]
        delivered = (RunStatus.SUCCESS, RunStatus.PARTIAL_SUCCESS)
        self.bad = [item for item in results if item["status"] not in delivered]
        self.lossy = list(filter(loss_label, self.good))
        self.doubtful = [item for item in self.lossy if loss_label(item) == MAY_LACK]
        nothing = [item for item in (*self.good, *self.partly) if item["records_exported"] == 0]
        self.empty = [item for item in nothing if not item["records_failed"] and not loss_label(item)]

    @property
    def records_lost(self) -> int:
        """How many records failed in runs that AEP calls a success."""
        return failed_records(self.lossy)

    @property
    def is_unsent(self) -> bool:
        """Whether no pair was sent, for all that is known."""
        return not (self.good or self.partly) and all(item["status"] == NOT_SENT for item in self.bad)


@dataclass(frozen=True, slots=True)
class RedRun:
    """What is known of a red run besides the results of its pairs.

    :param failed_tasks: the tasks that failed themselves, in the order of the run.
    :param plan_failed: whether the task that plans failed, so that this attempt sent nothing.
    :param overdue: whether the plan failed because no delivery had begun in time.
    :param refused: whether a person said no, or nobody answered in time.
    :param why: who said no, and what they wrote.
    :param sent_before: whether an earlier attempt may have sent something although no result says so.
    :param loss_refused: whether the run is red because of records that were lost in successes.
    :param marked: tasks that did not fail, though pairs that they answer for were not delivered.
    """

    failed_tasks: Sequence[str] = ()
    plan_failed: bool = False
    overdue: bool = False
    refused: bool = False
    why: str = ""
    sent_before: bool = False
    loss_refused: bool = False
    marked: Sequence[str] = ()


def judge(results: Sequence[Result], red: RedRun | None = None) -> Verdict:
    """Say what a run came to.

    :param results: of every planned pair.
    :param red: None if every task of the delivery has succeeded and every pair was delivered.
    """
    found = Outcomes(results)
    state = _state_of(found, red)
    return Verdict(
        state=state.value,
        label=MAY_LACK if state.label == LOST and found.doubtful == found.lossy else state.label,
        headline=_headline(state, found, results, red),
        advice=[
            *_advice(state, found, red),
            *([LOSS_ADVICE] if found.lossy else []),
            *([EMPTY_ADVICE] if found.empty else []),
        ],
        failed_tasks=list(red.failed_tasks) if red else [],
    )


def title_of(verdict: Verdict) -> str:
    """Return the verdict's line, such as ``Delivered: 1 delivery to 1 destination, 12 records``."""
    return f"{verdict['label']}: {verdict['headline']}"


def message_of(verdict: Verdict) -> str:
    """Return the verdict of a red run as a task's error message."""
    tasks = listed(verdict["failed_tasks"], TASKS_SHOWN)
    where = f"Failed tasks, the first one first: {tasks}; their logs say why." if tasks else ""
    return " ".join(filter(None, [f"{title_of(verdict)}.", where, *verdict["advice"]]))


def advice_for(results: Sequence[Result]) -> list[str]:
    """Say what a person can do about pairs that were not delivered, or only partly."""
    statuses = {item["status"] for item in results}
    if UNKNOWN in statuses:  # clearing would send again what AEP does not list: a person has to look first
        statuses -= {RunStatus.FAILED.value, NOT_SENT}
    lost = [NOTHING_TO_CLEAR, LOSS_ADVICE] if results and all(map(loss_label, results)) else []
    return [text for causes, text in _ADVICE if statuses & causes] + lost


_LOOK_UP = (
    "First check in AEP what became of the unknown deliveries. If they were delivered, start a new run with only "
    "what was not. Otherwise clear the failed tasks: that sends what failed, was not sent or is not found in AEP."
)
_CLEAR = (
    "Clear the failed tasks of this run to send again exactly what failed or was not sent; what was delivered is never "
    "sent twice."
)
_ADVICE: Sequence[tuple[set[str], str]] = (
    ({UNKNOWN}, _LOOK_UP),
    ({RunStatus.FAILED.value, NOT_SENT}, _CLEAR),
    (
        {RunStatus.PARTIAL_SUCCESS.value},
        "Partly delivered audiences are not sent again by this run: start a new run with only these if they should be.",
    ),
    ({RunStatus.IN_PROGRESS.value}, "What is in progress goes on in AEP: clear the failed tasks to keep watching it."),
)
LOSS_ADVICE = (
    "Check in AEP, in the destination's dataflow runs, why records failed, or whether some are missing from the file, "
    "although the run is called a success. A new run delivers the whole audience again."
)
NOTHING_TO_CLEAR = "All was delivered, so there is nothing to clear: clearing this run sends nothing again."
EMPTY_ADVICE = (
    "See in AEP how large the empty audiences were in the delivered snapshot, and whether records were skipped."
)


def _state_of(found: Outcomes, red: RedRun | None) -> VerdictState:
    if red is None:
        if found.lossy:
            return VerdictState.LOSSY
        if found.empty:
            return VerdictState.EMPTY
        if found.partly:
            return VerdictState.PARTLY
        return VerdictState.DELIVERED if found.good else VerdictState.NOTHING
    if red.overdue:
        return VerdictState.LATE
    if red.refused:
        return VerdictState.NOT_APPROVED
    if red.plan_failed and found.is_unsent:
        return VerdictState.PLAN_FAILED
    if found.bad or found.partly:
        return VerdictState.INCOMPLETE
    if red.loss_refused and not red.plan_failed:
        return VerdictState.LOSS_REFUSED
    return VerdictState.TASK_FAILED


def _headline(state: VerdictState, found: Outcomes, results: Sequence[Result], red: RedRun | None) -> str:
    number = deliveries(len(results))
    records = records_text(results)
    partly = f"{len(found.partly):,} of {number} only partly"
    if state is VerdictState.DELIVERED:
        return f"{number} to {count(len({item['flow_id'] for item in results}), 'destination')}, {records}"
    if state in (VerdictState.LOSSY, VerdictState.LOSS_REFUSED):
        lost, doubtful = len(found.lossy) - len(found.doubtful), len(found.doubtful)
        what = f"lost records{f', {doubtful:,} may lack some,' if doubtful else ''}" if lost else "may lack records"
        why = count(found.records_lost, "record") + " failed" if lost else found.lossy[0].get("loss")
        return f"{lost or doubtful:,} of {number} {what} although AEP reports success: {why}, {records} delivered"
    if state is VerdictState.EMPTY:
        return f"{len(found.empty):,} of {number} with 0 records"
    if state is VerdictState.PARTLY:
        return f"{partly}, {records}"
    if state is VerdictState.NOTHING:
        return "there was nothing to deliver"
    if state is VerdictState.LATE:
        return "no delivery has begun in time"
    if found.bad:
        more = f", {len(found.partly):,} only partly" if found.partly else ""
        said = f"{len(found.bad):,} of {number} did not succeed{more}"
    elif state is VerdictState.INCOMPLETE:
        said = f"{len(found.partly):,} of {number} reached the destination only partly"
    else:
        said = f"{number} succeeded" if results else "a task of the run failed"
    if red is None or not (red.plan_failed or red.refused):
        return f"{said}, but a task of the run failed" if results and state is VerdictState.TASK_FAILED else said
    if found.is_unsent:
        said = "this attempt sent nothing" if red.sent_before else "nothing was sent"
    elif red.plan_failed:
        said = f"this attempt sent nothing; before it, {said}"
    return f"{said}: {red.why}" if red.why else said


def _advice(state: VerdictState, found: Outcomes, red: RedRun | None) -> list[str]:
    if state is VerdictState.PARTLY:
        return ["Check in AEP why records failed. A new run delivers the whole audience again."]
    if red is None:
        return []
    if state is VerdictState.LOSS_REFUSED:
        return [NOTHING_TO_CLEAR]
    advice = []
    if state is VerdictState.NOT_APPROVED:
        advice.append("Clear the failed tasks to be asked again; otherwise there is nothing to do.")
    if not found.is_unsent or state is VerdictState.INCOMPLETE:
        advice += advice_for([*found.bad, *found.partly])
    if red.plan_failed:
        rest = " with only what is not delivered yet" if red.sent_before or not found.is_unsent else ""
        advice.append(f"The input of a run cannot be changed. If it is wrong, start a new run{rest}.")
        advice.append("Otherwise fix the cause, then clear the failed tasks.")
    if red.marked:
        named = " and ".join(red.marked)
        advice.append(f"Clear {named} too, with the tasks that follow: not all was done there, although it is green.")
    return advice or ["Read the log of the failed task. Clear it to run it again."]
