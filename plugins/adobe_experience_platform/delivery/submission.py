"""The exactly-once protocol: an activation is recorded before it is sent and never sent blindly again.

AEP has no idempotency key. So a *record* (kept in a store that survives crashes, retries and clears)
holds for every pair the run that delivers it, and an *intent* while a POST may be under way: AEP's own
watermark per flow, the newest runs listed just before the POST. A pair without a run is first looked for
among the runs that are newer than its watermark; only what AEP does not know is sent. AEP's times are
compared with AEP's times only.

The protocol is a generator of AEP calls, so that it can be driven by a hook or explored by a test.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from adobe_experience_platform.aep import (
    Activation,
    Call,
    Pair,
    RunStatus,
    count,
    endpoints,
    named,
)
from adobe_experience_platform.errors import (
    AepCallError,
    AepConflictError,
    AepNotFoundError,
    AepSubmissionError,
    Conflict,
)

from . import exports
from .jobs import Job
from .record import Answer, Intent, Record
from .search import find, in_progress, names_of, watermarks
from .states import UNCERTAIN, Event, Reply, SubmissionState, reply_of
from .steps import Done, Log, OnConflict, RecordStore, Settle, Step, WaitFor

KEY = "submission"
LOST_LIMIT = 3
"""Lost answers in a row after which the attempt gives up (the record stays, a retry goes on)."""


@dataclass(slots=True)
class Submission:
    """Submits one job exactly once.

    :param job: what to deliver.
    :param store: where the record is kept.
    :param max_tries: ``ti.max_tries``; it rises only when a person clears the task.
    :param api_version: ``v1`` (sends the export's id) or ``v2``.
    :param max_export_age_hours: refuse an older snapshot; None accepts any.
    :param names: id → name, to show names beside ids.
    :param conflicted: told how many pairs AEP refuses because another run for them is in progress.
    :param export_id: version 1: the export to send; None takes the newest that succeeded.
    """

    job: Job
    store: RecordStore
    max_tries: int
    api_version: str = "v2"
    on_conflict: OnConflict = OnConflict.WAIT
    max_export_age_hours: float | None = None
    export_id: str | None = None
    key: str = KEY
    names: Mapping[str, str] = field(default_factory=dict)
    log: Log = field(default_factory=lambda: logging.getLogger(__name__))
    conflicted: Callable[[int], None] = lambda number: None
    now: Callable[[], dt.datetime] = lambda: dt.datetime.now(tz=dt.UTC)
    record: Record = field(init=False)
    cleared: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        stored = self.store.get(self.key)
        self.record = Record(max_tries=self.max_tries) if stored is None else Record.from_json(stored)
        for pair in self.job.pairs:
            self.record.orders.setdefault(pair, None)
        self.cleared = self.max_tries > self.record.max_tries

    @property
    def activations(self) -> list[Activation]:
        """Pairs with their runs."""
        return [found for pair in self.job.pairs if (found := self.record.orders[pair]) is not None]

    @property
    def missing(self) -> list[Pair]:
        """Pairs without a run."""
        return [pair for pair in self.job.pairs if self.record.orders[pair] is None]

    def begin(self, *, resend_failed: bool) -> Call[None]:
        """Start an attempt; after a person's clear, failed runs are set aside to be sent again.

        :param resend_failed: whether this task is the one that repairs failed runs.
        """
        self.record.lost = 0
        if not self.cleared:
            return
        if resend_failed:
            for pair, order in list(self.record.orders.items()):
                if order is None:
                    continue
                try:
                    run = yield from endpoints.run(order.run_id)
                except AepNotFoundError:
                    # A run that AEP no longer knows may have delivered: never send it again.
                    continue
                if run.status is RunStatus.FAILED:
                    self.log.info(
                        "Cleared by a person: %s failed in run %s and is sent again",
                        self._name(pair),
                        order.run_id,
                    )
                    self.record.orders[pair] = None
                    self.record.failed_runs.append(order.run_id)
        self.record.move(Event.CLEARED)
        self.record.max_tries = self.max_tries
        self._save()

    def step(self, *, settled: bool = False) -> Call[Step]:
        """Go on as far as possible.

        :param settled: whether a wait after a lost answer is over.
        :raises AepError: when AEP refuses, or a person must decide; the record says what is known.
        """
        while self.missing:
            intent = self.record.intent
            if intent is not None:
                pause = yield from self._resolve(intent, settled)
                if pause is not None:
                    return pause
                if not self.missing:
                    break
            waiting = yield from self._send()
            if waiting is not None:
                return waiting
            # A wait settles the POST before it, never the next one.
            settled = False
        if self.record.intent is not None:
            self.record.move(Event.FOUND)
            self._save()
        return Done()

    def _resolve(self, intent: Intent, settled: bool) -> Call[Step | None]:
        """Find out what became of a POST; None when the rest is known not to have started."""
        state = self.record.state
        conflict = intent.answer.conflict if intent.answer is not None else None
        refused = self._pair_of(conflict) if conflict is not None else None
        # A run in the way of our only POST was there before it, though perhaps started after we took the watermark.
        theirs = [conflict.run_id] if conflict is not None and not self.record.unsure else []
        look = yield from find(
            self.missing, self.job.aliases, intent.watermarks, ignore=[*self.record.failed_runs, *theirs]
        )
        self._adopt({pair: run.id for pair, run in look.found.items()})
        if conflict is not None and not theirs and refused in self.missing and conflict.run_id in look.newer:
            # AEP itself says whose run this is, before the run does.
            self._adopt({refused: conflict.run_id})
        if not self.missing:
            return None
        if look.unnamed or (state in UNCERTAIN and not settled):
            # A young run may yet name our audience; and runs may be listed late, also those of a POST that was
            # refused for some of its pairs only.
            return Settle(look.unnamed, intent.wait)
        if look.nameless and (state in UNCERTAIN or (self.record.unsure and state is not SubmissionState.INCOMPLETE)):
            self._cannot_tell(intent, look.nameless)
        return (yield from self._conclude(intent, conflict if refused is None or refused in self.missing else None))

    def _conclude(self, intent: Intent, conflict: Conflict | None) -> Call[Step | None]:
        """Do what follows when AEP knows no run for some pairs; None: they may be sent.

        :param conflict: the run in the way, if it still is.
        """
        state = self.record.state
        self.record.move(Event.ABSENT)
        if state in (SubmissionState.OPEN, SubmissionState.REOPENED):
            self.log.info(
                "AEP knows no run for %s of the lost activation: sending again", count(len(self.missing), "pair")
            )
            return None
        if state is SubmissionState.INCOMPLETE:
            raise AepSubmissionError(
                f"AEP accepted the activation but named no run for {len(self.missing)} of {len(self.job.pairs)} "
                f"pairs, and lists none: {self._names(self.missing)}. Look in AEP whether they were delivered; clear "
                "this task to send exactly these again."
            )
        self._save()
        if state in (SubmissionState.REFUSED, SubmissionState.REFUSED_IN_PART):
            text = intent.answer.text if intent.answer else ""
            raise AepSubmissionError(f"{text}. Not sent: {self._names(self.missing)}.")
        if conflict is not None:
            return (yield from self._handle_conflict(conflict))
        return None

    def _cannot_tell(self, intent: Intent, run_ids: tuple[str, ...]) -> NoReturn:
        """Leave to a person what no rule can decide; clearing the task is the decision that they are not ours."""
        intent.doubtful = run_ids
        self._save()
        raise AepSubmissionError(
            f"It is not known what the activation started, and AEP lists runs that ended without naming any audience: "
            f"{', '.join(run_ids)}. They may have delivered {self._names(self.missing)}. Look in AEP; if they did "
            "not, clear this task to send exactly these again."
        )

    def _send(self) -> Call[WaitFor | None]:
        """Check the export, write the intent, POST once, record the answer: the one place that sends."""
        needs_export = self.api_version == "v1" or self.max_export_age_hours is not None
        jobs = yield from endpoints.profile_export_jobs(self.now() - exports.LOOK_BACK, newest_succeeded=needs_export)
        state = exports.state_of(jobs, self.now())
        if state.in_progress:
            return WaitFor(exports.describe(state.in_progress[0], self.now()))
        export_id = None
        if needs_export:
            latest = exports.require_fresh(state, self.now(), self.max_export_age_hours)
            export_id = (self.export_id or latest.id) if self.api_version == "v1" else None
        pairs, earlier = self.missing, self.record.intent
        marks = yield from watermarks(dict.fromkeys(pair.flow_id for pair in pairs))
        if earlier is not None:
            # A run of the lost POST that shows up late must still be recognised as ours.
            marks = {**marks, **earlier.watermarks}
        intent = Intent(self.now().isoformat(timespec="seconds"), marks)
        self.record.move(Event.INTENT, intent)
        self._save()
        try:
            orders = yield from endpoints.activate(pairs, export_id=export_id)
        except AepCallError as error:
            self._record_error(error, intent, earlier, len(pairs))
            return None
        self._take(orders, pairs)
        self.record.lost = 0
        if self.missing:
            intent.answer = Answer(Reply.INCOMPLETE)
        self.record.move(Reply.INCOMPLETE if self.missing else Reply.ACCEPTED)
        self._save()
        self.log.info("AEP accepted %d of %s", len(pairs) - len(self.missing), count(len(pairs), "pair"))
        return None

    def _record_error(self, error: AepCallError, intent: Intent, earlier: Intent | None, pairs: int) -> None:
        """Record what an error of the POST means; raise it where this attempt cannot go on."""
        reply = reply_of(error, pairs)
        if reply is Reply.LOST:
            self.record.lost += 1
            intent.wait = error.retry_after or 0.0
        elif reply is not Reply.NOT_SENT:
            intent.answer = Answer(reply, str(error), error.conflict if isinstance(error, AepConflictError) else None)
        self.record.move(reply, earlier if reply is Reply.NOT_SENT else None)
        self._save()
        if reply is Reply.LOST:
            self.log.warning("%s", error)
        gives_up = reply is Reply.LOST and self.record.lost >= LOST_LIMIT
        if gives_up or reply in (Reply.NOT_SENT, Reply.NOT_READY_IN_PART):
            raise error

    def _take(self, orders: Iterable[Activation], pairs: list[Pair]) -> None:
        """Record the runs of an answer, matched by audience id or by the imported audience's other id."""
        ids = {(pair.flow_id, name): pair for pair in pairs for name in names_of(pair, self.job.aliases)}
        for order in orders:
            pair = ids.get((order.flow_id, order.audience_id))
            if pair is None:
                self.log.warning(
                    "AEP's answer names %s on flow %s, which was not asked for",
                    order.audience_id,
                    order.flow_id,
                )
            elif self.record.orders[pair] is None:
                self.record.orders[pair] = Activation(*pair, order.run_id)

    def _handle_conflict(self, conflict: Conflict) -> Call[Step | None]:
        """Handle somebody else's run that is in progress: it is waited for, adopted, or the reason to stop."""
        running = yield from in_progress(self.missing, self.job.aliases, self.now() - exports.LOOK_BACK)
        others = {other: run.id for other, run in running.items()}
        # A run that names no audience yet may hold up a pair, but it must not pass for its delivery.
        adoptable = {other: run.id for other, run in running.items() if run.names(names_of(other, self.job.aliases))}
        pair = self._pair_of(conflict)
        if pair is not None:
            others[pair] = adoptable[pair] = conflict.run_id
        text = "; ".join(f"{self._name(other)} in run {run_id}" for other, run_id in others.items()) or (
            f"audience {conflict.audience_id} → flow {conflict.flow_id} in run {conflict.run_id}"
        )
        self.conflicted(max(len(others), 1))
        if self.on_conflict is OnConflict.ADOPT:
            self._adopt(adoptable)
        if self.on_conflict is OnConflict.FAIL:
            raise AepSubmissionError(
                f"AEP is already delivering and on_conflict is 'fail', so nothing more was sent: {text}. Start again "
                "when it has ended, or choose on_conflict = wait."
            )
        if self.on_conflict is OnConflict.ADOPT and adoptable:
            return None
        # A run to another destination cannot be adopted, only waited for.
        self.log.info("AEP is already delivering: %s", text)
        return WaitFor(f"a delivery already in progress: {text}", Pair(conflict.flow_id, conflict.audience_id))

    def _pair_of(self, conflict: Conflict) -> Pair | None:
        for pair in self.missing:
            if conflict.flow_id == pair.flow_id and conflict.audience_id in names_of(pair, self.job.aliases):
                return pair
        return None

    def _adopt(self, found: Mapping[Pair, str]) -> None:
        for pair, run_id in found.items():
            self.record.orders[pair] = Activation(*pair, run_id, adopted=True)
            self.log.info("Found %s in AEP's run %s: adopted, not sent again", self._name(pair), run_id)
        if found:
            self._save()

    def _save(self) -> None:
        self.store.set(self.key, self.record.to_json())

    def _name(self, pair: Pair) -> str:
        return f"audience {named(pair.audience_id, self.names)} → flow {named(pair.flow_id, self.names)}"

    def _names(self, pairs: Iterable[Pair], limit: int = 20) -> str:
        listed = [self._name(pair) for pair in pairs]
        more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
        return "; ".join(listed[:limit]) + more
