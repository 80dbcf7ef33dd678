"""What the tasks of a delivery leave for each other, for notices and for the pages: every XCom's key and shape.

The pages read the same keys from ``web/static/js/xcom.js``; a test compares the two.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

from adobe_experience_platform.aep import Activation, Pair, one_line

from .outlook import IS_ASKED, Outlook
from .record import check_version
from .results import NOT_SENT, UNKNOWN, Result, is_terminal
from .submission import Submission
from .verdict import Verdict

RETURN_VALUE = "return_value"
"""What a task returns: ``plan_jobs`` its jobs, ``get_latest_export_job`` an id, ``report`` a :class:`Report`."""
BRIEFING = "briefing"
"""``plan_jobs``: a :class:`Briefing`, also of a dry run."""
CAMPAIGN_DAY = "campaign_day"
"""``plan_jobs``: a :class:`DayNote`: what the run does with its campaign day, and why."""
OUTLOOK = "outlook"
"""``plan_jobs``, where a person is asked, and of a dry run: an :class:`OutlookNote`."""
APPROVAL = "approval"
"""``approve``: a :class:`Decision`, also after a no."""
EXPORT = "export"
"""``get_latest_export_job``: an :class:`ExportNote`."""
SUBMISSION = "submission"
"""``activate``: a :class:`SubmissionNote`, also while it works."""
PROGRESS = "progress"
"""The tasks that watch flow runs: a :class:`ProgressNote`, also while they wait."""
CLEARS = "clears"
"""Tasks in front of one that repairs: how often the run had been cleared when they began, where it ever was."""
LINK = "destination_link"
"""Tasks with a button: the address of their (first) destination in AEP."""
REASON = "reason"
"""Any task that failed: why, in one line."""
CATALOG_PART = "flows_"
"""The catalog, where it is large: with a number from 1 on behind it, a part of its flows as JSON text."""

SUBMISSION_VERSION = 1
OUTLOOK_ROWS = 200
"""Pairs of which an approval, and the page that checks a delivery, show what is known."""
OUTLOOK_WARNINGS = 20
"""Warnings of the plan that an approval shows."""


class Place(TypedDict):
    """Where in AEP a delivery takes place, for links; ``tenant`` is "" where the connection does not name it."""

    sandbox_name: str
    tenant: str


class Briefing(TypedDict):
    """What all tasks need to know of a plan besides its jobs, in one piece: each XCom is a request for each of them.

    ``settings`` are the checked ones, see :class:`~.settings.DeliverySettings`, ``names`` {flow or audience id: name}.
    """

    settings: dict[str, Any]
    names: dict[str, str]
    place: Place


class DayNote(TypedDict):
    """What a run does with its campaign day; times are ISO 8601 in UTC, ids "" where there is none."""

    deliver: bool
    overdue: bool
    day: str
    reason: str
    export_id: str
    manual: bool
    held: bool
    not_after: str | None
    plan: str


class OutlookNote(TypedDict):
    """What is known before a delivery, as people are shown it.

    ``pairs`` holds ``[flow id, audience id, last delivery, audience size, file name]`` each, of the first pairs;
    ``asks`` what a person has to decide on, because it lies outside of the size guard's limits; None where no guard
    asks anybody. ``warnings`` are the first ones of the plan, without what is asked.
    """

    pairs: list[list[str]]
    asks: list[str] | None
    warnings: list[str]


class Decision(TypedDict, total=False):
    """A person's answer; ``why`` only after a no."""

    approved: bool
    by: str
    at: str
    why: str


class ExportNote(TypedDict):
    """The export whose snapshot is delivered, and when it ended (ISO 8601)."""

    id: str
    ended_at: str


class SubmissionNote(TypedDict):
    """What is known of one job: ``[flow id, audience id, run id, adopted]`` each, pairs without a run, and why.

    ``later`` is ``[flow id, audience id, clears]``: whose run began after the DAG run was cleared, and how often it had
    been cleared by then.
    """

    v: int
    job: int
    orders: list[list[Any]]
    missing: list[list[str]]
    missing_is: str
    later: list[list[Any]]


class ProgressNote(TypedDict):
    """How many of a wait's deliveries have ended, and the results so far."""

    ended: int
    of: int
    results: list[Result]


class Report(TypedDict):
    """What ``report`` returns: counts by status, the result of every planned pair, and what the run came to."""

    summary: dict[str, int]
    results: list[Result]
    verdict: Verdict


def outlook_note(outlooks: Mapping[Pair, Outlook], asks: Sequence[str] | None, warnings: Iterable[str]) -> OutlookNote:
    """Return what people are shown before a delivery."""
    rows = [[*pair, *outlook.cells] for pair, outlook in itertools.islice(outlooks.items(), OUTLOOK_ROWS)]
    others = [one_line(text, 1000) for text in dict.fromkeys(warnings) if not text.endswith(IS_ASKED)]
    more = [f"and {len(others) - OUTLOOK_WARNINGS:,} more: see the log"] if len(others) > OUTLOOK_WARNINGS else []
    return OutlookNote(
        pairs=rows, asks=None if asks is None else list(asks), warnings=[*others[:OUTLOOK_WARNINGS], *more]
    )


def submission_note(submission: Submission, *, is_sending: bool = False) -> SubmissionNote:
    """Return what later tasks are told of a submission; while it ``is_sending``, nothing is called not sent."""
    return SubmissionNote(
        v=SUBMISSION_VERSION,
        job=submission.job.number,
        orders=[list(item) for item in submission.activations],
        missing=[list(pair) for pair in submission.missing],
        missing_is=UNKNOWN if is_sending or submission.is_doubtful else NOT_SENT,
        later=[[*pair, clears] for pair, clears in submission.record.later.items()],
    )


def read_submissions(values: object) -> tuple[dict[Pair, Activation], dict[Pair, str]]:
    """Read the notes of all jobs: (pair → its run, pair without a run → ``not_sent`` or ``unknown``).

    :raises AepSubmissionError: if a newer version of this package wrote one.
    """
    orders: dict[Pair, Activation] = {}
    missing: dict[Pair, str] = {}
    for note in _notes(values):
        check_version(note.get("v"), SUBMISSION_VERSION, f"XCom {SUBMISSION!r}")
        orders |= {item.pair: item for item in (Activation(*order) for order in note.get("orders", ()))}
        missing |= {Pair(*pair): str(note.get("missing_is", UNKNOWN)) for pair in note.get("missing", ())}
    return orders, missing


def began_later(values: object) -> dict[Pair, int]:
    """Return whose run began after the DAG run was cleared, and how often it had been cleared by then."""
    return {Pair(*pair): clears for note in _notes(values) for *pair, clears in note.get("later", ())}


def _notes(values: object) -> list[dict[str, Any]]:
    """Return the notes of submissions, as they are pulled from a mapped task (a list) or from one alone."""
    return [note for note in (values if isinstance(values, list) else [values]) if isinstance(note, dict)]


def progress_note(results: Sequence[Result]) -> ProgressNote:
    """Return how far a wait has come."""
    return ProgressNote(ended=sum(map(is_terminal, results)), of=len(results), results=list(results))
