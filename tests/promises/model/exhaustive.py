"""All histories of a small world: one submission, a few pairs, an AEP that does at each step whatever it may.

Time is symbolic here: a run is listed when the explorer says so, at the latest when the settling time is over. So
states that differ in seconds only are one state, and all of them can be visited.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from adobe_experience_platform.aep import Activation, Call, Pair
from adobe_experience_platform.aep.calls import Request, Response
from adobe_experience_platform.delivery import xcom
from adobe_experience_platform.delivery.jobs import Job
from adobe_experience_platform.delivery.search import find
from adobe_experience_platform.delivery.steps import Done, OnConflict, Settle
from adobe_experience_platform.delivery.submission import Submission
from adobe_experience_platform.errors import (
    AepConflictError,
    AepError,
    AepLostAnswerError,
    AepNotFoundError,
    AepRequestError,
    AepTransientError,
    Conflict,
)
from tests.support.memory_aep import START, Crash

SILENT = logging.getLogger("tests.silent")
SILENT.disabled = True
SETTLE = 120.0
POSTS = ("ok", "lost", "vain", "late", "omit", "bad")
"""What a POST may meet: its runs; the same, or nothing, or runs later, and no answer; an answer that leaves out the
last pair; a 400 for the last pair, the others started or not."""


@dataclass(frozen=True, slots=True)
class SmallRun:
    """A flow run. :param cleared: a person has cleared since it began."""

    flow_id: str
    audience: str
    ours: bool
    listed: bool = False
    named: bool = True
    status: str = "inProgress"
    cleared: bool = False

    def has(self, pair: Pair) -> bool:
        return (self.flow_id, self.audience) == pair


@dataclass(frozen=True, slots=True)
class Small:
    """A state: what AEP, the store and Airflow hold.

    :param record: as it is stored.
    :param phase: ``start``, ``settling``, ``waiting``, ``done`` or ``failed``.
    :param settling: the intent whose settling time runs.
    :param late: pairs of a POST that is still under way.
    :param frozen: what a process that stands still has learnt, and whether it may still write.
    :param budget: how often each kind of trouble may still come.
    """

    runs: tuple[SmallRun, ...] = ()
    record: str | None = None
    phase: str = "start"
    settling: str = ""
    max_tries: int = 3
    late: tuple[Pair, ...] = ()
    frozen: tuple[tuple[Any, ...], str, int, float] | None = None
    frozen_writes: bool = True
    ids: int = 0
    clock: float = 0.0
    posts: int = 3
    budget: tuple[tuple[str, int], ...] = ()

    def left(self, kind: str) -> int:
        return dict(self.budget)[kind]

    def spend(self, kind: str) -> tuple[tuple[str, int], ...]:
        return tuple((name, number - (name == kind)) for name, number in self.budget)


@dataclass(frozen=True, slots=True)
class Scope:
    """What of the world is explored.

    :param pairs: of the submission.
    :param blocks: whether AEP refuses a pair that is in progress.
    :param partial: whether a 400 leaves the other pairs started.
    """

    pairs: tuple[Pair, ...]
    on_conflict: OnConflict = OnConflict.WAIT
    blocks: bool = True
    partial: bool = True
    posts: int = 3
    budget: tuple[tuple[str, int], ...] = (
        ("crash", 2),
        ("clear", 2),
        ("fail", 1),
        ("foreign", 1),
        ("freeze", 1),
        ("stale", 1),
    )
    young: bool = True


class Stop(BaseException):
    """The process stands still."""


class BreachError(AssertionError):
    """A promise is broken."""


@dataclass
class Attempt:
    """One process in a state, which it changes.

    :param kind: ``crash`` or ``freeze`` at moment ``at``; moments lie around effects.
    :param replies: what it learnt before it was frozen.
    """

    scope: Scope
    state: Small
    post: str = "ok"
    kind: str = ""
    at: int = 0
    stale: bool = False
    replies: list[tuple[bool, Any]] = field(default_factory=list)
    is_thawed: bool = False
    cursor: int = 0
    moments: int = 0

    def ask(self, look: Any) -> Any:
        if self.cursor < len(self.replies):
            known, value = self.replies[self.cursor]
        else:
            try:
                known, value = True, look()
            except AepError as error:
                known, value = False, error
            self.replies.append((known, value))
        self.cursor += 1
        if not known:
            raise value
        return value

    def moment(self, *kinds: str) -> None:
        """Die or stand still here; a process that dies before an effect could as well have died after the last one."""
        if self.cursor < len(self.replies) or self.kind not in ("", *kinds):
            return
        self.moments += 1
        if self.moments == self.at:
            raise Stop if self.kind == "freeze" else Crash

    # -- the store

    def get(self, key: str) -> object:
        text = self.ask(lambda: self.state.record)
        return None if text is None else json.loads(text)

    def set(self, key: str, value: dict[str, object]) -> None:
        self.moment("freeze")
        self.ask(lambda: self._put(json.dumps(value)))
        self.moment("freeze", "crash")

    def _put(self, text: str) -> None:
        if self.is_thawed and not self.state.frozen_writes:
            raise AepTransientError("the store", text="refused")  # as Airflow refuses what an old attempt writes
        self.state = replace(self.state, record=text)

    def claim(self, activations: object) -> None:
        """Note nothing: there is one DAG run."""

    def read_others(self, flow_ids: object) -> None:
        """Read nothing."""

    def is_anothers(self, flow_id: str, run_id: str) -> None:
        """Return None: nobody could have noted it."""

    # -- AEP

    def carry_out(self, call: Call[Any]) -> Any:
        try:
            request = next(call)
            while True:
                try:
                    response = self._respond(request)
                except AepError as error:
                    request = call.throw(error)
                else:
                    request = call.send(response)
        except StopIteration as stop:
            return stop.value

    def _respond(self, request: Request) -> Response:
        if not request.is_activation:
            return self.ask(lambda: self._read(request))
        if request.before_bytes is not None:
            request.before_bytes()
        try:
            return self.ask(lambda: self._activate(dict(request.json or {})))
        finally:
            self.moment("crash")

    def _read(self, request: Request) -> Response:
        if request.name == "GET /export/jobs":
            return Response({"records": [], "link": {}})
        numbered = list(enumerate(self.state.runs))
        if request.name == "GET /runs/{id}":
            found = [(n, run) for n, run in numbered if request.path.endswith(f"/run-{n}")]
            if not found:
                raise AepNotFoundError(request.name)
            return Response({"items": [_shown(*found[0])]})
        condition = dict(request.params).get("property", "")
        flow_ids = condition.removeprefix("flowId==").split(",") if condition else [run.flow_id for _, run in numbered]
        listed = [(n, run) for n, run in reversed(numbered) if run.flow_id in flow_ids and run.listed]
        if self.stale:
            self.stale, listed = False, listed[1:]  # the newest is not there (any more)
        return Response({"items": [_shown(n, run) for n, run in listed]})

    def _activate(self, body: dict[str, Any]) -> Response:
        pairs = [Pair(flow, audience) for flow, names in body["activationInfo"].items() for audience in names]
        meets, self.post = self.post, "ok"
        self.state = replace(self.state, posts=self.state.posts - 1)
        name = "POST /adhocrun"
        if meets == "vain":
            raise AepLostAnswerError(name, text="lost")
        if meets == "late":
            self.state = replace(self.state, late=tuple(pairs))
            raise AepLostAnswerError(name, text="lost")
        busy = {pair: run for pair in pairs if (run := self._busy(pair)) is not None}
        bad = pairs[-1:] if meets == "bad" else []
        if busy or bad:
            if self.scope.partial:
                self._start([pair for pair in pairs if pair not in busy and pair not in bad])
            if meets == "lost":
                raise AepLostAnswerError(name, text="lost")
            if busy and not bad:
                pair, number = next(iter(busy.items()))
                raise AepConflictError(name, Conflict(pair.audience_id, pair.flow_id, f"run-{number}"), status=400)
            raise AepRequestError(name, status=400, text="not mapped")
        first = len(self.state.runs)
        self._start(pairs)
        if meets == "lost":
            raise AepLostAnswerError(name, text="lost")
        told = list(enumerate(pairs, start=first))[: -1 if meets == "omit" else None]
        orders = [
            {"segment": pair.audience_id, "order": pair.flow_id, "statusURL": f"https://platform.adobe.io/runs/run-{n}"}
            for n, pair in told
        ]
        return Response({"order": orders})

    def _busy(self, pair: Pair) -> int | None:
        running = [n for n, run in enumerate(self.state.runs) if run.has(pair) and run.status == "inProgress"]
        return running[0] if running and self.scope.blocks else None

    def _start(self, pairs: list[Pair]) -> None:
        self.state = started(self.state, pairs)


def started(state: Small, pairs: list[Pair] | tuple[Pair, ...]) -> Small:
    """Return the state after a POST took effect; no pair may be sent twice."""
    for pair in pairs:
        for number, run in enumerate(state.runs):
            if run.ours and run.has(pair) and not (run.status == "failed" and run.cleared):
                raise BreachError(f"{pair} is sent again, but run-{number} is {run.status}")
    return replace(state, runs=(*state.runs, *(SmallRun(*pair, ours=True) for pair in pairs)))


_SHOWN: dict[tuple[int, SmallRun], dict[str, object]] = {}


def _shown(number: int, run: SmallRun) -> dict[str, object]:
    key = (number, run)
    if key not in _SHOWN:
        metrics: dict[str, Any] = {"statusSummary": {"status": run.status}}
        if run.named or run.status != "inProgress":
            entities = [{"id": f"segment:{run.audience}", "inputRecordCount": 1}]
            metrics["recordSummary"] = {"sourceSummaries": [{"entitySummaries": entities}]}
        at = round(START.timestamp() * 1000) + number * 10_000
        _SHOWN[key] = {"id": f"run-{number}", "flowId": run.flow_id, "createdAt": at, "metrics": metrics}
    return _SHOWN[key]


class Explorer:
    """Visits every state of a small world once, nearest first.

    :param scope: what is explored.
    """

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.first = Small(posts=scope.posts, budget=scope.budget)
        self.came: dict[Small, tuple[Small, str] | None] = {self._key(self.first): None}
        self.transitions = 0

    @staticmethod
    def _key(state: Small) -> Small:
        frozen = state.frozen
        if frozen is None:
            return state
        return replace(state, frozen=((repr(frozen[0]),), *frozen[1:]))  # type: ignore[arg-type]

    def explore(self, steps: int, most: int = 10**9) -> int:
        """Return how many states were visited.

        :param steps: length of the longest history.
        :param most: stop after so many states.
        :raises BreachError: with the shortest history that breaks a promise.
        """
        frontier = [self.first]
        for _ in range(steps):
            following: list[Small] = []
            for state in frontier:
                for name, after in self._guarded(state):
                    self.transitions += 1
                    key = self._key(after)
                    if key not in self.came:
                        self.came[key] = (self._key(state), name)
                        following.append(after)
                if len(self.came) >= most:
                    return len(self.came)
            frontier = following
        return len(self.came)

    def _guarded(self, state: Small) -> Iterator[tuple[str, Small]]:
        moves = self._moves(state)
        while True:
            self.doing = ""
            try:
                yield next(moves)
            except StopIteration:
                return
            except BreachError as breach:
                raise BreachError(f"{breach}\n" + "\n".join(self._history(state)) + f"\n  {self.doing}") from breach

    def _history(self, state: Small) -> list[str]:
        lines: list[str] = []
        key = self._key(state)
        while (step := self.came[key]) is not None:
            key, name = step
            lines.append(f"  {name}")
        return [f"{self.scope}", *reversed(lines)]

    def _moves(self, state: Small) -> Iterator[tuple[str, Small]]:
        yield from self._airflow(state)
        for number, run in enumerate(state.runs):
            if not run.listed:
                yield f"run-{number} is listed", _changed(state, number, listed=True, named=not self.scope.young)
            elif not run.named:
                yield f"run-{number} names its audience", _changed(state, number, named=True)
            if run.status == "inProgress" and (run.ours or state.phase != "start"):
                yield f"run-{number} succeeds", _changed(state, number, status="success")
                if state.left("fail"):
                    failed = _changed(state, number, status="failed")
                    yield f"run-{number} fails", replace(failed, budget=state.spend("fail"))
        if state.left("foreign"):
            pair = self.scope.pairs[0]
            other = SmallRun(*pair, ours=False, listed=True)
            yield "somebody else delivers", replace(state, runs=(*state.runs, other), budget=state.spend("foreign"))
        if state.late:
            self.doing = "the late POST takes effect"
            yield self.doing, replace(self._late(state), late=())

    def _late(self, state: Small) -> Small:
        busy = (
            any(run.has(pair) and run.status == "inProgress" for run in state.runs for pair in state.late)
            and self.scope.blocks
        )
        return state if busy else started(state, state.late)

    def _airflow(self, state: Small) -> Iterator[tuple[str, Small]]:
        if state.left("clear") and state.record is not None:
            runs = tuple(replace(run, cleared=True) for run in state.runs)
            yield (
                "a person clears",
                replace(
                    state,
                    phase="start",
                    settling="",
                    max_tries=state.max_tries + 1,
                    runs=runs,
                    frozen_writes=False,
                    budget=state.spend("clear"),
                ),
            )
        if state.frozen is not None:
            yield from self._lives("thaws", state, thaw=True)
        if state.phase in ("start", "waiting"):
            yield from self._lives("runs" if state.phase == "start" else "looks again", state)
        elif state.phase == "settling":
            self.doing = "the settling time ends"
            over = replace(self._late(state), late=(), clock=state.clock + SETTLE)
            over = replace(over, runs=tuple(replace(run, listed=True) for run in over.runs))
            yield from self._lives("settles", over, settled=state.settling)
            yield "the wait is lost", replace(state, phase="start", settling="")

    def _lives(self, name: str, state: Small, *, settled: str = "", thaw: bool = False) -> Iterator[tuple[str, Small]]:
        """Let a process live, in every way that it may."""
        for post in POSTS if state.posts else ("ok",):
            for stale in (False, True) if state.left("stale") and state.runs else (False,):
                self.doing = f"{name}, POST {post}" + (", the newest run is not listed" if stale else "")
                begun = replace(state, budget=state.spend("stale")) if stale else state
                attempt, after = self._live(begun, post, settled, thaw, stale=stale)
                sent = attempt.state.posts < state.posts
                if sent or post == "ok":
                    yield self.doing, after
                    yield from self._faults(self.doing, begun, post, settled, thaw, stale, attempt.moments)

    def _faults(
        self, name: str, state: Small, post: str, settled: str, thaw: bool, stale: bool, moments: int
    ) -> Iterator[tuple[str, Small]]:
        for kind in ("crash", "freeze"):
            if not state.left(kind) or (kind == "freeze" and state.frozen is not None):
                continue
            for at in range(1, moments + 1):
                self.doing = f"{name}, {kind} at {at}"
                begun = replace(state, budget=state.spend(kind))
                attempt, after = self._live(begun, post, settled, thaw, kind=kind, at=at, stale=stale)
                if attempt.moments < at:
                    break  # it has fewer such moments
                yield self.doing, after

    def _live(
        self, state: Small, post: str, settled: str, thaw: bool, *, kind: str = "", at: int = 0, stale: bool = False
    ) -> tuple[Attempt, Small]:
        attempt = Attempt(self.scope, state, post if state.posts else "vain", kind, at, stale)
        begins, max_tries, learnt = state.phase == "start", state.max_tries, None
        if thaw and state.frozen is not None:
            learnt, settled, max_tries, _ = state.frozen
            begins = settled == "begin"
            attempt.replies, attempt.is_thawed = list(learnt), True
            attempt.state = replace(state, frozen=None)
            settled = "" if begins else settled
        phase = ""
        try:
            phase, settling = self._step(attempt, begins, settled, max_tries)
        except Crash:
            phase, settling = "start", ""
        except Stop:
            frozen = tuple(attempt.replies), "begin" if begins else settled, max_tries, attempt.state.clock
            # Airflow gives the process up, or a person clears: another try begins while this one stands still.
            return attempt, replace(attempt.state, phase="start", settling="", frozen=frozen, frozen_writes=False)
        if thaw and not state.frozen_writes:
            return attempt, attempt.state  # an old attempt says nothing any more
        return attempt, replace(attempt.state, phase=phase, settling=settling)

    def _step(self, attempt: Attempt, begins: bool, settled: str, max_tries: int) -> tuple[str, str]:
        def new_id() -> str:
            attempt.state = replace(attempt.state, ids=attempt.state.ids + 1)
            return f"id-{attempt.state.ids}"

        IDS.make = lambda: attempt.ask(new_id)
        try:
            submission = Submission(
                job=Job(1, 1, self.scope.pairs, {}),
                store=attempt,
                max_tries=max_tries,
                on_conflict=self.scope.on_conflict,
                log=SILENT,
                now=lambda: START,
                clocks=lambda: (attempt.ask(lambda: attempt.state.clock),),
            )
            if begins:
                attempt.carry_out(submission.begin(resend_failed=True))
            elif settled:
                # What the trigger saw while it waited: its last looks were after all was listed.
                later, attempt.stale = attempt.stale, False
                look = attempt.carry_out(find(submission.record, {}))
                if look.unnamed:
                    return "settling", settled  # the trigger waits on
                submission.record_found(settled, [Activation(*pair, run.id, True) for pair, run in look.found.items()])
                attempt.stale = later
            step = attempt.carry_out(submission.step(settled=settled))
        except AepError as error:
            return "start" if error.retriable else "failed", ""
        self._judge(attempt.state, submission, isinstance(step, Done))
        if isinstance(step, Settle):
            return "settling", submission.record.intent.id if submission.record.intent else ""
        return ("done" if isinstance(step, Done) else "waiting"), ""

    def _judge(self, state: Small, submission: Submission, done: bool) -> None:
        """Whatever is said of a pair is so."""
        note = xcom.submission_note(submission)
        for flow_id, audience, run_id, adopted in note["orders"]:
            run = state.runs[int(run_id.removeprefix("run-"))]
            if not run.has(Pair(flow_id, audience)) or not (run.ours or adopted):
                raise BreachError(f"{audience} → {flow_id} is called delivered by {run}")
        for missing in note["missing"]:
            live = [run for run in state.runs if run.ours and run.has(Pair(*missing)) and run.status != "failed"]
            if done or (note["missing_is"] == "not_sent" and live):
                raise BreachError(f"{missing} is called {note['missing_is']}, done: {done}, but AEP runs {live}")


class IDS:
    """Where the ids of intents come from while a small world is explored."""

    make: Any = None

    @classmethod
    def uuid4(cls) -> Any:
        found = cls()
        found.hex = cls.make()  # type: ignore[attr-defined]
        return found


def _changed(state: Small, number: int, **changes: Any) -> Small:
    runs = list(state.runs)
    runs[number] = replace(runs[number], **changes)
    return replace(state, runs=tuple(runs))


__all__ = ["IDS", "BreachError", "Explorer", "Scope"]
