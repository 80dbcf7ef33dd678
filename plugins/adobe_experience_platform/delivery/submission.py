"""The exactly-once protocol: an activation is recorded before it is sent and never sent blindly again.

AEP has no idempotency key. So a *record* (kept in a store that survives crashes, retries and clears)
holds for every pair the run that delivers it, and an *intent* while a POST may be under way, with each pair's
*watermark*: the newest runs that AEP listed before the pair was first sent. A pair that may have a run is
looked for among the runs that are newer than its watermark; only what AEP does not know is sent. AEP's times
are compared with AEP's times only.

The protocol is a generator of AEP calls, so that it can be driven by a hook or explored by a test.
"""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from adobe_experience_platform.aep import Activation, Call, Pair, RunStatus, count, endpoints
from adobe_experience_platform.errors import (
    AepCallError,
    AepConflictError,
    AepNotFoundError,
    AepSubmissionError,
    AepTurnedAwayError,
    Conflict,
)

from . import exports
from .jobs import Job, title_of, titles_of
from .record import Answer, Intent, Record
from .search import WATERMARK_IDS, find, in_progress, matched, may_deliver, names_of, pair_of, watermarks
from .states import UNCERTAIN, Event, Reply, SubmissionState, reply_of
from .steps import AT_ONCE, SOON, Done, Lease, Log, OnConflict, RecordStore, Settle, Step, WaitFor, clocks

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
    :param gate: called directly before a send; raises where this pass must not send.
    :param clocks: seconds; by them alone the first byte is allowed or held back.
    :param grows: whether pairs may join the record later, as those of a repair do.
    :param clears: how often the DAG run has been cleared.
    :param stopped: once true, nothing is sent any more: the process was told to end.
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
    gate: Callable[[], None] = lambda: None
    clocks: Callable[[], tuple[float, ...]] = clocks
    grows: bool = False
    clears: int = 0
    stopped: Callable[[], bool] = lambda: False
    record: Record = field(init=False)

    def __post_init__(self) -> None:
        stored = self.store.get(self.key)
        self.record = Record(max_tries=self.max_tries) if stored is None else Record.from_json(stored)
        known, wanted = set(self.record.orders), set(self.job.pairs)
        if stored is not None and (known - wanted or (wanted - known and not self.grows)):
            raise AepSubmissionError(
                "What this task is to deliver has changed since this run sent it: its record is about "
                f"{self._names(sorted(known)) or 'nothing'}. Start a new run for what was not delivered. Nothing "
                "more was sent."
            )
        self.record.orders = {**dict.fromkeys(self.job.pairs), **self.record.orders}

    @property
    def activations(self) -> list[Activation]:
        """Pairs with their runs."""
        return [order for order in self.record.orders.values() if order is not None]

    @property
    def missing(self) -> list[Pair]:
        """Pairs without a run."""
        return self.record.missing

    @property
    def is_doubtful(self) -> bool:
        """Whether AEP may have started runs for the missing pairs that are not known here."""
        return self.record.intent is not None

    @property
    def is_cleared(self) -> bool:
        """Whether a person has cleared the task since an attempt last began."""
        return self.max_tries > self.record.max_tries

    def begin(self, *, resend_failed: bool) -> Call[None]:
        """Start an attempt; after a person's clear, failed runs are set aside to be sent again.

        :param resend_failed: whether this task is the one that repairs failed runs.
        """
        self.record.lost = 0
        if self.is_cleared:
            for order in self.activations if resend_failed else ():
                try:
                    run = yield from endpoints.run(order.run_id)
                except AepNotFoundError:
                    continue  # it may have delivered: never send it again
                if run.status is RunStatus.FAILED and may_deliver(run, order.pair, self.job.aliases):
                    title = title_of(order.pair, self.names)
                    self.log.info("Cleared by a person: %s failed in run %s and is sent again", title, order.run_id)
                    self.record.orders[order.pair] = None
                    self.record.not_ours.append(order.run_id)
            self.record.move(Event.CLEARED)
            self.record.max_tries = self.max_tries
        self._save()  # that nothing was sent yet is worth a note, too

    def step(self, *, settled: str = "") -> Call[Step]:
        """Go on as far as possible.

        :param settled: id of the intent for which the settling time is over.
        :raises AepError: when AEP refuses, or a person must decide; the record says what is known.
        """
        while self.missing or self.record.sought:
            if self.record.sought:
                if (pause := (yield from self._resolve(settled))) is not None:
                    return pause
                if not self.missing:
                    break
            if (waiting := (yield from self._send())) is not None:
                return waiting
        if self.record.intent is not None:
            self.record.move(Event.FOUND)
            self._save()
        return Done()

    def record_found(self, intent_id: str, found: Iterable[Activation]) -> None:
        """Record at once which runs a wait has seen: a later look may meet a list that lags."""
        if self.record.intent is not None and self.record.intent.id == intent_id:
            self._adopt({item.pair: item.run_id for item in found if item.pair in self.record.sought}, ours_only=True)

    def _resolve(self, settled: str) -> Call[Step | None]:
        """Find out what became of earlier POSTs; None when the rest is known not to have started."""
        intent, state = self.record.intent, self.record.state
        is_settled = intent is not None and settled == intent.id
        conflict = self.record.conflict
        refused = pair_of(conflict, self.missing, self.job.aliases) if conflict is not None else None
        is_theirs = refused not in self.record.marks  # see find()
        look = yield from find(self.record, self.job.aliases)
        in_the_way = conflict is not None and (yield from self._began_since(conflict, refused))
        found = {pair: run.id for pair, run in look.found.items()}
        if conflict is not None and refused is not None and in_the_way and not is_theirs:
            # AEP itself says whose run this is, before the run does.
            found[refused] = conflict.run_id
        known = len(self.record.not_ours)
        self._adopt(found, ours_only=True)
        if {run.id for run in look.found.values()} & set(self.record.not_ours[known:]):
            return (yield from self._resolve(settled))  # behind another DAG run's, ours may be listed
        if look.unnamed or (state in UNCERTAIN and not is_settled):
            # A young run may yet name our audience; and runs may be listed late, also those of a POST that was
            # refused for some of its pairs only.
            return Settle(look.unnamed, intent.wait if intent is not None else 0.0)
        if not self.missing:
            return None
        doubted = any(pair in self.record.marks for pair in self.missing)
        if look.nameless and (state in UNCERTAIN or doubted):
            self._cannot_tell(look.nameless, "AEP lists runs that ended without naming any audience")
        if intent is None:
            return None
        if conflict is None or refused not in self.missing:
            return (yield from self._conclude(intent, conflict if refused is None else None))
        decided = self.on_conflict is OnConflict.ADOPT or conflict.run_id in self.record.not_ours
        if in_the_way:
            self.store.read_others([conflict.flow_id])
        unowned = in_the_way and self.store.is_anothers(*conflict[::2]) is False
        if is_theirs and unowned and not decided:
            # It began since we looked, and no other DAG run was told of it (yet): a gateway may have repeated our POST.
            if not is_settled:
                return Settle((), intent.wait)
            self._cannot_tell((conflict.run_id,), "AEP refused it because of a run that began as it was sent")
        if is_theirs:
            self.record.not_ours.append(conflict.run_id)
            intent.marks.pop(refused, None)
        return (yield from self._conclude(intent, conflict))

    def _began_since(self, conflict: Conflict, pair: Pair | None) -> Call[bool]:
        """Whether the run that AEP names is newer than the pair's first watermark, though nothing may show it yet."""
        mark = self.record.sought.get(pair) if pair is not None else None
        if mark is None:
            return False
        try:
            return mark.is_newer((yield from endpoints.run(conflict.run_id)))
        except AepNotFoundError:
            return True  # too young to be shown, by what AEP documents

    def _conclude(self, intent: Intent, conflict: Conflict | None) -> Call[Step | None]:
        """Do what follows when AEP knows no run for some pairs; None: they may be sent.

        :param conflict: the run in the way, if it still is.
        """
        state = self.record.state
        self.record.move(Event.ABSENT)
        if state in (SubmissionState.OPEN, SubmissionState.REOPENED):
            self.log.info("AEP knows no run for %s that may be lost: sending again", count(len(self.missing), "pair"))
            return None
        if state is SubmissionState.INCOMPLETE:
            raise AepSubmissionError(
                f"AEP accepted the activation but named no run for {len(self.missing)} of {len(self.job.pairs)} "
                f"pairs, and lists none: {self._names(self.missing)}. Check in AEP whether they were delivered; clear "
                "this task to send exactly these again."
            )
        self._save()
        if state in (SubmissionState.REFUSED, SubmissionState.REFUSED_IN_PART):
            raise AepSubmissionError(f"{intent.answer and intent.answer.text}. Not sent: {self._names(self.missing)}.")
        return (yield from self._handle_conflict(conflict)) if conflict is not None else None

    def _cannot_tell(self, run_ids: tuple[str, ...], why: str) -> NoReturn:
        """Leave to a person what no rule can decide; clearing the task is the decision that they are not ours."""
        self.record.doubtful = list(run_ids)
        self._save()
        raise AepSubmissionError(
            f"It is not known what the activation started, and {why}: {', '.join(run_ids)}. They may have delivered "
            f"{self._names(self.missing)}. Check in AEP; if they did not, clear this task to send exactly these again."
        )

    def _send(self, turned_away: tuple[Lease, ...] = ()) -> Call[WaitFor | None]:
        """Pass the gate, write the intent, POST once (again if turned away), record the answer: only this sends."""
        busy, export_id = yield from exports.to_deliver(
            self.now(), self.max_export_age_hours, api_version=self.api_version, export_id=self.export_id
        )
        if busy:
            return WaitFor(busy)
        if turned_away and (len(turned_away) > AT_ONCE or turned_away[0].age > SOON):
            return None
        pairs, earlier = self.missing, self.record.intent
        kept = {pair: mark for pair, mark in self.record.sought.items() if pair in pairs}
        room = WATERMARK_IDS - sum(len(mark.ids) for mark in set(self.record.marks.values()))
        fresh = yield from watermarks(dict.fromkeys(pair.flow_id for pair in pairs if pair not in kept), room)
        # A run of a lost POST that shows up late must still be recognised as ours: the first watermark stays.
        marks = {pair: kept.get(pair) or fresh[pair.flow_id] for pair in pairs}
        intent = Intent(uuid.uuid4().hex, self.now().isoformat(timespec="seconds"), marks, clears=self.clears)
        lease = Lease(self.clocks, self.stopped)
        self.gate()

        def before_bytes() -> None:
            if self.record.intent is not intent:
                lease.begin()
                self.record.move(Event.INTENT, intent)
                self._save()
            lease.require()

        try:
            orders = yield from endpoints.activate(pairs, export_id=export_id, before_bytes=before_bytes)
        except AepCallError as error:
            if self.record.intent is not intent:  # no connection, no token
                raise
            self._record_error(error, intent, earlier, len(pairs))
            return (yield from self._send((*turned_away, lease))) if isinstance(error, AepTurnedAwayError) else None
        self.record.add(matched(orders, pairs, self.job.aliases, self.log).values())
        self.record.lost = 0
        if self.missing:
            intent.answer = Answer(Reply.INCOMPLETE)
        self.record.move(Reply.INCOMPLETE if self.missing else Reply.ACCEPTED)
        self.store.claim(order for order in self.activations if order.pair in pairs)
        self._save()
        self.log.info("AEP accepted %d of %s", len(pairs) - len(self.missing), count(len(pairs), "pair"))
        return None

    def _record_error(self, error: AepCallError, intent: Intent, earlier: Intent | None, pairs: int) -> None:
        """Record what an error of the POST means; raise it where this attempt cannot go on."""
        reply = reply_of(error, pairs)
        if reply is Reply.LOST:
            self.record.lost += not isinstance(error, AepTurnedAwayError)
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

    def _handle_conflict(self, conflict: Conflict) -> Call[Step | None]:
        """Handle somebody else's run that is in progress: it is waited for, adopted, or the reason to stop."""
        running = yield from in_progress(self.missing, self.job.aliases, self.now() - exports.LOOK_BACK)
        others = {other: run.id for other, run in running.items()}
        # A run that names no audience yet may hold up a pair, but it must not pass for its delivery.
        adoptable = {other: run.id for other, run in running.items() if run.names(names_of(other, self.job.aliases))}
        pair = pair_of(conflict, self.missing, self.job.aliases)
        if pair is not None:
            others[pair] = adoptable[pair] = conflict.run_id
        text = "; ".join(f"{title_of(other, self.names)} in run {run_id}" for other, run_id in others.items()) or (
            f"audience {conflict.audience_id} → flow {conflict.flow_id} in run {conflict.run_id}"
        )
        self.conflicted(max(len(others), 1))
        if self.on_conflict is OnConflict.ADOPT:
            self._adopt(adoptable)
        if self.on_conflict is OnConflict.FAIL:
            raise AepSubmissionError(
                f"AEP is already delivering and on_conflict is 'fail', so nothing more was sent: {text}. Clear "
                "the failed tasks when it has ended."
            )
        if self.on_conflict is OnConflict.ADOPT and adoptable:
            return None
        # A run to another destination cannot be adopted, only waited for.
        self.log.info("AEP is already delivering: %s", text)
        return WaitFor(f"a delivery already in progress: {text}", Pair(conflict.flow_id, conflict.audience_id))

    def _adopt(self, found: Mapping[Pair, str], *, ours_only: bool = False) -> None:
        """Record runs that AEP lists; ``ours_only`` leaves out those of another DAG run, also if that is new."""
        if ours_only and found:
            self.store.read_others({pair.flow_id for pair in found})
        for pair, run_id in found.items():
            known = self.record.orders[pair]
            is_known = known is not None and known.run_id == run_id
            if ours_only and self.store.is_anothers(pair.flow_id, run_id):
                self.record.not_ours.append(run_id)
                self.record.orders[pair] = None if is_known else known
            elif not is_known:
                adopted = Activation(*pair, run_id, adopted=True)
                self.record.add([adopted])
                if ours_only:
                    self.store.claim([adopted])
                self.log.info("Found %s in AEP's run %s: adopted, not sent again", title_of(pair, self.names), run_id)
        if found:
            self._save()

    def _save(self) -> None:
        self.store.set(self.key, self.record.to_json())

    def _names(self, pairs: Iterable[Pair]) -> str:
        return titles_of(pairs, self.names)
