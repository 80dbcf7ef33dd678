"""An AEP in memory with a clock of its own, for exploring the exactly-once protocol without sockets.

It answers raw HTTP to the effects of :mod:`adobe_experience_platform.aep.transport`, so that all of the
package below the hook takes part. It knows who started each run and notes every breach of the promise:
two runs of ours for one pair, unless the earlier one failed and a person cleared the task since.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from adobe_experience_platform.aep.calls import Call
from adobe_experience_platform.aep.connection import AepConnection
from adobe_experience_platform.aep.endpoints import ADHOC_RUN, EXPORT_JOBS, FLOWS, RUNS
from adobe_experience_platform.aep.orders import Pair
from adobe_experience_platform.aep.transport import NeedToken, Received, Send, Sleep, TransportError, exchange
from adobe_experience_platform.errors import AepError

from .parts import flow_json, play, selector, settings

T = TypeVar("T")

START = dt.datetime(2026, 3, 10, 6, 0, tzinfo=dt.UTC)
EFFECTIVE = {"ok", "repeated", "broken_after", "500_after", "html_after", "cut_after", "full_after"}
EFFECTIVE |= {"empty_order", "omit_order"}
"""What a POST may meet and still start its runs; ``repeated``: a gateway sends it twice; ``full_after``: it lies."""
FULL = {"error_code": "429050", "message": "Too many requests"}
LOOKS = ("empty", "stale", "cut", "503")
"""What a list of runs may meet: it is empty, shows what was so a minute ago, has a rest that cannot be read, fails."""
STALE = 60.0


class Crash(BaseException):
    """The worker's death: nothing in the package can catch it."""


@dataclass(slots=True)
class Crashes:
    """Kills the worker at the n-th moment that is counted: before and after every request and store.set."""

    at: int | None = None
    seen: int = 0

    def moment(self) -> None:
        self.seen += 1
        if self.seen == self.at:
            raise Crash


@dataclass(slots=True)
class MemoryStore:
    """A store that keeps JSON, as a database does.

    :param owners: run id → DAG run, shared by the stores of all DAG runs; None where nobody notes it.
    """

    crashes: Crashes = field(default_factory=Crashes)
    kept: dict[str, str] = field(default_factory=dict)
    after_set: Callable[[dict[str, Any]], None] = lambda _: None
    owners: dict[str, str] | None = None
    dag_run: str = "run"

    def claim(self, activations: Iterable[Any]) -> None:
        for item in activations if self.owners is not None else ():
            if not item.adopted or item.run_id not in self.owners:
                self.owners[item.run_id] = self.dag_run

    def read_others(self, flow_ids: Iterable[str]) -> None:
        """Do nothing: owners are read as they are asked for."""

    def is_anothers(self, flow_id: str, run_id: str) -> bool | None:
        return None if self.owners is None else self.owners.get(run_id, self.dag_run) != self.dag_run

    def get(self, key: str) -> object:
        return json.loads(self.kept[key]) if key in self.kept else None

    def set(self, key: str, value: dict[str, object]) -> None:
        self.crashes.moment()
        text = json.dumps(value)
        assert len(text.encode()) < 65_535
        self.kept[key] = text
        self.after_set(json.loads(text))
        self.crashes.moment()


@dataclass(slots=True)
class FakeRun:
    """A flow run, and when it shows what.

    :param sender: the DAG run whose POST began it.
    """

    id: str
    flow_id: str
    audiences: tuple[str, ...]
    ours: bool
    created: float
    listed_at: float
    named_at: float
    ends_at: float | None
    ending: str = "success"
    nameless: bool = False
    sender: str = ""

    def has(self, pair: Pair) -> bool:
        return self.flow_id == pair.flow_id and pair.audience_id in self.audiences

    def ended(self, at: float) -> bool:
        return self.ends_at is not None and at >= self.ends_at


@dataclass
class MemoryAep:
    """The model.

    :param lag: seconds until a run is listed; the protocol assumes that a settle period is longer.
    :param young: seconds until a run names its audiences.
    :param late: seconds until a POST whose answer is lost "late" takes effect.
    :param scope: whether a run in progress blocks its ``audience`` everywhere, the ``pair`` only, or ``nothing``.
    :param tick: seconds between two values of AEP's clock: runs of one tick share their creation time.
    :param aliases: audience id → external id of imported audiences.
    :param mapped: flow id → audiences that are mapped to it, for the preflight.
    :param posts: what the next POSTs meet; ``ok`` when empty.
    :param looks: what the next lists of runs meet, see :data:`LOOKS`; they tell the truth when empty.
    :param one_by_one: seconds between two audiences that a run of several names.
    :param skew: seconds by which the clock of every other run's node is late.
    :param sender: the DAG run that is at work.
    :param bad: audiences that AEP refuses.
    """

    lag: float = 0.0
    young: float = 0.0
    late: float = 30.0
    run_seconds: float | None = 300.0
    scope: str = "audience"
    word: str = "audience"
    tick: float = 0.001
    partial_400: bool = False
    shared_runs: bool = False
    shuffled: bool = False
    ignores_filters: bool = False
    aliases: dict[str, str] = field(default_factory=dict)
    mapped: dict[str, tuple[str, ...]] = field(default_factory=dict)
    order_external: bool = False
    entity_external: bool = False
    posts: list[str] = field(default_factory=list)
    looks: list[str] = field(default_factory=list)
    one_by_one: float = 0.0
    skew: float = 0.0
    sender: str = ""
    bad: set[str] = field(default_factory=set)
    exporting: bool = False
    newest_export: int = 722
    connection: AepConnection = field(default_factory=settings)
    crashes: Crashes = field(default_factory=Crashes)
    now: float = 1000.0
    runs: list[FakeRun] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)
    clears: list[tuple[float, str]] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)
    due: list[tuple[float, list[Pair]] | tuple[float, list[Pair], str]] = field(default_factory=list)

    # -- for tests

    def call(self, call: Call[T]) -> T:
        """Carry out a call as the hooks do."""
        try:
            request = next(call)
            while True:
                try:
                    response = play(exchange(self.connection, request), self._react)
                except AepError as error:
                    request = call.throw(error)
                else:
                    request = call.send(response)
        except StopIteration as stop:
            result: T = stop.value
            return result

    def clock(self, skew: float = 0.0) -> dt.datetime:
        """Return the time; ``skew`` seconds off for a client whose clock is wrong."""
        return START + dt.timedelta(seconds=self.now + skew)

    def advance(self, seconds: float) -> None:
        """Let time pass; what is due takes effect on the way."""
        end = self.now + seconds
        while self.due and self.due[0][0] <= end:
            moment, pairs, *sender = self.due.pop(0)
            self.now = max(self.now, moment)
            if not any(self._busy(pair) for pair in pairs):
                self._start(pairs, *sender)
        self.now = end

    def foreign(
        self, flow_id: str, *audiences: str, seconds: float | None = 600.0, lag: float | None = None
    ) -> FakeRun:
        """Start somebody else's run."""
        return self._add(flow_id, audiences, ours=False, seconds=seconds, lag=lag)

    def end(self, run: FakeRun, ending: str = "success", *, nameless: bool = False) -> None:
        """End a run now."""
        run.ends_at, run.ending, run.nameless = self.now, ending, nameless

    def ours(self, pair: Pair, sender: str = "") -> list[FakeRun]:
        """Return our runs of a pair, those of one DAG run."""
        return [run for run in self.runs if run.ours and run.has(pair) and run.sender == sender]

    def cleared(self, sender: str = "") -> None:
        """Note that a person has cleared the task."""
        self.clears.append((self.now, sender))

    # -- AEP

    def _react(self, effect: Any) -> Any:
        if isinstance(effect, NeedToken):
            return "token"
        if isinstance(effect, Sleep):
            self.advance(effect.seconds)
            return None
        if effect.before_bytes is not None and self.posts[:1] != ["refused"]:
            effect.before_bytes()
        self.crashes.moment()
        self.advance(0.01)
        received = self._answer(effect)
        self.crashes.moment()
        return received

    def _answer(self, send: Send) -> Received:
        path = send.url.removeprefix(self.connection.base_url)
        query = dict(send.params)
        if path == ADHOC_RUN:
            return self._activate(json.loads(send.body or b"{}"))
        if path == EXPORT_JOBS:
            return _json(200, {"records": self._exports(), "link": {"next": ""}})
        if path == RUNS:
            return self._list(query.get("property", ""))
        if path == FLOWS:
            return _json(
                200, {"items": [flow_json(flow_id, *map(selector, ids)) for flow_id, ids in self.mapped.items()]}
            )
        if path.startswith(f"{FLOWS}/"):
            flow_id = path.removeprefix(f"{FLOWS}/")
            return _json(200, {"items": [flow_json(flow_id, *map(selector, self.mapped.get(flow_id, ())))]})
        found = [run for run in self.runs if path == f"{RUNS}/{run.id}"]
        return _json(200, {"items": [self._show(found[0])]}) if found else _json(404, {"errorMessage": "not found"})

    def _exports(self) -> list[dict[str, object]]:
        ms = round((START + dt.timedelta(seconds=self.now)).timestamp() * 1000)
        schema = {"name": "_xdm.context.profile"}
        done = {"id": self.newest_export, "status": "SUCCEEDED", "schema": schema, "creationTime": ms - 3_600_000}
        running = {"id": self.newest_export + 1, "status": "PROCESSING", "schema": schema, "creationTime": ms - 60_000}
        return [running, done] if self.exporting else [done]

    def _list(self, wanted: str) -> Received:
        if wanted.startswith("id=="):
            ids = wanted.removeprefix("id==").split(",")
            return _json(200, {"items": [self._show(run) for run in self.runs if run.id in ids], "_links": {}})
        meets = self.looks.pop(0) if self.looks else "ok"
        if meets == "503":
            return _json(503, {"message": "busy"})
        now, self.now = self.now, self.now - (STALE if meets == "stale" else 0.0)
        flow_ids = wanted.removeprefix("flowId==").split(",") if wanted else [run.flow_id for run in self.runs]
        found = [self._show(run) for run in self._listed(*flow_ids)]
        self.now = now
        more = {"next": {"href": "?cursor=unknown"}} if meets == "cut" else {}
        shown = [] if meets == "empty" else found[: len(found) // 2] if meets == "cut" else found
        return _json(200, {"items": shown, "_links": more})

    def _listed(self, *flow_ids: str) -> list[FakeRun]:
        found = [run for run in self.runs if run.listed_at <= self.now]
        found = [run for run in found if self.ignores_filters or run.flow_id in flow_ids]
        newest_first = sorted(found, key=lambda run: run.created, reverse=True)
        return newest_first[1::2] + newest_first[::2] if self.shuffled else newest_first

    def _show(self, run: FakeRun) -> dict[str, object]:
        ended = run.ended(self.now)
        data: dict[str, Any] = {
            "id": run.id,
            "flowId": run.flow_id,
            "createdAt": round((START.timestamp() + self._created(run) // self.tick * self.tick) * 1000),
            "metrics": {"statusSummary": {"status": run.ending if ended else "inProgress"}},
        }
        if (self.now >= run.named_at or ended) and not run.nameless:
            young = self.one_by_one and not ended
            told = 1 + int((self.now - run.named_at) / self.one_by_one) if young else len(run.audiences)
            names = [self.aliases.get(name, name) if self.entity_external else name for name in run.audiences[:told]]
            entities = [{"id": f"segment:{name}", "inputRecordCount": 1} for name in names]
            data["metrics"]["recordSummary"] = {"sourceSummaries": [{"entitySummaries": entities}]}
        return data

    def _created(self, run: FakeRun) -> float:
        return run.created - (self.skew if int(run.id.rsplit("-")[-1]) % 2 else 0.0)

    def _activate(self, body: dict[str, Any]) -> Received:
        self.sent.append(body)
        meets = self.posts.pop(0) if self.posts else "ok"
        if meets == "refused":
            raise TransportError("connection refused", sent=False)
        if meets == "late":
            pairs = [Pair(flow, audience) for flow, names in body["activationInfo"].items() for audience in names]
            self.due.append((self.now + self.late, pairs, self.sender))
            self.due.sort(key=lambda item: item[0])
            raise TransportError("no response within 60 s", sent=True)
        if meets == "repeated":
            self._take(body, "ok")
        if meets in EFFECTIVE:
            return self._take(body, meets)
        if meets == "broken_before":
            raise TransportError("the connection was closed", sent=True)
        if meets == "full":
            return _json(429, FULL)
        if meets == "not_ready":
            return _json(400, {"message": "Following order ID(s) are not ready, please wait for 10 minutes and retry."})
        return _json(int(meets), {"message": f"answer {meets}"})

    def _take(self, body: dict[str, Any], meets: str) -> Received:
        pairs = [Pair(flow, audience) for flow, names in body["activationInfo"].items() for audience in names]
        bad = [pair for pair in pairs if pair.audience_id in self.bad]
        busy = {pair: run for pair in pairs if pair not in bad and (run := self._busy(pair)) is not None}
        good = [pair for pair in pairs if pair not in bad and pair not in busy]
        omitted = pairs[-1:] if meets == "omit_order" else []
        if bad or busy:
            if self.partial_400:
                self._start(good)
            answer = _json(400, {"message": self._refusal(bad, busy)})
        else:
            started = self._start(good)
            answer = _json(200, {"order": [self._order(pair, started[pair]) for pair in good if pair not in omitted]})
        if meets == "broken_after":
            raise TransportError("the connection was closed", sent=True)
        return {
            "500_after": _json(500, {"message": "unexpected"}),
            "full_after": _json(429, FULL),
            "html_after": Received(200, {}, b"<html>"),
            "cut_after": Received(200, {}, answer.body[: len(answer.body) // 2]),
            "empty_order": _json(200, {"order": []}) if answer.status == 200 else answer,
        }.get(meets, answer)

    def _refusal(self, bad: list[Pair], busy: dict[Pair, FakeRun]) -> str:
        if bad:
            names = ", ".join(pair.audience_id for pair in bad)
            return f"Segments {names} are not part of this dataflow or out of schedule range!"
        pair, run = next(iter(busy.items()))
        return f"Run already going on for {self.word} {pair.audience_id} for order {run.flow_id} with run id {run.id}"

    def _order(self, pair: Pair, run: FakeRun) -> dict[str, str]:
        name = self.aliases.get(pair.audience_id, pair.audience_id) if self.order_external else pair.audience_id
        return {"segment": name, "order": pair.flow_id, "statusURL": f"https://platform.adobe.io{RUNS}/{run.id}"}

    def _busy(self, pair: Pair) -> FakeRun | None:
        if self.scope == "nothing":
            return None
        for run in self.runs:
            here = run.flow_id == pair.flow_id or self.scope == "audience"
            if here and pair.audience_id in run.audiences and not run.ended(self.now):
                return run
        return None

    def _start(self, pairs: list[Pair], sender: str | None = None) -> dict[Pair, FakeRun]:
        sender = self.sender if sender is None else sender
        for pair in pairs:
            self._judge(pair, sender)
        if not self.shared_runs:
            return {pair: self._add(pair.flow_id, (pair.audience_id,), ours=True, sender=sender) for pair in pairs}
        runs: dict[str, FakeRun] = {}
        for flow_id in dict.fromkeys(pair.flow_id for pair in pairs):
            audiences = tuple(pair.audience_id for pair in pairs if pair.flow_id == flow_id)
            runs[flow_id] = self._add(flow_id, audiences, ours=True, sender=sender)
        return {pair: runs[pair.flow_id] for pair in pairs}

    def _judge(self, pair: Pair, sender: str) -> None:
        for run in self.ours(pair, sender):
            failed = run.ended(self.now) and run.ending == "failed"
            cleared = any(by == sender and moment >= run.created for moment, by in self.clears)
            if not failed or not cleared:
                early = (
                    ", the clear came before it began" if failed and any(by == sender for _, by in self.clears) else ""
                )
                self.breaches.append(f"{pair} was delivered by {run.id} ({run.ending}{early}) and is sent again")

    def _add(
        self,
        flow_id: str,
        audiences: tuple[str, ...],
        *,
        ours: bool,
        seconds: float | None = -1.0,
        lag: float | None = None,
        sender: str = "",
    ) -> FakeRun:
        takes = self.run_seconds if seconds == -1.0 else seconds
        run = FakeRun(
            id=f"{'ours' if ours else 'foreign'}-{len(self.runs) + 1}",
            flow_id=flow_id,
            audiences=tuple(audiences),
            ours=ours,
            created=self.now,
            listed_at=self.now + (self.lag if lag is None else lag),
            named_at=self.now + self.young,
            ends_at=None if takes is None else self.now + takes,
            sender=sender,
        )
        self.runs.append(run)
        self.now += 0.001
        return run


def _json(status: int, body: object) -> Received:
    return Received(status, {}, json.dumps(body).encode())
