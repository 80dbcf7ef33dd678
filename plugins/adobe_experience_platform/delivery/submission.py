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
import enum
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol

from adobe_experience_platform.aep import (
    Activation,
    Call,
    FlowRun,
    Pair,
    RunStatus,
    conflict_in,
    count,
    endpoints,
    named,
)
from adobe_experience_platform.errors import (
    AepCallError,
    AepConflictError,
    AepLostAnswerError,
    AepNotFoundError,
    AepNotReadyError,
    AepRequestError,
    AepSubmissionError,
    Conflict,
)

from . import exports
from .jobs import Job
from .record import Answer, Intent, Record
from .search import find, in_progress, names_of, watermarks

KEY = "submission"
LOST_LIMIT = 3
"""Lost answers in a row after which the attempt gives up (the record stays, a retry goes on)."""


class RecordStore(Protocol):
    """Where the record is kept: ``task_state_store`` in Airflow, a dictionary in tests."""

    def get(self, key: str) -> object:
        """Return the stored JSON value, None if there is none."""

    def set(self, key: str, value: dict[str, object]) -> None:
        """Store a JSON value durably before returning."""


class Log(Protocol):
    """The part of a logger that tells the story of a submission."""

    def info(self, event: Any, /, *args: Any) -> Any:
        """Log a step."""

    def warning(self, event: Any, /, *args: Any) -> Any:
        """Log what an operator on call should see."""


class OnConflict(enum.StrEnum):
    """What to do when another ad-hoc run for the audience is in progress."""

    WAIT = "wait"
    ADOPT = "adopt"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Done:
    """Every pair has a run."""


@dataclass(frozen=True, slots=True)
class Settle:
    """The outcome of a POST is unknown: wait, look again, and only then decide.

    :param unnamed: young runs that name no audience yet and may be ours.
    :param at_least: seconds that AEP asked to wait.
    """

    unnamed: tuple[str, ...]
    at_least: float = 0.0


@dataclass(frozen=True, slots=True)
class WaitFor:
    """Something else must end first: a segment export, or another run for the same audience.

    :param conflict: the other run's pair, which may belong to a flow that this job does not deliver to.
    """

    reason: str
    conflict: Pair | None = None


Step = Done | Settle | WaitFor


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
    _asked_to_wait: float = field(init=False, default=0.0)
    _refused_whole: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        stored = self.store.get(self.key)
        self.record = Record.from_json(stored) if isinstance(stored, dict) else Record(max_tries=self.max_tries)
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
        self.record.failed_runs += self.record.doubtful
        self.record.doubtful = []
        if self.record.intent is not None:
            # AEP answered without these pairs; the person has decided that they are to be sent.
            self.record.intent.answer = None
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
            settled = self._refused_whole
            if waiting is not None:
                return waiting
        if self.record.intent is not None:
            self.record.intent = None
            self._save()
        return Done()

    def _resolve(self, intent: Intent, settled: bool) -> Call[Step | None]:
        """Find out what became of a POST; None when the rest is known not to have started."""
        answer = intent.answer
        conflict = conflict_in(answer.text) if answer is not None and answer.kind == "conflict" else None
        refused = self._pair_of(conflict) if conflict is not None else None
        # A run in the way of our only POST was there before it, though perhaps started after we took the watermark.
        theirs = [conflict.run_id] if conflict is not None and not self.record.unsure else []
        look = yield from find(
            self.missing, self.job.aliases, intent.watermarks, ignore=[*self.record.failed_runs, *theirs]
        )
        self._adopt(look.found)
        if conflict is not None and not theirs and refused in self.missing and conflict.run_id in look.newer:
            # AEP itself says whose run this is, before the run does.
            self._adopt_run(refused, conflict.run_id)
        if not self.missing:
            return None
        if look.unnamed:
            return Settle(look.unnamed, self._asked_to_wait)
        if not settled and (answer is None or answer.kind != "incomplete"):
            # Runs may be listed late, also those of a POST that was refused for some of its pairs only.
            return Settle((), self._asked_to_wait)
        if look.nameless and not self._refused_whole and (answer is None or answer.kind != "incomplete"):
            self._cannot_tell(look.nameless)
        if answer is None:
            self.log.info(
                "AEP knows no run for %s of the lost activation: sending again", count(len(self.missing), "pair")
            )
            return None
        if answer.kind == "incomplete":
            raise AepSubmissionError(
                f"AEP accepted the activation but named no run for {len(self.missing)} of {len(self.job.pairs)} "
                f"pairs, and lists none: {self._names(self.missing)}. Look in AEP whether they were delivered; clear "
                "this task to send exactly these again."
            )
        self.record.intent = None
        self.record.unsure |= not self._refused_whole
        self._save()
        if answer.kind == "refused":
            raise AepSubmissionError(f"{answer.text}. Not sent: {self._names(self.missing)}.")
        if conflict is not None and (refused is None or refused in self.missing):
            return (yield from self._give_way(conflict))
        return None

    def _cannot_tell(self, run_ids: tuple[str, ...]) -> NoReturn:
        """Leave to a person what no rule can decide; clearing the task is the decision that they are not ours."""
        self.record.doubtful = list(run_ids)
        self._save()
        raise AepSubmissionError(
            f"It is not known what the activation started, and AEP lists runs that ended without naming any audience: "
            f"{', '.join(run_ids)}. They may have delivered {self._names(self.missing)}. Look in AEP; if they did "
            "not, clear this task to send exactly these again."
        )

    def _send(self) -> Call[Step | None]:
        """Check the export, write the intent, POST once, record the answer."""
        self._refused_whole = False
        state = exports.state_of(
            (
                yield from endpoints.profile_export_jobs(
                    self.now() - exports.LOOK_BACK,
                    newest_succeeded=self.api_version == "v1" or self.max_export_age_hours is not None,
                )
            ),
            self.now(),
        )
        if state.in_progress:
            return WaitFor(exports.describe(state.in_progress[0], self.now()))
        export_id = None
        if self.api_version == "v1" or self.max_export_age_hours is not None:
            latest = exports.require_fresh(state, self.now(), self.max_export_age_hours)
            export_id = (self.export_id or latest.id) if self.api_version == "v1" else None
        pairs = self.missing
        lost = self.record.intent
        marks = yield from watermarks(dict.fromkeys(pair.flow_id for pair in pairs))
        if lost is not None:
            # A run of the lost POST that shows up late must still be recognised as ours.
            marks = {**marks, **lost.watermarks}
            self.record.unsure = True
        intent = Intent(self.now().isoformat(timespec="seconds"), marks)
        self.record.intent = intent
        self._save()
        try:
            orders = yield from endpoints.activate(pairs, export_id=export_id)
        except AepConflictError as error:
            self._refused(intent, "conflict", error, pairs)
            return None
        except AepLostAnswerError as error:
            self.record.lost += 1
            self._asked_to_wait = error.retry_after or 0.0
            self._save()
            self.log.warning("%s", error)
            if self.record.lost >= LOST_LIMIT:
                raise
            return None
        except AepRequestError as error:
            self._refused(intent, "refused", error, pairs)
            return None
        except AepCallError as error:
            if isinstance(error, AepNotReadyError) and len(pairs) > 1:
                self._refused(intent, "not_ready", error, pairs)
                raise
            # Not sent: connection refused, 401, 403, 404, or the only flow is "not ready".
            self.record.intent = lost
            self._save()
            raise
        self._take(orders, pairs)
        self.record.lost = 0
        if self.missing:
            intent.answer = Answer("incomplete", "")
        else:
            self.record.intent = None
        self._save()
        self.log.info("AEP accepted %d of %s", len(pairs) - len(self.missing), count(len(pairs), "pair"))
        return None

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

    def _refused(self, intent: Intent, kind: str, error: AepCallError, pairs: list[Pair]) -> None:
        """Record a 400. Whether it concerns the whole POST is not documented; only a pair alone is certain."""
        intent.answer = Answer(kind, str(error))
        self._refused_whole = len(pairs) == 1
        self._save()

    def _give_way(self, conflict: Conflict) -> Call[Step | None]:
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
        self.record.intent = None
        self.conflicted(max(len(others), 1))
        if self.on_conflict is OnConflict.ADOPT:
            for other, run_id in adoptable.items():
                self._adopt_run(other, run_id, save=False)
        self._save()
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

    def _adopt(self, found: Mapping[Pair, FlowRun]) -> None:
        for pair, run in found.items():
            self._adopt_run(pair, run.id, save=False)
        if found:
            self._save()

    def _adopt_run(self, pair: Pair, run_id: str, *, save: bool = True) -> None:
        self.record.orders[pair] = Activation(*pair, run_id, adopted=True)
        self.log.info("Found %s in AEP's run %s: adopted, not sent again", self._name(pair), run_id)
        if save:
            self._save()

    def _save(self) -> None:
        self.store.set(self.key, self.record.to_json())

    def _name(self, pair: Pair) -> str:
        return f"audience {named(pair.audience_id, self.names)} → flow {named(pair.flow_id, self.names)}"

    def _names(self, pairs: Iterable[Pair], limit: int = 20) -> str:
        listed = [self._name(pair) for pair in pairs]
        more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
        return "; ".join(listed[:limit]) + more
